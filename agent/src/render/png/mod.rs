//! A flame graph as a picture, drawn by hand: rectangles, and letters that were drawn beforehand. A chat shows no SVG, and
//! what makes a picture of one needs the fonts of the machine, four times the memory, and 43 more crates.
//! `outer` says which frames are left out, `layout` which blocks the others make, `label` what stands in them, and this
//! file where all of it goes.

mod canvas;
mod encode;
mod font;
mod label;
mod layout;
mod outer;

use std::io::{self, Write};

use super::caption::Caption;
use super::hue::Hue;
use super::plain::plain;
use super::{Options, Size};
use crate::profile::Profile;
use canvas::{Canvas, Paint};
use font::{Font, LARGE, SMALL};
use label::Names;
use layout::{Block, Layout, Shape, What};
use outer::Outer;
#[cfg(all(test, feature = "serve"))]
pub(super) use outer::foreign;

const PAGE: Paint = Paint::new(0);
const LABEL_EDGE: Paint = Paint::new(1);
const MERGED: Paint = Paint::new(2);

/// The paints from here on are those of [`LEGEND`].
const FIRST_HUE: u8 = 3;

/// What the paints mean. All of them fit on one line of a preview.
const LEGEND: [(Hue, &str); 7] = [
    (Hue::User, "yours"),
    (Hue::Dependency, "dependencies"),
    (Hue::Runtime, "runtime"),
    (Hue::Std, "std/system"),
    (Hue::Allocator, "allocator"),
    (Hue::Other, "other"),
    (Hue::Label, "label"),
];

const COLORS: [[u8; 3]; 3] = [[250, 250, 250], [128, 92, 188], [186, 188, 194]];

/// Between the edge of the picture and what is on it.
const MARGIN: usize = 8;

/// From one line of the title to the next.
const TITLE_ROW: usize = 26;

/// Instead of a drawing.
const NOTHING: &str = "nothing to draw: no stack above zero";

/// The most lines of one fact: a title may be anything.
const LINES: usize = 3;

/// The measures of a size.
#[derive(Clone, Copy, Debug)]
struct Style {
    width: usize,
    levels: usize,
    /// From one level, or line of text, to the next.
    row: usize,
    font: &'static Font,
    narrowest: usize,
    names: Names,
}

/// Everything on the picture, from the top.
struct Picture<'p> {
    style: Style,
    layout: &'p Layout<'p>,
    title: Vec<String>,
    head: Vec<String>,
    foot: Vec<String>,
}

pub(super) fn write(
    profile: &Profile,
    value: usize,
    options: &Options,
    out: &mut dyn Write,
) -> io::Result<()> {
    let style = Style::of(options.size);
    let outer = match options.size {
        _ if options.raw => Outer::Kept,
        Size::Full => Outer::WithoutRuntime,
        Size::Preview => Outer::OwnFirst,
    };
    let Style { levels, narrowest, .. } = style;
    let layout = Layout::of(profile, value, &Shape { width: style.inner(), narrowest, levels, outer });
    let canvas = Picture::of(profile, value, options, style, &layout).drawn();
    let hues = LEGEND.iter().map(|(hue, _)| hue.color());
    encode::write(&canvas, &canvas::palette(COLORS.into_iter().chain(hues)), out)
}

impl Style {
    const fn of(size: Size) -> Self {
        match size {
            Size::Full => {
                Self { width: 1600, levels: 60, row: 18, font: &SMALL, narrowest: 3, names: Names::Whole }
            }
            Size::Preview => {
                Self { width: 960, levels: 14, row: 26, font: &LARGE, narrowest: 6, names: Names::Short }
            }
        }
    }

    const fn inner(&self) -> usize {
        self.width - 2 * MARGIN
    }
}

impl<'p> Picture<'p> {
    fn of(profile: &Profile, value: usize, options: &Options, style: Style, layout: &'p Layout<'p>) -> Self {
        let lines = |facts: &[String], font: &Font| label::flowed(facts, style.inner() / font.width, LINES);
        let kind = || {
            let value = profile.values().get(value).map_or("", |value| value.name());
            format!("{}: {value}", profile.kind())
        };
        let caption = Caption::of(profile, value);
        let title = plain(&options.title.clone().unwrap_or_else(kind)).into_owned();
        let facts = [Some(caption.amount), hidden(layout), deeper(layout)];
        let facts: Vec<String> = facts.into_iter().flatten().collect();
        let foot = [caption.shrank, Some(caption.window), Some(caption.losses)];
        let foot: Vec<String> = foot.into_iter().flatten().collect();
        Self {
            style,
            layout,
            title: lines(&[title], &LARGE),
            head: lines(&facts, style.font),
            foot: lines(&foot, style.font),
        }
    }

