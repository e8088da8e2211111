//! `/debug/threads`: every thread with its stack, for reading.

use std::sync::Arc;

use axum::extract::State;
use axum::http::Uri;
use axum::response::Response;

use super::Port;
use super::answer::{self, Refusal, TEXT};
use super::ask::Ask;
use super::profiles::{bare, drawn};
use crate::desk::on_quiet_thread;
use crate::render;
use crate::source::Window;

/// What the source of all threads is called.
const THREADS: &str = "threads";

pub(super) async fn show(State(port): State<Arc<Port>>, uri: Uri) -> Result<Response, Refusal> {
    let ask = Ask::of(&uri)?;
    if ask.format.is_none() || ask.debug > 0 {
        return dump(&port).await;
    }
    let permit = port.permit()?;
    let profile = port.desk.collect(THREADS, Window::now()).await?;
    drawn(profile, &ask, None, THREADS, permit).await
}

/// The same checks, no work.
pub(super) async fn head(uri: Uri) -> Result<Response, Refusal> {
    let ask = Ask::of(&uri)?;
    let format = ask.format.filter(|_| ask.debug == 0);
    Ok(format.map_or_else(|| answer::ok(TEXT, Vec::new()), |format| bare(format, THREADS, Vec::new())))
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
