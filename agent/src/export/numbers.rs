//! What is sent: gauges as they stand, and of each route what it has done since the last round. Pure.

use std::collections::HashMap;
use std::time::Duration;

/// One thing that is told of.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Number {
    /// A gauge as it stands.
    Gauge { name: String, value: f64 },
    /// A route as it stands: what it has counted since the process started, and what is there now.
    Route { method: String, path: String, calls: u64, time: Duration, in_flight: u64, tasks: u64 },
}

/// What one round tells.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Numbers {
    pub(crate) gauges: Vec<(String, f64)>,
    pub(crate) routes: Vec<Route>,
}

/// A route in one round.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Route {
    pub(crate) method: String,
    pub(crate) path: String,
    /// Since the process started.
    pub(crate) all_calls: u64,
    pub(crate) all_time: Duration,
    /// Since the last round.
    pub(crate) calls: u64,
    pub(crate) time: Duration,
    pub(crate) in_flight: u64,
    pub(crate) tasks: u64,
}

/// Remembers the last round of each route, of which there is a bounded number.
#[derive(Debug, Default)]
pub(super) struct Rounds(HashMap<(String, String), (u64, Duration)>);

impl Rounds {
    /// The next round.
    pub(super) fn next(&mut self, numbers: Vec<Number>) -> Numbers {
        let mut next = Numbers::default();
        for number in numbers {
            match number {
                Number::Gauge { name, value } => next.gauges.push((name, value)),
                Number::Route { method, path, calls, time, in_flight, tasks } => {
                    let before =
                        self.0.insert((method.clone(), path.clone()), (calls, time)).unwrap_or_default();
                    next.routes.push(Route {
                        method,
                        path,
                        all_calls: calls,
                        all_time: time,
                        calls: calls.saturating_sub(before.0),
                        time: time.saturating_sub(before.1),
                        in_flight,
                        tasks,
                    });
                }
            }
        }
        next
    }
}

impl Route {
    /// How long an answer took on average since the last round; `None` when there was none.
    pub(crate) fn average(&self) -> Option<Duration> {
        self.time.checked_div(u32::try_from(self.calls).unwrap_or(u32::MAX))
    }

    /// Its key where there are no labels: `get.orders.id` for `GET /orders/{id}`. Letters, digits, `_` and `-` alone, in
    /// parts of a bounded length, so that no route can end a line or begin another key.
    pub(crate) fn key(&self) -> String {
        let parts = self.path.split('/').map(key_part).filter(|part| !part.is_empty());
        let mut key: Vec<String> =
            [key_part(&self.method.to_ascii_lowercase())].into_iter().chain(parts).collect();
        key.retain(|part| !part.is_empty());
        if key.len() < 2 {
            key.push("root".to_owned());
        }
        key.join(".")
    }
}

/// What StatsD's and Graphite's servers take as one part of a key.
pub(crate) fn key_part(text: &str) -> String {
    const LONGEST: usize = 64;
    let letter = |letter: char| match letter {
        'a'..='z' | 'A'..='Z' | '0'..='9' | '_' | '-' => Some(letter),
        '{' | '}' | '(' | ')' | '*' => None,
        _ => Some('_'),
    };
    text.chars().filter_map(letter).take(LONGEST).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(method: &str, path: &str) -> Route {
        Route { method: method.to_owned(), path: path.to_owned(), ..Route::default() }
    }

    #[test]
    fn keys_of_routes() {
        let check = |method, path, expected| assert_eq!(route(method, path).key(), expected);
        check("GET", "/orders/{id}", "get.orders.id");
        check("POST", "/", "post.root");
        check("GET", "(unmatched)", "get.unmatched");
        check("GET", "/a b\n:1|c/<script>", "get.a_b__1_c._script_");
        check("GET", &"x".repeat(1_000), &format!("get.{}", "x".repeat(64)));
    }

    #[test]
    fn a_round_tells_what_was_since_the_last() {
        let mut rounds = Rounds::default();
        let number = |calls, millis| Number::Route {
            method: "GET".to_owned(),
            path: "/".to_owned(),
            calls,
            time: Duration::from_millis(millis),
            in_flight: 1,
            tasks: 2,
        };
        let gauge = Number::Gauge { name: "rss".to_owned(), value: 7.0 };
        let first = rounds.next(vec![number(10, 100), gauge]);
        assert_eq!((first.routes[0].calls, first.gauges[0].1), (10, 7.0));
        let second = rounds.next(vec![number(14, 180)]);
        assert_eq!(
            (second.routes[0].calls, second.routes[0].average()),
            (4, Some(Duration::from_millis(20)))
        );
        assert_eq!(rounds.next(vec![number(14, 180)]).routes[0].average(), None);
    }
}
