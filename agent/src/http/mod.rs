//! Requests by route: a layer for axum and whatever else stands on tower. In a build without the agent the same layer
//! does nothing, so that a service can keep the line that installs it.
//!
//! ```
//! # #[cfg(feature = "serve")] {
//! let app: axum::Router = axum::Router::new()
//!     .route("/orders/{id}", axum::routing::get(|| async { "an order" }))
//!     .layer(flamewatch::http::layer());
//! # }
//! ```

#[cfg(feature = "__agent")]
mod call;
#[cfg(feature = "__agent")]
mod routes;
#[cfg(feature = "__agent")]
mod service;

use tower_layer::Layer;

#[cfg(feature = "__agent")]
#[cfg_attr(not(feature = "serve"), allow(unused_imports, reason = "only the debug port shows them"))]
pub(crate) use routes::{BUCKETS, RouteStats, counts, snapshot};
#[cfg(feature = "__agent")]
pub use service::{RouteFuture, RouteService};

/// The service itself: flamewatch was built without its features.
#[cfg(not(feature = "__agent"))]
pub type RouteService<S> = S;

/// A layer that counts and times requests by method and route, and says which are in flight. While a request is
/// handled, CPU and wall-clock samples carry the label `route=GET /orders/{id}`, and tasks that the handler spawns with
/// [`spawn`](crate::spawn()) keep it, so that their number is told by route, too.
///
/// Put it on the router as its last layer, so that it sees the time that all others take. The route is axum's
/// [`MatchedPath`](https://docs.rs/axum/0.8/axum/extract/struct.MatchedPath.html); requests without one are `(unmatched)`
/// together, whatever their path. 512 pairs of method and route are kept apart, the rest count as `(other)`.
///
/// The time is that until the head of the response; a body that is streamed afterwards is not in it, and its bytes are
/// known only where its length is. A request whose client has left counts as canceled. Costs about 200 ns a request.
pub const fn layer() -> RouteLayer {
    RouteLayer(())
}

/// What [`layer`] returns.
#[derive(Clone, Debug)]
#[must_use = "a layer does nothing unless a service has it"]
pub struct RouteLayer(());

impl<S> Layer<S> for RouteLayer {
    type Service = RouteService<S>;

    fn layer(&self, inner: S) -> RouteService<S> {
        #[cfg(feature = "__agent")]
        let inner = RouteService::new(inner);
        inner
    }
}
