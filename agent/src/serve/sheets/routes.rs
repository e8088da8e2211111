//! The routes: what takes the most time first, what fails in red, and the ways to what a route computes and spawns.

use std::collections::HashMap;
use std::time::Duration;

use super::{Cell, Head, encoded, flame, forms, sheet};
use crate::Unit;
use crate::http::RouteStats;
use crate::meter::{Meter, Subject};
use crate::render;
use crate::serve::page::Escaped;

/// For how many seconds a link looks at a route's CPU time.
const SECONDS: u64 = 10;

/// The page's body. `has_cpu` says whether CPU profiles are collected.
pub(in crate::serve) fn body(routes: &[RouteStats], meters: &[(Subject, Meter)], has_cpu: bool) -> String {
    let rates = rates(meters);
    let mut routes: Vec<&RouteStats> = routes.iter().collect();
    routes.sort_by_key(|route| std::cmp::Reverse(route.total));
    let heads = [
        Head::Words("route"),
        Head::Sorted("time"),
        Head::Number("calls"),
        Head::Number("a second"),
        Head::Number("average"),
        Head::Number("p50"),
        Head::Number("p99"),
        Head::Number("in flight"),
        Head::Number("4xx"),
        Head::Number("5xx"),
        Head::Number("canceled"),
        Head::Number("sent"),
        Head::Number("tasks"),
        Head::Ways("look"),
    ];
    let sheet = sheet("routes", heads, routes.into_iter().map(|route| row(route, &rates, has_cpu)));
    let about = "<p class=\"quiet\">Since the start; <b>a second</b> is of the last minute. <b>p50</b> and <b>p99</b> are \
                 the ends of the intervals in which half of the answers and 99 % lie.</p>";
    format!("{sheet}{about}{}", forms("routes"))
}

/// Calls a second over the last minute, by method and path.
fn rates(meters: &[(Subject, Meter)]) -> HashMap<(&str, &str), f64> {
    let mut rates = HashMap::new();
    for (subject, meter) in meters {
        if let Subject::Route { method, path } = subject {
            let [minute, ..] = meter.rates.all();
            rates.insert((method.as_str(), path.as_str()), minute);
        }
    }
    rates
}

fn row(route: &RouteStats, rates: &HashMap<(&str, &str), f64>, has_cpu: bool) -> [Cell; 14] {
    let label = format!("{} {}", route.method, route.path);
    let rate = rates.get(&(route.method.as_str(), route.path.as_str()));
    let within = |share: f64| {
        if route.calls() == 0 {
            return Cell::default();
        }
        let end = render::routes::quantile(route, share);
        Cell::number(&render::routes::within(end), end.map_or(f64::MAX, |end| end.as_secs_f64()))
    };
    let of_route = format!("route={label}");
    let tasks = Cell::count(route.tasks);
    [
        Cell::words(&label),
        Cell::time(route.total),
        Cell::count(route.calls()),
        rate.map_or_else(Cell::default, |rate| Cell::number(&Unit::Count.show(*rate), *rate)),
        Cell::time(route.average()),
        within(0.5),
        within(0.99),
        Cell::count(route.in_flight),
        Cell::errors(route.client_errors),
        Cell::errors(route.server_errors),
        Cell::errors(route.canceled),
        Cell::bytes(route.response_bytes),
        if route.tasks > 0 { tasks.to(&flame("tasks", &[("label", &of_route)])) } else { tasks },
        if has_cpu { Cell::html(cpu(&of_route)) } else { Cell::default() },
    ]
}

fn cpu(of_route: &str) -> String {
    let link = format!("/debug/flame?profile=profile&seconds={SECONDS}#label={}", encoded(of_route));
    let seconds = Unit::Nanoseconds.show(Duration::from_secs(SECONDS).as_nanos() as f64);
    format!("<a href=\"{}\">CPU, {seconds}</a>", Escaped(&link))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meter::{Count, Meters, TICK};

    #[test]
    fn what_fails_stands_out_and_leads_to_its_profile() {
        let orders = RouteStats {
            method: "GET".to_owned(),
            path: "/orders/{id}".to_owned(),
            total: Duration::from_secs(2),
            server_errors: 3,
            tasks: 5,
            ..RouteStats::default()
        };
        let idle = RouteStats { method: "GET".to_owned(), path: "/".to_owned(), ..RouteStats::default() };
        let mut meters = Meters::default();
        let subject = Subject::Route { method: "GET".to_owned(), path: "/orders/{id}".to_owned() };
        meters.tick(Duration::ZERO, []);
        meters.tick(TICK, [(subject, Count { calls: 10, total: Duration::from_secs(2), in_flight: 0 })]);
        let html = body(&[idle, orders], &meters.all(), true);
        let rows: Vec<&str> = html.split("<tr>").skip(2).collect();
        assert!(rows[0].contains("GET /<wbr>orders/<wbr>{id}") && rows[0].contains(">2<td"), "{html}");
        assert!(rows[0].contains("<td class=\"n wrong\" data-head=\"5xx\" data-order=\"3\">3"), "{html}");
        let tasks = "<a href=\"/debug/flame?profile=tasks#label=route%3DGET%20%2Forders%2F%7Bid%7D\">5</a>";
        assert!(rows[0].contains(tasks), "{html}");
        let cpu = "/debug/flame?profile=profile&amp;seconds=10#label=route%3DGET%20%2F\">CPU, 10 s</a>";
        assert!(
            rows[1].contains(cpu) && rows[1].contains("<td class=\"n none\" data-head=\"5xx\""),
            "{html}"
        );
    }
}
