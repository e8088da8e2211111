//! Takes the allocator off the top of a heap profile: every allocation ends in it, so it says nothing.

use super::owner::allocator_depth;
use super::{Frame, Profile};

/// The same profile without the allocator's innermost frames, and nothing else changed. Of a stack that is nothing
/// but the allocator its outermost frame stays, so that its weight has a name. For named profiles: the rules read
/// names.
#[must_use]
pub fn trim(profile: &Profile) -> Profile {
    profile.rebuilt(|stack| {
        let code = stack.frames().filter(|frame| !matches!(frame, Frame::Label { .. })).count();
        let depth = allocator_depth(stack).min(code.saturating_sub(1));
        stack.frames().skip(depth).cloned().collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Unit;
    use crate::profile::{Function, ValueType};

    fn named(name: &str) -> Frame {
        Frame::named(Function::new(name, "", 0))
    }

    #[track_caller]
    fn check(stack: &[Frame], expected: &[&str]) {
        let mut profile = Profile::new("heap", [ValueType::new("space", Unit::Bytes)]);
        profile.add(stack.iter().cloned(), &[1_999_993], 7);
        let trimmed = trim(&profile);
        let stack = trimmed.iter().next().expect("a stack");
        assert_eq!(stack.frames().map(Frame::show).collect::<Vec<_>>(), expected);
        assert_eq!((stack.value(0), stack.samples()), (1_999_993, 7));
    }

    #[test]
    fn the_allocator_goes_and_the_rest_stays() {
        let stack = ["_rjem_je_prof_backtrace", "_rjem_malloc", "alloc::alloc::alloc", "shop::cart", "main"];
        check(&stack.map(named), &["shop::cart", "main"]);
        check(&["shop::cart", "_rjem_malloc", "main"].map(named), &["shop::cart", "_rjem_malloc", "main"]);
    }

    #[test]
    fn a_stack_of_nothing_else_keeps_one_frame() {
        let label = Frame::label("route", "/cart");
        check(&[named("_rjem_malloc"), named("alloc::alloc::alloc")], &["alloc::alloc::alloc"]);
        check(&[named("_rjem_malloc"), label.clone()], &["_rjem_malloc", "route=/cart"]);
        check(&[label], &["route=/cart"]);
    }

    #[test]
    fn stacks_that_differed_in_the_allocator_only_add_up() {
        let mut profile = Profile::new("heap", [ValueType::new("space", Unit::Bytes)]);
        profile.add(["_rjem_malloc", "shop::cart"].map(named), &[1], 1);
        profile.add(["_rjem_realloc", "shop::cart"].map(named), &[2], 1);
        let trimmed = trim(&profile);
        assert_eq!((trimmed.len(), trimmed.total(0)), (1, 3));
    }
}
