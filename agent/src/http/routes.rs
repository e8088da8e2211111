//! What is counted for each route.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use crate::context::{self, Key, Value};
use crate::intern::{Interner, hash};
use crate::spawn;

/// The most pairs of method and route kept apart; a route takes 0.5 KB, so the most there can be is 0.3 MB.
const MAX_ROUTES: usize = 512;

/// Upper ends of the histogram's buckets, in milliseconds and tenths; what took longer is in one more.
pub(crate) const BUCKETS: [Duration; 13] = [
    Duration::from_micros(1_000),
    Duration::from_micros(2_500),
    Duration::from_millis(5),
    Duration::from_millis(10),
    Duration::from_millis(25),
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_millis(1_000),
    Duration::from_millis(2_500),
    Duration::from_millis(5_000),
    Duration::from_millis(10_000),
];

/// What one route has counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RouteStats {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) in_flight: u64,
    /// Requests answered within each of [`BUCKETS`] and not within the one before; the last is for all longer ones.
    pub(crate) buckets: [u64; BUCKETS.len() + 1],
    /// Time until the response's head, of all answered requests together.
    pub(crate) total: Duration,
    pub(crate) client_errors: u64,
    pub(crate) server_errors: u64,
    /// Requests that were dropped unanswered: the client left, or a time limit above us was hit.
    pub(crate) canceled: u64,
    /// Of responses whose length was known.
    pub(crate) response_bytes: u64,
    /// Responses whose length was not known.
    pub(crate) unsized_responses: u64,
    /// Tasks alive that were spawned for this route.
    pub(crate) tasks: u64,
}

/// Every route that was asked for, by path and method.
#[cfg_attr(not(feature = "serve"), allow(dead_code, reason = "only the debug port shows them"))]
pub(crate) fn snapshot() -> Vec<RouteStats> {
    TABLE.snapshot(&tasks_by_route())
}

/// The same without looking through all tasks, for who asks every few seconds: `tasks` is 0.
pub(crate) fn counts() -> Vec<RouteStats> {
    TABLE.snapshot(&HashMap::new())
}

