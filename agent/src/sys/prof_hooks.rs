//! jemalloc's sampling hooks. These functions run inside somebody's malloc and free, on any of their threads, also
//! while a thread is being torn down: no allocation, no lock, no panic path, no thread-local with a destructor.
//!
//! The signatures are those of `prof_hook.h` in jemalloc 5.3.1. jemalloc calls the hooks without holding any of its
//! locks and with its re-entrancy count raised, so what a hook allocates is never sampled.

use std::ffi::{CStr, c_uint, c_void};
use std::slice;
use std::sync::atomic::{AtomicBool, AtomicPtr, Ordering};
use std::sync::{Once, OnceLock};

use tikv_jemalloc_ctl::{Error, raw};

const BACKTRACE: &CStr = c"experimental.hooks.prof_backtrace";
const SAMPLE: &CStr = c"experimental.hooks.prof_sample";
const FREE: &CStr = c"experimental.hooks.prof_sample_free";

type BacktraceHook = unsafe extern "C" fn(*mut *mut c_void, *mut c_uint, c_uint);
type SampleHook = unsafe extern "C" fn(*const c_void, usize, *mut *mut c_void, c_uint, usize);
type FreeHook = unsafe extern "C" fn(*const c_void, usize);

/// What the hooks call. Each runs inside malloc or free, under the rules of this file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Callbacks {
    /// Fills the trace with return addresses, innermost first.
    pub(crate) unwind: fn(Registers, &mut Trace),
    /// An allocation was sampled: its address, the bytes it takes, its return addresses.
    pub(crate) sample: fn(usize, usize, &[usize]),
    /// A sampled allocation is about to be freed: its address and the bytes it takes.
    pub(crate) free: fn(usize, usize),
}

/// Where the caller of the backtrace hook will go on: its return address, and its stack and frame pointer there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Registers {
    pub(crate) pc: usize,
    pub(crate) sp: usize,
    pub(crate) fp: usize,
}

/// The vector of return addresses that jemalloc wants filled.
#[derive(Debug)]
pub(crate) struct Trace {
    addresses: *mut usize,
    length: usize,
    capacity: usize,
}

impl Trace {
    /// Adds an address. False, and nothing added, when there is no room left.
    pub(crate) fn push(&mut self, address: usize) -> bool {
        if self.length >= self.capacity {
            return false;
        }
        // SAFETY: `addresses` has room for `capacity` words (the hook's contract) and `length` is below that.
        unsafe { self.addresses.add(self.length).write(address) };
        self.length += 1;
        true
    }

    /// What is there so far.
    pub(crate) fn as_slice(&self) -> &[usize] {
        // SAFETY: `push` or jemalloc's own hook wrote the first `length` words.
        unsafe { slice::from_raw_parts(self.addresses, self.length) }
    }

    /// Takes everything out again.
    pub(crate) fn clear(&mut self) {
        self.length = 0;
    }

    /// Takes out what stands before `address`; if it is not there, nothing.
    pub(crate) fn begin_at(&mut self, address: usize) {
        let Some(skipped) = self.as_slice().iter().position(|other| *other == address) else { return };
        // SAFETY: `skipped` is below `length`, so both ranges lie in the words written so far; they may overlap,
        // which `copy` allows.
        unsafe { self.addresses.copy_from(self.addresses.add(skipped), self.length - skipped) };
        self.length -= skipped;
    }

    /// Lets jemalloc's own unwinder fill the trace, as it would without us. False when it is not known.
    pub(crate) fn fill_by_jemalloc(&mut self) -> bool {
        let Some(original) = original() else { return false };
        let capacity = c_uint::try_from(self.capacity).unwrap_or(c_uint::MAX);
        let mut length: c_uint = 0;
        // SAFETY: `original` is the function jemalloc had installed; it writes at most `capacity` addresses and
        // their count, which is the hook's contract.
        unsafe { original(self.addresses.cast(), &raw mut length, capacity) };
        self.length = (length as usize).min(self.capacity);
        true
    }
}

