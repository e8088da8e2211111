//! `/debug/threads`: every thread with its stack, as a page or for reading in a terminal.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::Response;

use super::answer::{self, HTML, Refusal, TEXT};
use super::ask::{Ask, Form};
use super::page::scripted;
use super::profiles::drawn;
use super::{Port, sheets};
use crate::desk::on_quiet_thread;
use crate::render;
use crate::source::Window;

/// What the source of all threads is called.
const THREADS: &str = "threads";

pub(super) async fn show(
    State(port): State<Arc<Port>>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Refusal> {
    let ask = Ask::of(&uri)?;
    match (ask.format, ask.debug, Form::taken_by(&headers)) {
        (None, 0, Form::Page) => page(&port).await,
        (None, ..) | (_, 1.., _) => dump(&port).await,
        _ => {
            let permit = port.permit()?;
            let profile = port.desk.collect(THREADS, Window::now()).await?;
            drawn(profile, &ask, None, THREADS, permit).await
        }
    }
}

/// The same checks, no work: nobody's threads are looked at.
pub(super) async fn head(headers: HeaderMap, uri: Uri) -> Result<Response, Refusal> {
    let ask = Ask::of(&uri)?;
    Ok(match (ask.format, Form::taken_by(&headers)) {
        (None, form) => answer::ok(form.media_type(), Vec::new()),
        (Some(format), _) => super::profiles::bare(format, THREADS, Vec::new()),
    })
}

async fn page(port: &Port) -> Result<Response, Refusal> {
    let permit = port.permit()?;
    let profile = port.desk.collect(THREADS, Window::now()).await?;
    let page = on_quiet_thread(move || {
        let page = scripted("threads", &sheets::threads::body(&profile), &[sheets::SCRIPT]);
        drop(permit);
        page
    });
    Ok(answer::ok(HTML, page.await?))
}

/// As text, the way Go prints its goroutines.
pub(super) async fn dump(port: &Port) -> Result<Response, Refusal> {
    let permit = port.permit()?;
    let profile = port.desk.collect(THREADS, Window::now()).await?;
    let text = on_quiet_thread(move || {
        let text = render::dump(&profile);
        drop(permit);
        text
    });
    Ok(answer::ok(TEXT, text.await?))
}
