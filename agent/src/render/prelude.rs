//! Folds what lies between a thread's start and the first frame of anybody's own code: forty frames of std and tokio
//! that every stack begins with and nobody wants to scroll past.

use std::borrow::Cow;

use crate::profile::{Frame, Function, Profile, Stack, owner};

/// The one frame that stands for all of them. The same for every stack, so that they stay one block of a drawing.
pub(super) const FOLDED: &str = "(runtime)";

/// The same profile with the runtime's outermost frames as one. A stack that is nothing but runtime stays whole: then
/// they are what it is about.
pub(super) fn fold(profile: &Profile) -> Cow<'_, Profile> {
    if profile.iter().all(|stack| prelude(&stack) < 2) {
        return Cow::Borrowed(profile);
    }
    Cow::Owned(profile.rebuilt(|stack| {
        let folded = prelude(stack);
        if folded < 2 {
            return stack.frames().cloned().collect();
        }
        let (labels, code): (Vec<&Frame>, Vec<&Frame>) = stack.frames().partition(|frame| is_label(frame));
        let kept = code.len() - folded;
        let runtime = Frame::named(Function::new(FOLDED, "", 0));
        code.into_iter().take(kept).cloned().chain([runtime]).chain(labels.into_iter().cloned()).collect()
    }))
}

/// How many of the outermost frames, labels not counted, are the runtime's; 0 where no other code follows.
pub(super) fn prelude(stack: &Stack<'_>) -> usize {
    let code = || stack.frames().rev().filter(|frame| !is_label(frame));
    // A library whose name says nothing may be anybody's; an address without even that is nobody's code to look at.
    let of_runtime = |frame: &&Frame| matches!(frame, Frame::Address(_)) || owner::is_ground(frame.owner());
    let folded = code().take_while(of_runtime).count();
    if folded < code().count() { folded } else { 0 }
}

fn is_label(frame: &Frame) -> bool {
    matches!(frame, Frame::Label { .. })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Unit;
    use crate::profile::ValueType;

    #[track_caller]
    fn check(stack: &[&str], expected: &[&str]) {
        let mut profile = Profile::new("cpu", [ValueType::new("cpu", Unit::Nanoseconds)]);
        let frame = |name: &&str| match name.split_once('=') {
            Some((key, value)) => Frame::label(key.to_owned(), value),
            None => {
                Frame::named(Function::new(*name, if name.starts_with("shop") { "src/a.rs" } else { "" }, 1))
            }
        };
        profile.add(stack.iter().map(frame), &[1], 1);
        let folded = fold(&profile);
        let shown: Vec<_> = folded.iter().flat_map(|stack| stack.frames().map(Frame::show)).collect();
        assert_eq!(shown, expected);
    }

    #[test]
    fn the_prelude_becomes_one_frame() {
        let stack = [
            "std::vec",
            "shop::put",
            "tokio::run",
            "core::call",
            "std::rt::start",
            "libc.so.6+0x1",
            "thread=w",
        ];
        check(&stack, &["std::vec", "shop::put", FOLDED, "thread=w"]);
        check(&["shop::put", "std::rt::start"], &["shop::put", "std::rt::start"]);
        check(&["tokio::park", "std::rt::start"], &["tokio::park", "std::rt::start"]);
        check(&["shop::main"], &["shop::main"]);
    }
}
