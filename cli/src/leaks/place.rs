//! Which function of a stack a reader is pointed to, and through what it allocates: by the rule of flamewatch's own
//! pages. Pure.

use std::collections::HashMap;

use flamewatch_symbolizer::{Origin, Owner};

use super::snapshot::is_program;
use crate::stacks::Shown;

/// The place of stacks in which nothing of the program has a name.
pub(super) const NAMELESS: &str = "(functions without names)";

/// A name is cut after so many bytes: those that compilers make stay whole, and a hostile one costs no memory.
const MAX_NAME: usize = 4096;

/// A function that holds memory.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) function: String,
    /// Empty when unknown.
    pub(super) file: String,
}

/// One way in which a place allocates.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Way {
    /// The line in the place's file; 0 when unknown.
    pub(super) line: i64,
    /// What it calls; empty when it allocates by itself.
    pub(super) through: String,
}

/// Finds places, and remembers whose each function is.
#[derive(Debug, Default)]
pub(super) struct Guide {
    owners: HashMap<*const Shown<'static>, Owner>,
}

impl Guide {
    /// The place of a stack, innermost frame first: the innermost function of the user's own code, else of a
    /// dependency, else of nobody known, else of what everything stands on.
    pub(super) fn place(&mut self, stack: &[&Shown<'_>]) -> (Place, Way) {
        let owners: Vec<Option<Owner>> = stack.iter().map(|frame| self.owner(frame)).collect();
        let innermost = |wanted: fn(Owner) -> bool| owners.iter().position(|owner| owner.is_some_and(wanted));
        let found = innermost(|owner| owner == Owner::User)
            .or_else(|| innermost(|owner| owner == Owner::Dependency))
            .or_else(|| innermost(|owner| owner == Owner::Unknown))
            .or_else(|| innermost(|owner| owner != Owner::Allocator))
            .or_else(|| innermost(|_| true));
        let found = found.filter(|index| !hides_program(stack, *index));
        let Some((index, frame)) = found.and_then(|index| Some((index, stack.get(index)?))) else {
            let place = Place { function: NAMELESS.to_owned(), file: String::new() };
            return (place, Way { line: 0, through: String::new() });
        };
        let callee = index.checked_sub(1).and_then(|index| Some((stack.get(index)?, owners.get(index)?)));
        let through = callee.filter(|(_, owner)| **owner != Some(Owner::Allocator));
        let through = through.map_or(String::new(), |(frame, _)| cut(&frame.name));
        let place = Place { function: cut(&frame.name), file: cut(frame.file) };
        (place, Way { line: frame.line, through })
    }

    /// Whose function it is; `None` for what has no name.
    fn owner(&mut self, frame: &Shown<'_>) -> Option<Owner> {
        if is_unnamed(frame) {
            return None;
        }
        let key = std::ptr::from_ref(frame).cast();
        Some(*self.owners.entry(key).or_insert_with(|| {
            let module = frame.module.rsplit('/').next().unwrap_or_default();
            Origin::of(&frame.name, frame.mangled, frame.file, module).owner
        }))
    }
}

/// True when nothing of the program has a name, and it stands further in than the frame at `index`: of a stripped program
/// that is what starts its threads, of which nobody wants to hear that it leaks.
fn hides_program(stack: &[&Shown<'_>], index: usize) -> bool {
    let of_program = || stack.iter().enumerate().filter(|(_, frame)| is_program(frame.module));
    of_program().any(|(inner, _)| inner < index) && of_program().all(|(_, frame)| is_unnamed(frame))
}

/// `libfoo.so+0x1234` and `0x7f00` are no names.
fn is_unnamed(frame: &Shown<'_>) -> bool {
    let hex = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let offset = frame.name.rsplit_once("+0x").map(|(_, offset)| offset);
    frame.file.is_empty() && offset.or_else(|| frame.name.strip_prefix("0x")).is_some_and(hex)
}

fn cut(name: &str) -> String {
    let end = (0..=MAX_NAME.min(name.len())).rev().find(|end| name.is_char_boundary(*end));
    let kept = name.get(..end.unwrap_or(0)).unwrap_or_default();
    if kept.len() < name.len() { format!("{kept}…") } else { kept.replace(char::is_control, " ") }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;

    const ALLOC: &str = "/rustc/59807616e1fa/library/alloc/src/vec/mod.rs";
    const CRATE: &str = "/root/.cargo/registry/src/index.example.org-1949cf8c6b5b557f/bytes-1.0.0/src/lib.rs";

    /// The place of a stack of `(name, file)`, as `function:line through`.
    #[track_caller]
    fn check(stack: &[(&str, &str)], expected: &str) {
        let frame = |(line, (name, file)): (i64, &(&'static str, &'static str))| Shown {
            name: Cow::Borrowed(*name),
            mangled: "",
            file,
            line,
            inlined: false,
            address: 0,
            module: if name.starts_with("libc") { "/lib/libc.so.6" } else { "/srv/shop" },
        };
        let owned: Vec<(&'static str, &'static str)> = stack
            .iter()
            .map(|(name, file)| (&*(*name).to_owned().leak(), &*(*file).to_owned().leak()))
            .collect();
        let frames: Vec<Shown<'_>> = (1..).zip(&owned).map(frame).collect();
        let (place, way) = Guide::default().place(&frames.iter().collect::<Vec<_>>());
        assert_eq!(format!("{}:{} {}", place.function, way.line, way.through), expected);
    }

    #[test]
    fn the_innermost_of_the_users_own_code() {
        let [push, main] = [("alloc::vec::Vec<T,A>::push", ALLOC), ("shop::main", "src/main.rs")];
        check(&[push, ("shop::put", "src/put.rs"), main], "shop::put:2 alloc::vec::Vec<T,A>::push");
        check(&[("bytes::BytesMut::reserve", CRATE), main], "shop::main:2 bytes::BytesMut::reserve");
        check(&[("__rustc::__rust_alloc", ""), main], "shop::main:2 ");
        check(&[main], "shop::main:1 ");
    }

    #[test]
    fn without_any_the_next_best() {
        let push = ("alloc::vec::Vec<T,A>::push", ALLOC);
        check(&[push, ("bytes::Bytes::from", CRATE)], "bytes::Bytes::from:2 alloc::vec::Vec<T,A>::push");
        check(&[push, ("shop::put", "")], "shop::put:2 alloc::vec::Vec<T,A>::push");
        check(&[push, ("std::rt::lang_start", ALLOC)], "alloc::vec::Vec<T,A>::push:1 ");
        check(&[("shop+0x1234", ""), ("0x7f00", "")], "(functions without names):0 ");
        check(&[("shop+0x1234", ""), ("shop::put", "")], "shop::put:2 shop+0x1234");
        check(&[("shop+0x1234", ""), ("libc.so.6:start", "nptl/start.c")], "(functions without names):0 ");
        check(&[("libc.so.6:new", "nptl/new.c"), ("shop+0x1234", "")], "libc.so.6:new:1 ");
        check(&[], "(functions without names):0 ");
    }

    #[test]
    fn a_name_is_bounded_and_one_line() {
        assert_eq!(cut("a\nb"), "a b");
        assert_eq!(cut(&"é".repeat(3000)).chars().count(), MAX_NAME / 2 + 1);
    }
}
