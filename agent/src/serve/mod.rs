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
mod lists;
mod memory;
mod metrics;
mod overview;
mod page;
mod profiles;
mod sheets;
mod snapshots;
mod symbol;
mod threads;
mod viewer;

use std::future::Future;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

pub(crate) use access::Access;
use answer::{Refusal, TEXT};

use crate::desk::Desk;

/// How many profiles may be collected or drawn at a time.
const COLLECTIONS: usize = 4;

/// What the handlers share.
struct Port {
    desk: Arc<Desk>,
    access: Access,
    collections: Arc<Semaphore>,
    /// One at a time: scrapers wait for each other.
    scrapes: Arc<Semaphore>,
}

/// Serves the debug port on `listener` until `stop`. Whoever bound it has asked [`Access::check`] first.
pub(crate) async fn run(
    listener: TcpListener,
    desk: Arc<Desk>,
    access: Access,
    stop: impl Future<Output = ()>,
) {
    accept::serve(listener, router(desk, access), stop).await;
}

impl Port {
    /// Where the port is asked, as a command would say it: with the token's place where one is needed.
    fn base(&self, host: &str) -> String {
        let user = if self.access.is_guarded() { "x:$TOKEN@" } else { "" };
        format!("http://{user}{host}")
    }
}

fn router(desk: Arc<Desk>, access: Access) -> Router {
    let port = Arc::new(Port {
        desk,
        access,
        collections: Arc::new(Semaphore::new(COLLECTIONS)),
        scrapes: Arc::new(Semaphore::new(1)),
    });
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
        Err(refusal) => refusal.into_response(),
    };
    answer::dressed(response)
}

#[cfg(test)]
mod tests;
