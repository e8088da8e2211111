//! The symbol `syscall`, through which std and parking_lot wait for a lock and wake who waits: whoever calls it gets what
//! the kernel answers, and the waits are told. The C library's own locks do not come through here.
//!
//! What is no futex call never enters a Rust function: a caller may be on a stack of its own making, or come back twice, as
//! with clone(2) and vfork(2). The hooks run in any thread, also in a signal handler and inside an allocator that locks with
//! std: no allocation, no lock, no panic path, no thread-local with a destructor.

use core::arch::{asm, naked_asm};
use core::cell::Cell;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Once, OnceLock};

use super::unwinder::Registers;
use super::unwinder::here::here;

/// What is told of the futex calls of this process. Each runs under the rules of this file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Callbacks {
    /// A thread is about to wait at this address, in this way. What is given back comes back with `waited`.
    pub(crate) waits: fn(usize, Way) -> Wait,
    /// The wait is over, in this way; the registers are those of who waited.
    pub(crate) waited: fn(Wait, Ended, Registers),
    /// A thread is about to wake who waits at this address.
    pub(crate) wakes: fn(usize, Registers),
}

/// A wait under way: where it was written down, if anywhere, and when it began.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wait {
    pub(crate) place: Option<u32>,
    pub(crate) since_ns: u64,
}

/// Which operation waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// `FUTEX_WAIT`: parking_lot, whose threads wait each at an address of its own, whatever the lock.
    Plain,
    /// `FUTEX_WAIT_BITSET`: std, whose threads wait at the lock.
    Bitset,
}

/// How a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// Somebody woke it, or the kernel says so without a reason.
    Woken,
    /// Its time was over, or a signal came.
    Alone,
    /// It never slept: the lock had changed hands meanwhile.
    Never,
}

static CALLBACKS: OnceLock<Callbacks> = OnceLock::new();
/// How many listen; while it is not 0, futex calls take the way through [`futex`].
static ARMED: AtomicU32 = AtomicU32::new(0);

thread_local! {
    // Const and without a destructor: locks are taken also while a thread is being torn down.
    static DEAF: Cell<bool> = const { Cell::new(false) };
}

/// From now on `callbacks` are told, the first ever given, until as many have called [`disarm`]. Off in forked children,
/// whose other threads are not there.
pub(crate) fn arm(callbacks: Callbacks) {
    static REGISTERED: Once = Once::new();
    /// Async-signal-safe: stores to an atomic.
    unsafe extern "C" fn child() {
        ARMED.store(0, Ordering::Relaxed);
    }
    super::fork::in_children(&REGISTERED, child);
    let _first = CALLBACKS.set(callbacks);
    ARMED.fetch_add(1, Ordering::Relaxed);
}

/// Takes one [`arm`] back. With the last nobody is told any more, but of the waits under way.
pub(crate) fn disarm() {
    // A child has forgotten how many there were.
    let fewer = |listening: u32| listening.checked_sub(1);
    let _was = ARMED.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fewer);
}

/// What the calling thread waits for is told to nobody.
pub(crate) fn ignore_this_thread() {
    DEAF.set(true);
}

/// Wakes nobody, as std does it, on any thread. Who is armed hears it if this `syscall` is the one that std was linked with:
/// in a library that is loaded into somebody's program it is not.
pub(crate) fn knock(address: &AtomicU32) {
    let deaf = DEAF.replace(false);
    let operation = libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG;
    // SAFETY: futex(2), FUTEX_WAKE: the address is an aligned word; wakes none of who waits there.
    unsafe { libc::syscall(libc::SYS_futex, address.as_ptr(), operation, 0) };
    DEAF.set(deaf);
}

/// Runs `tell`, unless this thread is at it already (a signal handler that interrupted it) or is one of ours.
fn heard<T>(tell: impl FnOnce() -> T) -> Option<T> {
    if DEAF.replace(true) {
        return None;
    }
    let told = tell();
    DEAF.set(false);
    Some(told)
}

