//! Which frames are drawn and where: a profile becomes levels of blocks, the outermost first. It counts in the profile's
//! own value, of what a block looks like it knows nothing.
//!
//! There is no tree: each level is made of the one above by sorting its stacks into groups of one name. What is held is
//! 56 bytes a stack, twice while a level is made: 7 MiB at [`MAX_STACKS`](crate::profile::MAX_STACKS).

use std::borrow::Cow;

use indexmap::IndexMap;

use super::outer::Outer;
use crate::profile::{Frame, Profile, Stack};
use crate::render::folded;

/// How much is drawn.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    /// Into how many parts the whole is divided: pixels.
    pub(super) width: usize,
    /// A block of fewer parts is put together with others like it, and nothing is drawn below.
    pub(super) narrowest: usize,
    /// How many levels there can be.
    pub(super) levels: usize,
    pub(super) outer: Outer,
}

/// What to draw.
#[derive(Debug)]
pub(super) struct Layout<'p> {
    /// The outermost level first, of each the blocks from the left.
    pub(super) levels: Vec<Vec<Block<'p>>>,
    /// What the whole width is.
    pub(super) total: u64,
    /// How many outer frames are left out of a stack, at least and at most.
    pub(super) hidden: (usize, usize),
    /// How many levels are cut off below the last.
    pub(super) deeper: usize,
}

/// A part of a level.
#[derive(Clone, Copy, Debug)]
pub(super) struct Block<'p> {
    /// Where it begins.
    pub(super) start: u64,
    /// How much it is.
    pub(super) weight: u64,
    pub(super) what: What<'p>,
}

/// What a block stands for.
#[derive(Clone, Copy, Debug)]
pub(super) enum What<'p> {
    Frame(&'p Frame),
    /// So many frames that are too narrow to be drawn alone.
    Merged(usize),
}

/// One stack that has grown.
struct Line<'p> {
    stack: Stack<'p>,
    weight: u64,
    /// How many labels it begins with.
    labels: usize,
    /// How many frames after those are left out.
    hidden: usize,
}

/// The stacks below one block, which begins at `start`.
struct Open<'p> {
    start: u64,
    lines: Vec<Line<'p>>,
}

/// The stacks of one block that go on with the same name.
struct Group<'p> {
    frame: &'p Frame,
    weight: u64,
    lines: Vec<Line<'p>>,
}

impl<'p> Layout<'p> {
    pub(super) fn of(profile: &'p Profile, value: usize, shape: &Shape) -> Self {
        let outer = shape.outer.fit_for(profile);
        let lines = profile.iter().filter_map(|stack| Line::of(stack, value, outer));
        let mut lines: Vec<Line<'p>> = lines.collect();
        if shape.outer == Outer::OwnFirst {
            hide_shared(&mut lines, shape.levels);
        }
        let total = lines.iter().fold(0_u64, |sum, line| sum.saturating_add(line.weight));
        let hidden = || lines.iter().map(|line| line.hidden);
        let hidden = (hidden().min().unwrap_or(0), hidden().max().unwrap_or(0));
        let parts = u128::from(total) * shape.narrowest as u128;
        let narrowest = u64::try_from(parts.div_ceil(shape.width.max(1) as u128)).unwrap_or(u64::MAX);
        let mut open = vec![Open { start: 0, lines }];
        let mut levels = Vec::new();
        for level in 0..shape.levels {
            let (mut blocks, mut below) = (Vec::new(), Vec::new());
            open.into_iter().for_each(|open| open.split(level, narrowest, &mut blocks, &mut below));
            open = below;
            if blocks.is_empty() {
                break;
            }
            levels.push(blocks);
        }
        let depth = open.iter().flat_map(|open| &open.lines).map(Line::depth).max().unwrap_or(0);
        Self { levels, total, hidden, deeper: depth.saturating_sub(shape.levels) }
    }
}

impl<'p> Line<'p> {
    fn of(stack: Stack<'p>, value: usize, outer: Outer) -> Option<Self> {
        let weight = u64::try_from(stack.value(value)).ok().filter(|weight| *weight > 0)?;
        let labels = stack.frames().rev().take_while(|frame| matches!(frame, Frame::Label { .. })).count();
        Some(Self { stack, weight, labels, hidden: outer.hidden(&stack) })
    }

    /// How many frames are shown.
    fn depth(&self) -> usize {
        self.stack.depth().saturating_sub(self.hidden)
    }

    /// The shown frame at `level`.
    fn frame(&self, level: usize) -> Option<&'p Frame> {
        self.stack.frame_at(if level < self.labels { level } else { level + self.hidden })
    }

    /// The shown frame at `level` below the labels.
    fn code(&self, level: usize) -> Option<&'p Frame> {
        self.frame(self.labels + level)
    }
}

impl<'p> Open<'p> {
    /// Puts the blocks at `level` of these stacks into `blocks`, the widest first, and what goes on below them into
    /// `below`.
    fn split(self, level: usize, narrowest: u64, blocks: &mut Vec<Block<'p>>, below: &mut Vec<Self>) {
        let mut start = self.start;
        let mut merged = (0, 0_u64);
        for Group { frame, weight, lines } in groups(self.lines, level) {
            if weight < narrowest {
                merged = (merged.0 + 1, merged.1.saturating_add(weight));
                continue;
            }
            blocks.push(Block { start, weight, what: What::Frame(frame) });
            below.push(Self { start, lines });
            start = start.saturating_add(weight);
        }
        if merged.0 > 0 {
            blocks.push(Block { start, weight: merged.1, what: What::Merged(merged.0) });
        }
    }
}

/// The stacks that reach `level`, by the name they have there, the heaviest first.
fn groups<'p>(lines: Vec<Line<'p>>, level: usize) -> Vec<Group<'p>> {
    let mut groups: IndexMap<Cow<'p, str>, Group<'p>> = IndexMap::new();
    for line in lines {
        let Some(frame) = line.frame(level) else { continue };
        let group = groups.entry(folded::name(frame));
        let group = group.or_insert_with(|| Group { frame, weight: 0, lines: Vec::new() });
        group.weight = group.weight.saturating_add(line.weight);
        group.lines.push(line);
    }
    groups.sort_unstable_by(|name, a, other, b| b.weight.cmp(&a.weight).then_with(|| name.cmp(other)));
    groups.into_values().collect()
}

/// Hides as much of what all stacks share as the deepest is too deep. The last such frame stays: it says where they part.
fn hide_shared(lines: &mut [Line<'_>], levels: usize) {
    let Some((first, others)) = lines.split_first() else { return };
    let length = |line: &Line<'_>| line.depth().saturating_sub(line.labels);
    let shared = others.iter().fold(length(first), |shared, line| {
        (0..shared).take_while(|level| same(first.code(*level), line.code(*level))).count()
    });
    let deepest = lines.iter().map(Line::depth).max().unwrap_or(0);
    let hidden = deepest.saturating_sub(levels).min(shared.saturating_sub(1));
    lines.iter_mut().for_each(|line| line.hidden += hidden);
}

fn same(one: Option<&Frame>, other: Option<&Frame>) -> bool {
    one.zip(other).is_some_and(|(one, other)| folded::name(one) == folded::name(other))
}

#[cfg(test)]
#[path = "layout_tests.rs"]
mod tests;
