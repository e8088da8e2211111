//! The accept loop: bounded in connections, in the size of heads and in every wait.
//! axum's own loop sets no timer, so that hyper's time-outs never fire: a client that dribbles its head stays for ever.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::listener::{Caller, Listener};

/// How long a client may take over a request's head, with the handshake of TLS before the first one, and how long an idle
/// connection is kept.
const HEAD_TIME: Duration = Duration::from_secs(5);

/// What a head has at least, however long the handshake took.
const LEAST_HEAD_TIME: Duration = Duration::from_secs(1);

/// The largest head; hyper answers a larger one with 431.
const HEAD_BYTES: usize = 16 << 10;

/// The most connections; one more is held, further ones wait in the listener's backlog. Each holds at most a head, 16 KiB,
/// and an answer.
const CONNECTIONS: usize = 32;

/// When all are taken, the oldest that has not said what it wants makes room for the next, but not before this time: a
/// crowd that dribbles or is silent would keep everybody out, and needs no token for that.
const GRACE: Duration = Duration::from_millis(250);

/// A connection older than this ends after the request it is at.
const AGE: Duration = Duration::from_secs(120);

/// How long that request may then take: the longest window, and half as long to write the answer.
const LAST_REQUEST: Duration = Duration::from_secs(90);

/// How long requests may take to end once the port is stopped.
const STOP_TIME: Duration = Duration::from_secs(1);

/// After an error such as too many open files.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves `router` on `listener` until `stop`, then lets running requests end, but not for long.
pub(crate) async fn serve(listener: Listener, router: Router, stop: impl Future<Output = ()>) {
    let seats = Arc::new(Semaphore::new(CONNECTIONS));
    let mut strangers = VecDeque::new();
    let (stopped, stopping) = watch::channel(false);
    let mut connections = JoinSet::new();
    let mut stop = pin!(stop);
    loop {
        let accepted = async {
            let caller = listener.accept().await?;
            Ok((caller, seat(&seats, &mut strangers).await))
        };
        match first(accepted, stop.as_mut()).await {
            Err(()) => break,
            Ok(Ok((caller, seat))) => {
                let known = Arc::<AtomicBool>::default();
                let served = connection(caller, router.clone(), known.clone(), stopping.clone());
                let end = connections.spawn(async move {
                    served.await;
                    drop(seat);
                });
                strangers.push_back(Stranger { since: Instant::now(), known, end });
            }
            Ok(Err(error)) => {
                let error: io::Error = error;
                tracing::debug!(%error, "cannot accept a connection");
                sleep(PAUSE).await;
            }
        }
        while connections.try_join_next().is_some() {}
    }
    drop(listener);
    let _ = stopped.send(true);
    let _ = timeout(STOP_TIME, async { while connections.join_next().await.is_some() {} }).await;
}

/// A connection on which nothing was asked yet.
struct Stranger {
    since: Instant,
    /// Whether something was, after all.
    known: Arc<AtomicBool>,
    end: AbortHandle,
}

impl Stranger {
    fn is_one(&self) -> bool {
        !self.known.load(Ordering::Relaxed) && !self.end.is_finished()
    }
}

/// The next free seat, which the oldest of `strangers` makes if nobody leaves.
async fn seat(
    seats: &Arc<Semaphore>,
    strangers: &mut VecDeque<Stranger>,
) -> Result<OwnedSemaphorePermit, AcquireError> {
    loop {
        strangers.retain(Stranger::is_one);
        let seat = seats.clone().acquire_owned();
        let Some(oldest) = strangers.front() else { return seat.await };
        if let Ok(seat) = timeout_at(oldest.since + GRACE, seat).await {
            return seat;
        }
        if let Some(oldest) = strangers.pop_front().filter(Stranger::is_one) {
            oldest.end.abort();
            return seats.clone().acquire_owned().await;
        }
    }
}

/// One connection. A client that leaves ends the request it was waiting for: hyper drops its future.
async fn connection(
    caller: Caller,
    router: Router,
    known: Arc<AtomicBool>,
    mut stopping: watch::Receiver<bool>,
) {
    let begun = Instant::now();
    let Some(stream) = caller.greeted(HEAD_TIME).await else { return };
    let head_time = HEAD_TIME.saturating_sub(begun.elapsed()).max(LEAST_HEAD_TIME);
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(head_time).max_buf_size(HEAD_BYTES);
    let router = TowerToHyperService::new(router);
    let asked = service_fn(move |request| {
        known.store(true, Ordering::Relaxed);
        router.call(request)
    });
    let connection = builder.serve_connection(TokioIo::new(stream), asked);
    let mut connection = pin!(connection);
    let ending = async {
        let _ = timeout(AGE, stopping.wait_for(|stopped| *stopped)).await;
    };
    if first(connection.as_mut(), ending).await.is_err() {
        connection.as_mut().graceful_shutdown();
        let _ = timeout(LAST_REQUEST, connection).await;
    }
}

/// What `wanted` gives, or `Err` when `other` ends before it.
async fn first<T>(wanted: impl Future<Output = T>, other: impl Future<Output = ()>) -> Result<T, ()> {
    let (mut wanted, mut other) = (pin!(wanted), pin!(other));
    poll_fn(|context| match wanted.as_mut().poll(context) {
        Poll::Ready(value) => Poll::Ready(Ok(value)),
        Poll::Pending => other.as_mut().poll(context).map(Err),
    })
    .await
}
