//! `/metrics`: every number we have, in Prometheus' text format; and `/debug/stats`, how fast they go.

use std::io;
use std::sync::Arc;

use axum::extract::State;
use axum::http::Uri;
use axum::response::Response;

use super::Port;
use super::answer::{self, Refusal};
use super::ask::Ask;
use crate::desk::{Desk, on_quiet_thread};
use crate::render::{self, Format, exposition};
use crate::{Error, ErrorKind, segment};

/// A scraper comes every few seconds and must not be told to come back: it waits for its turn, and counting what lives
/// is done beside the port's thread.
pub(super) async fn show(State(port): State<Arc<Port>>) -> Result<Response, Refusal> {
    answered(&port, exposition::MEDIA_TYPE, metrics).await
}

/// The head alone: nothing is counted.
pub(super) async fn head() -> Response {
    answer::ok(exposition::MEDIA_TYPE, Vec::new())
}

/// `/debug/stats`: rates and gauges. JSON is the only form it has.
pub(super) async fn stats(State(port): State<Arc<Port>>, uri: Uri) -> Result<Response, Refusal> {
    json_alone(&uri)?;
    let json = |desk: &Desk, out: &mut Vec<u8>| render::stats::json(&desk.meters(), &desk.figures(), out);
    answered(&port, Format::Json.media_type(), json).await
}

/// The same checks, no work.
pub(super) async fn stats_head(uri: Uri) -> Result<Response, Refusal> {
    json_alone(&uri)?;
    Ok(answer::ok(Format::Json.media_type(), Vec::new()))
}

fn json_alone(uri: &Uri) -> Result<(), Refusal> {
    match Ask::of(uri)?.format {
        None | Some(Format::Json) => Ok(()),
        Some(_) => Err(Refusal::invalid("the rates come as JSON alone")),
    }
}

async fn answered(
    port: &Port,
    media_type: &'static str,
    write: impl FnOnce(&Desk, &mut Vec<u8>) -> io::Result<()> + Send + 'static,
) -> Result<Response, Refusal> {
    let turn = port.scrapes.clone().acquire_owned().await.ok();
    let desk = port.desk.clone();
    let written = on_quiet_thread(move || {
        let mut out = Vec::new();
        let written = write(&desk, &mut out);
        drop(turn);
        written.map(|()| out)
    });
    let failed = |error| Error::new(ErrorKind::Io, "cannot write the numbers").because(error);
    Ok(answer::ok(media_type, written.await?.map_err(failed)?))
}

fn metrics(desk: &Desk, out: &mut Vec<u8>) -> io::Result<()> {
    let mut figures = desk.figures();
    // Where the memory cannot be read there is nothing to tell, and the rest is worth having.
    figures.extend(desk.memory_here().iter().flat_map(render::memory::families));
    exposition::families(&figures, out)?;
    #[cfg(feature = "http")]
    render::routes::prometheus(&crate::http::snapshot(), out)?;
    render::segments::prometheus(&segment::snapshot(), out)
}
