//! An interactive flame graph (inferno), root on top so that it is seen first. Colors say whose code a frame is,
//! and a label stands out from functions. The same profile gives the same bytes.

use std::borrow::Cow;
use std::collections::HashSet;
use std::io::{self, Write};

use inferno::flamegraph::color::{BackgroundColor, Color, PaletteMap};
use inferno::flamegraph::{self, Direction, Options};

use super::caption::Caption;
use super::folded;
use super::hue::Hue;
use crate::profile::{Frame, Profile};

const WIDTH: usize = 1200;

/// Frames narrower than this share of the whole, in percent, are not drawn: a third of a pixel.
const MIN_WIDTH: f64 = 0.03;

/// What the colors of [`color`] mean.
const LEGEND: &str = "orange: yours, yellow: dependencies, blue: runtime, green: std/system, pink: allocator";

pub(super) fn write(
    profile: &Profile,
    value: usize,
    title: Option<&str>,
    out: &mut dyn Write,
) -> io::Result<()> {
    let lines: Vec<String> = folded::lines(profile, value).collect();
    if lines.is_empty() {
        return empty(&heading(profile, value, title), &subtitle(profile, value), out);
    }
    let mut palette = palette(profile);
    let mut options = Options::default();
    options.title = heading(profile, value, title);
    options.subtitle = Some(subtitle(profile, value));
    options.image_width = Some(WIDTH);
    options.min_width = MIN_WIDTH;
    options.frame_height = 18;
    options.count_name = profile.values().get(value).map_or("", |value| value.unit().as_str()).to_owned();
    options.bgcolors = Some(BackgroundColor::Flat(Color { r: 250, g: 250, b: 250 }));
    options.direction = Direction::Inverted;
    options.deterministic = true;
    options.palette_map = Some(&mut palette);
    flamegraph::from_lines(&mut options, lines.iter().map(String::as_str), &mut *out)
}

fn heading(profile: &Profile, value: usize, title: Option<&str>) -> String {
    let value = profile.values().get(value).map_or("", |value| value.name());
    title.map_or_else(|| format!("{}: {value} ({LEGEND})", profile.kind()), str::to_owned)
}

/// What the drawing is of and what it lacks: total, error, window, losses, stacks that shrank.
fn subtitle(profile: &Profile, value: usize) -> String {
    let Caption { amount, shrank, window, losses } = Caption::of(profile, value);
    let shrank = shrank.map(|shrank| format!("; {shrank}")).unwrap_or_default();
    format!("{amount}{shrank} | {window} | {losses}")
}

/// Every frame gets a color of its owner's hue, in a shade that its name decides. The nameless root is gray.
fn palette(profile: &Profile) -> PaletteMap {
    let mut palette = PaletteMap::default();
    palette.insert("", Color { r: 222, g: 222, b: 222 });
    let mut seen: HashSet<Cow<'_, str>> = HashSet::new();
    for frame in profile.frames() {
        let name = folded::name(frame);
        if !seen.contains(&name) {
            palette.insert(&name, color(frame, &name));
            seen.insert(name);
        }
    }
    palette
}

fn color(frame: &Frame, name: &str) -> Color {
    let [red, green, blue] = Hue::of(frame).color();
    let shade = name.bytes().fold(7_u8, |hash, byte| hash.wrapping_mul(31).wrapping_add(byte)) % 24;
    let lighter = |part: u8| part.saturating_add(shade / 2);
    Color { r: lighter(red), g: lighter(green), b: lighter(blue) }
}

/// inferno draws an error without a single stack; an empty profile is not one.
fn empty(heading: &str, subtitle: &str, out: &mut dyn Write) -> io::Result<()> {
    let (heading, subtitle) = (escaped(heading), escaped(subtitle));
    writeln!(
        out,
        r##"<?xml version="1.0" standalone="no"?>
<svg version="1.1" width="{WIDTH}" height="110" viewBox="0 0 {WIDTH} 110" xmlns="http://www.w3.org/2000/svg">
<rect width="100%" height="100%" fill="#fafafa"/>
<g font-family="monospace" text-anchor="middle"><text x="600" y="30" font-size="17">{heading}</text>
<text x="600" y="56" font-size="12">{subtitle}</text>
<text x="600" y="86" font-size="12">nothing to draw: no stack above zero</text></g>
</svg>"##
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::Function;

    #[test]
    fn whose_code_it_is_decides_the_color_and_black_text_is_legible_on_it() {
        let registry = "/root/.cargo/registry/src/index.example.org-1949cf8c6b5b557f";
        let frames = [
            ("shop::put", "src/main.rs".to_owned()),
            ("serde_json::to_vec", format!("{registry}/serde_json-1.0.154/src/ser.rs")),
            ("tokio::runtime::park", format!("{registry}/tokio-1.54.1/src/park.rs")),
            ("alloc::vec::Vec<T,A>::push", String::new()),
            ("_rjem_malloc", String::new()),
            ("__libc_start_main", String::new()),
            ("libssl.so.3+0x10", String::new()),
        ];
        let colors = frames.map(|(name, file)| color(&Frame::named(Function::new(name, file, 1)), ""));
        let distinct: HashSet<_> = colors.iter().map(|color| (color.r, color.g, color.b)).collect();
        assert_eq!(distinct.len(), colors.len(), "{colors:?}");
        assert!(colors.iter().all(|color| contrast(color) > 7.0), "{colors:?}");
    }

    /// The contrast of black text on `color`, as WCAG 2 defines it.
    fn contrast(color: &Color) -> f64 {
        let linear = |part: u8| ((f64::from(part) / 255.0 + 0.055) / 1.055).powf(2.4);
        let light = 0.2126 * linear(color.r) + 0.7152 * linear(color.g) + 0.0722 * linear(color.b);
        (light + 0.05) / 0.05
    }
}
