//! `tokio::task::JoinSet`, whose tasks are listed too.

use std::future::Future;

use tokio::runtime::Handle;
use tokio::task::{AbortHandle, JoinSet};

/// Spawns into a [`JoinSet`] as [`spawn`](crate::spawn) does.
///
/// ```
/// use flamewatch::JoinSetExt as _;
///
/// # async fn fetch(_part: u32) {}
/// # async fn all() {
/// let mut parts = tokio::task::JoinSet::new();
/// parts.spawn_watched(fetch(7));
/// parts.join_all().await;
/// # }
/// ```
pub trait JoinSetExt<T> {
    /// As [`JoinSet::spawn`], and counted as [`spawn`](crate::spawn) does.
    ///
    /// # Panics
    /// Outside of a tokio runtime, as [`JoinSet::spawn`] does.
    #[track_caller]
    fn spawn_watched<F>(&mut self, future: F) -> AbortHandle
    where
        F: Future<Output = T> + Send + 'static,
        T: Send;

    /// As [`JoinSet::spawn_on`], and counted as [`spawn`](crate::spawn) does.
    #[track_caller]
    fn spawn_watched_on<F>(&mut self, future: F, handle: &Handle) -> AbortHandle
    where
        F: Future<Output = T> + Send + 'static,
        T: Send;
}

impl<T: 'static> JoinSetExt<T> for JoinSet<T> {
    #[track_caller]
    fn spawn_watched<F>(&mut self, future: F) -> AbortHandle
    where
        F: Future<Output = T> + Send + 'static,
        T: Send,
    {
        #[cfg(feature = "__agent")]
        let (future, _ours) = (super::task(future), super::hooks::Ours::spawn());
        self.spawn(future)
    }

    #[track_caller]
    fn spawn_watched_on<F>(&mut self, future: F, handle: &Handle) -> AbortHandle
    where
        F: Future<Output = T> + Send + 'static,
        T: Send,
    {
        #[cfg(feature = "__agent")]
        let (future, _ours) = (super::task(future), super::hooks::Ours::spawn());
        self.spawn_on(future, handle)
    }
}
