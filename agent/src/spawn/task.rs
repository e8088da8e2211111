//! A future that was spawned, with its ticket. `async move { let _ticket = ticket; future.await }` says nearly the same,
//! but stores the future twice, once as captured and once as awaited.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use pin_project_lite::pin_project;

use super::awaits::Answer;
use super::ticket::Ticket;
use super::watched;

pin_project! {
    /// A task. The future is dropped first, then the ticket: the task counts as alive until nothing of it is left.
    /// Laid out in this order, so that who reads the task's memory finds the ticket at its end.
    #[derive(Debug)]
    #[repr(C)]
    pub(super) struct Task<F> {
        #[pin]
        future: F,
        ticket: Ticket,
    }
}

impl<F> Task<F> {
    /// `future`, which lives as long as `ticket` says.
    #[inline]
    pub(super) const fn new(future: F, ticket: Ticket) -> Self {
        Self { future, ticket }
    }
}

impl<F: Future> Future for Task<F> {
    type Output = F::Output;

    #[inline]
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let poll = this.ticket.poll();
        let _host = this.ticket.is_named().then(|| watched::Host::new(this.ticket.slot()));
        let answer = poll.asked().and_then(|slot| Answer::begin(slot, context.waker()));
        let listening = answer.as_ref().map(Answer::listen);
        // One call for both: a second one would be a second copy of every future that is inlined here.
        let waker: &Waker = listening.as_deref().unwrap_or(context.waker());
        let result = this.future.poll(&mut Context::from_waker(waker));
        if result.is_pending() {
            poll.waits(context.waker());
        }
        if let Some(answer) = &answer {
            answer.end(result.is_pending());
        }
        result
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, Location, catch_unwind};

    use super::super::site::Kind;
    use super::*;
    use crate::context;

    #[test]
    fn a_ticket_costs_a_future_eight_bytes() {
        let future = std::future::pending::<u64>();
        let ticket = Ticket::enter::<()>(Location::caller(), Kind::Task);
        assert_eq!(size_of_val(&Task::new((future, 7_u64), ticket)), 8 + 8);
    }

    #[test]
    fn a_thread_works_for_the_task_during_a_poll_and_only_then() {
        let around = crate::scope("around");
        let route = context::Entered::new(context::child(context::current(), context::Key::Route, "GET /"));
        let ticket = Ticket::enter::<Pin<Box<dyn Future<Output = ()>>>>(Location::caller(), Kind::Task);
        let place = format!("task.rs:{}", line!() - 1);
        drop(route);
        let before = context::current();
        let mut polls = 0;
        let future = std::future::poll_fn(move |_| {
            let labels = context::labels(context::current());
            let labels: Vec<_> = labels.iter().map(|(key, value)| (*key, &**value)).collect();
            assert_eq!(labels, [("task", &*place), ("route", "GET /")]);
            polls += 1;
            assert!(polls < 2, "on purpose");
            Poll::<()>::Pending
        });
        let mut task = Box::pin(Task::new(future, ticket));
        let mut poll = || task.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending();
        assert!(poll());
        assert_eq!(context::current(), before);
        assert!(catch_unwind(AssertUnwindSafe(poll)).is_err());
        assert_eq!(context::current(), before);
        drop(around);
    }
}
