//! The crate `metrics`: whatever recorder the service has installed gets our numbers beside its own, under names that
//! begin with `flamewatch_`. Without a recorder they go nowhere.

use metrics::{counter, gauge};

use super::numbers::Numbers;

/// The installed recorder.
#[derive(Debug, Default)]
pub(super) struct Facade(());

impl Facade {
    /// Tells it one round.
    pub(super) fn send(&self, numbers: &Numbers) {
        for (name, value) in &numbers.gauges {
            gauge!(format!("flamewatch_{}", name.replace('.', "_"))).set(*value);
        }
        for route in &numbers.routes {
            let labels = [("method", route.method.clone()), ("route", route.path.clone())];
            counter!("flamewatch_route_calls_total", &labels).absolute(route.all_calls);
            gauge!("flamewatch_route_seconds_total", &labels).set(route.all_time.as_secs_f64());
            gauge!("flamewatch_route_in_flight", &labels).set(route.in_flight as f64);
            gauge!("flamewatch_route_tasks", &labels).set(route.tasks as f64);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use metrics::{Counter, Gauge, GaugeFn, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};

    use super::*;
    use crate::export::numbers::Route;

    #[derive(Clone, Default)]
    struct Book(Arc<Mutex<Vec<(String, f64)>>>);

    struct Entry(Book, String);

    impl Entry {
        fn of(book: &Book, key: &Key) -> Arc<Self> {
            let labels: String =
                key.labels().map(|label| format!(" {}={}", label.key(), label.value())).collect();
            Arc::new(Self(book.clone(), format!("{}{labels}", key.name())))
        }

        fn write(&self, value: f64) {
            self.0.0.lock().expect("a book").push((self.1.clone(), value));
        }
    }

    impl GaugeFn for Entry {
        fn increment(&self, _value: f64) {}
        fn decrement(&self, _value: f64) {}
        fn set(&self, value: f64) {
            self.write(value);
        }
    }

    impl metrics::CounterFn for Entry {
        fn increment(&self, _value: u64) {}
        fn absolute(&self, value: u64) {
            self.write(value as f64);
        }
    }

    impl Recorder for Book {
        fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
            Counter::from_arc(Entry::of(self, key))
        }
        fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
            Gauge::from_arc(Entry::of(self, key))
        }
        fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
            Histogram::noop()
        }
    }

    #[test]
    fn the_installed_recorder_is_told() {
        let book = Book::default();
        let route = Route {
            method: "GET".to_owned(),
            path: "/".to_owned(),
            all_calls: 3,
            tasks: 2,
            ..Route::default()
        };
        let numbers = Numbers { gauges: vec![("rss.share".to_owned(), 0.5)], routes: vec![route] };
        metrics::with_local_recorder(&book, || Facade::default().send(&numbers));
        let told = book.0.lock().expect("a book").clone();
        assert!(told.contains(&("flamewatch_rss_share".to_owned(), 0.5)), "{told:?}");
        assert!(
            told.contains(&("flamewatch_route_calls_total method=GET route=/".to_owned(), 3.0)),
            "{told:?}"
        );
        assert!(told.contains(&("flamewatch_route_tasks method=GET route=/".to_owned(), 2.0)), "{told:?}");
    }
}
