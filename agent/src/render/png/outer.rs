//! How many of a stack's outermost frames a picture goes without. A request reaches its handler through eighty frames of
//! std, tokio, hyper and axum, and a small picture has room for fourteen.

use crate::profile::{Frame, Owner, Profile, Stack};
use crate::render::prelude;

/// How much is shown of a stack that has no code of the user's own, counted from where it ends: what it is doing.
const INNERMOST: usize = 4;

/// What becomes of the frames that come before what a reader looks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outer {
    /// They stay.
    Kept,
    /// The runtime's are left out.
    WithoutRuntime,
    /// A stack begins with the user's own code, and what all stacks share is left out where room is short.
    OwnFirst,
}

impl Outer {
    /// The same, or the next best for a profile that knows of no code of the user's own.
    pub(super) fn fit_for(self, profile: &Profile) -> Self {
        match self {
            Self::OwnFirst if profile.frames().all(|frame| frame.owner() != Owner::User) => {
                Self::WithoutRuntime
            }
            other => other,
        }
    }

    /// How many frames after the labels are left out of `stack`.
    pub(super) fn hidden(self, stack: &Stack<'_>) -> usize {
        match self {
            Self::Kept => 0,
            Self::WithoutRuntime => prelude::prelude(stack),
            Self::OwnFirst => foreign(stack),
        }
    }
}

/// How many frames come before the first of the user's own. `main` does not count where there is another: on a runtime of
/// one thread every task is polled from below it.
pub(in crate::render) fn foreign(stack: &Stack<'_>) -> usize {
    let code = || stack.frames().rev().filter(|frame| !matches!(frame, Frame::Label { .. }));
    let own = |frame: &&Frame| frame.owner() == Owner::User;
    code()
        .position(|frame| own(&frame) && !is_main(frame))
        .or_else(|| code().position(|frame| own(&frame)))
        .unwrap_or_else(|| code().count().saturating_sub(INNERMOST))
}

fn is_main(frame: &Frame) -> bool {
    matches!(frame, Frame::Named(function) if function.name.split("::").any(|part| part == "main"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Unit;
    use crate::profile::{Function, ValueType};

    #[track_caller]
    fn check(stack: &str, outer: Outer, expected: usize) {
        let mut profile = Profile::new("cpu", [ValueType::new("samples", Unit::Count)]);
        let frames = stack.split(' ').rev().map(|name| match name.split_once('=') {
            Some((key, value)) => Frame::label(key.to_owned(), value),
            None => {
                let file = match name.split("::").next().unwrap_or_default() {
                    "shop" => "shop/src/main.rs",
                    "hyper" => {
                        "/root/.cargo/registry/src/index.example.org-1949cf8c6b5b557f/hyper-1.0.0/src/lib.rs"
                    }
                    _ => "",
                };
                Frame::named(Function::new(name, file, 1))
            }
        });
        profile.add(frames, &[1], 1);
        let outer = outer.fit_for(&profile);
        assert_eq!(profile.iter().next().map(|stack| outer.hidden(&stack)), Some(expected));
    }

    #[test]
    fn a_stack_begins_with_the_users_own_code() {
        let stack = "route=/a std::rt::start tokio::run hyper::poll shop::place hyper::poll shop::put";
        check(stack, Outer::OwnFirst, 3);
        check(stack, Outer::WithoutRuntime, 2);
        check(stack, Outer::Kept, 0);
    }

    #[test]
    fn main_is_as_good_as_the_runtime_unless_it_is_all_there_is() {
        check(
            "std::rt::start shop::main tokio::run shop::main::{closure} hyper::poll shop::put",
            Outer::OwnFirst,
            5,
        );
        check("std::rt::start shop::main tokio::run", Outer::OwnFirst, 1);
    }

    #[test]
    fn nobodys_own_code_is_known_by_its_end_or_by_all_but_the_runtime() {
        let stack = "std::rt::start tokio::run hyper::a hyper::b hyper::c hyper::d hyper::e";
        check(stack, Outer::OwnFirst, 2);
        let mut profile = Profile::new("cpu", [ValueType::new("samples", Unit::Count)]);
        let names = ["epoll_wait", "mio::poll", "tokio::turn", "tokio::park", "tokio::run", "std::rt::start"];
        profile.add(names.map(|name| Frame::named(Function::new(name, "", 0))), &[1], 1);
        profile.add([Frame::named(Function::new("shop::put", "shop/src/a.rs", 1))], &[1], 1);
        let outer = Outer::OwnFirst.fit_for(&profile);
        let hidden: Vec<_> = profile.iter().map(|stack| outer.hidden(&stack)).collect();
        assert_eq!(hidden, [2, 0]);
    }
}
