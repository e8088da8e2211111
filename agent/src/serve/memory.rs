//! `/debug/memory`: what the memory consists of, which part grew, and when it runs out.

use std::io;
use std::sync::Arc;

use axum::extract::State;
use axum::http::Uri;
use axum::response::Response;

use super::Port;
use super::answer::{self, Refusal};
use super::ask::{Ask, Table};
use super::lists::media_type;
use crate::desk::on_quiet_thread;
use crate::render;
use crate::{Error, ErrorKind};

pub(super) async fn show(State(port): State<Arc<Port>>, uri: Uri) -> Result<Response, Refusal> {
    let table = Ask::of(&uri)?.table()?;
    let (permit, desk) = (port.permit()?, port.desk.clone());
    let bytes = on_quiet_thread(move || {
        let account = desk.memory_here()?;
        let mut out = Vec::new();
        let written = match table {
            Table::Text => render::memory::text(&account, &mut out),
            Table::Json => render::memory::json(&account, &mut out),
        };
        drop(permit);
        written.map(|()| out).map_err(failed)
    });
    Ok(answer::ok(media_type(table), bytes.await??))
}

fn failed(error: io::Error) -> Error {
    Error::new(ErrorKind::Io, "cannot write the memory's table").because(error)
}
