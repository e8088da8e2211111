//! The allocator of the unit tests, which counts what each thread holds.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

#[global_allocator]
static COUNTING: Counting = Counting;

struct Counting;

thread_local! {
    // Neither has a destructor, so an allocator may use them at any time.
    static HELD: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

// SAFETY: every call is handed on to `System` as it came. `realloc` is the trait's own, so while a block grows both
// its old and its new size count.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        add(layout.size().cast_signed());
        // SAFETY: the caller's contract is `System`'s.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        add(-layout.size().cast_signed());
        // SAFETY: the pointer came from `System` with this layout, because `alloc` above passes it on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

fn add(size: isize) {
    let held = HELD.get() + size;
    HELD.set(held);
    PEAK.set(PEAK.get().max(held));
}

/// Runs `work` and tells by how many bytes this thread's heap was larger at its highest.
pub(crate) fn peak<T>(work: impl FnOnce() -> T) -> (T, usize) {
    let before = HELD.get();
    PEAK.set(before);
    let result = work();
    (result, (PEAK.get() - before).unsigned_abs())
}

#[test]
fn a_peak_is_what_was_held_at_once() {
    let ((), peak) = peak(|| {
        for _ in 0..3 {
            drop(std::hint::black_box(Vec::<u8>::with_capacity(10_007)));
        }
    });
    assert_eq!(peak, 10_007);
}
