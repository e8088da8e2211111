//! What this thread is working on, as a small number: a route, a task, a span. Read by the sample hook.

use crate::sys;

/// Allocations of this thread belong to `tag` from now on; 0 is nothing in particular. Gives back the tag before.
pub fn set(tag: u32) -> u32 {
    sys::tag::set(tag)
}

/// The tag of this thread.
#[must_use]
pub fn get() -> u32 {
    sys::tag::get()
}
