//! What the routes have counted: as a table, as JSON and in Prometheus' text format.

use std::io::{self, Write};
use std::time::Duration;

use serde::Serialize;

use super::columns::{self, Set::Left, Set::Right};
use super::exposition;
use crate::Unit;
use crate::http::{BUCKETS, RouteStats};

/// Writes `routes` as a table, the busiest first.
pub(crate) fn text(routes: &[RouteStats], out: &mut dyn Write) -> io::Result<()> {
    let mut routes: Vec<&RouteStats> = routes.iter().collect();
    routes.sort_by_key(|route| std::cmp::Reverse(route.total));
    let heads = [
        ("method", Left),
        ("calls", Right),
        ("in flight", Right),
        ("average", Right),
        ("p50", Right),
        ("p99", Right),
        ("4xx", Right),
        ("5xx", Right),
        ("canceled", Right),
        ("bytes", Right),
        ("tasks", Right),
        ("route", Left),
    ];
    columns::write(heads, routes.into_iter().map(cells), out)
}

/// Writes `routes` as JSON: `{"bounds_seconds": [0.001, …], "routes": [{"method": "GET", "path": "/", "calls": 1, …}]}`.
/// `buckets` has one number more than `bounds_seconds`, for what took longer.
pub(crate) fn json(routes: &[RouteStats], out: &mut dyn Write) -> io::Result<()> {
    let document = Document {
        bounds_seconds: BUCKETS.map(|end| end.as_secs_f64()),
        routes: routes.iter().map(Route::of).collect(),
    };
    serde_json::to_writer(&mut *out, &document)?;
    out.write_all(b"\n")
}

/// Writes `routes` in Prometheus' text format.
pub(crate) fn prometheus(routes: &[RouteStats], out: &mut dyn Write) -> io::Result<()> {
    histogram(routes, out)?;
    let mut metric = |name: &str, kind: &str, help: &str, value: fn(&RouteStats) -> u64| {
        exposition::head(name, kind, help, out)?;
        routes.iter().try_for_each(|route| exposition::sample(name, &labels(route), value(route) as f64, out))
    };
    metric("http_server_active_requests", "gauge", "Requests being handled.", |route| route.in_flight)?;
    metric("flamewatch_route_client_errors_total", "counter", "Answers of 400 to 499.", |route| {
        route.client_errors
    })?;
    metric("flamewatch_route_server_errors_total", "counter", "Answers of 500 and more.", |route| {
        route.server_errors
    })?;
    metric("flamewatch_route_canceled_total", "counter", "Requests dropped unanswered.", |route| {
        route.canceled
    })?;
    metric(
        "flamewatch_route_response_bytes_total",
        "counter",
        "Bytes of responses of known length.",
        |route| route.response_bytes,
    )?;
    metric("flamewatch_route_tasks", "gauge", "Tasks alive that were spawned for the route.", |route| {
        route.tasks
    })
}

fn histogram(routes: &[RouteStats], out: &mut dyn Write) -> io::Result<()> {
    let name = "http_server_request_duration_seconds";
    exposition::head(name, "histogram", "Time until the head of the response.", out)?;
    for route in routes {
        let ends = BUCKETS.iter().map(|end| end.as_secs_f64().to_string()).chain(["+Inf".to_owned()]);
        let mut sum = 0;
        for (end, count) in ends.zip(route.buckets) {
            sum += count;
            let [method, path] = labels(route);
            exposition::sample(&format!("{name}_bucket"), &[method, path, ("le", &end)], sum as f64, out)?;
        }
        exposition::sample(&format!("{name}_sum"), &labels(route), route.total.as_secs_f64(), out)?;
        exposition::sample(&format!("{name}_count"), &labels(route), sum as f64, out)?;
    }
    Ok(())
}

fn labels(route: &RouteStats) -> [(&str, &str); 2] {
    [("http_request_method", &route.method), ("http_route", &route.path)]
}

fn cells(route: &RouteStats) -> [String; 12] {
    let count = |number: u64| Unit::Count.show(number as f64);
    let time = |time: Duration| Unit::Nanoseconds.show(time.as_nanos() as f64);
    let within = |share: f64| within(quantile(route, share));
    [
        route.method.clone(),
        count(route.calls()),
        count(route.in_flight),
        time(route.average()),
        if route.calls() == 0 { String::new() } else { within(0.5) },
        if route.calls() == 0 { String::new() } else { within(0.99) },
        count(route.client_errors),
        count(route.server_errors),
        count(route.canceled),
        Unit::Bytes.show(route.response_bytes as f64),
        count(route.tasks),
        route.path.clone(),
    ]
}

