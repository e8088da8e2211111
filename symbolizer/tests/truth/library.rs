//! The library that the program of `program.rs` loads while it runs: two points, one of them in the very C++ code that
//! the program has too.

mod sys;
mod trail;

use std::hint::black_box;

use trail::Trail;

#[inline(always)]
fn shelf(trail: &mut Trail) {
    trail.at("truth_library::shelf").mark();
    black_box(());
}

#[inline(always)]
fn room(trail: &mut Trail) {
    shelf(trail.at("truth_library::room"));
}

#[inline(never)]
fn building(mut trail: Trail) {
    room(trail.at("truth_library::building"));
}

/// Prints the points of this library.
#[unsafe(no_mangle)]
pub extern "C" fn truth_library() {
    building(Trail::to("library"));
    sys::cpp("library C++ template");
}
