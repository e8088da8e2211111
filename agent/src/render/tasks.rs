//! A page of tasks, one by one, as a table for terminals, each for itself as Go prints goroutines, and as JSON. The profile
//! of the tasks is a profile like any other; this is what it sums up.
//!
//! ```json
//! { "alive": 2, "listed": 2, "page": 1, "pages": 1, "size": 1000, "tasks": [
//!   {"function": "shop::import", "place": "shop/src/orders.rs:88", "name": "importer", "route": null, "kind": "task",
//!    "state": "waiting", "since_seconds": 1.5, "age_seconds": 60.0, "polls": 7, "busy_seconds": 0.02}, …]}
//! ```

use std::io::{self, Write};
use std::time::Duration;

use serde::Serialize;

use super::columns::{self, Set::Left, Set::Right};
use super::plain::plain;
use crate::Unit;
use crate::source::tasks::{TaskList, TaskRow};

/// Writes `list` as a table, nothing cut.
pub(crate) fn text(list: &TaskList, out: &mut dyn Write) -> io::Result<()> {
    head(list, "", out)?;
    let heads = [
        ("age", Right),
        ("state", Left),
        ("since", Right),
        ("polls", Right),
        ("busy", Right),
        ("function", Left),
        ("place", Left),
        ("labels", Left),
    ];
    columns::write(heads, list.tasks.iter().map(cells), out)
}

/// Writes `list` one task below the other, for `?debug=2`: what it does in brackets, then the function and its line.
pub(crate) fn blocks(list: &TaskList, out: &mut dyn Write) -> io::Result<()> {
    head(list, "debug=2&", out)?;
    for task in &list.tasks {
        let (state, since, age) = (task.state, duration(task.since), duration(task.age));
        let labels = labels(task).map(|label| format!(" {}", plain(&label))).collect::<String>();
        let seen = polls_and_busy(task);
        let seen = seen.map(|[polls, busy]| format!(", {polls} polls, busy for {busy}")).unwrap_or_default();
        writeln!(out, "task [{state} for {since}, {age} old{seen}]{labels}:")?;
        writeln!(out, "{}\n\t{}\n", plain(&task.function), plain(&task.place))?;
    }
    Ok(())
}

/// How many there are, and what to ask for to see the next of them.
fn head(list: &TaskList, query: &str, out: &mut dyn Write) -> io::Result<()> {
    let count = |number: u64| Unit::Count.show(number as f64);
    let page = Unit::Count.show(list.page as f64 + 1.0);
    let pages = Unit::Count.show(list.pages.max(1) as f64);
    writeln!(
        out,
        "spawned through flamewatch::spawn: {} alive, the oldest first, page {page} of {pages}",
        count(list.alive)
    )?;
    let [unlisted, hidden] = [unlisted(list), hidden(list)];
    unlisted.iter().try_for_each(|line| writeln!(out, "{line}"))?;
    if list.page.saturating_add(1) < list.pages {
        writeln!(out, "next page: ?{query}page={}&size={}", list.page.saturating_add(2), list.size)?;
    }
    hidden.iter().try_for_each(|line| writeln!(out, "{line}"))?;
    writeln!(out)
}

/// What is not on any page, in words.
pub(crate) fn remarks(list: &TaskList) -> impl Iterator<Item = String> {
    unlisted(list).into_iter().chain(hidden(list))
}

fn unlisted(list: &TaskList) -> Option<String> {
    let unlisted = list.alive.checked_sub(list.listed).filter(|unlisted| *unlisted > 0)?;
    let unlisted = Unit::Count.show(unlisted as f64);
    Some(format!("{unlisted} of them are counted by their site alone; see the goroutine profile"))
}

fn hidden(list: &TaskList) -> Option<String> {
    let paged = list.pages.saturating_mul(list.size) as u64;
    let hidden = list.listed.checked_sub(paged).filter(|hidden| *hidden > 0)?;
    let hidden = Unit::Count.show(hidden as f64);
    Some(format!("the {hidden} youngest are not on any page; the goroutine profile counts their kinds"))
}

/// Writes `list` as JSON. Pages count from 1 on.
pub(crate) fn json(list: &TaskList, out: &mut dyn Write) -> io::Result<()> {
    let document = Document {
        alive: list.alive,
        listed: list.listed,
        page: list.page.saturating_add(1),
        pages: list.pages,
        size: list.size,
        tasks: list.tasks.iter().map(Task::of).collect(),
    };
    serde_json::to_writer(&mut *out, &document)?;
    out.write_all(b"\n")
}

fn cells(task: &TaskRow) -> [String; 8] {
    let [polls, busy] = polls_and_busy(task).unwrap_or_else(|| ["-", "-"].map(str::to_owned));
    [
        duration(task.age),
        task.state.to_owned(),
        duration(task.since),
        polls,
        busy,
        task.function.clone(),
        task.place.clone(),
        labels(task).collect::<Vec<_>>().join(" "),
    ]
}

/// `None` for a task that others have spawned: nobody sees its polls.
fn polls_and_busy(task: &TaskRow) -> Option<[String; 2]> {
    are_polls_seen(task).then(|| [Unit::Count.show(task.polls as f64), duration(task.busy)])
}

/// False for a task that others have spawned.
pub(crate) fn are_polls_seen(task: &TaskRow) -> bool {
    task.kind != "runtime"
}