static CALLBACKS: OnceLock<Callbacks> = OnceLock::new();
static ENABLED: AtomicBool = AtomicBool::new(false);
static ORIGINAL: AtomicPtr<c_void> = AtomicPtr::new(std::ptr::null_mut());

/// Lets the hooks work, or makes each return at once. Async-signal-safe: stores to one atomic.
pub(crate) fn set_enabled(enabled: bool) {
    ENABLED.store(enabled, Ordering::Relaxed);
}

/// From now on a forked child starts with the hooks off. A lock that another thread held at the moment of the fork would
/// otherwise stay locked for ever in the child.
pub(crate) fn disable_in_children() {
    static REGISTERED: Once = Once::new();
    /// Async-signal-safe: stores to an atomic.
    unsafe extern "C" fn child() {
        set_enabled(false);
    }
    super::fork::in_children(&REGISTERED, child);
}

/// False after [`set_enabled`]`(false)`, in particular in a forked child.
pub(crate) fn is_enabled() -> bool {
    ENABLED.load(Ordering::Relaxed)
}

/// Whether this build has an entry that hands over the caller's registers, so that we can unwind ourselves.
pub(crate) const CAN_UNWIND: bool = cfg!(all(target_os = "linux", target_arch = "x86_64"));

/// True when the hooks exist and nobody else has taken them.
pub(crate) fn available() -> Result<bool, Error> {
    // SAFETY: experimental_hooks_prof_sample_ctl reads a `prof_sample_hook_t`, a nullable function pointer.
    let sample = unsafe { raw::read::<Option<SampleHook>>(SAMPLE.to_bytes_with_nul()) }?;
    // SAFETY: experimental_hooks_prof_sample_free_ctl reads a `prof_sample_free_hook_t`, likewise.
    let free = unsafe { raw::read::<Option<FreeHook>>(FREE.to_bytes_with_nul()) }?;
    Ok(sample.is_none_or(|hook| hook as usize == on_sample as *const () as usize)
        && free.is_none_or(|hook| hook as usize == on_free as *const () as usize))
}

/// Installs the sample and free hooks, and with `unwind` the backtrace hook. The callbacks of the first call stay.
pub(crate) fn install(callbacks: Callbacks, unwind: bool) -> Result<(), Error> {
    let _ = CALLBACKS.set(callbacks);
    set_enabled(true);
    if unwind {
        install_backtrace()?;
    }
    // The free hook first: a sample whose free is not heard would stay for ever, a free without sample is normal.
    // SAFETY: experimental_hooks_prof_sample_free_ctl writes a `prof_sample_free_hook_t`; ours has that signature
    // and lives as long as the program.
    unsafe { raw::write::<Option<FreeHook>>(FREE.to_bytes_with_nul(), Some(on_free)) }?;
    // SAFETY: experimental_hooks_prof_sample_ctl writes a `prof_sample_hook_t`, likewise.
    unsafe { raw::write::<Option<SampleHook>>(SAMPLE.to_bytes_with_nul(), Some(on_sample)) }
}

/// Puts jemalloc's own unwinder back, if it was replaced.
fn remove_backtrace() -> Result<(), Error> {
    let Some(original) = original() else { return Ok(()) };
    // SAFETY: experimental_hooks_prof_backtrace_ctl writes a `prof_backtrace_hook_t`; this one was read from it.
    unsafe { raw::write::<BacktraceHook>(BACKTRACE.to_bytes_with_nul(), original) }
}

