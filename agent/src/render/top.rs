//! Stacks added up by function: flat is what a function did itself, cum what happened below it as well.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::HashMap;
use std::hash::Hash;

use indexmap::IndexMap;

use super::certainty::Tally;
use crate::profile::{Frame, Function, Owner, Profile, Stack};

/// The functions and the labels of a profile, the heaviest first.
#[derive(Debug)]
pub(super) struct Top<'p> {
    pub(super) functions: Vec<Row<'p>>,
    pub(super) labels: Vec<Row<'p>>,
}

/// One function or label and what was counted on it.
#[derive(Debug, Default)]
pub(super) struct Row<'p> {
    pub(super) name: Cow<'p, str>,
    pub(super) flat: Tally,
    pub(super) cum: Tally,
    file: &'p str,
    /// Whether it is the service's own code.
    own: bool,
    /// What was counted on each line of it, as (flat, cum).
    lines: HashMap<u32, (i64, i64)>,
    /// The number of the last stack counted, plus one: a recursive function counts once per stack.
    last: usize,
}

impl<'p> Top<'p> {
    pub(super) fn of(profile: &'p Profile, value: usize) -> Self {
        let mut functions = IndexMap::new();
        let mut labels = IndexMap::new();
        for (number, stack) in (1..).zip(profile.iter()) {
            let mut leaf = true;
            for frame in stack.frames() {
                let Some(row) = row(&mut functions, &mut labels, frame) else { continue };
                let is_label = matches!(frame, Frame::Label { .. });
                row.count(&stack, number, leaf && !is_label, value, line(frame));
                leaf = leaf && is_label;
            }
        }
        Self { functions: sorted(functions), labels: sorted(labels) }
    }
}

impl<'p> Row<'p> {
    fn count(&mut self, stack: &Stack<'p>, number: usize, leaf: bool, value: usize, line: u32) {
        let counted = self.lines.entry(line).or_default();
        if leaf {
            counted.0 = counted.0.saturating_add(stack.value(value));
            self.flat.add(stack, value);
        }
        if self.last != number {
            self.last = number;
            counted.1 = counted.1.saturating_add(stack.value(value));
            self.cum.add(stack, value);
        }
    }

    /// `file:line`, shortened, with the line on which most was counted; empty without a file.
    pub(super) fn place(&self) -> String {
        let weight = |(line, (flat, cum)): (&u32, &(i64, i64))| {
            (flat.unsigned_abs(), cum.unsigned_abs(), Reverse(*line))
        };
        let heaviest = self.lines.iter().map(weight).max().map_or(0, |(_, _, Reverse(line))| line);
        Function::new("", self.file, heaviest).short_place().unwrap_or_default()
    }
}

fn row<'map, 'p>(
    functions: &'map mut IndexMap<(Cow<'p, str>, &'p str), Row<'p>>,
    labels: &'map mut IndexMap<(&'p str, &'p str), Row<'p>>,
    frame: &'p Frame,
) -> Option<&'map mut Row<'p>> {
    Some(match frame {
        Frame::Label { key, value } => named(labels, (key, value), "", frame),
        Frame::Named(function) => named(functions, (frame.show(), &function.file), &function.file, frame),
        Frame::Address(_) => named(functions, (frame.show(), ""), "", frame),
    })
}

fn named<'map, 'p, K: Hash + Eq>(
    rows: &'map mut IndexMap<K, Row<'p>>,
    key: K,
    file: &'p str,
    frame: &'p Frame,
) -> &'map mut Row<'p> {
    let own = || frame.owner() == Owner::User;
    rows.entry(key).or_insert_with(|| Row { name: frame.show(), file, own: own(), ..Row::default() })
}

/// The heaviest first; of those on which nothing is counted but what happened below them, the service's own before the
/// frames that stand in every stack.
fn sorted<K>(rows: IndexMap<K, Row<'_>>) -> Vec<Row<'_>> {
    let mut rows: Vec<_> = rows.into_values().collect();
    let weight = |row: &Row<'_>| {
        let flat = row.flat.value.unsigned_abs();
        (flat, flat == 0 && row.own, row.cum.value.unsigned_abs())
    };
    rows.sort_by(|a, b| weight(b).cmp(&weight(a)).then_with(|| a.name.cmp(&b.name)));
    rows
}

fn line(frame: &Frame) -> u32 {
    match frame {
        Frame::Named(function) => function.line,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Unit;
    use crate::profile::ValueType;

    fn top(profile: &Profile) -> Vec<(String, i64, i64, String)> {
        let top = Top::of(profile, 0);
        top.functions
            .iter()
            .map(|row| (row.name.to_string(), row.flat.value, row.cum.value, row.place()))
            .collect()
    }

    #[test]
    fn recursion_counts_once_and_the_heaviest_line_is_the_place() {
        let mut profile = Profile::new("profile", [ValueType::new("samples", Unit::Count)]);
        let walk = |line| Frame::named(Function::new("walk", "tree.rs", line));
        profile.add([walk(7), walk(9), walk(9), Frame::label("route", "/a")], &[3], 3);
        profile.add([walk(8), Frame::named(Function::new("main", "", 0))], &[5], 5);
        let expected =
            [("walk".to_owned(), 8, 8, "tree.rs:8".to_owned()), ("main".to_owned(), 0, 5, String::new())];
        assert_eq!(top(&profile), expected);
    }

    #[test]
    fn of_what_only_passes_on_the_services_own_code_comes_first() {
        let mut profile = Profile::new("heap", [ValueType::new("inuse_space", Unit::Bytes)]);
        let frame = |name: &str, file: &str| Frame::named(Function::new(name, file, 7));
        let runtime = frame("tokio::runtime::park", "/root/.cargo/registry/src/index/tokio-1.54/src/park.rs");
        let place = frame("shop::place", "/builds/7/shop/src/orders.rs");
        profile.add([frame("shop::remember", "shop/src/orders.rs"), place, runtime.clone()], &[3], 3);
        profile.add([frame("shop::log", "shop/src/log.rs"), runtime], &[1], 1);
        let rows: Vec<_> = top(&profile).into_iter().map(|(name, _, _, place)| (name, place)).collect();
        let names: Vec<_> = rows.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["shop::remember", "shop::log", "shop::place", "tokio::runtime::park"]);
        assert_eq!(rows[2].1, "shop/src/orders.rs:7");
        assert_eq!(rows[3].1, "tokio-1.54/src/park.rs:7");
    }
}
