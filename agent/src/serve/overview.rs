//! `/debug/`: what is wrong first, then every gauge with its last hour, the profiles, and who this process is.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::HOST;
use axum::response::Response;

use super::alerts::says;
use super::answer::{self, HTML};
use super::page::{Escaped, scripted};
use super::{Port, index};
use crate::desk::{Board, Chart, Charts, Mark};
use crate::leak::{Leak, level};
use crate::moment::spoken;
use crate::store::Open;

/// What is counted and not sampled, each with what it says.
const TABLES: &str = "<h2>tables</h2><ul class=\"tables\"><li><a href=\"/debug/leaks\">leaks</a> what grows and is never freed, by name\
    <li><a href=\"/debug/alerts\">alerts</a> what is open, what was not told, and whether alerts arrive\
    <li><a href=\"/debug/tasks\">tasks</a> every task alive, the oldest first\
    <li><a href=\"/debug/memory\">memory</a> what it consists of, which part grows, when it runs out\
    <li><a href=\"/debug/routes\">routes</a> requests by route, how long they take, how many are in flight\
    <li><a href=\"/debug/segments\">segments</a> operations on other systems\
    <li><a href=\"/debug/stats\">stats</a> rates of both over 1, 5 and 15 minutes, and all gauges, as JSON\
    <li><a href=\"/debug/history?format=json\">history</a> the last hour of every gauge, as JSON\
    <li><a href=\"/debug/threads\">threads</a> every thread with its stack\
    <li><a href=\"/debug/doctor\">doctor</a> what of flamewatch works here, and what does not\
    <li><a href=\"/metrics\">metrics</a> every number, for Prometheus</ul>\
    <p class=\"quiet\">To <code>curl</code> the tables are text; <code>?format=json</code> is for programs, \
    <code>?page=</code> and <code>?size=</code> turn the pages of the tasks.</p>";

pub(super) async fn show(State(port): State<Arc<Port>>, headers: HeaderMap) -> Response {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
    let (charts, leaks, about) = (port.desk.charts(), port.desk.leaks(), port.desk.about());
    let has_snapshot = |id: &str| port.desk.snapshot(id).is_some();
    let now = SystemTime::now();
    let mut wrongs: Vec<String> = running_out(&about).into_iter().collect();
    wrongs.extend(told(&port.desk.board(), now, has_snapshot));
    wrongs.extend(untold(&port.desk.board(), &charts, &leaks.leaks));
    let mut body = state(&wrongs);
    body += &cards(&charts);
    body += "<h2>profiles</h2>";
    body += &index::profiles(port.desk.sources(), &port.command(host));
    body += TABLES;
    body += &process(&about, &charts);
    answer::ok(HTML, scripted("overview", &body, &["charts.js"]))
}

/// What is wrong, the most urgent first, or that nothing is.
fn state(wrongs: &[String]) -> String {
    if wrongs.is_empty() {
        return "<p id=\"state\" class=\"state well\">No rule is broken, and nothing is known to leak. \
                <a href=\"/debug/alerts\">alerts</a></p>"
            .to_owned();
    }
    format!("<ul id=\"state\" class=\"state wrong\">{}</ul>", wrongs.concat())
}

/// That memory ends, which is more urgent than anything.
fn running_out(about: &[(String, String)]) -> Option<String> {
    let (_, left) = about.iter().find(|(name, _)| name == "memory left")?;
    let (left, when) = left.split_once("; OOM in ")?;
    Some(format!(
        "<li><a href=\"/debug/memory\"><b>OOM in {}</b></a> {} left</li>",
        Escaped(when),
        Escaped(left)
    ))
}

/// What was told and is not over.
fn told(board: &Board, now: SystemTime, has_snapshot: impl Fn(&str) -> bool) -> Vec<String> {
    let told = |open: &Open| {
        let flame = if has_snapshot(&open.id) {
            format!(" <a href=\"/debug/flame?snapshot={}\">flame graph</a>", Escaped(&open.id))
        } else {
            String::new()
        };
        format!(
            "<li><a href=\"/debug/alerts\"><b>{}</b></a> {} <small>for {}</small>{flame}</li>",
            Escaped(&open.rule),
            Escaped(says(open)),
            spoken(now.duration_since(open.since).unwrap_or_default())
        )
    };
    board.open.iter().map(|(open, _)| told(open)).collect()
}

