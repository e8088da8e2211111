//! How right an answer is: names in full, names in short, the innermost line, the whole chain.

use std::fmt;

use flamewatch_symbolizer::{Frame, Resolved};

use super::{Call, Point};

/// How many points are right, and what is wrong with the others.
#[derive(Debug, Default)]
pub(crate) struct Score {
    pub(crate) points: usize,
    /// The whole name of every function of the chain, paths and generic type's traits included.
    pub(crate) full: usize,
    /// The last part of every name: all that debug info without linker names can give.
    pub(crate) short: usize,
    /// File and line of the innermost function.
    pub(crate) line: usize,
    /// File and line of every function, and which of them are inlined.
    pub(crate) chain: usize,
    /// The whole name of the outermost function, which is the one that was compiled.
    pub(crate) outermost: usize,
    wrong: Vec<String>,
}

impl Score {
    pub(crate) fn of(points: &[Point], resolved: &Resolved) -> Self {
        let mut score = Self::default();
        for (point, frames) in points.iter().zip(resolved.iter()) {
            score.add(point, frames);
        }
        score
    }

    fn add(&mut self, point: &Point, frames: &[Frame]) {
        let pairs = || point.chain.iter().zip(frames);
        let same_length = point.chain.len() == frames.len();
        let full = same_length && pairs().all(|(call, frame)| plain(&frame.name) == plain(&call.function));
        let short = same_length && pairs().all(|(call, frame)| last(&frame.name) == last(&call.function));
        let line = pairs().next().is_some_and(|(call, frame)| same_place(call, frame));
        let chain = same_length
            && pairs().all(|(call, frame)| same_place(call, frame))
            && frames.iter().rev().enumerate().all(|(index, frame)| frame.inlined == (index > 0));
        let ends = point.chain.last().zip(frames.last());
        let outermost = ends.is_some_and(|(call, frame)| plain(&frame.name) == plain(&call.function));
        self.points += 1;
        let counters =
            [&mut self.full, &mut self.short, &mut self.line, &mut self.chain, &mut self.outermost];
        for (counter, right) in counters.into_iter().zip([full, short, line, chain, outermost]) {
            *counter += usize::from(right);
        }
        if !(full && chain) {
            self.wrong.push(complaint(point, frames));
        }
    }
}

impl fmt::Display for Score {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { points, full, short, line, chain, outermost, wrong } = self;
        write!(
            formatter,
            "of {points} points: full names {full}, short names {short}, innermost line {line}, "
        )?;
        write!(formatter, "whole chain {chain}, outermost name {outermost}")?;
        wrong.iter().try_for_each(|complaint| write!(formatter, "\n{complaint}"))
    }
}

fn same_place(call: &Call, frame: &Frame) -> bool {
    frame.file.ends_with(&call.file) && frame.line == call.line
}

fn complaint(point: &Point, frames: &[Frame]) -> String {
    let expected = point.chain.iter().map(|call| format!("{} {}:{}", call.function, call.file, call.line));
    let found = frames.iter().map(|frame| format!("{} {}:{}", frame.name, frame.file, frame.line));
    let lines = |calls: Vec<String>| calls.join("\n              ");
    format!(
        "  {}\n    expected  {}\n    found     {}",
        point.name,
        lines(expected.collect()),
        lines(found.collect())
    )
}

/// The name as both ways of mangling can tell it: without the arguments of a generic function, closures unnumbered.
fn plain(name: &str) -> String {
    let name = name.replace("{async fn}", "{closure}");
    let mut depth = 0_i32;
    let opening = name.char_indices().rev().find(|(_, character)| {
        depth += i32::from(*character == '>') - i32::from(*character == '<');
        depth <= 0
    });
    match opening {
        Some((position, '<')) if position > 0 => name[..position].to_owned(),
        _ => name,
    }
}

/// The last part of a name, without generic arguments and parameters: `add` of `shop::Basket<int>::add(int) const`.
/// Bare closures and async functions, as the debug info calls them, are closures.
fn last(name: &str) -> String {
    let name = plain(name);
    let name = name.split('(').next().unwrap_or_default();
    let mut depth = 0_u32;
    let outside = name.chars().filter(|character| match character {
        '<' => {
            depth += 1;
            false
        }
        '>' => {
            depth = depth.saturating_sub(1);
            false
        }
        _ => depth == 0,
    });
    let outside: String = outside.collect();
    outside.rsplit("::").next().unwrap_or_default().to_owned()
}

#[test]
fn names_are_compared_by_what_every_form_can_tell() {
    assert_eq!(plain("shop::pay<alloc::Vec<u32>>"), "shop::pay");
    assert_eq!(plain("<shop::Cart as shop::Sum>::total"), "<shop::Cart as shop::Sum>::total");
    assert_ne!(plain("shop::Cart::total"), plain("shop::Till::total"));
    assert_eq!(plain("shop::fetch::{async fn}"), "shop::fetch::{closure}");
    assert_eq!(last("void shop::total<int>(shop::Trail&)"), "total");
    assert_eq!(last("shop::Basket<int>::add(shop::Trail&) const"), last("add"));
    assert_eq!(last("<shop::Cart as shop::Sum>::total"), "total");
    assert_eq!(last("{async fn}"), last("shop::fetch::{closure}"));
    assert_eq!(last("weigh<u32>"), "weigh");
}
