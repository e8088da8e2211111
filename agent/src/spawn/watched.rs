//! A future that counts as alive for as long as it exists: before its first poll, and until it is dropped.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use super::registry::Alive;

pin_project! {
    /// `async move { future.await }` would do the same and make the task up to twice as large.
    pub(super) struct Watched<F> {
        #[pin]
        future: F,
        alive: Alive,
    }
}

impl<F> Watched<F> {
    pub(super) fn new(future: F, alive: Alive) -> Self {
        Self { future, alive }
    }
}

impl<F: Future> Future for Watched<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.project().future.poll(context)
    }
}
