//! The memory: the verdict first, then what it consists of, each part with its share and the way to what explains it.

use super::{Cell, Head, forms, sheet};
use crate::Unit;
use crate::render;
use crate::serve::page::Escaped;
use crate::watch::memory::{Account, Part};

/// The page's body. `has_heap` says whether heap profiles are collected.
pub(in crate::serve) fn body(account: &Account, has_heap: bool) -> String {
    let paragraph = |(class, line): (&str, String)| format!("<p class=\"{class}\">{}</p>", Escaped(&line));
    let mut head = render::memory::head(account).into_iter();
    let verdict = head.next().map(|line| ("verdict", line));
    let rest = head.map(|line| ("", line));
    let mut body: String = verdict.into_iter().chain(rest).map(paragraph).collect();
    let heads = [
        Head::Words("part"),
        Head::Number("bytes"),
        Head::Number("share"),
        Head::Ways("of what is resident"),
        Head::Words("what it is"),
    ];
    body +=
        &sheet("memory", heads, render::memory::rows(account).into_iter().map(|row| fields(row, has_heap)));
    body.extend(render::memory::notes(&account.memory).into_iter().map(|note| paragraph(("quiet", note))));
    body + &forms("memory")
}

fn fields((part, bytes, share, about): (Part, u64, Option<f64>, String), has_heap: bool) -> [Cell; 5] {
    let name = Cell::words(part.name());
    let shown = share.map_or_else(Cell::default, |share| Cell::number(&Unit::Ratio.show(share), share));
    [
        match part {
            Part::Allocated if has_heap => name.to("/debug/flame?profile=heap"),
            Part::Stacks => name.to("/debug/threads"),
            _ => name,
        },
        Cell::bytes(bytes),
        shown,
        share.map_or_else(Cell::default, bar),
        Cell::words(&about),
    ]
}

/// A share to look at. Drawn by attributes: the policy of the pages lets no element have a style.
fn bar(share: f64) -> Cell {
    let wide = (share.clamp(0.0, 1.0) * 100.0).round();
    Cell::html(format!(
        "<svg class=\"bar\" viewBox=\"0 0 100 8\" preserveAspectRatio=\"none\" aria-hidden=\"true\"><rect width=\"{wide}\" height=\"8\"/></svg>"
    ))
}
