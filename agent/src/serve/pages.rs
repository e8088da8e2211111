//! The debug port's pages inside of a server of the service's own. That server hands a request over and waits; it is
//! answered on the agent's thread like one of the port's, so that what collects, names and draws runs where it always does.

use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::http::{Extensions, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{BoxError, Router};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tower_service::Service;

use super::answer::Refusal;

/// The most requests at a time, as many as the port has connections; a further one is told to come back.
const SEATS: usize = 32;

/// How long an answer may take: the longest window, and half as long to draw it.
const PATIENCE: Duration = Duration::from_secs(90);

/// What the debug port serves, as a tower service for a server that the service has anyway; made by
/// [`Agent::pages`](crate::Agent::pages).
///
/// The pages link to each other by `/debug/…`, so that is where they have to be; `/metrics` is theirs too, where the service
/// has none of its own. It works for any server on `http` 1.x (axum 0.8, hyper 1, tonic), needs no runtime of its own kind,
/// and does the work on the agent's thread.
///
/// Whoever can reach that server can ask here, so every request needs the token (`FLAMEWATCH_TOKEN`), as Bearer or as the
/// password of Basic; without one nothing is answered but 403. What pages of other sites ask is refused as on the port.
#[derive(Clone)]
pub struct Pages {
    asked: UnboundedSender<Asked>,
    seats: Arc<Semaphore>,
}

/// A request on its way to the agent. Whoever drops the other end of `answer` has left.
struct Asked {
    request: Request,
    answer: oneshot::Sender<Response>,
    seat: OwnedSemaphorePermit,
}

/// The agent's end: what has been asked.
pub(crate) struct Mount {
    asked: UnboundedReceiver<Asked>,
}

/// Both ends. Without the agent's, whoever asks is told that there is nobody.
pub(crate) fn mount() -> (Pages, Mount) {
    let (sender, asked) = unbounded_channel();
    (Pages { asked: sender, seats: Arc::new(Semaphore::new(SEATS)) }, Mount { asked })
}

impl Mount {
    /// Answers by `router` until `stop`.
    pub(super) async fn answer(mut self, router: Router, stop: impl Future<Output = ()>) {
        let mut answers = JoinSet::new();
        let mut stop = std::pin::pin!(stop);
        loop {
            tokio::select! {
                () = &mut stop => break,
                Some(asked) = self.asked.recv() => drop(answers.spawn(asked.answered(router.clone()))),
                Some(_) = answers.join_next() => {}
                else => break,
            }
        }
    }
}

impl Asked {
    async fn answered(self, mut router: Router) {
        let Self { request, mut answer, seat } = self;
        let answered = tokio::select! {
            // The client has left: what it asked for ends here, as it does on the port.
            () = answer.closed() => return,
            answered = timeout(PATIENCE, router.call(request)) => answered,
        };
        let late = || Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "it took too long").into_response();
        let _ = answer.send(answered.map_or_else(|_| late(), |Ok(response)| response));
        drop(seat);
    }
}

impl<B> Service<Request<B>> for Pages
where
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (answer, answered) = oneshot::channel();
        let seat = self.seats.clone().try_acquire_owned();
        let asked = seat
            .map_err(|_| Refusal::busy("too many ask at a time; try again in a few seconds"))
            .and_then(|seat| {
                let asked = Asked { request: ours(request), answer, seat };
                self.asked.send(asked).map_err(|_| gone())
            });
        Box::pin(async move {
            Ok(match asked {
                Ok(()) => answered.await.unwrap_or_else(|_| gone().into_response()),
                Err(refusal) => refusal.into_response(),
            })
        })
    }
}

/// The request as it came over the wire. What the routers above have found out about it is theirs: a parameter that one of
/// them took from the path would be taken for one of ours.
fn ours<B>(request: Request<B>) -> Request
where
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    let (mut parts, body) = request.into_parts();
    parts.extensions = Extensions::new();
    Request::from_parts(parts, Body::new(body))
}

fn gone() -> Refusal {
    Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "the agent does not run (FLAMEWATCH=off, or it has ended)")
}

impl fmt::Debug for Pages {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let free = self.seats.available_permits();
        formatter.debug_struct("Pages").field("free_seats", &free).finish_non_exhaustive()
    }
}

impl fmt::Debug for Mount {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Mount").field("waiting", &self.asked.len()).finish_non_exhaustive()
    }
}