fn labels(task: &TaskRow) -> impl Iterator<Item = String> {
    let label = |key: &str, value: &str| format!("{key}={value}");
    let labels = [
        task.name.as_ref().map(|name| label("name", name)),
        task.route.as_ref().map(|route| label("route", route)),
        (task.kind != "task").then(|| label("kind", task.kind)),
    ];
    labels.into_iter().flatten()
}

fn duration(duration: Duration) -> String {
    Unit::Nanoseconds.show(duration.as_nanos() as f64)
}

#[derive(Serialize)]
struct Document<'l> {
    alive: u64,
    listed: u64,
    page: usize,
    pages: usize,
    size: usize,
    tasks: Vec<Task<'l>>,
}

#[derive(Serialize)]
struct Task<'l> {
    function: &'l str,
    place: &'l str,
    name: Option<&'l str>,
    route: Option<&'l str>,
    kind: &'static str,
    state: &'static str,
    since_seconds: f64,
    age_seconds: f64,
    polls: Option<u64>,
    busy_seconds: Option<f64>,
}

impl<'l> Task<'l> {
    fn of(task: &'l TaskRow) -> Self {
        Self {
            function: &task.function,
            place: &task.place,
            name: task.name.as_deref(),
            route: task.route.as_deref(),
            kind: task.kind,
            state: task.state,
            since_seconds: task.since.as_secs_f64(),
            age_seconds: task.age.as_secs_f64(),
            polls: are_polls_seen(task).then_some(task.polls),
            busy_seconds: are_polls_seen(task).then_some(task.busy.as_secs_f64()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list() -> TaskList {
        let task = TaskRow {
            function: "shop::import".to_owned(),
            place: "shop/src/orders.rs:88".to_owned(),
            name: Some("importer".into()),
            route: Some("GET /or\nders".into()),
            kind: "blocking",
            state: "running",
            since: Duration::from_millis(1_500),
            age: Duration::from_secs(60),
            polls: 1_234,
            busy: Duration::from_millis(20),
        };
        let plain = TaskRow { name: None, route: None, kind: "task", state: "new", polls: 0, ..task.clone() };
        TaskList { page: 1, pages: 3, size: 667, alive: 2_005, listed: 2_002, tasks: vec![task, plain] }
    }

    #[test]
    fn as_a_table() {
        let mut out = Vec::new();
        text(&list(), &mut out).expect("a table");
        let lines = "\
spawned through flamewatch::spawn: 2,005 alive, the oldest first, page 2 of 3
3 of them are counted by their site alone; see the goroutine profile
next page: ?page=3&size=667
the 1 youngest are not on any page; the goroutine profile counts their kinds

 age  state    since  polls   busy  function      place                  labels
60 s  running  1.5 s  1,234  20 ms  shop::import  shop/src/orders.rs:88  name=importer route=GET /or ders kind=blocking
60 s  new      1.5 s      0  20 ms  shop::import  shop/src/orders.rs:88
";
        assert_eq!(String::from_utf8(out).expect("text"), lines);
    }

    #[test]
    fn one_below_the_other() {
        let mut out = Vec::new();
        blocks(&TaskList { alive: 2_001, listed: 2_001, ..list() }, &mut out).expect("blocks");
        let lines = "\
spawned through flamewatch::spawn: 2,001 alive, the oldest first, page 2 of 3
next page: ?debug=2&page=3&size=667

task [running for 1.5 s, 60 s old, 1,234 polls, busy for 20 ms] name=importer route=GET /or ders kind=blocking:
shop::import
\tshop/src/orders.rs:88

task [new for 1.5 s, 60 s old, 0 polls, busy for 20 ms]:
shop::import
\tshop/src/orders.rs:88

";
        assert_eq!(String::from_utf8(out).expect("text"), lines);
    }

    #[test]
    fn what_is_not_seen_of_a_task_is_not_shown_as_none() {
        let list = list();
        let told = TaskRow { kind: "runtime", state: "alive", ..list.tasks[1].clone() };
        let list = TaskList { tasks: vec![told], ..list };
        let shown = |write: fn(&TaskList, &mut dyn Write) -> io::Result<()>| {
            let mut out = Vec::new();
            write(&list, &mut out).expect("written");
            String::from_utf8(out).expect("text")
        };
        assert!(shown(text).ends_with(
            "60 s  alive  1.5 s      -     -  shop::import  shop/src/orders.rs:88  kind=runtime\n"
        ));
        assert!(shown(blocks).contains("task [alive for 1.5 s, 60 s old] kind=runtime:\n"));
        assert!(shown(json).contains("\"polls\":null,\"busy_seconds\":null"));
    }

    #[test]
    fn as_json() {
        let mut out = Vec::new();
        json(&list(), &mut out).expect("JSON");
        let value: serde_json::Value = serde_json::from_slice(&out).expect("JSON");
        assert_eq!((&value["alive"], &value["page"], &value["pages"]), (&2_005.into(), &2.into(), &3.into()));
        assert_eq!(value["tasks"][0]["name"], "importer");
        assert_eq!(value["tasks"][0]["since_seconds"], 1.5);
        assert_eq!(value["tasks"][1]["route"], serde_json::Value::Null);
    }
}
