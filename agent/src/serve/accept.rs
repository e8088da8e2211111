//! The accept loop: bounded in connections, in the size of heads and in every wait.
//! axum's own loop sets no timer, so that hyper's time-outs never fire: a client that dribbles its head stays for ever.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use super::listener::{Caller, Listener};

/// How long a client may take over a request's head, with the handshake of TLS before the first one, and how long an idle
/// connection is kept.
const HEAD_TIME: Duration = Duration::from_secs(5);

/// What a head has at least, however long the handshake took.
const LEAST_HEAD_TIME: Duration = Duration::from_secs(1);

/// The largest head; hyper answers a larger one with 431.
const HEAD_BYTES: usize = 16 << 10;

/// The most connections; further ones wait in the listener's backlog. Each holds at most a head, 16 KiB, and an answer.
const CONNECTIONS: usize = 32;

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
    let (stopped, stopping) = watch::channel(false);
    let mut connections = JoinSet::new();
    let mut stop = pin!(stop);
    loop {
        let accepted = async {
            let seat = seats.clone().acquire_owned().await.ok();
            (listener.accept().await, seat)
        };
        match first(accepted, stop.as_mut()).await {
            Err(()) => break,
            Ok((Ok(caller), seat)) => {
                let served = connection(caller, router.clone(), stopping.clone());
                connections.spawn(async move {
                    served.await;
                    drop(seat);
                });
            }
            Ok((Err(error), _)) => {
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

/// One connection. A client that leaves ends the request it was waiting for: hyper drops its future.
async fn connection(caller: Caller, router: Router, mut stopping: watch::Receiver<bool>) {
    let begun = Instant::now();
    let Some(stream) = caller.greeted(HEAD_TIME).await else { return };
    let head_time = HEAD_TIME.saturating_sub(begun.elapsed()).max(LEAST_HEAD_TIME);
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(head_time).max_buf_size(HEAD_BYTES);
    let connection = builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
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
