//! The service that the layer puts around another: it sees requests come and answers go.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use ::http::header::CONTENT_LENGTH;
use ::http::{Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_service::Service;

use super::call::Call;

/// The label of requests that no route matches. Their paths are the clients' to choose.
const UNMATCHED: &str = "(unmatched)";

/// A service whose requests are counted by route; made by [`layer`](super::layer()).
#[derive(Clone, Debug)]
pub struct RouteService<S> {
    inner: S,
}

pin_project! {
    /// The answer of a [`RouteService`] in the making.
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct RouteFuture<F> {
        #[pin]
        future: F,
        call: Call,
    }
}

impl<S> RouteService<S> {
    pub(super) const fn new(inner: S) -> Self {
        Self { inner }
    }
}

impl<S, B, R> Service<Request<B>> for RouteService<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    R: Body,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = RouteFuture<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let mut call = Call::new(request.method(), path_of(&request).unwrap_or(UNMATCHED));
        let entered = call.enter();
        let future = self.inner.call(request);
        drop(entered);
        RouteFuture { future, call }
    }
}

impl<F, R, E> Future for RouteFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
    R: Body,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let entered = this.call.enter();
        let answer = this.future.poll(context);
        drop(entered);
        if let Poll::Ready(answer) = &answer {
            match answer {
                Ok(response) => this.call.answered(response.status().as_u16(), length_of(response)),
                // The service above makes an answer of it, or closes the connection: a failure on our side.
                Err(_) => this.call.answered(500, None),
            }
        }
        answer
    }
}

/// The route that axum has found for a request.
#[cfg(feature = "serve")]
fn path_of<B>(request: &Request<B>) -> Option<&str> {
    request.extensions().get::<axum::extract::MatchedPath>().map(axum::extract::MatchedPath::as_str)
}

/// Without axum nobody says which route a request is for.
#[cfg(not(feature = "serve"))]
const fn path_of<B>(_request: &Request<B>) -> Option<&str> {
    None
}

fn length_of<R: Body>(response: &Response<R>) -> Option<u64> {
    let header = response.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    header.or_else(|| response.body().size_hint().exact())
}

#[cfg(all(test, feature = "serve"))]
mod tests {
    use std::task::Waker;
    use std::time::Duration;

    use axum::Router;
    use axum::body::Body as AxumBody;
    use axum::routing::{get, post};
    use tower::ServiceExt as _;

    use super::super::{RouteStats, layer, snapshot};
    use super::*;
    use crate::context::{self, Key};

    fn stats(method: &str, path: &str) -> RouteStats {
        let all = snapshot();
        all.into_iter().find(|stats| stats.method == method && stats.path == path).unwrap_or_default()
    }

    fn route_here() -> String {
        context::label(context::current(), Key::Route)
            .map_or_else(|| "none".to_owned(), |label| label.to_string())
    }

    fn request(method: &str, path: &str) -> Request<AxumBody> {
        Request::builder().method(method).uri(path).body(AxumBody::empty()).expect("a request")
    }

    async fn ask(app: &Router, method: &str, path: &str) -> u16 {
        app.clone().oneshot(request(method, path)).await.expect("infallible").status().as_u16()
    }

    fn app() -> Router {
        let seen = async || {
            tokio::task::yield_now().await;
            route_here()
        };
        Router::new()
            .route("/seen/{id}", get(seen))
            .route("/teapot", post(async || (::http::StatusCode::IM_A_TEAPOT, "seven b")))
            .route("/broken", get(async || ::http::StatusCode::BAD_GATEWAY))
            .route("/never", get(async || std::future::pending::<()>().await))
            .route("/spawns", get(async || drop(crate::spawn(std::future::pending::<()>()))))
            .layer(layer())
    }

    #[tokio::test]
    async fn requests_count_under_their_route_not_their_path() {
        let app = app();
        for path in ["/seen/1", "/seen/2?secret=3"] {
            let answer = app.clone().oneshot(request("GET", path)).await.expect("infallible");
            let body = axum::body::to_bytes(answer.into_body(), 1_000).await.expect("a body");
            assert_eq!(body, "GET /seen/{id}");
            assert_eq!(route_here(), "none");
        }
        let seen = stats("GET", "/seen/{id}");
        assert_eq!((seen.calls(), seen.in_flight, seen.response_bytes), (2, 0, 28));
        assert!(seen.total < Duration::from_secs(60));
        assert_eq!([ask(&app, "POST", "/teapot").await, ask(&app, "GET", "/broken").await], [418, 502]);
        let (teapot, broken) = (stats("POST", "/teapot"), stats("GET", "/broken"));
        assert_eq!((teapot.client_errors, teapot.server_errors, teapot.response_bytes), (1, 0, 7));
        assert_eq!((broken.client_errors, broken.server_errors), (0, 1));
    }

    #[tokio::test]
    async fn what_no_route_matches_is_one_line_whatever_is_asked() {
        let app = app();
        for path in ["/nowhere", "/etc/passwd", "/%3Cscript%3E"] {
            assert_eq!(ask(&app, "BREW", path).await, 404);
        }
        let unmatched = stats("OTHER", UNMATCHED);
        assert_eq!((unmatched.calls(), unmatched.client_errors), (3, 3));
    }

    #[tokio::test]
    async fn a_client_that_leaves_is_no_longer_in_flight() {
        let mut answer = Box::pin(app().oneshot(request("GET", "/never")));
        assert!(answer.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        assert_eq!(stats("GET", "/never").in_flight, 1);
        drop(answer);
        let never = stats("GET", "/never");
        assert_eq!((never.in_flight, never.canceled, never.calls()), (0, 1, 0));
    }

    #[tokio::test]
    async fn tasks_that_a_handler_leaves_behind_are_told_by_route() {
        let app = app();
        for _ in 0..3 {
            assert_eq!(ask(&app, "GET", "/spawns").await, 200);
        }
        assert_eq!(stats("GET", "/spawns").tasks, 3);
    }
}
