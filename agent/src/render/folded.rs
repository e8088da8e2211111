//! One line a stack, outermost frame first: `route=/feed;main;shop::insert 42`. What flame graph tools read.
//! The form has no place for remarks and no sign: stacks that did not grow are left out, and [`Omitted`] says so.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{self, Write};

use super::plain::plain;
use crate::profile::{Frame, Profile, Stack};

/// The stacks of a delta that a form without a sign cannot show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Omitted {
    /// How many stacks shrank.
    pub stacks: u64,
    /// By how much, in the shown value; below zero.
    pub value: i64,
}

pub(super) fn write(profile: &Profile, value: usize, out: &mut dyn Write) -> io::Result<()> {
    lines(profile, value).try_for_each(|line| writeln!(out, "{line}"))
}

/// The lines, in the order of the profile's stacks.
pub(super) fn lines(profile: &Profile, value: usize) -> impl Iterator<Item = String> {
    profile.iter().filter(move |stack| stack.value(value) > 0).map(move |stack| line(&stack, value))
}

pub(super) fn omitted(profile: &Profile, value: usize) -> Omitted {
    profile.iter().filter(|stack| stack.value(value) < 0).fold(Omitted::default(), |sum, stack| Omitted {
        stacks: sum.stacks + 1,
        value: sum.value.saturating_add(stack.value(value)),
    })
}

fn line(stack: &Stack<'_>, value: usize) -> String {
    let mut line = String::new();
    for frame in stack.frames().rev() {
        if !line.is_empty() {
            line.push(';');
        }
        line.push_str(&name(frame));
    }
    let _ = write!(line, " {}", stack.value(value));
    line
}

/// The frame's name without what separates frames and lines, and without what a terminal or XML would choke on. A type
/// such as `[u8; 32]` stays readable.
pub(super) fn name(frame: &Frame) -> Cow<'_, str> {
    let shown = frame.show();
    match shown.is_empty() {
        true => Cow::Borrowed("(unnamed)"),
        false if shown.contains(';') => Cow::Owned(plain(&shown.replace(';', ":")).into_owned()),
        false => match plain(&shown) {
            Cow::Borrowed(_) => shown,
            Cow::Owned(plain) => Cow::Owned(plain),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Unit;
    use crate::profile::{Function, ValueType};

    fn profile(stacks: &[(&[&str], i64)]) -> Profile {
        let mut profile = Profile::new("heap", [ValueType::new("space", Unit::Bytes)]);
        for (names, value) in stacks {
            let frames = names.iter().map(|name| Frame::named(Function::new(*name, "", 0)));
            profile.add(frames.chain([Frame::label("route", "/a;b")]), &[*value], 1);
        }
        profile
    }

    #[test]
    fn outermost_first_and_separators_replaced() {
        let lines: Vec<_> = lines(&profile(&[(&["f<[u8; 3]>\nx", "main"], 7)]), 0).collect();
        assert_eq!(lines, ["route=/a:b;main;f<[u8: 3]> x 7"]);
    }

    #[test]
    fn what_did_not_grow_is_counted_not_shown() {
        let delta = profile(&[(&["a"], 5), (&["b"], -3), (&["c"], 0), (&["d"], -4)]);
        assert_eq!(lines(&delta, 0).count(), 1);
        assert_eq!(omitted(&delta, 0), Omitted { stacks: 2, value: -7 });
    }
}
