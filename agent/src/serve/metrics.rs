//! `/metrics`: every number we have, in Prometheus' text format.

use std::io;
use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;

use super::Port;
use super::answer::{self, Refusal};
use crate::desk::{Desk, on_quiet_thread};
use crate::render::{self, exposition};
use crate::{Error, ErrorKind, segment};

/// A scraper comes every few seconds and must not be told to come back: it waits for its turn, and counting what lives
/// is done beside the port's thread.
pub(super) async fn show(State(port): State<Arc<Port>>) -> Result<Response, Refusal> {
    let failed = |error| Error::new(ErrorKind::Io, "cannot write the metrics").because(error);
    let turn = port.scrapes.clone().acquire_owned().await.ok();
    let desk = port.desk.clone();
    let written = on_quiet_thread(move || {
        let written = write(&desk);
        drop(turn);
        written
    });
    Ok(answer::ok(exposition::MEDIA_TYPE, written.await?.map_err(failed)?))
}

/// The head alone: nothing is counted.
pub(super) async fn head() -> Response {
    answer::ok(exposition::MEDIA_TYPE, Vec::new())
}

fn write(desk: &Desk) -> io::Result<Vec<u8>> {
    let mut out = Vec::new();
    exposition::families(&desk.figures(), &mut out)?;
    #[cfg(feature = "http")]
    render::routes::prometheus(&crate::http::snapshot(), &mut out)?;
    render::segments::prometheus(&segment::snapshot(), &mut out)?;
    Ok(out)
}
