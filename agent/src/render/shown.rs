//! What every form shows of a stack: for memory, not the allocator's own frames; of an empty stack, that it is one.

use std::borrow::Cow;

use crate::Unit;
use crate::profile::{Frame, Function, Profile, Stack, owner};

/// The name under which a stack without frames is shown, so that its weight is not lost.
pub(super) const NO_STACK: &str = "(no stack)";

/// `profile` as readers see it. In a profile that counts bytes every stack ends in the same allocator frames; they
/// say nothing and are left out unless `raw`. A CPU profile keeps them: there, time in `malloc` is the answer.
pub(super) fn of(profile: &Profile, raw: bool) -> Cow<'_, Profile> {
    let strip = !raw && profile.values().iter().any(|value| value.unit() == Unit::Bytes);
    if profile.iter().all(|stack| hidden(&stack, strip) == 0 && code_frames(&stack) > 0) {
        return Cow::Borrowed(profile);
    }
    Cow::Owned(profile.rebuilt(|stack| {
        let shown = stack.frames().skip(hidden(stack, strip)).cloned();
        match code_frames(stack) {
            0 => std::iter::once(Frame::named(Function::new(NO_STACK, "", 0))).chain(shown).collect(),
            _ => shown.collect(),
        }
    }))
}

/// How many frames at the leaf are left out. A stack that is nothing but allocator is shown whole.
fn hidden(stack: &Stack<'_>, strip: bool) -> usize {
    let depth = if strip { owner::allocator_depth(stack) } else { 0 };
    if depth < code_frames(stack) { depth } else { 0 }
}

fn code_frames(stack: &Stack<'_>) -> usize {
    stack.frames().filter(|frame| !matches!(frame, Frame::Label { .. })).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::ValueType;

    #[track_caller]
    fn check(unit: Unit, raw: bool, stack: &[&str], expected: &[&str]) {
        let mut profile = Profile::new("any", [ValueType::new("value", unit)]);
        let frames = stack.iter().map(|name| match name.split_once('=') {
            Some((key, value)) => Frame::label(key.to_owned(), value),
            None => Frame::named(Function::new(*name, "", 0)),
        });
        profile.add(frames, &[7], 1);
        let shown = of(&profile, raw);
        let frames: Vec<_> = shown.iter().flat_map(|stack| stack.frames().map(Frame::show)).collect();
        assert_eq!(frames, expected);
        assert_eq!(shown.total(0), 7);
    }

    #[test]
    fn the_allocator_is_left_out_of_memory_profiles_only() {
        let stack = ["_rjem_malloc", "alloc::alloc::alloc", "shop::insert", "main", "route=/feed"];
        check(Unit::Bytes, false, &stack, &["shop::insert", "main", "route=/feed"]);
        check(Unit::Bytes, true, &stack, &stack);
        check(Unit::Nanoseconds, false, &stack, &stack);
    }

    #[test]
    fn no_weight_is_left_without_a_frame() {
        check(Unit::Bytes, false, &["_rjem_malloc", "route=/feed"], &["_rjem_malloc", "route=/feed"]);
        check(Unit::Bytes, false, &["route=/feed"], &[NO_STACK, "route=/feed"]);
        check(Unit::Bytes, true, &[], &[NO_STACK]);
    }

    #[test]
    fn stacks_that_become_equal_are_one() {
        let mut profile = Profile::new("heap", [ValueType::new("inuse_space", Unit::Bytes)]);
        for leaf in ["malloc", "calloc"] {
            let names = [leaf, "shop::insert"];
            profile.add(names.map(|name| Frame::named(Function::new(name, "", 0))), &[10], 1);
        }
        assert_eq!((of(&profile, false).len(), of(&profile, true).len()), (1, 2));
    }
}
