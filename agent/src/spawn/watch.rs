//! What any future can be asked to tell of itself.

use std::future::Future;

#[cfg(feature = "__agent")]
pub use crate::context::InScope;

/// The future itself: flamewatch was built without its features.
#[cfg(not(feature = "__agent"))]
pub type InScope<F> = F;

/// Names for futures; for all of them, spawned by whomever or awaited in place.
///
/// ```
/// use flamewatch::Watch as _;
///
/// # async fn load() {}
/// # async fn handler() {
/// load().in_scope("load").await;
/// # }
/// ```
pub trait Watch: Future + Sized {
    /// While this future is polled, CPU and heap samples carry the label `scope=name`, as within a
    /// [`scope`](crate::scope()). Bounds and costs are those of a scope; a poll costs 2 ns more.
    #[cfg_attr(not(feature = "__agent"), allow(unused_variables, reason = "nobody listens in this build"))]
    fn in_scope(self, name: &str) -> InScope<Self> {
        #[cfg(feature = "__agent")]
        let scoped = InScope::new(self, name);
        #[cfg(not(feature = "__agent"))]
        let scoped = self;
        scoped
    }
}

impl<F: Future> Watch for F {}
