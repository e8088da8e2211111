//! `/debug/pprof/symbol` and `/cmdline`: what `go tool pprof` asks when a profile has addresses without names.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use tokio::time::timeout;

use super::Port;
use super::answer::{self, Refusal, TEXT};

/// The longest list of addresses; at 19 characters each, 3,400 of them.
const BODY_BYTES: usize = 64 << 10;

/// How long a client may take to send it.
const BODY_TIME: Duration = Duration::from_secs(5);

/// What Go answers first: that there are symbols at all.
const HAVE_SYMBOLS: &str = "num_symbols: 1\n";

/// `?0x1f+0x2f`.
pub(super) async fn by_get(State(port): State<Arc<Port>>, uri: Uri) -> Result<Response, Refusal> {
    named(&port, uri.query().unwrap_or("")).await
}

/// The same list as the body: the way `go tool pprof` asks. Go's own servers stopped to answer it.
pub(super) async fn by_post(State(port): State<Arc<Port>>, body: Body) -> Result<Response, Refusal> {
    let late = || Refusal::new(StatusCode::REQUEST_TIMEOUT, "the addresses did not arrive in time");
    let long = |_| Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "more than 64 KiB of addresses");
    let body = timeout(BODY_TIME, to_bytes(body, BODY_BYTES)).await.map_err(|_| late())?.map_err(long)?;
    named(&port, &String::from_utf8_lossy(&body)).await
}

pub(super) async fn head() -> Response {
    answer::ok(TEXT, Body::empty())
}

/// The program's name. Go tells all arguments here; they are where secrets are.
pub(super) async fn command(State(port): State<Arc<Port>>) -> Response {
    answer::ok(TEXT, port.desk.command())
}

async fn named(port: &Port, list: &str) -> Result<Response, Refusal> {
    let addresses: Vec<u64> = list.split('+').filter_map(address).collect();
    let names = if addresses.is_empty() {
        Vec::new()
    } else {
        // Naming is work like any other: not more of it at a time than profiles.
        let _permit = port.permit()?;
        port.desk.symbols(addresses.clone()).await
    };
    let mut text = HAVE_SYMBOLS.to_owned();
    for (address, name) in addresses.iter().zip(names) {
        if let Some(name) = name {
            let _ = writeln!(text, "{address:#x} {}", name.replace(['\n', '\r'], " "));
        }
    }
    Ok(answer::ok(TEXT, text))
}

fn address(text: &str) -> Option<u64> {
    u64::from_str_radix(text.trim().trim_start_matches("0x"), 16).ok()
}