/// syscall(2) for the whole program: instruction by instruction what glibc's does, with one more way for a futex call
/// while somebody listens.
///
/// # Safety
/// As for syscall(2), whose contract is the kernel's.
//
// SAFETY: the name belongs to the C library. Who defines it must do what syscall(2) says for every caller: number and six
// words in, the kernel's answer out, -1 and errno where that is an error. The caller's variadic words are where the C
// calling convention puts integers: this function reads them there and touches nothing else, as glibc's own does.
#[cfg(target_arch = "x86_64")]
#[unsafe(no_mangle)]
#[unsafe(naked)]
pub(crate) unsafe extern "C" fn syscall() {
    naked_asm!(
        ".cfi_startproc",
        "endbr64",
        "cmp rdi, {futex_number}",
        "jne 2f",
        "cmp dword ptr [rip + {armed}], 0",
        "jne {futex}",
        "2:",
        "mov rax, rdi",
        "mov rdi, rsi",
        "mov rsi, rdx",
        "mov rdx, rcx",
        "mov r10, r8",
        "mov r8, r9",
        "mov r9, qword ptr [rsp + 8]",
        "syscall",
        "cmp rax, -4095",
        "jae 3f",
        "ret",
        "3:",
        "mov rdi, rax",
        "jmp {fail}",
        ".cfi_endproc",
        futex_number = const libc::SYS_futex,
        armed = sym ARMED,
        futex = sym futex,
        fail = sym fail,
    )
}

/// The same for arm64, where all seven words are in registers. It is assembled and has not been run.
///
/// # Safety
/// As for syscall(2), whose contract is the kernel's.
//
// SAFETY: as above.
#[cfg(target_arch = "aarch64")]
#[unsafe(no_mangle)]
#[unsafe(naked)]
pub(crate) unsafe extern "C" fn syscall() {
    naked_asm!(
        ".cfi_startproc",
        "hint #34", // bti c
        "cmp x0, #{futex_number}",
        "b.ne 2f",
        "adrp x9, {armed}",
        "ldr w9, [x9, :lo12:{armed}]",
        "cbz w9, 2f",
        "b {futex}",
        "2:",
        "mov x8, x0",
        "mov x0, x1",
        "mov x1, x2",
        "mov x2, x3",
        "mov x3, x4",
        "mov x4, x5",
        "mov x5, x6",
        "svc #0",
        "cmn x0, #4095",
        "b.hs 3f",
        "ret",
        "3:",
        "b {fail}",
        ".cfi_endproc",
        futex_number = const libc::SYS_futex,
        armed = sym ARMED,
        futex = sym futex,
        fail = sym fail,
    )
}

/// The answer `-errno` of the kernel as syscall(2) gives it.
extern "C" fn fail(answer: isize) -> isize {
    let error = libc::c_int::try_from(answer.wrapping_neg()).unwrap_or(libc::EINVAL);
    // SAFETY: __errno_location is always valid on the calling thread.
    unsafe { libc::__errno_location().write(error) };
    -1
}

/// A futex call while somebody listens. Jumped to, so that its caller is who called `syscall`, and its seventh word is where
/// that put it: in a caller that passed fewer it is whatever is there, which is handed on to the kernel unread, as ever.
extern "C" fn futex(
    number: usize,
    address: usize,
    operation: usize,
    value: usize,
    timeout: usize,
    second: usize,
    third: usize,
) -> isize {
    let from = here();
    let call = || kernel(number, [address, operation, value, timeout, second, third]);
    let Some(callbacks) = CALLBACKS.get() else { return answered(call()) };
    // SAFETY: __errno_location is always valid on the calling thread.
    let errno = unsafe { libc::__errno_location() };
    // SAFETY: as above.
    let saved = unsafe { errno.read() };
    let answer = match Operation::of(operation) {
        Operation::Waits(way) => {
            let wait = heard(|| (callbacks.waits)(address, way));
            let answer = call();
            if let Some(wait) = wait {
                heard(|| (callbacks.waited)(wait, ended(answer), from));
            }
            answer
        }
        Operation::Wakes => {
            heard(|| (callbacks.wakes)(address, from));
            call()
        }
        Operation::Other => call(),
    };
    // SAFETY: as above. A call that succeeds leaves errno as it was, and so do we.
    unsafe { errno.write(saved) };
    answered(answer)
}

enum Operation {
    Waits(Way),
    Wakes,
    Other,
}