/// The end of the bucket that `share` of all answers lie within; `None` beyond the last.
pub(crate) fn quantile(route: &RouteStats, share: f64) -> Option<Duration> {
    let wanted = route.calls() as f64 * share;
    let mut sum = 0;
    let ends = BUCKETS.iter().zip(route.buckets);
    ends.map(|(end, count)| {
        sum += count;
        (end, sum)
    })
    .find(|(_, sum)| *sum as f64 >= wanted)
    .map(|(end, _)| *end)
}

/// The end of a bucket, or that it is beyond the last, in words.
pub(crate) fn within(end: Option<Duration>) -> String {
    let time = |time: Duration| Unit::Nanoseconds.show(time.as_nanos() as f64);
    match end {
        Some(end) => format!("≤ {}", time(end)),
        None => format!("> {}", time(BUCKETS.last().copied().unwrap_or_default())),
    }
}

#[derive(Serialize)]
struct Document<'r> {
    bounds_seconds: [f64; BUCKETS.len()],
    routes: Vec<Route<'r>>,
}

#[derive(Serialize)]
struct Route<'r> {
    method: &'r str,
    path: &'r str,
    calls: u64,
    in_flight: u64,
    total_seconds: f64,
    buckets: &'r [u64],
    client_errors: u64,
    server_errors: u64,
    canceled: u64,
    response_bytes: u64,
    unsized_responses: u64,
    tasks: u64,
}

impl<'r> Route<'r> {
    fn of(route: &'r RouteStats) -> Self {
        Self {
            method: &route.method,
            path: &route.path,
            calls: route.calls(),
            in_flight: route.in_flight,
            total_seconds: route.total.as_secs_f64(),
            buckets: &route.buckets,
            client_errors: route.client_errors,
            server_errors: route.server_errors,
            canceled: route.canceled,
            response_bytes: route.response_bytes,
            unsized_responses: route.unsized_responses,
            tasks: route.tasks,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routes() -> Vec<RouteStats> {
        let mut buckets = [0; BUCKETS.len() + 1];
        (buckets[0], buckets[2], buckets[13]) = (7, 2, 1);
        let orders = RouteStats {
            method: "GET".to_owned(),
            path: "/orders/{id}".to_owned(),
            in_flight: 3,
            buckets,
            total: Duration::from_millis(12_500),
            client_errors: 1,
            server_errors: 2,
            canceled: 4,
            response_bytes: 2_048,
            unsized_responses: 5,
            tasks: 1_234,
        };
        let idle = RouteStats {
            method: "OTHER".to_owned(),
            path: "(unmatched)".to_owned(),
            ..RouteStats::default()
        };
        vec![idle, orders]
    }

    fn shown(write: fn(&[RouteStats], &mut dyn Write) -> io::Result<()>) -> String {
        let mut out = Vec::new();
        write(&routes(), &mut out).expect("written");
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn as_a_table() {
        let lines = "\
method  calls  in flight  average     p50     p99  4xx  5xx  canceled  bytes  tasks  route
GET        10          3    1.2 s  ≤ 1 ms  > 10 s    1    2         4  2 KiB  1,234  /orders/{id}
OTHER       0          0     0 ns                    0    0         0    0 B      0  (unmatched)
";
        assert_eq!(shown(text), lines);
    }

    #[test]
    fn as_json() {
        let value: serde_json::Value = serde_json::from_str(&shown(json)).expect("JSON");
        assert_eq!(value["bounds_seconds"].as_array().map(Vec::len), Some(13));
        let orders = &value["routes"][1];
        assert_eq!((&orders["calls"], &orders["tasks"]), (&10.into(), &1_234.into()));
        assert_eq!(orders["buckets"].as_array().map(Vec::len), Some(14));
    }

    #[test]
    fn for_prometheus() {
        let shown = shown(prometheus);
        let labels = "http_request_method=\"GET\",http_route=\"/orders/{id}\"";
        for line in [
            "# TYPE http_server_request_duration_seconds histogram".to_owned(),
            format!("http_server_request_duration_seconds_bucket{{{labels},le=\"0.0025\"}} 7"),
            format!("http_server_request_duration_seconds_bucket{{{labels},le=\"+Inf\"}} 10"),
            format!("http_server_request_duration_seconds_sum{{{labels}}} 12.5"),
            format!("http_server_request_duration_seconds_count{{{labels}}} 10"),
            format!("http_server_active_requests{{{labels}}} 3"),
            format!("flamewatch_route_tasks{{{labels}}} 1234"),
        ] {
            assert!(shown.lines().any(|shown| shown == line), "{line} in\n{shown}");
        }
        assert!(!shown.contains("NaN"));
    }
}
