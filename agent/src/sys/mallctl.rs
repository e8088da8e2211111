//! jemalloc's control interface, `mallctl`: each name with the type that jemalloc(3) documents for it.
//! In a program with another allocator these speak to a jemalloc that nobody uses; `source::heap` finds that out.

use std::ffi::{CStr, c_char};
use std::ptr;

use tikv_jemalloc_ctl::{Error, raw};

const CONFIG_PROF: &CStr = c"config.prof";
const OPT_PROF: &CStr = c"opt.prof";
const PROF_ACTIVE: &CStr = c"prof.active";
const PROF_LG_SAMPLE: &CStr = c"prof.lg_sample";
const PROF_RESET: &CStr = c"prof.reset";
const PROF_DUMP: &CStr = c"prof.dump";
const THREAD_PROF_ACTIVE: &CStr = c"thread.prof.active";
const THREAD_ALLOCATED: &CStr = c"thread.allocated";
const ARENAS_PAGE: &CStr = c"arenas.page";
const EPOCH: &CStr = c"epoch";
/// 4096 is `MALLCTL_ARENAS_ALL`.
const PURGE_ALL: &CStr = c"arena.4096.purge";

/// Whether this jemalloc was built with `--enable-prof`.
pub(crate) fn prof_compiled() -> Result<bool, Error> {
    flag(CONFIG_PROF)
}

/// Whether it was started with `prof:true`.
pub(crate) fn prof_enabled() -> Result<bool, Error> {
    flag(OPT_PROF)
}

/// Whether it is sampling now.
pub(crate) fn prof_active() -> Result<bool, Error> {
    flag(PROF_ACTIVE)
}

/// Switches sampling on or off for the whole process.
pub(crate) fn set_prof_active(active: bool) -> Result<(), Error> {
    // SAFETY: "prof.active" is a writable bool, jemalloc(3).
    unsafe { raw::write(PROF_ACTIVE.to_bytes_with_nul(), active) }
}

/// Whether this thread's allocations can be sampled.
pub(crate) fn thread_active() -> Result<bool, Error> {
    flag(THREAD_PROF_ACTIVE)
}

/// Switches sampling on or off for this thread.
pub(crate) fn set_thread_active(active: bool) -> Result<(), Error> {
    // SAFETY: "thread.prof.active" is a writable bool, jemalloc(3).
    unsafe { raw::write(THREAD_PROF_ACTIVE.to_bytes_with_nul(), active) }
}

/// The base-2 logarithm of the sampling rate of this moment.
pub(crate) fn lg_sample() -> Result<u8, Error> {
    size(PROF_LG_SAMPLE).map(|lg| u8::try_from(lg).unwrap_or(u8::MAX))
}

/// Changes the sampling rate. jemalloc forgets its own profile, and still reports the frees of old samples.
pub(crate) fn reset(lg_sample: u8) -> Result<(), Error> {
    // SAFETY: "prof.reset" is a writable size_t, jemalloc(3).
    unsafe { raw::write(PROF_RESET.to_bytes_with_nul(), usize::from(lg_sample)) }
}

/// Writes jemalloc's own heap profile to the file `path`.
pub(crate) fn dump(path: &CStr) -> Result<(), Error> {
    let path: *const c_char = path.as_ptr();
    // SAFETY: "prof.dump" is a writable `const char *`, jemalloc(3); the string outlives the call, which is
    // synchronous.
    unsafe { raw::write(PROF_DUMP.to_bytes_with_nul(), path) }
}

/// Bytes this thread has ever allocated.
pub(crate) fn thread_allocated() -> Result<u64, Error> {
    // SAFETY: "thread.allocated" is a readable uint64_t, jemalloc(3).
    unsafe { raw::read::<u64>(THREAD_ALLOCATED.to_bytes_with_nul()) }
}

/// The page size that this jemalloc was built for.
pub(crate) fn page_size() -> Result<u64, Error> {
    size(ARENAS_PAGE)
}

/// Refreshes the numbers that the functions below read.
pub(crate) fn advance_epoch() -> Result<(), Error> {
    // SAFETY: "epoch" is a writable uint64_t; writing any value refreshes the numbers, jemalloc(3).
    unsafe { raw::write(EPOCH.to_bytes_with_nul(), 1_u64) }
}

/// Bytes handed out to the program.
pub(crate) fn allocated() -> Result<u64, Error> {
    size(c"stats.allocated")
}

/// Bytes in pages that hold something handed out.
pub(crate) fn active() -> Result<u64, Error> {
    size(c"stats.active")
}

/// Bytes resident: active pages, metadata, and pages not given back yet.
pub(crate) fn resident() -> Result<u64, Error> {
    size(c"stats.resident")
}

/// Bytes mapped from the system.
pub(crate) fn mapped() -> Result<u64, Error> {
    size(c"stats.mapped")
}

/// Bytes of address space kept without memory behind it.
pub(crate) fn retained() -> Result<u64, Error> {
    size(c"stats.retained")
}

/// Bytes of jemalloc's own bookkeeping.
pub(crate) fn metadata() -> Result<u64, Error> {
    size(c"stats.metadata")
}

/// Unused pages, of all arenas, that the system may take whenever it wants. They are not part of [`resident`].
pub(crate) fn muzzy_pages() -> Result<u64, Error> {
    // 4096 is `MALLCTL_ARENAS_ALL`, which "stats.arenas.<i>" takes too.
    size(c"stats.arenas.4096.pmuzzy")
}

/// Gives unused pages of all arenas back to the system. False when jemalloc refuses.
pub(crate) fn purge() -> bool {
    // SAFETY: "arena.<i>.purge" takes and returns no value, jemalloc(3), so all four pointers are null.
    let refused = unsafe {
        tikv_jemalloc_sys::mallctl(PURGE_ALL.as_ptr(), ptr::null_mut(), ptr::null_mut(), ptr::null_mut(), 0)
    };
    refused == 0
}

/// While it lives, allocations of this thread are not sampled. What readers of the live table hold, so that they
/// never meet themselves in the hook.
#[derive(Debug)]
pub(crate) struct Unsampled {
    was_active: bool,
}

impl Unsampled {
    pub(crate) fn new() -> Self {
        let was_active = thread_active().unwrap_or(false);
        if was_active {
            // An error means that there is no sampler, and then there is nothing to leave out.
            let _ = set_thread_active(false);
        }
        Self { was_active }
    }
}

impl Drop for Unsampled {
    fn drop(&mut self) {
        if self.was_active {
            let _ = set_thread_active(true);
        }
    }
}

/// Leaves this thread out of the heap profile for good. Every thread of the agent calls it first.
pub(crate) fn exclude_this_thread() {
    let _ = set_thread_active(false);
}

fn flag(name: &CStr) -> Result<bool, Error> {
    // SAFETY: every name passed here is documented as a readable bool, jemalloc(3). It is read as a byte, so that
    // no value could make an invalid bool.
    unsafe { raw::read::<u8>(name.to_bytes_with_nul()) }.map(|byte| byte != 0)
}

fn size(name: &CStr) -> Result<u64, Error> {
    // SAFETY: every name passed here is documented as a readable size_t, jemalloc(3).
    unsafe { raw::read::<usize>(name.to_bytes_with_nul()) }.map(|value| value as u64)
}
