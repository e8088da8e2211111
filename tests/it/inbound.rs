//! Profiles asked for from outside, on a real socket: Slack's slash command, a monitor that tries five times, and somebody
//! without the secret who sends 400 MB.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use flamewatch_tests::port::{free, until};
use flamewatch_tests::{FakeSlack, Service, block};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

const SECRET: &str = "8f742231b10e8888abcd99yyyzzz85a5";
const TOKEN: &str = "correct-horse-battery";

/// What somebody without the secret sends, in bytes, and what the service may grow by meanwhile.
const FLOOD: usize = 400 << 20;
const GROWTH: u64 = 8 << 20;

const PATIENCE: Duration = Duration::from_secs(45);

fn post(to: SocketAddr, path: &str, headers: &[(&str, &str)], body: &str) -> (u16, String) {
    let config = ureq::Agent::config_builder().http_status_as_error(false).build();
    let mut request = config.new_agent().post(format!("http://{to}{path}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let mut response = request.send(body).expect("an answer");
    (response.status().as_u16(), response.body_mut().read_to_string().expect("text"))
}

/// The headers that Slack sends with `body`.
fn signed(body: &str) -> [(&'static str, String); 2] {
    let time = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock").as_secs().to_string();
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).expect("a key");
    mac.update(format!("v0:{time}:{body}").as_bytes());
    let hex: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    [("x-slack-request-timestamp", time), ("x-slack-signature", format!("v0={hex}"))]
}

/// Sends `FLOOD` bytes as a body, until nobody takes them, and gives the status of the answer.
fn flood(to: SocketAddr, path: &str, length: Option<usize>) -> u16 {
    let mut stream = TcpStream::connect(to).expect("a connection");
    stream.set_read_timeout(Some(PATIENCE)).expect("a time-out");
    let framing = length.map_or_else(
        || "Transfer-Encoding: chunked".to_owned(),
        |length| format!("Content-Length: {length}"),
    );
    write!(stream, "POST {path} HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {TOKEN}\r\n{framing}\r\n\r\n")
        .expect("a head");
    let piece = vec![b'x'; 1 << 20];
    for _ in 0..FLOOD >> 20 {
        let sent = match length {
            Some(_) => stream.write_all(&piece),
            None => write!(stream, "{:x}\r\n", piece.len())
                .and_then(|()| stream.write_all(&piece))
                .and_then(|()| stream.write_all(b"\r\n")),
        };
        // The answer comes before the body has ended, and then the connection closes.
        if sent.is_err() {
            break;
        }
    }
    let mut answer = [0; 12];
    match stream.read_exact(&mut answer) {
        Ok(()) => String::from_utf8_lossy(&answer[9..]).parse().expect("a status"),
        // What we had on the way when the other side closed makes the kernel throw its answer away.
        Err(_) => 0,
    }
}

#[test]
fn profiles_are_taken_for_those_who_may_ask_and_nobody_else_costs_anything() {
    let (slack, inbound) = (FakeSlack::start(), free());
    let (webhook, socket) = (slack.webhook(), inbound.to_string());
    let service = Service::start(
        "leaky_shop",
        &[
            ("FLAMEWATCH_SLACK_WEBHOOK", webhook.as_str()),
            ("FLAMEWATCH_INBOUND", socket.as_str()),
            ("FLAMEWATCH_SLACK_SIGNING_SECRET", SECRET),
            ("FLAMEWATCH_SLACK_CHANNELS", "C1, C2"),
            ("FLAMEWATCH_TRIGGER_TOKEN", TOKEN),
        ],
    );
    let told = |text: &str| slack.accepted().into_iter().find(|message| block(message, 1).contains(text));

    let body = "channel_id=C2&user_id=U7&command=%2Fprof&text=cpu+2s";
    let headers = signed(body);
    let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let (status, said) = post(inbound, "/slack", &headers, body);
    assert!(status == 200 && said.contains("taking a profile"), "{status} {said}");
    assert_eq!(post(inbound, "/slack", &headers, body).0, 409, "a replay");
    let message = until("the CPU profile", PATIENCE, || told("cpu profile, 2 s, asked for by Slack user U7"));
    assert!(block(&message, 0).contains("AS ASKED"), "{message}");
    let snapshots = service.ask("/debug/snapshots").text();
    assert!(snapshots.contains("asked for by Slack user U7"), "{snapshots}");

    let bearer = format!("Bearer {TOKEN}");
    let alert = r#"{"alert_cycle_key":"777","transition":"Triggered"}"#;
    for _ in 0..5 {
        let (status, said) = post(inbound, "/trigger?profile=heap", &[("authorization", &bearer)], alert);
        assert_eq!(status, 202, "{said}");
    }
    until("the heap profile", PATIENCE, || told("heap profile, asked for by a monitor"));
    // The page is written anew at each tick.
    let counted = |counts: &str| {
        until(counts, PATIENCE, || service.status("profiles asked for").filter(|line| line == counts))
    };
    counted("2 taken, 5 asked for twice, 0 turned away, 0 refused");

    let before = service.running.rss();
    for (path, length) in
        [("/slack", Some(FLOOD)), ("/slack", None), ("/trigger", Some(FLOOD)), ("/trigger", None)]
    {
        let status = flood(inbound, path, length);
        assert!(matches!(status, 413 | 0), "{path} {length:?}: {status}");
    }
    // As people see it who send a body that is too large, and wait for the answer before they send more.
    let large = "x".repeat((16 << 10) + 1);
    assert_eq!(post(inbound, "/slack", &[], &large).0, 413);
    assert_eq!(post(inbound, "/slack", &[], "text=cpu").0, 401);
    assert_eq!(post(inbound, "/trigger", &[("authorization", "Bearer wrong")], alert).0, 401);
    let grown = service.running.rss().saturating_sub(before);
    assert!(grown < GROWTH, "grown by {grown} bytes");
    counted("2 taken, 5 asked for twice, 0 turned away, 7 refused");
    for page in ["/debug/", "/debug/snapshots", "/metrics"] {
        let text = service.ask(page).text();
        assert!(!text.contains(SECRET) && !text.contains(TOKEN), "{page}");
    }
}