/// The route of a request. `method` and `path` are of a bounded kind: the names of methods, the routes of the service.
pub(super) fn route(method: &'static str, path: &str) -> &'static Route {
    TABLE.route(method, path)
}

static TABLE: LazyLock<Table> = LazyLock::new(Table::default);

#[derive(Debug)]
struct Table {
    routes: Interner<Route>,
    other: Route,
}

/// A route with all that is counted there. Aligned so that two routes do not share a cache line.
#[derive(Debug)]
#[repr(align(128))]
pub(super) struct Route {
    method: &'static str,
    path: Box<str>,
    label: Value,
    in_flight: AtomicU64,
    buckets: [AtomicU64; BUCKETS.len() + 1],
    total_ns: AtomicU64,
    client_errors: AtomicU64,
    server_errors: AtomicU64,
    canceled: AtomicU64,
    response_bytes: AtomicU64,
    unsized_responses: AtomicU64,
}

impl RouteStats {
    /// Requests that were answered.
    pub(crate) fn calls(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// How long an answer took on average.
    pub(crate) fn average(&self) -> Duration {
        let calls = u32::try_from(self.calls()).unwrap_or(u32::MAX);
        self.total.checked_div(calls).unwrap_or_default()
    }
}

impl Default for Table {
    fn default() -> Self {
        Self { routes: Interner::new(MAX_ROUTES), other: Route::new("", "(other)") }
    }
}

impl Table {
    fn route(&self, method: &'static str, path: &str) -> &Route {
        let is = |route: &Route| route.method == method && *route.path == *path;
        let make = || Route::new(method, path);
        let number = self.routes.intern(hash::texts(&[method, path]), MAX_ROUTES, is, make);
        number.and_then(|number| self.routes.get(number)).unwrap_or(&self.other)
    }

    fn snapshot(&self, tasks: &HashMap<Arc<str>, u64>) -> Vec<RouteStats> {
        let kept = (1..=self.routes.len()).filter_map(|number| self.routes.get(number));
        let all = kept.chain([&self.other]).map(|route| route.stats(tasks));
        let mut all: Vec<_> =
            all.filter(|stats| stats.calls() + stats.in_flight + stats.canceled > 0).collect();
        all.sort_by(|a, b| (&a.path, &a.method).cmp(&(&b.path, &b.method)));
        all
    }
}

impl Route {
    fn new(method: &'static str, path: &str) -> Self {
        let label = format!("{method} {path}");
        Self {
            method,
            path: path.into(),
            label: context::value(Key::Route, label.trim_start()),
            in_flight: AtomicU64::new(0),
            buckets: Default::default(),
            total_ns: AtomicU64::new(0),
            client_errors: AtomicU64::new(0),
            server_errors: AtomicU64::new(0),
            canceled: AtomicU64::new(0),
            response_bytes: AtomicU64::new(0),
            unsized_responses: AtomicU64::new(0),
        }
    }

    /// The label of this route.
    pub(super) const fn label(&self) -> Value {
        self.label
    }

    pub(super) fn began(&self) {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
    }

    /// Answered with `status`, `bytes` long where that is known.
    pub(super) fn answered(&self, took: Duration, status: u16, bytes: Option<u64>) {
        let bucket = BUCKETS.iter().position(|end| took <= *end).unwrap_or(BUCKETS.len());
        if let Some(bucket) = self.buckets.get(bucket) {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
        self.total_ns.fetch_add(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
        match status {
            400..500 => drop(self.client_errors.fetch_add(1, Ordering::Relaxed)),
            500.. => drop(self.server_errors.fetch_add(1, Ordering::Relaxed)),
            _ => {}
        }
        match bytes {
            Some(bytes) => self.response_bytes.fetch_add(bytes, Ordering::Relaxed),
            None => self.unsized_responses.fetch_add(1, Ordering::Relaxed),
        };
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
    }

    /// Dropped without an answer.
    pub(super) fn canceled(&self) {
        self.canceled.fetch_add(1, Ordering::Relaxed);
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
    }

    fn stats(&self, tasks: &HashMap<Arc<str>, u64>) -> RouteStats {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let label = context::text(self.label);
        RouteStats {
            method: self.method.to_owned(),
            path: self.path.to_string(),
            in_flight: count(&self.in_flight),
            buckets: self.buckets.each_ref().map(count),
            total: Duration::from_nanos(count(&self.total_ns)),
            client_errors: count(&self.client_errors),
            server_errors: count(&self.server_errors),
            canceled: count(&self.canceled),
            response_bytes: count(&self.response_bytes),
            unsized_responses: count(&self.unsized_responses),
            tasks: label.and_then(|label| tasks.get(&label).copied()).unwrap_or(0),
        }
    }
}

fn tasks_by_route() -> HashMap<Arc<str>, u64> {
    let mut tasks: HashMap<Arc<str>, u64> = HashMap::new();
    for (group, alive) in spawn::groups() {
        if let Some(route) = context::label(group.tag, Key::Route) {
            *tasks.entry(route).or_default() += alive;
        }
    }
    tasks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_counted_once_in_each_column() {
        let table = Table::default();
        let route = table.route("GET", "/a");
        for (ms, status, bytes) in
            [(1, 200, Some(7)), (2, 404, None), (99_999, 503, Some(3)), (10, 302, Some(0))]
        {
            route.began();
            route.answered(Duration::from_millis(ms), status, bytes);
        }
        route.began();
        route.began();
        route.canceled();
        let tasks = HashMap::from([("GET /a".into(), 4), ("GET /b".into(), 9)]);
        let stats = &table.snapshot(&tasks)[0];
        assert_eq!((stats.calls(), stats.in_flight, stats.canceled, stats.tasks), (4, 1, 1, 4));
        assert_eq!((stats.client_errors, stats.server_errors), (1, 1));
        assert_eq!((stats.response_bytes, stats.unsized_responses), (10, 1));
        assert_eq!(stats.buckets, [1, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
        assert_eq!(stats.average(), Duration::from_millis(100_012) / 4);
    }

    #[test]
    fn routes_past_the_bound_count_together() {
        let table = Table::default();
        for index in 0..MAX_ROUTES + 3 {
            table.route("GET", &format!("/bound/{index}")).began();
        }
        let stats = table.snapshot(&HashMap::new());
        assert_eq!((stats.len(), &*stats[0].path, stats[0].in_flight), (MAX_ROUTES + 1, "(other)", 3));
    }
}
