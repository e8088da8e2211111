//! What takes `unsafe`: the process's CPU clock, jemalloc's purge, and being started by the loader.

use std::ffi::CStr;
use std::ptr;
use std::time::Duration;

/// The CPU time of this process, user and system, all threads.
#[must_use]
pub fn cpu_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a timespec that clock_gettime(2) may write to.
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut time) };
    let nanoseconds = u32::try_from(time.tv_nsec).unwrap_or(0);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), nanoseconds)
}

/// Gives unused pages back to the kernel: those of every jemalloc arena, and of the C library's heap, which the
/// tools that link C code allocate from.
pub fn purge() {
    for name in [c"thread.tcache.flush", c"arena.4096.purge"] {
        command(name);
    }
    // SAFETY: malloc_trim(3) may be called at any time.
    unsafe { libc::malloc_trim(0) };
}

fn command(name: &CStr) {
    let name = name.as_ptr();
    // SAFETY: both names are of commands: jemalloc(3) has them called without old and new values.
    let failed =
        unsafe { tikv_jemalloc_sys::mallctl(name, ptr::null_mut(), ptr::null_mut(), ptr::null_mut(), 0) };
    assert_eq!(failed, 0, "jemalloc refuses to purge");
}

/// The loader calls this in every program that maps the library or links the crate, before `main`.
#[used]
#[unsafe(link_section = ".init_array")]
static AT_LOAD: extern "C" fn() = at_load;

extern "C" fn at_load() {
    crate::preload::at_load();
}
