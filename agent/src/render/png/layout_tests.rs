//! Layouts as text: a level a line, `name weight` a block.

use super::*;
use crate::Unit;
use crate::profile::{Function, ValueType};

/// `route=/a serve work`, outermost first.
fn profile(stacks: &[(&str, i64)]) -> Profile {
    let mut profile = Profile::new("cpu", [ValueType::new("samples", Unit::Count)]);
    for (names, weight) in stacks {
        let frames = names.split(' ').rev().map(|name| match name.split_once('=') {
            Some((key, value)) => Frame::label(key.to_owned(), value),
            // What has no path of the user's own belongs to nobody, and is not the runtime's either.
            None => Frame::named(Function::new(name, if name.contains("::") { "" } else { "src/a.rs" }, 1)),
        });
        profile.add(frames, &[*weight], 1);
    }
    profile
}

fn shown(layout: &Layout<'_>) -> Vec<String> {
    let block = |block: &Block<'_>| match block.what {
        What::Frame(frame) => format!("{}@{} {}", frame.show(), block.start, block.weight),
        What::Merged(count) => format!("({count})@{} {}", block.start, block.weight),
    };
    layout.levels.iter().map(|level| level.iter().map(block).collect::<Vec<_>>().join(", ")).collect()
}

#[track_caller]
fn check(stacks: &[(&str, i64)], outer: Outer, expected: &[&str], hidden: (usize, usize), deeper: usize) {
    let profile = profile(stacks);
    let layout = Layout::of(&profile, 0, &Shape { width: 100, narrowest: 5, levels: 3, outer });
    assert_eq!(shown(&layout), expected);
    assert_eq!((layout.hidden, layout.deeper), (hidden, deeper));
}

#[test]
fn the_widest_first_and_the_narrow_ones_together() {
    let stacks = [("serve a", 20), ("serve b x", 70), ("serve c y", 4), ("serve d", 3), ("serve", 3)];
    let expected = ["serve@0 100", "b@0 70, a@70 20, (2)@90 7", "x@0 70"];
    check(&stacks, Outer::Kept, &expected, (0, 0), 0);
}

#[test]
fn equal_names_on_different_lines_are_one_block_and_ties_go_by_name() {
    let mut profile = profile(&[("serve b", 5), ("serve a", 5)]);
    profile.add([Frame::named(Function::new("serve", "src/a.rs", 9))], &[5], 1);
    let layout = Layout::of(&profile, 0, &Shape { width: 9, narrowest: 1, levels: 3, outer: Outer::Kept });
    assert_eq!(shown(&layout), ["serve@0 15", "a@0 5, b@5 5"]);
}

#[test]
fn what_all_share_is_hidden_where_room_is_short_and_labels_stay() {
    let stacks = [("route=/a serve run a", 6), ("route=/b serve run b", 4)];
    let expected = ["route=/a@0 6, route=/b@6 4", "run@0 6, run@6 4", "a@0 6, b@6 4"];
    check(&stacks, Outer::OwnFirst, &expected, (1, 1), 0);
    let fits = [("serve run a", 6), ("serve run b", 4)];
    check(&fits, Outer::OwnFirst, &["serve@0 10", "run@0 10", "a@0 6, b@6 4"], (0, 0), 0);
    let parting = [("serve run a x y z", 6), ("serve run b", 4)];
    check(&parting, Outer::OwnFirst, &["run@0 10", "a@0 6, b@6 4", "x@0 6"], (1, 1), 2);
    let kept = ["route=/a@0 6, route=/b@6 4", "serve@0 6, serve@6 4", "run@0 6, run@6 4"];
    check(&stacks, Outer::WithoutRuntime, &kept, (0, 0), 1);
}

#[test]
fn the_runtime_is_hidden_stack_by_stack() {
    let stacks = [("std::rt::start tokio::run a", 6), ("std::rt::start b", 3), ("std::rt::start", 1)];
    check(&stacks, Outer::WithoutRuntime, &["a@0 6, b@6 3, std::rt::start@9 1"], (0, 2), 0);
}

#[test]
fn of_a_single_path_the_innermost_frames_stay() {
    check(&[("a b c d e", 6)], Outer::OwnFirst, &["c@0 6", "d@0 6", "e@0 6"], (2, 2), 0);
    check(&[("a", 6)], Outer::OwnFirst, &["a@0 6"], (0, 0), 0);
    check(&[("a b c d e", 6)], Outer::WithoutRuntime, &["a@0 6", "b@0 6", "c@0 6"], (0, 0), 2);
}

#[test]
fn only_growth_is_drawn() {
    check(&[("a", 6), ("b", -9), ("c", 0)], Outer::Kept, &["a@0 6"], (0, 0), 0);
    check(&[("b", -9)], Outer::Kept, &[], (0, 0), 0);
}

#[test]
fn the_largest_weights_do_not_overflow() {
    let stacks = [("a b", i64::MAX), ("a c", i64::MAX), ("d e", i64::MAX)];
    let profile = profile(&stacks);
    let shape = Shape { width: 960, narrowest: 6, levels: 14, outer: Outer::OwnFirst };
    assert_eq!(Layout::of(&profile, 0, &shape).total, u64::MAX);
}
