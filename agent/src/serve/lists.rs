//! `/debug/tasks`, `/debug/routes`, `/debug/segments`: what is counted in the service, as a page, as a table for terminals or
//! as JSON.

use std::io::{self, Write};
use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use tokio::sync::OwnedSemaphorePermit;

use super::answer::{self, Refusal};
use super::ask::{Ask, Form};
use super::page::{Escaped, scripted};
#[cfg(feature = "http")]
use super::profiles::Wanted;
use super::{Port, profiles, sheets};
use crate::desk::on_quiet_thread;
use crate::render;
use crate::source::tasks::{MAX_PAGE, list};
use crate::{Error, ErrorKind, segment};

pub(super) async fn tasks(
    State(port): State<Arc<Port>>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Refusal> {
    let ask = Ask::of(&uri)?;
    let form = ask.form(Form::taken_by(&headers))?;
    let (page, size) = ask.page(if form == Form::Page { sheets::tasks::ROWS } else { MAX_PAGE });
    let permit = port.permit()?;
    // Without the source of the tasks, or if it fails, the tasks one by one are there.
    let profile = match form {
        Form::Page => profiles::collected(&port, "tasks", &Ask::default()).await.ok(),
        _ => None,
    };
    let profile = profile.filter(|profile| !profile.is_empty());
    written(permit, form, move |out| match form {
        Form::Page => html("tasks", &sheets::tasks::body(&list(page, size), profile.as_ref()), out),
        Form::Text => render::tasks::text(&list(page, size), out),
        Form::Json => render::tasks::json(&list(page, size), out),
    })
    .await
}

/// `/debug/pprof/goroutine?debug=2`: every task for itself.
pub(super) async fn every_task(port: &Port, ask: &Ask) -> Result<Response, Refusal> {
    let (form, (page, size)) = (ask.form(Form::Text)?, ask.page(MAX_PAGE));
    let desk = port.desk.clone();
    written(port.permit()?, form, move |out| match form {
        Form::Page | Form::Text => {
            let list = list(page, size);
            render::tasks::blocks(&list, out)?;
            // Those that nobody told us of come after all that did.
            if page + 1 >= list.pages { render::other_tasks(&desk.other_tasks(), out) } else { Ok(()) }
        }
        Form::Json => render::tasks::json(&list(page, size), out),
    })
    .await
}

#[cfg(feature = "http")]
pub(super) async fn routes(
    State(port): State<Arc<Port>>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Refusal> {
    let form = Ask::of(&uri)?.form(Form::taken_by(&headers))?;
    let (meters, has_cpu) = (port.desk.meters(), Wanted::of(&port.desk, "profile").is_ok());
    written(port.permit()?, form, move |out| {
        let routes = crate::http::snapshot();
        match form {
            Form::Page if routes.is_empty() => nothing("routes", NO_ROUTES, out),
            Form::Page => html("routes", &sheets::routes::body(&routes, &meters, has_cpu), out),
            Form::Text if routes.is_empty() => writeln!(out, "{NO_ROUTES}"),
            Form::Text => render::routes::text(&routes, out),
            Form::Json => render::routes::json(&routes, out),
        }
    })
    .await
}

#[cfg(not(feature = "http"))]
pub(super) async fn routes(headers: HeaderMap, uri: Uri) -> Result<Response, Refusal> {
    Ask::of(&uri)?.form(Form::taken_by(&headers))?;
    let message = "routes are not counted: this build lacks the `http` feature of flamewatch";
    Err(Error::new(ErrorKind::Unsupported, message).into())
}

pub(super) async fn segments(
    State(port): State<Arc<Port>>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Refusal> {
    let form = Ask::of(&uri)?.form(Form::taken_by(&headers))?;
    written(port.permit()?, form, move |out| {
        let segments = segment::snapshot();
        match form {
            Form::Page if segments.is_empty() => nothing("segments", NO_SEGMENTS, out),
            Form::Page => html("segments", &sheets::segments::body(&segments), out),
            Form::Text if segments.is_empty() => writeln!(out, "{NO_SEGMENTS}"),
            Form::Text => render::segments::text(&segments, out),
            Form::Json => render::segments::json(&segments, out),
        }
    })
    .await
}

/// The same checks, no work; of pages that are text for terminals.
pub(super) async fn head(headers: HeaderMap, uri: Uri) -> Result<Response, Refusal> {
    let form = Ask::of(&uri)?.form(Form::taken_by(&headers))?;
    Ok(answer::ok(form.media_type(), Vec::new()))
}

/// The same of those that are pages for all who do not ask otherwise.
pub(super) async fn page_head(uri: Uri) -> Result<Response, Refusal> {
    Ok(answer::ok(Ask::of(&uri)?.form(Form::Page)?.media_type(), Vec::new()))
}

#[cfg(feature = "http")]
const NO_ROUTES: &str = "no request yet; are the routes under flamewatch::http::layer()?";
const NO_SEGMENTS: &str = "no segment yet; flamewatch::segment(\"mysql\", \"find\", \"bookings\") begins one";

fn nothing(title: &str, why: &str, out: &mut dyn Write) -> io::Result<()> {
    html(title, &format!("<p>{}</p>{}", Escaped(why), sheets::forms(title)), out)
}

/// A page of tables.
pub(super) fn html(title: &str, body: &str, out: &mut dyn Write) -> io::Result<()> {
    out.write_all(scripted(title, body, &[sheets::SCRIPT]).as_bytes())
}

/// What `write` writes, in `form`. Counting a million tasks is work for a processor: it is done beside the port's thread.
pub(super) async fn written(
    permit: OwnedSemaphorePermit,
    form: Form,
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
    Ok(answer::ok(form.media_type(), bytes))
}
