//! Tables on pages: sensibly sorted as they come, by a click on a head where there is a script, and one field below the
//! other where there is no room beside it. What stands in them the modules below decide.

pub(super) mod memory;
#[cfg(feature = "http")]
pub(super) mod routes;
pub(super) mod segments;
pub(super) mod tasks;
pub(super) mod threads;

use std::fmt::Write as _;
use std::time::Duration;

use super::page::Escaped;
use crate::Unit;
use crate::render::plain;

/// The module that sorts and searches.
pub(super) const SCRIPT: &str = "sheets.js";

/// What a column is headed by, and how it is set.
#[derive(Clone, Copy, Debug)]
pub(super) enum Head {
    /// What is read.
    Words(&'static str),
    /// What is compared: to the right, the largest first.
    Number(&'static str),
    /// The number by which the rows come sorted.
    Sorted(&'static str),
    /// Ways to elsewhere, by which nothing is sorted.
    Ways(&'static str),
}

/// One field, as HTML, and the number it is sorted by.
#[derive(Debug, Default)]
pub(super) struct Cell {
    html: String,
    order: Option<f64>,
    class: &'static str,
}

impl Cell {
    pub(super) fn words(text: &str) -> Self {
        Self::html(shown(text))
    }

    /// What is HTML already.
    pub(super) fn html(html: String) -> Self {
        Self { html, ..Self::default() }
    }

    /// `shown` in place of `number`, which is what sorting goes by.
    pub(super) fn number(shown: &str, number: f64) -> Self {
        Self { order: Some(number), ..Self::html(Escaped(shown).to_string()) }
    }

    pub(super) fn count(number: u64) -> Self {
        Self::number(&Unit::Count.show(number as f64), number as f64)
    }

    pub(super) fn bytes(number: u64) -> Self {
        Self::number(&Unit::Bytes.show(number as f64), number as f64)
    }

    pub(super) fn time(time: Duration) -> Self {
        Self::number(&Unit::Nanoseconds.show(time.as_nanos() as f64), time.as_secs_f64())
    }

    /// A count of what should not be: in another color when there is any, and faint when there is none.
    pub(super) fn errors(number: u64) -> Self {
        Self { class: if number > 0 { "wrong" } else { "none" }, ..Self::count(number) }
    }

    /// The same, in the color of what is wrong.
    pub(super) fn wrong(self) -> Self {
        Self { class: "wrong", ..self }
    }

    /// The same, leading to `href`.
    pub(super) fn to(self, href: &str) -> Self {
        Self { html: format!("<a href=\"{}\">{}</a>", Escaped(href), self.html), ..self }
    }

    /// The same with `text` in small letters below it.
    pub(super) fn with(mut self, text: &str) -> Self {
        if !text.is_empty() {
            let _infallible = write!(self.html, "<br><small>{}</small>", shown(text));
        }
        self
    }
}

/// A table called `name` of `rows`. A column in which nothing stands is left out.
pub(super) fn sheet<const N: usize>(
    name: &str,
    heads: [Head; N],
    rows: impl IntoIterator<Item = [Cell; N]>,
) -> String {
    let rows: Vec<[Cell; N]> = rows.into_iter().collect();
    let is_bare = |column: usize| {
        !rows.is_empty() && rows.iter().all(|row| row.get(column).is_none_or(|cell| cell.html.is_empty()))
    };
    let bare: [bool; N] = std::array::from_fn(is_bare);
    let mut html = format!(
        "<div class=\"wide\"><table class=\"sheet\" id=\"{0}\" aria-label=\"{0}\"><thead><tr>",
        Escaped(name)
    );
    for (head, _) in heads.iter().zip(bare).filter(|(_, bare)| !bare) {
        let sort = if matches!(head, Head::Sorted(_)) { " aria-sort=\"descending\"" } else { "" };
        let _infallible = write!(html, "<th scope=\"col\"{}{sort}>{}", head.class(), head.text());
    }
    html.push_str("</tr></thead><tbody>\n");
    for row in rows {
        html.push_str("<tr>");
        for ((head, cell), _) in heads.iter().zip(row).zip(bare).filter(|(_, bare)| !bare) {
            let _infallible = write!(html, "<td{} data-head=\"{}\"", head.and(cell.class), head.text());
            if let Some(order) = cell.order {
                let _infallible = write!(html, " data-order=\"{order}\"");
            }
            let _infallible = write!(html, ">{}", cell.html);
        }
        html.push_str("</tr>\n");
    }
    html + "</tbody></table></div>"
}

impl Head {
    const fn text(self) -> &'static str {
        match self {
            Self::Words(text) | Self::Number(text) | Self::Sorted(text) | Self::Ways(text) => text,
        }
    }

    fn class(self) -> String {
        self.and("")
    }

    /// The class of the column, and `other`.
    fn and(self, other: &str) -> String {
        let own = match self {
            Self::Words(_) => "",
            Self::Number(_) | Self::Sorted(_) => "n",
            Self::Ways(_) => "look",
        };
        let classes =
            [own, other].into_iter().filter(|class| !class.is_empty()).collect::<Vec<_>>().join(" ");
        if classes.is_empty() { classes } else { format!(" class=\"{classes}\"") }
    }
}

/// A name as HTML, harmless to the page, and to a terminal that it is copied into. It may be broken where a reader would.
pub(super) fn shown(name: &str) -> String {
    let mut html = String::with_capacity(name.len());
    for part in plain(name).split_inclusive("::").flat_map(|part| part.split_inclusive(['/', ','])) {
        let wbr = if html.is_empty() { "" } else { "<wbr>" };
        let _infallible = write!(html, "{wbr}{}", Escaped(part));
    }
    html
}

/// Where the viewer shows `profile` (and what else its query says), as `view` tells: keys and values as in `view.js`.
pub(super) fn flame(profile: &str, view: &[(&str, &str)]) -> String {
    let view = view.iter().map(|(key, value)| format!("{key}={}", encoded(value))).collect::<Vec<_>>();
    format!("/debug/flame?profile={profile}#{}", view.join("&"))
}

/// The expression for the viewer that matches `name` alone.
pub(super) fn only(name: &str) -> String {
    let mut expression = String::from("^");
    for char in name.chars() {
        if ".*+?^${}()|[]\\/-".contains(char) {
            expression.push('\\');
        }
        expression.push(char);
    }
    expression + "$"
}

/// The other forms of the page called `name`.
pub(super) fn forms(name: &str) -> String {
    format!(
        "<p class=\"links quiet\"><a href=\"/debug/{name}?format=text\">text</a> \
         <a href=\"/debug/{name}?format=json\">JSON</a></p>"
    )
}

/// As it stands behind a `#` or a `?`.
fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _infallible = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_shows_one_thing_and_is_sorted_by_another() {
        let rows = [
            [Cell::words("<b>").to("/a?b=1&c=\"").with("x&y"), Cell::bytes(2_048)],
            [Cell::default(), Cell::errors(0)],
        ];
        let html = sheet("any", [Head::Words("name"), Head::Sorted("size")], rows);
        assert!(
            html.contains(
                "<th scope=\"col\">name<th scope=\"col\" class=\"n\" aria-sort=\"descending\">size"
            ),
            "{html}"
        );
        let first = "<tr><td data-head=\"name\"><a href=\"/a?b=1&amp;c=&quot;\">&lt;b&gt;</a><br><small>x&amp;y</small>\
                     <td class=\"n\" data-head=\"size\" data-order=\"2048\">2 KiB</tr>";
        assert!(html.contains(first), "{html}");
        assert!(
            html.contains(
                "<tr><td data-head=\"name\"><td class=\"n none\" data-head=\"size\" data-order=\"0\">0</tr>"
            ),
            "{html}"
        );
    }

    #[test]
    fn a_link_to_the_viewer_keeps_what_it_is_about() {
        let link = flame("tasks", &[("focus", &only("<a::B as C>::f$1")), ("label", "route=GET /é")]);
        let expected = "/debug/flame?profile=tasks#focus=%5E%3Ca%3A%3AB%20as%20C%3E%3A%3Af%5C%241%24&label=route%3DGET%20%2F%C3%A9";
        assert_eq!(link, expected);
    }
}
