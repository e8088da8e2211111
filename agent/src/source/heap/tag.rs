//! What this thread is working on, as a small number: a route, a task, a span. Read by the sample hook.

use std::cell::Cell;

thread_local! {
    // Const and without a destructor: the hook reads it also while the thread is being torn down.
    static TAG: Cell<u32> = const { Cell::new(0) };
}

/// Allocations of this thread belong to `tag` from now on; 0 is nothing in particular. Gives back the tag before.
pub fn set(tag: u32) -> u32 {
    TAG.replace(tag)
}

/// The tag of this thread.
#[must_use]
pub fn get() -> u32 {
    TAG.get()
}
