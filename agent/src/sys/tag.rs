//! What this thread is working on, as a small number: a task, a route, a span. Written at each poll of a watched task,
//! read by the allocation hook and by the CPU sampler's signal handler.

use core::cell::Cell;

thread_local! {
    // Const and without a destructor: both readers look at it also while the thread is being torn down.
    static TAG: Cell<u32> = const { Cell::new(0) };
}

/// What this thread does belongs to `tag` from now on; 0 is nothing in particular. Gives back the tag before.
#[inline]
pub(crate) fn set(tag: u32) -> u32 {
    TAG.replace(tag)
}

/// The tag of this thread. Async-signal-safe: reads one word of the thread's own.
#[inline]
pub(crate) fn get() -> u32 {
    TAG.get()
}
