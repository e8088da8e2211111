//! `/debug/tasks`, `/debug/routes`, `/debug/segments`: what is counted in the service, as tables for terminals or as JSON.

use std::io::{self, Write};
use std::sync::Arc;

use axum::extract::State;
use axum::http::Uri;
use axum::response::Response;
use tokio::sync::OwnedSemaphorePermit;

use super::Port;
use super::answer::{self, Refusal, TEXT};
use super::ask::{Ask, Table};
use crate::desk::on_quiet_thread;
use crate::render::{self, Format};
use crate::source::tasks::list;
use crate::{Error, ErrorKind, segment};

pub(super) async fn tasks(State(port): State<Arc<Port>>, uri: Uri) -> Result<Response, Refusal> {
    let ask = Ask::of(&uri)?;
    let (table, (page, size)) = (ask.table()?, ask.page());
    written(port.permit()?, table, move |out| match table {
        Table::Text => render::tasks::text(&list(page, size), out),
        Table::Json => render::tasks::json(&list(page, size), out),
    })
    .await
}

/// `/debug/pprof/goroutine?debug=2`: every task for itself.
pub(super) async fn every_task(port: &Port, ask: &Ask) -> Result<Response, Refusal> {
    let (table, (page, size)) = (ask.table()?, ask.page());
    written(port.permit()?, table, move |out| match table {
        Table::Text => render::tasks::blocks(&list(page, size), out),
        Table::Json => render::tasks::json(&list(page, size), out),
    })
    .await
}

#[cfg(feature = "http")]
pub(super) async fn routes(State(port): State<Arc<Port>>, uri: Uri) -> Result<Response, Refusal> {
    let table = Ask::of(&uri)?.table()?;
    written(port.permit()?, table, move |out| {
        let routes = crate::http::snapshot();
        match table {
            Table::Text if routes.is_empty() => out.write_all(NO_ROUTES.as_bytes()),
            Table::Text => render::routes::text(&routes, out),
            Table::Json => render::routes::json(&routes, out),
        }
    })
    .await
}

#[cfg(not(feature = "http"))]
pub(super) async fn routes(uri: Uri) -> Result<Response, Refusal> {
    Ask::of(&uri)?.table()?;
    let message = "routes are not counted: this build lacks the `http` feature of flamewatch";
    Err(Error::new(ErrorKind::Unsupported, message).into())
}

pub(super) async fn segments(State(port): State<Arc<Port>>, uri: Uri) -> Result<Response, Refusal> {
    let table = Ask::of(&uri)?.table()?;
    written(port.permit()?, table, move |out| {
        let segments = segment::snapshot();
        match table {
            Table::Text if segments.is_empty() => out.write_all(NO_SEGMENTS.as_bytes()),
            Table::Text => render::segments::text(&segments, out),
            Table::Json => render::segments::json(&segments, out),
        }
    })
    .await
}

/// The same checks, no work.
pub(super) async fn head(uri: Uri) -> Result<Response, Refusal> {
    Ok(answer::ok(media_type(Ask::of(&uri)?.table()?), Vec::new()))
}

#[cfg(feature = "http")]
const NO_ROUTES: &str = "no request yet; are the routes under flamewatch::http::layer()?\n";
const NO_SEGMENTS: &str =
    "no segment yet; flamewatch::segment(\"mysql\", \"find\", \"bookings\") begins one\n";

/// What `write` writes, as `table`. Counting a million tasks is work for a processor: it is done beside the port's thread.
async fn written(
    permit: OwnedSemaphorePermit,
    table: Table,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()> + Send + 'static,
) -> Result<Response, Refusal> {
    let bytes = on_quiet_thread(move || {
        let mut out = Vec::new();
        let written = write(&mut out);
        drop(permit);
        written.map(|()| out)
    });
    let bytes =
        bytes.await?.map_err(|error| Error::new(ErrorKind::Io, "cannot write a table").because(error))?;
    Ok(answer::ok(media_type(table), bytes))
}

pub(super) const fn media_type(table: Table) -> &'static str {
    match table {
        Table::Text => TEXT,
        Table::Json => Format::Json.media_type(),
    }
}
