//! The debug port: `/debug/pprof/` as Go has it, so that its tools work unchanged, and pages for people.
//! Who may ask is decided in `access`, what a query means in `ask`, how long anything may take in `accept`.

pub(crate) mod accept;
pub(crate) mod access;
mod alerts;
mod answer;
mod ask;
mod doctor;
mod flame;
mod history;
mod index;
mod leaks;
pub(crate) mod listener;
mod lists;
pub(crate) mod local;
mod memory;
mod metrics;
mod overview;
mod page;
mod pages;
mod profiles;
mod sheets;
mod snapshots;
mod symbol;
mod threads;
#[cfg(feature = "tls")]
pub(crate) mod tls;
mod viewer;

use std::future::Future;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::CONNECTION;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use tokio::sync::Semaphore;

pub(crate) use access::Access;
use answer::{Refusal, TEXT};
use listener::{Listener, Way};
pub use pages::Pages;
pub(crate) use pages::{Mount, mount};

use crate::desk::Desk;

/// How many profiles may be collected or drawn at a time.
const COLLECTIONS: usize = 4;

/// What the handlers share.
struct Port {
    desk: Arc<Desk>,
    access: Access,
    way: Way,
    collections: Arc<Semaphore>,
    /// One at a time: scrapers wait for each other.
    scrapes: Arc<Semaphore>,
}

/// What is asked for at a time, over all ways in.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    collections: Arc<Semaphore>,
    scrapes: Arc<Semaphore>,
}

impl Default for Limits {
    fn default() -> Self {
        Self { collections: Arc::new(Semaphore::new(COLLECTIONS)), scrapes: Arc::new(Semaphore::new(1)) }
    }
}

/// Serves the debug port on `listener` until `stop`. Whoever bound it has asked [`Access::check`] first.
pub(crate) async fn run(
    listener: Listener,
    desk: Arc<Desk>,
    access: Access,
    limits: Limits,
    stop: impl Future<Output = ()>,
) {
    let router = router(desk, access, limits, listener.way());
    accept::serve(listener, router, stop).await;
}

/// Answers what comes by [`Pages`] until `stop`: under any name, and to those alone who know `token`.
pub(crate) async fn run_mounted(
    mount: Mount,
    desk: Arc<Desk>,
    token: Option<String>,
    limits: Limits,
    stop: impl Future<Output = ()>,
) {
    mount.answer(router(desk, Access::mounted(token), limits, Way::Http), stop).await;
}

impl Port {
    /// The command that asks the port, up to the path, which a quote ends: with the token's place where one is needed.
    fn command(&self, host: &str) -> String {
        let user = if self.access.is_guarded() { "x:$TOKEN@" } else { "" };
        match &self.way {
            Way::Http => format!("go tool pprof 'http://{user}{host}"),
            Way::Https => format!("go tool pprof 'https://{user}{host}"),
            // It speaks to no unix socket.
            Way::File(path) => format!("curl -OJ --unix-socket '{}' 'http://{user}{host}", path.display()),
        }
    }
}

fn router(desk: Arc<Desk>, access: Access, limits: Limits, way: Way) -> Router {
    let Limits { collections, scrapes } = limits;
    let port = Arc::new(Port { desk, access, way, collections, scrapes });
    let temporary = |to: &'static str| get(move || async move { Redirect::temporary(to) });
    Router::new()
        .route("/", temporary("/debug/"))
        .route("/debug", temporary("/debug/"))
        .route("/debug/", get(overview::show))
        .route("/debug/health", get(|| async { answer::ok(TEXT, "ok\n") }))
        .route("/debug/viewer/{name}", get(viewer::asset))
        .route("/debug/flame", get(flame::show).head(flame::head))
        .route("/debug/top", get(flame::top).head(flame::head))
        .route("/debug/history", get(history::show).head(history::head))
        .route("/debug/fgprof", get(profiles::fgprof).head(profiles::fgprof_head))
        .route("/metrics", get(metrics::show).head(metrics::head))
        .route("/debug/threads", get(threads::show).head(threads::head))
        .route("/debug/alerts", get(alerts::show).head(lists::page_head))
        .route("/debug/leaks", get(leaks::show).head(lists::page_head))
        .route("/debug/tasks", get(lists::tasks).head(lists::head))
        .route("/debug/routes", get(lists::routes).head(lists::head))
        .route("/debug/doctor", get(doctor::show).head(lists::head))
        .route("/debug/memory", get(memory::show).head(lists::head))
        .route("/debug/stats", get(metrics::stats).head(metrics::stats_head))
        .route("/debug/segments", get(lists::segments).head(lists::head))
        .route("/debug/pprof", temporary("/debug/pprof/"))
        .route("/debug/pprof/", get(index::show))
        .route("/debug/pprof/cmdline", get(symbol::command))
        .route("/debug/pprof/symbol", get(symbol::by_get).post(symbol::by_post).head(symbol::head))
        .route("/debug/pprof/{name}", get(profiles::show).head(profiles::head))
        .route("/debug/snapshots", get(snapshots::list))
        .route("/debug/snapshots/", temporary("/debug/snapshots"))
        .route("/debug/snapshots/{id}", get(snapshots::show).head(snapshots::head))
        .fallback(|| async { Refusal::not_found("no such page; try /debug/") })
        .method_not_allowed_fallback(|| async {
            Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "see the Allow header for what can be asked here")
        })
        .layer(middleware::from_fn_with_state(port.clone(), gate))
        .with_state(port)
}

/// Every request passes here first, and every answer last.
async fn gate(State(port): State<Arc<Port>>, request: Request, next: Next) -> Response {
    let response = match port.access.admit(&request) {
        Ok(()) => next.run(request).await,
        // The connection ends, too: who may not ask keeps no seat.
        Err(refusal) => ([(CONNECTION, "close")], refusal).into_response(),
    };
    answer::dressed(response)
}

#[cfg(test)]
mod tests;