    fn drawn(&self) -> Canvas {
        let Style { width, row, font, .. } = self.style;
        let title = self.title.len() * TITLE_ROW;
        // The legend is a row, and a picture of nothing has one that says so.
        let rows = self.head.len() + 1 + self.layout.levels.len().max(1) + self.foot.len();
        let mut canvas = Canvas::new(width, title + rows * row + 4 * MARGIN);
        let top = written(&mut canvas, MARGIN, &self.title, &LARGE, TITLE_ROW);
        let top = written(&mut canvas, top, &self.head, font, row);
        self.legend(&mut canvas, top);
        let mut top = top + row + MARGIN;
        for level in &self.layout.levels {
            level.iter().for_each(|block| self.block(&mut canvas, top, block));
            top += row;
        }
        if self.layout.levels.is_empty() {
            top = written(&mut canvas, top, &[NOTHING.to_owned()], font, row);
        }
        written(&mut canvas, top + MARGIN, &self.foot, font, row);
        canvas
    }

    /// What the colors in this picture mean.
    fn legend(&self, canvas: &mut Canvas, top: usize) {
        let Style { row, font, .. } = self.style;
        let there: Vec<Paint> = self.layout.levels.iter().flatten().map(paint).collect();
        let hues = (FIRST_HUE..).map(Paint::new).zip(LEGEND).map(|(paint, (_, words))| (paint, words));
        let mut left = MARGIN;
        for (paint, words) in hues.chain([(MERGED, "merged")]).filter(|(paint, _)| there.contains(paint)) {
            let side = row / 2 + 1;
            canvas.fill((left, top + (row - side) / 2), (side, side), paint);
            left += side + 4;
            canvas.text((left, top + (row - font.height) / 2), font, words);
            left += words.len() * font.width + 10;
        }
    }

    fn block(&self, canvas: &mut Canvas, top: usize, block: &Block<'_>) {
        let Style { row, font, names, .. } = self.style;
        let left = self.across(block.start);
        // A column of the page between neighbors, as there is a row of it between levels.
        let width = (self.across(block.start.saturating_add(block.weight)) - left).saturating_sub(1);
        canvas.fill((left, top), (width, row - 1), paint(block));
        let mut indent = 3;
        if is_label(block) {
            canvas.fill((left, top), (width.min(5), row - 1), LABEL_EDGE);
            indent = 8;
        }
        let text = label::label(block, self.layout.total, names, width.saturating_sub(indent) / font.width);
        canvas.text((left + indent, top + (row - font.height) / 2), font, &text);
    }

    /// The column where what comes before `weight` ends.
    fn across(&self, weight: u64) -> usize {
        let column = u128::from(weight) * self.style.inner() as u128 / u128::from(self.layout.total.max(1));
        MARGIN + usize::try_from(column).unwrap_or(0).min(self.style.inner())
    }
}

/// Writes `lines` from `top` on, and gives where they end.
fn written(canvas: &mut Canvas, top: usize, lines: &[String], font: &Font, row: usize) -> usize {
    for (number, line) in lines.iter().enumerate() {
        canvas.text((MARGIN, top + number * row), font, line);
    }
    top + lines.len() * row
}

fn is_label(block: &Block<'_>) -> bool {
    matches!(block.what, What::Frame(frame) if Hue::of(frame) == Hue::Label)
}

fn paint(block: &Block<'_>) -> Paint {
    let What::Frame(frame) = block.what else { return MERGED };
    let hue = match Hue::of(frame) {
        Hue::System => Hue::Std,
        hue => hue,
    };
    let paints = (FIRST_HUE..).zip(LEGEND);
    paints.into_iter().find(|(_, (of, _))| *of == hue).map_or(PAGE, |(number, _)| Paint::new(number))
}

fn hidden(layout: &Layout<'_>) -> Option<String> {
    match layout.hidden {
        (_, 0) => None,
        (_, 1) => Some("1 outer frame hidden".to_owned()),
        (least, most) if least == most => Some(format!("{most} outer frames hidden")),
        (_, most) => Some(format!("up to {most} outer frames hidden")),
    }
}

fn deeper(layout: &Layout<'_>) -> Option<String> {
    let plural = if layout.deeper == 1 { "" } else { "s" };
    (layout.deeper > 0).then(|| format!("{} deeper level{plural} cut", layout.deeper))
}

#[cfg(test)]
mod tests;
