//! Words for the room there is: names with their share, cut names, lines of a text.

use std::borrow::Cow;

use super::layout::{Block, What};
use crate::profile::Frame;
use crate::render::folded;
use crate::render::plain::plain;

/// Fewer characters than these say nothing of a name.
const LEAST: usize = 4;

/// Between the facts of a line.
const SEPARATOR: &str = " · ";

/// Whether a name is shown as it is where there is room for that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Names {
    Whole,
    Short,
}

/// What to write into `block`, of `total`, where there is room for so many characters; empty where nothing fits.
pub(super) fn label(block: &Block<'_>, total: u64, names: Names, room: usize) -> String {
    if room < LEAST {
        return String::new();
    }
    let share = share(block.weight, total);
    match block.what {
        What::Merged(count) => fitting(&[format!("{count} more"), format!("+{count}")], &share, room),
        What::Frame(frame) => fitting(&spellings(frame, names), &share, room),
    }
}

/// What `frame` can be called, from the longest to the shortest.
fn spellings(frame: &Frame, names: Names) -> Vec<String> {
    let short = plain(&frame.show_short()).into_owned();
    if let Frame::Label { value, .. } = frame {
        // By its color one sees what it is.
        return vec![short, plain(value).into_owned()];
    }
    let last = last_part(&short);
    let bare = last.split("::{").next().unwrap_or_default();
    let shorter = [short.as_str(), last, bare].map(str::to_owned);
    match names {
        Names::Whole => std::iter::once(folded::name(frame).into_owned()).chain(shorter).collect(),
        Names::Short => shorter.to_vec(),
    }
}

/// `41%`; what is there is never 0.
fn share(weight: u64, total: u64) -> String {
    let percent = weight as f64 / total.max(1) as f64 * 100.0;
    if percent < 1.0 { "<1%".to_owned() } else { format!("{percent:.0}%") }
}

/// The first of `names` that fits with `share`, else the last alone, else as much of it as fits.
fn fitting(names: &[String], share: &str, room: usize) -> String {
    let length = |text: &str| text.chars().count();
    let with_share = names.iter().find(|name| length(name) + 1 + length(share) <= room);
    if let Some(name) = with_share {
        return format!("{name} {share}");
    }
    let last = names.last().map_or("", String::as_str);
    let beside = room.saturating_sub(1 + length(share));
    if length(last) <= room {
        last.to_owned()
    } else if beside > LEAST {
        format!("{} {share}", cut(last, beside))
    } else {
        cut(last, room).into_owned()
    }
}

/// `place` of `orders::place`, `place::{closure}` of `orders::place::{closure}`: what says most of a short name.
fn last_part(name: &str) -> &str {
    let parts = |text: &str| text.rfind("::");
    match parts(name).map(|at| (at, name.get(at + 2..).unwrap_or_default())) {
        Some((at, last)) if last.starts_with('{') => {
            let before = name.get(..at).and_then(parts).map_or(0, |at| at + 2);
            name.get(before..).unwrap_or(last)
        }
        // `[T]::to_vec` has its colons outside of brackets, as every short name does.
        Some((_, last)) => last,
        None => name,
    }
}

/// As much of `text` as there is room for, with `…` where something is missing.
pub(super) fn cut(text: &str, room: usize) -> Cow<'_, str> {
    if text.chars().count() <= room {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().take(room.saturating_sub(1)).chain(['…']).collect())
}

/// `facts` in lines of at most `room` characters: several on a line where they fit. A fact that does not fit on one is
/// broken between words, and cut where it would need more than `lines`.
pub(super) fn flowed(facts: &[String], room: usize, lines: usize) -> Vec<String> {
    let mut flowed: Vec<String> = Vec::new();
    for fact in facts {
        let length = fact.chars().count();
        match flowed
            .last_mut()
            .filter(|line| line.chars().count() + SEPARATOR.chars().count() + length <= room)
        {
            Some(line) => {
                line.push_str(SEPARATOR);
                line.push_str(fact);
            }
            None => flowed.extend(wrapped(fact, room, lines)),
        }
    }
    flowed
}

fn wrapped(text: &str, room: usize, lines: usize) -> Vec<String> {
    let mut wrapped: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        let full = wrapped.len() >= lines;
        match wrapped.last_mut() {
            Some(line) if full || line.chars().count() + 1 + word.chars().count() <= room => {
                line.push(' ');
                line.push_str(word);
            }
            _ => wrapped.push(word.to_owned()),
        }
    }
    wrapped.iter().map(|line| cut(line, room).into_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_of_a_name() {
        let names = ["shop::orders::Cart<T>::place", "Cart::place", "place"].map(str::to_owned);
        let check =
            |room: usize, expected: &str| assert_eq!(fitting(&names, "41%", room), expected, "{room}");
        check(40, "shop::orders::Cart<T>::place 41%");
        check(31, "Cart::place 41%");
        check(14, "place 41%");
        check(8, "place");
        check(4, "pla…");
        let long = ["remember_everything".to_owned()];
        assert_eq!(fitting(&long, "9%", 12), "remember… 9%");
        assert_eq!(fitting(&long, "100%", 8), "remembe…");
    }

    #[test]
    fn the_last_part_says_most() {
        let check = |name: &str, expected: &str| assert_eq!(last_part(name), expected);
        check("orders::place", "place");
        check("orders::place::{closure}", "place::{closure}");
        check("{closure#1}", "{closure#1}");
        check("main", "main");
    }

    #[test]
    fn shares() {
        let shares = [(0, "<1%"), (9, "<1%"), (10, "1%"), (25, "2%"), (414, "41%"), (1_000, "100%")];
        shares.iter().for_each(|(weight, expected)| assert_eq!(share(*weight, 1_000), *expected));
    }

    #[test]
    fn lines_break_between_words_and_end_with_the_last() {
        assert_eq!(wrapped("one two  three four", 8, 9), ["one two", "three", "four"]);
        assert_eq!(wrapped("one two three four", 8, 2), ["one two", "three f…"]);
        assert_eq!(wrapped("immeasurable", 6, 2), ["immea…"]);
        assert!(wrapped("", 6, 2).is_empty());
        let facts = ["one two", "three", "four five six"].map(str::to_owned);
        assert_eq!(flowed(&facts, 15, 2), ["one two · three", "four five six"]);
        assert_eq!(flowed(&facts, 9, 2), ["one two", "three", "four five", "six"]);
    }
}
