//! `/debug/memory`: what the memory consists of, which part grew, and when it runs out.

use std::io;
use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::Response;

use super::answer::{self, Refusal};
use super::ask::{Ask, Form};
use super::{Port, lists, sheets};
use crate::desk::on_quiet_thread;
use crate::render;
use crate::{Error, ErrorKind};

pub(super) async fn show(
    State(port): State<Arc<Port>>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Refusal> {
    let form = Ask::of(&uri)?.form(Form::taken_by(&headers))?;
    let (permit, desk) = (port.permit()?, port.desk.clone());
    let bytes = on_quiet_thread(move || {
        let account = desk.memory_here()?;
        let has_heap = desk.sources().iter().any(|source| source.name() == "heap");
        let mut out = Vec::new();
        let written = match form {
            Form::Page => lists::html("memory", &sheets::memory::body(&account, has_heap), &mut out),
            Form::Text => render::memory::text(&account, &mut out),
            Form::Json => render::memory::json(&account, &mut out),
        };
        drop(permit);
        written.map(|()| out).map_err(failed)
    });
    Ok(answer::ok(form.media_type(), bytes.await??))
}

fn failed(error: io::Error) -> Error {
    Error::new(ErrorKind::Io, "cannot write the memory's table").because(error)
}
