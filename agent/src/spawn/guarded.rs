//! A future with something that lives exactly as long as it. `async move { let _guard = guard; future.await }` says
//! the same, but stores the future twice, once as captured and once as awaited.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

pin_project! {
    /// A future and its guard. The future is dropped first.
    pub(super) struct Guarded<F, G> {
        #[pin]
        future: F,
        guard: G,
    }
}

impl<F, G> Guarded<F, G> {
    /// `future`, with `guard` dropped right after it.
    pub(super) const fn new(future: F, guard: G) -> Self {
        Self { future, guard }
    }
}

impl<F: Future, G> Future for Guarded<F, G> {
    type Output = F::Output;

    #[inline]
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        self.project().future.poll(context)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::task::Waker;

    use super::*;

    struct Note<'log>(&'log RefCell<Vec<&'static str>>, &'static str);

    impl Drop for Note<'_> {
        fn drop(&mut self) {
            self.0.borrow_mut().push(self.1);
        }
    }

    #[test]
    fn the_guard_outlives_the_future_and_costs_its_own_size() {
        let log = RefCell::new(Vec::new());
        let inner = Note(&log, "future");
        let future = async move {
            let _inner = inner;
            std::future::pending::<()>().await;
        };
        let size = size_of_val(&future);
        let mut guarded = Box::pin(Guarded::new(future, Note(&log, "guard")));
        assert_eq!(size_of_val(&*guarded), size + size_of::<Note<'_>>());
        assert!(guarded.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        drop(guarded);
        assert_eq!(*log.borrow(), ["future", "guard"]);
    }
}