/// Takes all hooks out, in the reverse order. One that is running on another thread may still finish.
pub(crate) fn remove() -> Result<(), Error> {
    set_enabled(false);
    // SAFETY: a null `prof_sample_hook_t` means none, prof_malloc_sample_object in prof.c.
    let sample = unsafe { raw::write::<Option<SampleHook>>(SAMPLE.to_bytes_with_nul(), None) };
    // SAFETY: a null `prof_sample_free_hook_t` means none, prof_free_sampled_object in prof.c.
    let free = unsafe { raw::write::<Option<FreeHook>>(FREE.to_bytes_with_nul(), None) };
    remove_backtrace().and(sample).and(free)
}

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
fn install_backtrace() -> Result<(), Error> {
    // SAFETY: experimental_hooks_prof_backtrace_ctl reads a `prof_backtrace_hook_t`, never null once opt.prof is set.
    let current = unsafe { raw::read::<Option<BacktraceHook>>(BACKTRACE.to_bytes_with_nul()) }?;
    if let Some(current) = current.filter(|hook| *hook as usize != on_backtrace as *const () as usize) {
        ORIGINAL.store(current as *mut c_void, Ordering::Release); // Acquire: `original`
    }
    // SAFETY: experimental_hooks_prof_backtrace_ctl writes a `prof_backtrace_hook_t`; ours has that signature.
    unsafe { raw::write::<BacktraceHook>(BACKTRACE.to_bytes_with_nul(), on_backtrace) }
}

#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
fn install_backtrace() -> Result<(), Error> {
    Ok(())
}

fn original() -> Option<BacktraceHook> {
    let pointer = ORIGINAL.load(Ordering::Acquire); // Release: `install_backtrace`
    // SAFETY: only `install_backtrace` stores here, a `BacktraceHook`; null is the niche of the Option.
    unsafe { std::mem::transmute::<*mut c_void, Option<BacktraceHook>>(pointer) }
}

/// Entry of the backtrace hook: passes on the three arguments, and the caller's registers as three more. It has no
/// frame of its own, so the trace begins in jemalloc.
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
#[unsafe(naked)]
unsafe extern "C" fn on_backtrace(addresses: *mut *mut c_void, length: *mut c_uint, capacity: c_uint) {
    // `endbr64` is a no-op where indirect branches are not tracked. At entry the return address is on top of the
    // stack, and the caller's stack pointer will be the word after it.
    std::arch::naked_asm!(
        "endbr64",
        "mov rcx, qword ptr [rsp]",
        "lea r8, [rsp + 8]",
        "mov r9, rbp",
        "jmp {backtrace}",
        backtrace = sym backtrace,
    )
}

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
unsafe extern "C" fn backtrace(
    addresses: *mut *mut c_void,
    length: *mut c_uint,
    capacity: c_uint,
    pc: usize,
    sp: usize,
    fp: usize,
) {
    let mut trace = Trace { addresses: addresses.cast(), length: 0, capacity: capacity as usize };
    if is_enabled()
        && let Some(callbacks) = CALLBACKS.get()
    {
        (callbacks.unwind)(Registers { pc, sp, fp }, &mut trace);
    }
    let count = c_uint::try_from(trace.length).unwrap_or(0);
    // SAFETY: `length` points to the length of the prof_bt_t that jemalloc wants filled, prof_backtrace in prof_sys.c.
    unsafe { length.write(count) };
}

unsafe extern "C" fn on_sample(
    pointer: *const c_void,
    _asked: usize,
    addresses: *mut *mut c_void,
    length: c_uint,
    usable: usize,
) {
    if !is_enabled() {
        return;
    }
    let Some(callbacks) = CALLBACKS.get() else { return };
    let trace: &[usize] = if addresses.is_null() || length == 0 {
        &[]
    } else {
        // SAFETY: jemalloc passes the vector of the sample's stack, which it keeps while a sample is on it, and no
        // longer writes to; prof_malloc_sample_object in prof.c.
        unsafe { slice::from_raw_parts(addresses.cast::<usize>(), length as usize) }
    };
    (callbacks.sample)(pointer as usize, usable, trace);
}

unsafe extern "C" fn on_free(pointer: *const c_void, usable: usize) {
    if !is_enabled() {
        return;
    }
    if let Some(callbacks) = CALLBACKS.get() {
        (callbacks.free)(pointer as usize, usable);
    }
}