/// What is wrong and was not told: rules that fire, and what leaks.
fn untold(board: &Board, charts: &Charts, leaks: &[Leak]) -> Vec<String> {
    let is_told = |rule: &str| board.open.iter().any(|(open, _)| open.rule == rule);
    let fired = charts.charts.iter().flat_map(|chart| chart.marks.iter().map(move |mark| (chart, mark)));
    let silent = fired.filter(|(_, mark)| mark.fires && !is_told(&mark.rule));
    let told_of = |leak: &&Leak| board.open.iter().any(|(open, _)| open.rule.ends_with(&leak.name));
    let leaking = leaks.iter().filter(|leak| !told_of(leak));
    silent.map(|(chart, mark)| alert(chart, mark)).chain(leaking.map(leak)).collect()
}

fn alert(chart: &Chart, mark: &Mark) -> String {
    let value = chart.value.map_or_else(String::new, |value| chart.unit.show(value));
    let limit = mark.limit.map(|limit| format!(", limit {}", chart.unit.show(limit))).unwrap_or_default();
    format!(
        "<li><a href=\"/debug/alerts\"><b>{}</b></a> {}{limit} <small>{}</small></li>",
        Escaped(&mark.rule),
        Escaped(&value),
        Escaped(&mark.standing)
    )
}

fn leak(leak: &Leak) -> String {
    let verdict = level(leak.level);
    let (title, growth) = (leak.title(), leak.growth());
    format!(
        "<li><a href=\"/debug/leaks\"><b>{}</b></a> {} <small>{verdict}</small></li>",
        Escaped(&title),
        Escaped(&growth)
    )
}

/// A gauge a card, those with a broken rule first: a number each without a script, and with one the hour before it.
fn cards(charts: &Charts) -> String {
    let (mut first, mut rest) = (String::new(), String::new());
    for chart in &charts.charts {
        let into = if chart.marks.iter().any(|mark| mark.fires) { &mut first } else { &mut rest };
        into.push_str(&card(chart, charts.now));
    }
    format!(
        "<section id=\"gauges\" class=\"cards\" aria-labelledby=\"of-gauges\"><h2 class=\"unseen\" id=\"of-gauges\">gauges</h2>{first}{rest}</section>"
    )
}

fn card(chart: &Chart, now: Duration) -> String {
    let mut class = "card";
    if chart.marks.iter().any(|mark| mark.fires) {
        class = "card fires";
    }
    let value = match (&chart.problem, chart.value) {
        (Some(problem), _) => format!("<p class=\"problem\">{}</p>", Escaped(problem)),
        (None, Some(value)) => format!("<p class=\"now\">{}</p>", Escaped(&chart.unit.show(value))),
        (None, None) => "<p class=\"now\">not read yet</p>".to_owned(),
    };
    let mut card = format!(
        "<article class=\"{class}\" data-gauge=\"{0}\"><h3>{0}</h3>{value}<p class=\"range\">{1}</p>",
        Escaped(&chart.gauge),
        Escaped(&range(chart, now))
    );
    for mark in &chart.marks {
        let _ = write!(card, "<p class=\"rule\">{}</p>", Escaped(&rule(chart, mark)));
    }
    card + "</article>"
}

/// `12 MiB to 40 MiB in 25 min`.
fn range(chart: &Chart, now: Duration) -> String {
    let values = || chart.points.iter().map(|(_, value)| *value).chain(chart.value);
    let (low, high) = (values().reduce(f64::min), values().reduce(f64::max));
    let since = chart.points.first().map_or(0.0, |(seconds, _)| now.as_secs_f64() - seconds);
    match (low, high) {
        (Some(low), Some(high)) => {
            let minutes = (since / 60.0).ceil().max(1.0);
            format!("{} to {} in {minutes} min", chart.unit.show(low), chart.unit.show(high))
        }
        _ => String::new(),
    }
}

fn rule(chart: &Chart, mark: &Mark) -> String {
    match mark.limit {
        Some(limit) => format!("{} above {}: {}", mark.rule, chart.unit.show(limit), mark.standing),
        None => format!("{}: {}", mark.rule, mark.standing),
    }
}

/// Who this process is, and how it fares with what no card shows.
fn process(lines: &[(String, String)], charts: &Charts) -> String {
    let on_a_card = |name: &str| {
        charts.charts.iter().any(|chart| {
            chart.gauge == name
                || chart.marks.iter().any(|mark| name.strip_prefix("rule: ") == Some(&mark.rule))
        })
    };
    let table = |shown: &dyn Fn(&str) -> bool| {
        let mut rows = String::new();
        for (name, value) in lines.iter().filter(|(name, _)| shown(name)) {
            let _ = write!(rows, "<tr><th>{}<td>{}</tr>", Escaped(name), Escaped(value));
        }
        format!("<div class=\"wide\"><table class=\"about\">{rows}</table></div>")
    };
    format!(
        "<h2>this process</h2>{}<details><summary>gauges and rules as a table</summary>{}</details>\n",
        table(&|name| !on_a_card(name)),
        table(&on_a_card)
    )
}