impl Operation {
    fn of(word: usize) -> Self {
        let flags = libc::FUTEX_PRIVATE_FLAG | libc::FUTEX_CLOCK_REALTIME;
        #[allow(clippy::cast_possible_truncation, reason = "futex(2) takes an int")]
        match word as libc::c_int & !flags {
            libc::FUTEX_WAIT => Self::Waits(Way::Plain),
            libc::FUTEX_WAIT_BITSET => Self::Waits(Way::Bitset),
            libc::FUTEX_WAKE | libc::FUTEX_WAKE_BITSET => Self::Wakes,
            _ => Self::Other,
        }
    }
}

fn ended(answer: isize) -> Ended {
    match answer {
        0 => Ended::Woken,
        _ if answer == -(libc::ETIMEDOUT as isize) || answer == -(libc::EINTR as isize) => Ended::Alone,
        _ => Ended::Never,
    }
}

/// The kernel's answer as syscall(2) gives it: its last 4,095 values are errors.
fn answered(answer: isize) -> isize {
    if (-4_095..0).contains(&answer) { fail(answer) } else { answer }
}

#[cfg(target_arch = "x86_64")]
fn kernel(number: usize, [one, two, three, four, five, six]: [usize; 6]) -> isize {
    let answer;
    // SAFETY: the words are those of who called syscall(2) with the number of futex(2), whose contract they made with the
    // kernel. The instruction itself changes rax, rcx and r11, and no flags that are kept; what it may write to memory the
    // compiler is not told otherwise.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") number => answer, in("rdi") one, in("rsi") two, in("rdx") three, in("r10") four,
            in("r8") five, in("r9") six, lateout("rcx") _, lateout("r11") _,
            options(nostack),
        );
    }
    answer
}

#[cfg(target_arch = "aarch64")]
fn kernel(number: usize, [one, two, three, four, five, six]: [usize; 6]) -> isize {
    let answer;
    // SAFETY: as above; the instruction changes x0 alone.
    unsafe {
        asm!(
            "svc #0",
            in("x8") number, inlateout("x0") one => answer, in("x1") two, in("x2") three, in("x3") four, in("x4") five,
            in("x5") six,
            options(nostack),
        );
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    fn errno() -> libc::c_int {
        std::io::Error::last_os_error().raw_os_error().unwrap_or(0)
    }

    #[test]
    fn who_calls_gets_what_the_kernel_answers() {
        // SAFETY: getpid(2) takes nothing.
        assert_eq!(unsafe { libc::syscall(libc::SYS_getpid) }, i64::from(std::process::id()));
        // SAFETY: there is no such descriptor.
        assert_eq!((unsafe { libc::syscall(libc::SYS_close, -1) }, errno()), (-1, libc::EBADF));
        // SAFETY: there is no such call.
        assert_eq!((unsafe { libc::syscall(-1) }, errno()), (-1, libc::ENOSYS));
        // Six words: a page mapped where the kernel likes, with a file offset of 0 in the last.
        let (read, flags) = (libc::PROT_READ, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
        // SAFETY: a new anonymous mapping touches nothing that exists, mmap(2).
        let page = unsafe { libc::syscall(libc::SYS_mmap, 0_usize, 4_096_usize, read, flags, -1, 0_usize) };
        assert!(page > 0 && page % 4_096 == 0);
        // SAFETY: the page just mapped; an offset that is no multiple of a page is refused, so the sixth word arrives.
        let refused =
            unsafe { libc::syscall(libc::SYS_mmap, 0_usize, 4_096_usize, read, flags, -1, 1_usize) };
        assert_eq!((refused, errno()), (-1, libc::EINVAL));
    }

    #[test]
    fn operations_are_told_apart() {
        let way = |operation: libc::c_int| match Operation::of(usize::try_from(operation).expect("a number"))
        {
            Operation::Waits(Way::Plain) => "plain",
            Operation::Waits(Way::Bitset) => "bitset",
            Operation::Wakes => "wakes",
            Operation::Other => "other",
        };
        let private = libc::FUTEX_PRIVATE_FLAG;
        assert_eq!(
            [
                libc::FUTEX_WAIT | private,
                libc::FUTEX_WAIT_BITSET | private | libc::FUTEX_CLOCK_REALTIME,
                libc::FUTEX_WAKE,
                libc::FUTEX_CMP_REQUEUE | private,
                libc::FUTEX_LOCK_PI,
            ]
            .map(way),
            ["plain", "bitset", "wakes", "other", "other"]
        );
    }
}
