//! The threads: what each does and where, those that used the most CPU time first, each with its stack to unfold.

use std::fmt::Write as _;

use super::{Cell, Head, flame, sheet, shown};
use crate::profile::{Frame, Function, Profile, Stack, owner};

/// How many threads are listed; text has them all.
const ROWS: usize = 500;

/// The page's body.
pub(in crate::serve) fn body(profile: &Profile) -> String {
    let mut stacks: Vec<Stack<'_>> = profile.iter().collect();
    stacks.sort_by(|a, b| seconds(b).total_cmp(&seconds(a)));
    let heads = [
        Head::Words("thread"),
        Head::Words("state"),
        Head::Words("in"),
        Head::Sorted("CPU"),
        Head::Words("where"),
        Head::Words("labels"),
    ];
    let mut body = format!(
        "<p><b>{}</b> threads. <a class=\"main\" href=\"/debug/flame?profile=threads\">flame graph</a></p>",
        profile.total(0)
    );
    body += &sheet("threads", heads, stacks.iter().take(ROWS).map(row));
    if stacks.len() > ROWS {
        let _infallible = write!(
            body,
            "<p class=\"quiet\">... and {} more; the text has them all</p>",
            stacks.len() - ROWS
        );
    }
    for line in profile.comments.iter().chain([&profile.losses.summary()]) {
        let _infallible = write!(body, "<p class=\"quiet\">{}</p>", shown(line));
    }
    body + "<p class=\"links quiet\"><a href=\"/debug/threads?debug=2\">text</a> <a href=\"/debug/threads?format=json\">JSON</a></p>"
}

fn row(stack: &Stack<'_>) -> [Cell; 6] {
    let tid = label(stack, "tid").unwrap_or_default();
    let name = Cell::words(label(stack, "thread").unwrap_or("(no name)"));
    let name =
        if tid.is_empty() { name } else { name.to(&flame("threads", &[("label", &format!("tid={tid}"))])) };
    [
        name.with(tid),
        Cell::words(label(stack, "state").unwrap_or("unknown")),
        Cell::words(label(stack, "in").unwrap_or_default()),
        label(stack, "cpu").map_or_else(Cell::default, |cpu| Cell::number(cpu, seconds(stack))),
        Cell::html(place(stack)),
        Cell::words(&others(stack)),
    ]
}

fn label<'p>(stack: &Stack<'p>, wanted: &str) -> Option<&'p str> {
    stack.frames().find_map(|frame| match frame {
        Frame::Label { key, value } if key == wanted => Some(&**value),
        _ => None,
    })
}

/// The CPU time that the label tells, such as `12.31 s`.
fn seconds(stack: &Stack<'_>) -> f64 {
    let told = label(stack, "cpu").and_then(|cpu| cpu.split(' ').next());
    told.and_then(|seconds| seconds.parse().ok()).unwrap_or(0.0)
}

/// The labels that have no column.
fn others(stack: &Stack<'_>) -> String {
    let told = |frame: &'_ Frame| match frame {
        Frame::Label { key, .. } if ["tid", "thread", "state", "in", "cpu"].contains(&&**key) => None,
        Frame::Label { .. } => Some(frame.show().into_owned()),
        _ => None,
    };
    stack.frames().filter_map(told).collect::<Vec<_>>().join(" ")
}

/// The function a reader should look at, over the whole stack.
fn place(stack: &Stack<'_>) -> String {
    let code: Vec<&Frame> = stack.frames().filter(|frame| !matches!(frame, Frame::Label { .. })).collect();
    let Some(first) = code.first() else {
        return "<span class=\"quiet\">no stack: it runs and did not answer in time</span>".to_owned();
    };
    let suspect = owner::suspect(stack);
    let name = suspect.map_or_else(|| first.show().into_owned(), |function| function.name.clone());
    let at = suspect.and_then(Function::short_place).unwrap_or_default();
    let mut html = format!(
        "<details><summary><code>{}</code> <small>{}</small></summary><ol class=\"stack\">",
        shown(&name),
        shown(&at)
    );
    for frame in code {
        let place = match frame {
            Frame::Named(function) => function.short_place().unwrap_or_default(),
            _ => String::new(),
        };
        let _infallible =
            write!(html, "<li><code>{}</code> <small>{}</small>", shown(&frame.show()), shown(&place));
    }
    html + "</ol></details>"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Unit;
    use crate::profile::ValueType;

    #[test]
    fn the_busiest_thread_comes_first_with_its_stack() {
        let mut profile = Profile::new("threads", [ValueType::new("threads", Unit::Count)]);
        let labels = |tid: &str, cpu: &str| {
            [("state", "sleeping"), ("in", "futex"), ("cpu", cpu), ("tid", tid), ("thread", "<b>\x1b")]
                .map(|(key, value)| Frame::label(key.to_owned(), value))
        };
        let code = ["std::thread::park", "shop::Queue<T>::wait"].map(|name| {
            Frame::named(Function::new(name, if name.starts_with("shop") { "src/queue.rs" } else { "" }, 7))
        });
        profile.add(code.into_iter().chain(labels("7", "0.50 s")), &[1], 0);
        profile.add(labels("8", "12.00 s"), &[1], 0);
        let html = body(&profile);
        let rows: Vec<&str> = html.split("<tr>").skip(2).collect();
        assert!(rows[0].contains("label=tid%3D8") && rows[0].contains("no stack: it runs"), "{html}");
        assert!(rows[1].contains(" data-order=\"0.5\">0.50 s"), "{html}");
        let named = "<summary><code>shop::<wbr>Queue&lt;T&gt;::<wbr>wait</code> <small>src/<wbr>queue.rs:7</small></summary>";
        assert!(
            rows[1].contains(named) && rows[1].contains("<li><code>std::<wbr>thread::<wbr>park</code>"),
            "{html}"
        );
        assert!(
            !html.contains("<b>\\") && !html.contains('\x1b') && html.contains("&lt;b&gt;\\u{1b}"),
            "{html}"
        );
    }
}
