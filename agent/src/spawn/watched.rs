//! A future with a name, whoever polls it.

use std::cell::Cell;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use super::hooks;
use super::site::Kind;
use super::slab::Slot;
use super::ticket::Ticket;
use crate::context::{self, Key, Value};

pin_project! {
    /// A future that is listed with the tasks from its first poll on; made by [`Watch::watched`](crate::Watch::watched).
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct Watched<F> {
        #[pin]
        future: F,
        name: Value,
        place: &'static Location<'static>,
        listed: Listed,
    }
}

#[derive(Debug)]
enum Listed {
    /// Not polled yet.
    Not,
    /// The task that was spawned of this very future carries the name.
    ByHost,
    ByItself(Ticket),
}

thread_local! {
    /// The slot of the task that is polled, while its outermost future is a [`Watched`] that was not polled yet.
    static HOST: Cell<Option<&'static Slot>> = const { Cell::new(None) };
}

/// While it lives, the first future polled may take the slot of its task for its own.
pub(super) struct Host(());

/// True for the name of a [`Watched`] future's type.
pub(super) fn is_watched(type_name: &str) -> bool {
    type_name.starts_with(concat!(module_path!(), "::Watched<"))
}

impl Host {
    pub(super) fn new(slot: Option<&'static Slot>) -> Self {
        HOST.set(slot);
        Self(())
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        HOST.set(None);
    }
}

impl<F> Watched<F> {
    #[track_caller]
    pub(super) fn new(future: F, name: &str) -> Self {
        let name = context::value(Key::Task, name);
        Self { future, name, place: Location::caller(), listed: Listed::Not }
    }
}

impl<F: Future> Future for Watched<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let host = HOST.take();
        if matches!(this.listed, Listed::Not) {
            *this.listed = list::<F>(host, this.place, *this.name);
        }
        let _poll = match this.listed {
            Listed::ByItself(ticket) => Some(ticket.poll()),
            _ => None,
        };
        this.future.poll(context)
    }
}

#[cold]
fn list<F>(host: Option<&'static Slot>, place: &'static Location<'static>, name: Value) -> Listed {
    if let Some(slot) = host {
        Ticket::rename(slot, name);
        return Listed::ByHost;
    }
    // A task that somebody else has spawned, if it is one: nobody of ours is around it.
    let outermost = context::label(context::current(), Key::Task).is_none();
    let is_task = outermost && tokio::task::try_id().is_some() && !hooks::knows_this_task();
    let kind = if is_task { Kind::Task } else { Kind::Future };
    Listed::ByItself(Ticket::enter_named::<F>(place, kind, name))
}
