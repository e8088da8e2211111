//! The two doors: who is let in, and what they are answered. Nothing is read beyond 16 KiB, nor for longer than 5 s, and
//! nothing is believed before its secret is checked.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use axum::Router;
use axum::body::{Body, HttpBody as _, to_bytes};
use axum::extract::{Request, State};
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderName, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use serde_json::json;
use tokio::sync::mpsc::Sender;
use tokio::time::timeout;

use super::gate::{Gate, Shut, Turn};
use super::order::{Order, Unclear};
use super::slash::{Command, Slash};
use super::trigger::{Trigger, Wish};

/// The longest body. Slack's is less than one KiB; Alertmanager's has a few hundred bytes an alert.
const MAX_BODY: usize = 16 << 10;

/// How long a body may take.
const BODY_TIME: Duration = Duration::from_secs(5);

/// What the doors share.
pub(super) struct Doors {
    pub(super) slash: Option<Slash>,
    pub(super) trigger: Option<Trigger>,
    pub(super) gate: Arc<Gate>,
    pub(super) orders: Sender<(Order, Turn)>,
}

/// The doors and the time since they were opened.
struct Open {
    doors: Doors,
    since: Instant,
}

/// The pages of the socket: a door that has no secret is not there.
pub(super) fn router(doors: Doors) -> Router {
    let mut router = Router::new();
    if doors.slash.is_some() {
        router = router.route("/slack", post(slash));
    }
    if doors.trigger.is_some() {
        router = router.route("/trigger", post(trigger));
    }
    router.with_state(Arc::new(Open { doors, since: Instant::now() }))
}

async fn slash(State(open): State<Arc<Open>>, request: Request) -> Response {
    let Open { doors: Doors { slash: Some(slash), gate, .. }, .. } = &*open else { return not_here() };
    let (head, body) = match taken_in(request).await {
        Ok(request) => request,
        Err(refusal) => return open.refuse(refusal),
    };
    let Some(signature) = slash.signed(&head.headers, &body, SystemTime::now()) else {
        return open.refuse(said(
            StatusCode::UNAUTHORIZED,
            "not signed by Slack with our signing secret, or too long ago",
        ));
    };
    // Before anything is done: who has overheard a command cannot give it again.
    match gate.see(open.since.elapsed(), signature) {
        Ok(()) => {}
        Err(Shut::Seen) => return said(StatusCode::CONFLICT, "this command was given before"),
        Err(_) => return whispered("too many commands in an hour; try later"),
    }
    let command = Command::of(&body);
    if !slash.allows(&command.channel) {
        gate.refused();
        return whispered(
            "profiles cannot be asked for in this channel (FLAMEWATCH_SLACK_CHANNELS says in which)",
        );
    }
    let answer = match Order::of_line(&command.text, command.who()) {
        Ok(order) => open.take(order).unwrap_or_else(in_words),
        Err(Unclear(help)) => help,
    };
    whispered(&answer)
}

async fn trigger(State(open): State<Arc<Open>>, request: Request) -> Response {
    let Open { doors: Doors { trigger: Some(trigger), gate, .. }, .. } = &*open else { return not_here() };
    // The token is in the head: who does not know it has no body read.
    if !trigger.admits(request.headers()) {
        return open.refuse(said(StatusCode::UNAUTHORIZED, "a token is needed: Authorization: Bearer"));
    }
    let (head, body) = match taken_in(request).await {
        Ok(request) => request,
        Err(refusal) => return open.refuse(refusal),
    };
    let (order, mark) = match Wish::of(head.uri.query().unwrap_or_default(), &body) {
        Ok(Wish::Profile { order, mark }) => (order, mark),
        Ok(Wish::Nothing) => return said(StatusCode::ACCEPTED, "it is over; nothing is profiled"),
        Err(Unclear(why)) => return said(StatusCode::BAD_REQUEST, &why),
    };
    match gate.see(open.since.elapsed(), &mark) {
        Ok(()) => {}
        Err(Shut::Seen) => return said(StatusCode::ACCEPTED, "asked for before; one profile is enough"),
        Err(shut) => return turned_away(shut),
    }
    match open.take(order) {
        Ok(taken) => said(StatusCode::ACCEPTED, &taken),
        Err(shut) => {
            gate.unsee(&mark);
            turned_away(shut)
        }
    }
}

impl Open {
    /// Hands `order` over, if it is its turn, and says what becomes of it. Nobody waits here for a profile.
    fn take(&self, order: Order) -> Result<String, Shut> {
        let turn = self.doors.gate.pass(self.since.elapsed())?;
        let Order { word, length, ref who, .. } = order;
        tracing::info!("flamewatch: {who} asks for a profile: {word}");
        let text = format!(
            "taking a profile ({word}, {} s where it has a length); it goes where alerts go",
            length.as_secs()
        );
        self.doors.orders.try_send((order, turn)).map(|()| text).map_err(|_| Shut::Busy)
    }

    fn refuse(&self, refusal: Response) -> Response {
        self.doors.gate.refused();
        refusal
    }
}

/// The request with all of its body, or why not.
async fn taken_in(request: Request) -> Result<(axum::http::request::Parts, Vec<u8>), Response> {
    let (head, body) = request.into_parts();
    let too_large = || said(StatusCode::PAYLOAD_TOO_LARGE, "more than 16 KiB");
    if body.size_hint().lower() > MAX_BODY as u64 {
        return Err(too_large());
    }
    match timeout(BODY_TIME, to_bytes(body, MAX_BODY)).await {
        Ok(Ok(body)) => Ok((head, body.to_vec())),
        Ok(Err(_)) => Err(too_large()),
        Err(_) => Err(said(StatusCode::REQUEST_TIMEOUT, "the body takes too long")),
    }
}

fn in_words(shut: Shut) -> String {
    match shut {
        Shut::Busy | Shut::Seen => "a profile is being taken; try again when it is there".to_owned(),
        Shut::Enough(wait) => {
            format!("that was enough for this hour; try again in {} min", wait.as_secs() / 60 + 1)
        }
    }
}

fn turned_away(shut: Shut) -> Response {
    let wait = match shut {
        Shut::Enough(wait) => wait.as_secs().max(1),
        Shut::Busy | Shut::Seen => 60,
    };
    let mut response = said(StatusCode::TOO_MANY_REQUESTS, &in_words(shut));
    response.headers_mut().insert(RETRY_AFTER, wait.into());
    response
}

/// An answer that only who gave the command sees. Slack shows no text of an answer that is not 200.
fn whispered(text: &str) -> Response {
    let body = json!({"response_type": "ephemeral", "text": text}).to_string();
    answer(StatusCode::OK, "application/json", body)
}

fn said(status: StatusCode, text: &str) -> Response {
    answer(status, "text/plain; charset=utf-8", format!("{text}\n"))
}

fn not_here() -> Response {
    said(StatusCode::NOT_FOUND, "no such door")
}

fn answer(status: StatusCode, media_type: &'static str, body: String) -> Response {
    const NO_SNIFF: (HeaderName, &str) = (axum::http::header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    (status, [(CONTENT_TYPE, media_type), NO_SNIFF], Body::from(body)).into_response()
}
