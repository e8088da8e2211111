//! An arena of jemalloc for the agent's own threads: what naming a profile takes can be given back at once, without
//! touching a page of the service's.

use std::ffi::CString;
use std::ptr;
use std::sync::OnceLock;

use tikv_jemalloc_ctl::raw;

/// The arena, made by the first thread that wants it; `None` where jemalloc is not there or refuses.
static ARENA: OnceLock<Option<u32>> = OnceLock::new();

/// From here on the calling thread allocates from the agent's arena.
pub(crate) fn enter() {
    let Some(index) = *ARENA.get_or_init(create) else { return };
    // SAFETY: "thread.arena" is documented as a writable unsigned, jemalloc(3); the index is one that jemalloc gave us.
    // A refusal leaves the thread where it is, which costs nothing but the giving back.
    let _ = unsafe { raw::write::<u32>(b"thread.arena\0", index) };
}

/// Gives the unused pages of the agent's arena back to the system.
pub(crate) fn give_back() {
    let Some(Some(index)) = ARENA.get() else { return };
    let Ok(name) = CString::new(format!("arena.{index}.purge")) else { return };
    // SAFETY: "thread.tcache.flush" takes and returns no value, jemalloc(3), so all four pointers are null.
    unsafe {
        tikv_jemalloc_sys::mallctl(
            c"thread.tcache.flush".as_ptr(),
            ptr::null_mut(),
            ptr::null_mut(),
            ptr::null_mut(),
            0,
        )
    };
    // SAFETY: "arena.<i>.purge" takes and returns no value, jemalloc(3), so all four pointers are null.
    unsafe {
        tikv_jemalloc_sys::mallctl(name.as_ptr(), ptr::null_mut(), ptr::null_mut(), ptr::null_mut(), 0)
    };
}

fn create() -> Option<u32> {
    // SAFETY: "arenas.create" is documented as a readable unsigned, jemalloc(3).
    unsafe { raw::read::<u32>(b"arenas.create\0") }.ok()
}
