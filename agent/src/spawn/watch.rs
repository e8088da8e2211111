//! What any future can be asked to tell of itself.

use std::future::Future;

#[cfg(feature = "__agent")]
pub use super::watched::Watched;
#[cfg(feature = "__agent")]
pub use crate::context::InScope;

/// The future itself: flamewatch was built without its features.
#[cfg(not(feature = "__agent"))]
pub type InScope<F> = F;

/// The future itself: flamewatch was built without its features.
#[cfg(not(feature = "__agent"))]
pub type Watched<F> = F;

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
    /// While this future is polled, CPU and wall-clock samples carry the label `scope=name`, as within a
    /// [`scope`](crate::scope()). Bounds and costs are those of a scope; a poll costs 2 ns more.
    #[cfg_attr(not(feature = "__agent"), allow(unused_variables, reason = "nobody listens in this build"))]
    fn in_scope(self, name: &str) -> InScope<Self> {
        #[cfg(feature = "__agent")]
        let scoped = InScope::new(self, name);
        #[cfg(not(feature = "__agent"))]
        let scoped = self;
        scoped
    }

    /// Lists this future among the tasks, as `name`, from its first poll until it ends or is dropped; samples taken
    /// while it is polled carry `task=name`. Of a future that is spawned with [`spawn`](crate::spawn) it is the name of
    /// the task. Elsewhere it makes visible what others spawn or what a task does within itself.
    ///
    /// A name is a kind of work, as that of a [`scope`](crate::scope()).
    ///
    /// ```
    /// use flamewatch::Watch as _;
    ///
    /// # async fn import() {}
    /// # async fn handler() {
    /// flamewatch::spawn(import().watched("import"));
    /// # }
    /// ```
    #[track_caller]
    #[cfg_attr(not(feature = "__agent"), allow(unused_variables, reason = "nobody listens in this build"))]
    fn watched(self, name: &str) -> Watched<Self> {
        #[cfg(feature = "__agent")]
        let watched = Watched::new(self, name);
        #[cfg(not(feature = "__agent"))]
        let watched = self;
        watched
    }
}

impl<F: Future> Watch for F {}
