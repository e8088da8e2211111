//! The tasks: how many live by who they are and where the most of them wait, then one by one, the oldest first.

use std::collections::BTreeMap;

use indexmap::IndexMap;

use super::{Cell, Head, encoded, flame, forms, only, sheet};
use crate::Unit;
use crate::profile::{Frame, Function, Profile, owner, shortened};
use crate::render;
use crate::source::tasks::{TaskList, TaskRow};

/// How many tasks a page shows one by one, unless it is asked for more or fewer.
pub(in crate::serve) const ROWS: usize = 100;

/// How many sites are listed.
const SITES: usize = 100;

/// The page's body. `profile` is that of the tasks, where it is collected.
pub(in crate::serve) fn body(list: &TaskList, profile: Option<&Profile>) -> String {
    let mut body = String::new();
    let count = |number: u64| Unit::Count.show(number as f64);
    let all: u64 =
        profile.map_or(0, |profile| profile.iter().map(|stack| stack.value(0).unsigned_abs()).sum());
    let ours = if all > list.alive {
        format!(", {} of them spawned through flamewatch::spawn", count(list.alive))
    } else {
        String::new()
    };
    body += &format!(
        "<p><b>{}</b> alive{ours}. <a class=\"main\" href=\"/debug/flame?profile=tasks\">flame graph</a> \
         <a href=\"/debug/pprof/goroutine?debug=2\">each with what it waits for</a></p>",
        count(all.max(list.alive))
    );
    if let Some(profile) = profile {
        body += "<h2>by what they are</h2>";
        body += &sites(profile);
    }
    body += if ours.is_empty() {
        "<h2>one by one, the oldest first</h2>"
    } else {
        "<h2>spawned through flamewatch::spawn, the oldest first</h2>"
    };
    for line in render::tasks::remarks(list) {
        body += &format!("<p class=\"quiet\">{line}</p>");
    }
    let heads = [
        Head::Sorted("age"),
        Head::Words("state"),
        Head::Number("for"),
        Head::Number("polls"),
        Head::Number("busy"),
        Head::Words("function"),
        Head::Words("route"),
        Head::Words("name"),
        Head::Words("kind"),
    ];
    body += &sheet("tasks", heads, list.tasks.iter().map(row));
    body + &turns(list) + &forms("tasks")
}

/// How much of a name is shown, in characters; the flame graph has all of it.
const LONGEST: usize = 80;

/// What is known of the tasks of one site.
#[derive(Default)]
struct Site<'p> {
    place: String,
    alive: u64,
    states: BTreeMap<&'p str, u64>,
    routes: BTreeMap<&'p str, u64>,
    /// The functions of the user's own that they wait in, with their lines.
    waits: BTreeMap<(&'p str, String), u64>,
}

fn sites(profile: &Profile) -> String {
    let mut sites: IndexMap<&str, Site<'_>> = IndexMap::new();
    for stack in profile.iter() {
        let alive = stack.value(0).unsigned_abs();
        let Some(function) = owner::root(&stack).or_else(|| stack.frames().find_map(named)) else { continue };
        let site = sites.entry(&function.name).or_default();
        site.place = function.short_place().unwrap_or_default();
        site.alive = site.alive.saturating_add(alive);
        if let Some(at) = owner::suspect(&stack).filter(|at| !std::ptr::eq(*at, function)) {
            *site.waits.entry((&at.name, at.short_place().unwrap_or_default())).or_default() += alive;
        }
        for frame in stack.frames() {
            match frame {
                Frame::Label { key, value } if key == "state" => {
                    *site.states.entry(value).or_default() += alive
                }
                Frame::Label { key, value } if key == "route" => {
                    *site.routes.entry(value).or_default() += alive
                }
                _ => {}
            }
        }
    }
    sites.sort_by(|_, a, _, b| b.alive.cmp(&a.alive));
    let more = sites.len().saturating_sub(SITES);
    let heads = [
        Head::Sorted("alive"),
        Head::Words("function"),
        Head::Words("waits in"),
        Head::Words("states"),
        Head::Words("routes"),
    ];
    let rows = sites.iter().take(SITES).map(|(name, site)| {
        [
            Cell::count(site.alive),
            Cell::words(&shortened(name, LONGEST))
                .to(&flame("tasks", &[("focus", &only(name))]))
                .with(&site.place),
            waits(site),
            Cell::words(&counted(&site.states)),
            Cell::words(&counted(&site.routes)),
        ]
    });
    let table = sheet("sites", heads, rows);
    if more == 0 {
        table
    } else {
        format!("{table}<p class=\"quiet\">... and {more} more; the flame graph has them all</p>")
    }
}

/// Where the most of them wait, and how many places there are besides.
fn waits(site: &Site<'_>) -> Cell {
    let Some(((function, place), _)) = site.waits.iter().max_by_key(|(_, count)| **count) else {
        return Cell::default();
    };
    let place = match site.waits.len() - 1 {
        0 => place.clone(),
        more => format!("{place} and {more} more"),
    };
    Cell::words(function).to(&flame("tasks", &[("focus", &only(function))])).with(&place)
}

/// `waiting 40, running 2`: the three that are most.
fn counted(counts: &BTreeMap<&str, u64>) -> String {
    let mut counts: Vec<_> = counts.iter().collect();
    counts.sort_by(|a, b| b.1.cmp(a.1));
    let more = counts.len().saturating_sub(3);
    let shown =
        counts.iter().take(3).map(|(name, count)| format!("{name} {}", Unit::Count.show(**count as f64)));
    let more = (more > 0).then(|| format!("{more} more"));
    shown.chain(more).collect::<Vec<_>>().join(", ")
}

fn named(frame: &Frame) -> Option<&Function> {
    match frame {
        Frame::Named(function) => Some(function),
        _ => None,
    }
}

fn row(task: &TaskRow) -> [Cell; 9] {
    let seen = render::tasks::are_polls_seen(task);
    let route = task.route.as_deref().unwrap_or_default();
    let of_route = || flame("tasks", &[("label", &format!("route={route}"))]);
    [
        Cell::time(task.age),
        Cell::words(task.state),
        Cell::time(task.since),
        if seen { Cell::count(task.polls) } else { Cell::default() },
        if seen { Cell::time(task.busy) } else { Cell::default() },
        Cell::words(&task.function)
            .to(&flame("tasks", &[("focus", &only(&task.function))]))
            .with(&task.place),
        if route.is_empty() { Cell::default() } else { Cell::words(route).to(&of_route()) },
        Cell::words(task.name.as_deref().unwrap_or_default()),
        Cell::words(if task.kind == "task" { "" } else { task.kind }),
    ]
}

/// The ways to the pages before and after this one.
fn turns(list: &TaskList) -> String {
    let link = |page: usize, words: &str| {
        format!(
            "<a href=\"/debug/tasks?page={}&amp;size={}\">{words}</a> ",
            encoded(&page.to_string()),
            list.size
        )
    };
    let mut turns = String::new();
    if list.page > 0 {
        turns += &link(list.page, "older");
    }
    if list.page.saturating_add(1) < list.pages {
        turns += &link(list.page.saturating_add(2), "younger");
    }
    if turns.is_empty() { turns } else { format!("<p class=\"links\">{turns}</p>") }
}
