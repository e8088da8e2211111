//! Asks a debug port, as curl would.

use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use flamewatch_contract::Origin;
use serde_json::Value;

/// What a port answered.
#[derive(Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The headers, their names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body as it came.
    pub body: Vec<u8>,
}

impl Answer {
    /// The body as text.
    ///
    /// # Panics
    /// When it is none.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8(self.body.clone()).expect("text")
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// When it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error} in {}", self.text()))
    }
}

/// Asks for `url`; `None` when nobody answers within a minute. What a debug port answers is held to the contract, the head
/// and the profile in it.
///
/// # Panics
/// When it breaks the contract.
#[must_use]
#[track_caller]
pub fn get(url: &str) -> Option<Answer> {
    get_with(url, &[])
}

/// The same for a bearer of `token`.
///
/// # Panics
/// As [`get`].
#[must_use]
#[track_caller]
pub fn get_as(token: Option<&str>, url: &str) -> Option<Answer> {
    let bearer = token.map(|token| format!("Bearer {token}"));
    let headers: Vec<_> = bearer.iter().map(|bearer| ("Authorization", bearer.as_str())).collect();
    get_with(url, &headers)
}

/// The same with `headers`.
///
/// # Panics
/// As [`get`].
#[must_use]
#[track_caller]
pub fn get_with(url: &str, headers: &[(&str, &str)]) -> Option<Answer> {
    let answer = fetched(url, headers)?;
    let target = url.splitn(4, '/').nth(3).map(|path| format!("/{path}")).unwrap_or_default();
    if target.starts_with("/debug") || target.starts_with("/metrics") {
        let Answer { status, headers, body } = &answer;
        let held = flamewatch_contract::Answer { target: &target, status: *status, headers, body };
        flamewatch_contract::check_answer(&held, Origin::Agent);
    }
    Some(answer)
}

fn fetched(url: &str, headers: &[(&str, &str)]) -> Option<Answer> {
    let agent = ureq::Agent::config_builder()
        .timeout_global(Some(Duration::from_secs(60)))
        .http_status_as_error(false)
        .build()
        .new_agent();
    let request = headers.iter().fold(agent.get(url), |request, (name, value)| request.header(*name, *value));
    let mut response = request.call().ok()?;
    let text = |value: &ureq::http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let headers =
        response.headers().iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect();
    let body = response.body_mut().with_config().limit(64 << 20).read_to_vec().ok()?;
    Some(Answer { status: response.status().as_u16(), headers, body })
}

/// Asks `question` again and again until it has an answer.
///
/// # Panics
/// When it has none within `patience`.
pub fn until<T>(what: &str, patience: Duration, mut question: impl FnMut() -> Option<T>) -> T {
    let end = std::time::Instant::now() + patience;
    loop {
        if let Some(answer) = question() {
            return answer;
        }
        assert!(std::time::Instant::now() < end, "{what}: not within {patience:?}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// An address that nobody listens on. Not one the system hands out by itself, which could be somebody's connection
/// a moment later.
///
/// # Panics
/// When a hundred are taken.
#[must_use]
pub fn free() -> SocketAddr {
    static TRIED: AtomicU16 = AtomicU16::new(0);
    let first = 20_000 + u16::try_from(std::process::id() % 100).unwrap_or(0) * 100;
    let next = || SocketAddr::from(([127, 0, 0, 1], first + TRIED.fetch_add(1, Ordering::Relaxed) % 100));
    (0..100).map(|_| next()).find(|address| TcpListener::bind(address).is_ok()).expect("a free port")
}
