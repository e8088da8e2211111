//! The doors as those outside find them.

use std::time::{SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::http::{Request, StatusCode};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use tower::ServiceExt as _;

use super::*;

const SECRET: &str = "8f742231b10e8888abcd99yyyzzz85a5";
const TOKEN: &str = "correct-horse-battery";

/// Both doors, and what passes through them.
fn house() -> (Router, Receiver<(Order, Turn)>, Arc<Gate>) {
    let (orders, taken) = mpsc::channel(1);
    let gate = Arc::new(Gate::default());
    let slash = Some(Slash::new(SECRET, &["C1".to_owned()]));
    let doors = Doors { slash, trigger: Some(Trigger::new(TOKEN)), gate: gate.clone(), orders };
    (doors::router(doors), taken, gate)
}

fn command(text: &str, channel: &str) -> Request<Body> {
    let body = format!("channel_id={channel}&user_id=U7&text={}", text.replace(' ', "+"));
    let time = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock").as_secs().to_string();
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).expect("a key");
    mac.update(format!("v0:{time}:{body}").as_bytes());
    let hex: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    Request::post("/slack")
        .header("x-slack-request-timestamp", time)
        .header("x-slack-signature", format!("v0={hex}"))
        .body(Body::from(body))
        .expect("a request")
}

fn pull(query: &str, body: &'static str) -> Request<Body> {
    let request =
        Request::post(format!("/trigger?{query}")).header("authorization", format!("Bearer {TOKEN}"));
    request.body(Body::from(body)).expect("a request")
}

async fn ask(router: &Router, request: Request<Body>) -> (StatusCode, String) {
    let response = router.clone().oneshot(request).await.expect("an answer");
    let status = response.status();
    let body = to_bytes(response.into_body(), 1 << 16).await.expect("a body");
    (status, String::from_utf8(body.to_vec()).expect("text"))
}

#[tokio::test]
async fn a_command_is_taken_once_and_from_its_channel_only() {
    let (router, mut taken, gate) = house();
    let (again, first) = (command("cpu 5s", "C1"), command("cpu 5s", "C1"));
    let (status, said) = ask(&router, first).await;
    assert!(
        status == 200 && said.contains("ephemeral") && said.contains("taking a profile (cpu, 5 s"),
        "{status} {said}"
    );
    let (order, turn) = taken.try_recv().expect("an order");
    assert_eq!((order.kind, order.length.as_secs(), order.who.as_str()), ("profile", 5, "Slack user U7"));
    assert_eq!(ask(&router, again).await.0, StatusCode::CONFLICT, "a replay");
    let (status, said) = ask(&router, command("heap", "C1")).await;
    assert!(status == 200 && said.contains("is being taken"), "{said}");
    drop(turn);
    let (status, said) = ask(&router, command("heap", "C2")).await;
    assert!(status == 200 && said.contains("cannot be asked for in this channel"), "{said}");
    let (_, said) = ask(&router, command("help", "C1")).await;
    assert!(said.contains("ask for one of"), "{said}");
    assert!(taken.try_recv().is_err(), "nothing else has passed");
    assert_eq!(gate.counts(), Counts { begun: 1, repeated: 1, turned_away: 1, refused: 1 });
}

#[tokio::test]
async fn five_tries_of_a_monitor_are_one_profile() {
    let (router, mut taken, gate) = house();
    let body = r#"{"alert_cycle_key":"777","transition":"Triggered"}"#;
    for _ in 0..5 {
        assert_eq!(ask(&router, pull("profile=heap", body)).await.0, StatusCode::ACCEPTED);
    }
    let (order, turn) = taken.try_recv().expect("an order");
    assert_eq!((order.kind, order.who.as_str()), ("heap", "a monitor"));
    assert!(taken.try_recv().is_err());
    let (status, _) = ask(&router, pull("profile=cpu", body)).await;
    assert_eq!(status, StatusCode::TOO_MANY_REQUESTS, "one at a time");
    drop(turn);
    let (status, _) = ask(&router, pull("profile=cpu", body)).await;
    assert_eq!(status, StatusCode::ACCEPTED, "its next try");
    let over = r#"{"alert_cycle_key":"777","transition":"Recovered"}"#;
    assert_eq!(ask(&router, pull("", over)).await.0, StatusCode::ACCEPTED);
    assert_eq!(ask(&router, pull("profile=all", "")).await.0, StatusCode::BAD_REQUEST);
    assert_eq!(gate.counts(), Counts { begun: 2, repeated: 4, turned_away: 1, refused: 0 });
}

#[tokio::test]
async fn nobody_else_is_let_in() {
    let (router, mut taken, gate) = house();
    let bare = |path: &str| Request::post(path).body(Body::empty()).expect("a request");
    for path in ["/slack", "/trigger", "/trigger?profile=cpu"] {
        assert_eq!(ask(&router, bare(path)).await.0, StatusCode::UNAUTHORIZED, "{path}");
    }
    assert_eq!(ask(&router, bare("/debug/pprof/heap")).await.0, StatusCode::NOT_FOUND);
    let get = Request::get("/trigger").body(Body::empty()).expect("a request");
    assert_eq!(ask(&router, get).await.0, StatusCode::METHOD_NOT_ALLOWED);
    let large = |path: &str, token: &str| {
        let body = Body::from(Bytes::from(vec![b'x'; (16 << 10) + 1]));
        Request::post(path).header("authorization", format!("Bearer {token}")).body(body).expect("a request")
    };
    assert_eq!(ask(&router, large("/slack", "")).await.0, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(ask(&router, large("/trigger", TOKEN)).await.0, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(ask(&router, large("/trigger", "wrong")).await.0, StatusCode::UNAUTHORIZED, "unread");
    assert!(taken.try_recv().is_err());
    assert_eq!(gate.counts(), Counts { refused: 6, ..Counts::default() });
}

#[test]
fn a_socket_without_a_door_is_an_error_that_says_what_to_do() {
    let open = |pairs: &'static [(&str, &str)]| {
        let mut config = Config::default();
        let look_up = |wanted: &str| {
            pairs.iter().find(|(name, _)| *name == wanted).map(|(_, value)| (*value).to_owned())
        };
        config.apply(look_up).expect("values that are allowed");
        Inbound::open(&config)
    };
    const SOCKET: (&str, &str) = ("FLAMEWATCH_INBOUND", "127.0.0.1:0");
    assert!(open(&[]).expect("off").is_none());
    let error = open(&[SOCKET]).expect_err("no door").to_string();
    assert!(
        error.contains("FLAMEWATCH_SLACK_SIGNING_SECRET") && error.contains("FLAMEWATCH_TRIGGER_TOKEN"),
        "{error}"
    );
    let error =
        open(&[SOCKET, ("FLAMEWATCH_SLACK_SIGNING_SECRET", SECRET)]).expect_err("no channel").to_string();
    assert!(error.contains("FLAMEWATCH_SLACK_CHANNELS") && !error.contains(SECRET), "{error}");
    let inbound = open(&[SOCKET, ("FLAMEWATCH_TRIGGER_TOKEN", TOKEN)]).expect("a door").expect("a socket");
    assert!(inbound.address().ip().is_loopback() && !format!("{inbound:?}").contains(TOKEN));
}
