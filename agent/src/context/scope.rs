//! A name for a stretch of code, by the hand of who wrote it: `scope` for code that runs through, `InScope` for a future.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use super::{Entered, Key, Value, child, current, value, with};

/// While it lives, what this thread does carries the name given to [`scope`].
#[derive(Debug)]
#[must_use = "the scope ends when this is dropped; keep it in a variable"]
pub struct Scope(#[expect(dead_code, reason = "held for its drop")] Entered);

/// Names what this thread does until the returned [`Scope`] is dropped: CPU and wall-clock samples taken on this thread
/// carry the label `scope=name`, so that profiles can be cut by it. Of scopes within each other the innermost shows.
/// Costs about 30 ns.
///
/// A name is a kind of work (`parse`, `tenant:big`), not a single piece of it: 6,144 different names are kept, of up
/// to 128 bytes. Past that, samples carry the scope around it, and the profile says so.
///
/// A [`Scope`] belongs to its thread and cannot be held across an `.await` in a spawned task; there is
/// [`Watch::in_scope`](crate::Watch::in_scope) for futures. Scopes end in the reverse order of their beginning, as
/// variables do.
///
/// ```
/// let _scope = flamewatch::scope("nightly-report");
/// ```
pub fn scope(name: &str) -> Scope {
    Scope(Entered::new(child(current(), Key::Scope, name)))
}

pin_project! {
    /// A future whose polls carry a scope; made by [`Watch::in_scope`](crate::Watch::in_scope).
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct InScope<F> {
        #[pin]
        future: F,
        name: Value,
        // The thread's tag at the last poll and what came of it: seldom another at the next.
        last: (u32, u32),
    }
}

impl<F> InScope<F> {
    pub(crate) fn new(future: F, name: &str) -> Self {
        let (name, parent) = (value(Key::Scope, name), current());
        Self { future, name, last: (parent, with(parent, Key::Scope, name)) }
    }
}

impl<F: Future> Future for InScope<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let parent = current();
        if this.last.0 != parent {
            *this.last = (parent, with(parent, Key::Scope, *this.name));
        }
        let _entered = Entered::new(this.last.1);
        this.future.poll(context)
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::task::Waker;

    use super::*;
    use crate::context::label;

    fn here() -> Option<String> {
        label(current(), Key::Scope).map(|name| name.to_string())
    }

    #[test]
    fn a_scope_holds_until_it_is_dropped() {
        assert_eq!(here(), None);
        let outer = scope("outer");
        {
            let _inner = scope("inner");
            assert_eq!(here().as_deref(), Some("inner"));
        }
        assert_eq!(here().as_deref(), Some("outer"));
        let panicked = catch_unwind(|| {
            let _inner = scope("inner");
            panic!("on purpose");
        });
        assert!(panicked.is_err());
        assert_eq!(here().as_deref(), Some("outer"));
        assert_eq!(std::thread::spawn(here).join().expect("a thread"), None);
        drop(outer);
        assert_eq!(here(), None);
    }

    #[test]
    fn a_future_carries_its_scope_at_each_poll_and_only_then() {
        let polls = std::cell::Cell::new(0);
        let future = std::future::poll_fn(|_| {
            assert_eq!(here().as_deref(), Some("future"));
            polls.set(polls.get() + 1);
            assert!(polls.get() < 3, "on purpose");
            Poll::<()>::Pending
        });
        let mut future = Box::pin(InScope::new(future, "future"));
        let mut poll = || future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending();
        assert!(poll());
        assert_eq!(here(), None);
        let around = scope("around");
        assert!(poll());
        assert_eq!(here().as_deref(), Some("around"));
        assert!(catch_unwind(AssertUnwindSafe(poll)).is_err());
        assert_eq!(here().as_deref(), Some("around"));
        drop(around);
    }
}
