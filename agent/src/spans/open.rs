//! The spans that a thread is in. `tracing` lets one be entered on several threads at once and left in any order, so
//! what was before is kept by the thread and not by the span.

use std::cell::RefCell;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::context::{self, Key, Value};
use crate::sys;

/// The most spans kept that a thread is in. Who leaves a span on another thread than it entered leaves it behind here;
/// 64 of them are 1 KB, and the outermost is forgotten for the next.
const MAX_OPEN: usize = 64;

/// A span's name, and the last tag that came of it: the upper half is that of where it was entered.
#[derive(Debug)]
pub(super) struct Label {
    name: Value,
    last: AtomicU64,
}

/// A span that the thread is in, and the tag to go back to.
struct Open {
    id: u64,
    before: u32,
}

thread_local! {
    static OPEN: RefCell<Vec<Open>> = const { RefCell::new(Vec::new()) };
}

impl Label {
    pub(super) fn new(name: &str) -> Self {
        let label = Self { name: context::value(Key::Span, name), last: AtomicU64::new(u64::MAX) };
        label.tag(context::current());
        label
    }

    /// The tag for this span where `parent` holds: seldom another than the last time.
    fn tag(&self, parent: u32) -> u32 {
        let last = self.last.load(Ordering::Relaxed);
        if last >> 32 == u64::from(parent) {
            return u32::try_from(last & u64::from(u32::MAX)).unwrap_or(0);
        }
        let tag = context::with(parent, Key::Span, self.name);
        self.last.store(u64::from(parent) << 32 | u64::from(tag), Ordering::Relaxed);
        tag
    }
}

/// The thread enters a span. Without its thread-local, while the thread ends, nothing happens.
pub(super) fn enter(id: u64, label: &Label) {
    with_open(|open| {
        if open.len() >= MAX_OPEN {
            open.remove(0);
        }
        let before = sys::tag::set(label.tag(context::current()));
        open.push(Open { id, before });
    });
}

/// The thread leaves a span, which need not be the one it entered last.
pub(super) fn exit(id: u64) {
    with_open(|open| {
        let Some(index) = open.iter().rposition(|span| span.id == id) else { return };
        let Open { before, .. } = open.remove(index);
        match open.get_mut(index) {
            // Those entered meanwhile go on, and at their end go back to what was before this one.
            Some(inner) => inner.before = before,
            None => {
                sys::tag::set(before);
            }
        }
    });
}

fn with_open(change: impl FnOnce(&mut Vec<Open>)) {
    let _ended = OPEN.try_with(|open| {
        if let Ok(mut open) = open.try_borrow_mut() {
            change(&mut open);
        }
    });
}

#[cfg(test)]
mod tests {
    use tracing::instrument::{Instrument as _, WithSubscriber as _};
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;
    use crate::Watch as _;

    /// `route/span/scope` of where this runs.
    fn here() -> String {
        let label =
            |key| context::label(context::current(), key).map_or_else(|| "-".to_owned(), |it| it.to_string());
        [Key::Route, Key::Span, Key::Scope].map(label).join("/")
    }

    fn with_layer<T>(work: impl FnOnce() -> T) -> T {
        let subscriber = tracing_subscriber::registry().with(crate::span_layer());
        tracing::subscriber::with_default(subscriber, work)
    }

    #[test]
    fn the_innermost_span_shows_until_it_is_left() {
        with_layer(|| {
            let (outer, inner) = (tracing::info_span!("outer"), tracing::info_span!("inner", customer = 7));
            let entered = outer.enter();
            assert_eq!(here(), "-/outer/-");
            inner.in_scope(|| assert_eq!(here(), "-/inner/-"));
            let scope = crate::scope("scope");
            inner.in_scope(|| assert_eq!(here(), "-/inner/scope"));
            drop(scope);
            assert_eq!(here(), "-/outer/-");
            drop(entered);
            assert_eq!(here(), "-/-/-");
        });
    }

    #[test]
    fn spans_may_be_left_in_any_order() {
        with_layer(|| {
            let [first, second, third] =
                [tracing::info_span!("a"), tracing::info_span!("b"), tracing::info_span!("c")];
            let (one, two, three) = (first.enter(), second.enter(), third.enter());
            drop(two);
            assert_eq!(here(), "-/c/-");
            drop(one);
            assert_eq!(here(), "-/c/-");
            drop(three);
            assert_eq!(here(), "-/-/-");
        });
    }

    #[test]
    fn a_span_shows_in_whichever_route_it_is_entered() {
        with_layer(|| {
            let span = tracing::info_span!("span");
            for route in ["GET /a", "GET /b", "GET /a"] {
                let route_tag = context::child(context::current(), Key::Route, route);
                let _route = context::Entered::new(route_tag);
                span.in_scope(|| assert_eq!(here(), format!("{route}/span/-")));
                assert_eq!(here(), format!("{route}/-/-"));
            }
        });
    }

    #[test]
    fn a_span_that_is_never_left_here_is_forgotten_in_time() {
        with_layer(|| {
            let label = Label::new("lost");
            for id in 0..10 * MAX_OPEN as u64 {
                enter(id, &label);
            }
            assert_eq!(OPEN.with_borrow(Vec::len), MAX_OPEN);
            (0..10 * MAX_OPEN as u64).for_each(exit);
            assert_eq!(OPEN.with_borrow(Vec::len), 0);
            sys::tag::set(0);
        });
    }

    #[tokio::test]
    async fn an_instrumented_task_carries_its_span_across_awaits() {
        let subscriber = tracing_subscriber::registry().with(crate::span_layer());
        let work = async {
            let before = here();
            tokio::task::yield_now().await;
            (before, here())
        };
        let work = work.in_scope("scope");
        let work = async move { work.instrument(tracing::info_span!("request")).await };
        let seen = tokio::spawn(work.with_subscriber(subscriber)).await.expect("returned");
        assert_eq!(seen, ("-/request/scope".to_owned(), "-/request/scope".to_owned()));
        assert_eq!(here(), "-/-/-");
    }
}
