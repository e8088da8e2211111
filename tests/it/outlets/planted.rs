//! Secrets where services have them, and a search for them in everything that leaves the process: every page in every form,
//! the log, the folder, and what the sinks were given.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use flamewatch_tests::{FakeSlack, Fixture, Service};
use flate2::read::MultiGzDecoder;

/// What is planted, and where. None of it may be found; no escaping changes a letter of it.
pub(super) const ARGUMENT: &str = "planted-argument-5f0c";
const ENVIRONMENT: &str = "planted-environment-9b1d";
const HEAP: &str = "planted-heap-task-stack-gauge-panic-77aa";
const PATH: &str = "planted-path-c0de";
const QUERY: &str = "planted-query-31f4";
const HEADER: &str = "planted-header-8e2a";
const COOKIE: &str = "planted-cookie-44d1";
const UNMATCHED: &str = "planted-unmatched-path-6d7e";
const TOKEN: &str = "planted-debug-token-2a90";
const TRIGGER: &str = "planted-trigger-token-0b57";
const SIGNING: &str = "planted-signing-secret-f00d";
const WEBHOOK: &str = "planted-webhook-e1b2";
const ASKED: &str = "planted-in-our-own-query-19ac";

pub(super) const ALL: [&str; 15] = [
    ARGUMENT,
    ENVIRONMENT,
    HEAP,
    PATH,
    QUERY,
    HEADER,
    COOKIE,
    UNMATCHED,
    TOKEN,
    TRIGGER,
    SIGNING,
    WEBHOOK,
    ASKED,
    FakeSlack::TOKEN,
    "SECRET",
];

/// What is shown, by design, and so proves that the search finds what is there.
const RULE: &str = "rss.share high";
const FUNCTION: &str = "talkative::hoard";
const ROUTE: &str = "/users/{id}";
const GAUGE: &str = "orders.open";

/// The settings that plant them. `app` is where the service serves.
pub(super) fn settings(app: SocketAddr) -> Vec<(&'static str, String)> {
    vec![
        ("APP", app.to_string()),
        ("SECRET", HEAP.to_owned()),
        ("DATABASE_URL", format!("postgres://shop:{ENVIRONMENT}@db/orders")),
        ("FLAMEWATCH_TOKEN", TOKEN.to_owned()),
        ("FLAMEWATCH_INBOUND", "127.0.0.1:0".to_owned()),
        ("FLAMEWATCH_TRIGGER_TOKEN", TRIGGER.to_owned()),
        ("FLAMEWATCH_SLACK_SIGNING_SECRET", SIGNING.to_owned()),
        ("FLAMEWATCH_SLACK_CHANNELS", FakeSlack::CHANNEL.to_owned()),
        ("FLAMEWATCH_SLACK_WEBHOOK", format!("http://127.0.0.1:1/services/T0/B0/{WEBHOOK}")),
        ("FLAMEWATCH_SLACK_TOKEN", FakeSlack::TOKEN.to_owned()),
        ("FLAMEWATCH_SLACK_CHANNEL", FakeSlack::CHANNEL.to_owned()),
        ("FLAMEWATCH_SLACK_SPREAD", "0s".to_owned()),
    ]
}

/// The program, with a secret among its arguments, and its complaints in `folder`.
pub(super) fn program(folder: &Path) -> Fixture {
    let argument = format!("--password={ARGUMENT}");
    Fixture::optimized("talkative").with_arguments([argument.as_str()]).complaining_in(folder.join("stderr"))
}

/// Asks the service itself as its own clients do.
pub(super) fn ask_the_service(app: SocketAddr) {
    let headers = format!("Authorization: Bearer {HEADER}\r\nCookie: session={COOKIE}\r\n");
    let ask = |path: &str| String::from_utf8_lossy(&asked(app, path, &headers)).into_owned();
    let failed = ask(&format!("/users/{PATH}?token={QUERY}"));
    assert!(
        [HEAP, HEADER, PATH].iter().all(|secret| failed.contains(secret)),
        "the service itself says all: {failed}"
    );
    assert!(ask(&format!("/{UNMATCHED}/x?token={QUERY}")).starts_with("HTTP/1.1 404"));
}

/// What was found, by name: everything that leaves the process.
pub(super) struct Found(Vec<(String, Vec<u8>)>);

impl Found {
    /// Every page in every form, and all files in `folder`.
    pub(super) fn of(service: &Service, folder: &Path) -> Self {
        let pages = pages(service);
        let parts: Vec<&[String]> = pages.chunks(pages.len().div_ceil(3)).collect();
        let mut found: Vec<_> = std::thread::scope(|scope| {
            let readers: Vec<_> = parts
                .iter()
                .map(|part| scope.spawn(|| part.iter().map(|page| read(service, page)).collect::<Vec<_>>()))
                .collect();
            readers.into_iter().flat_map(|reader| reader.join().expect("no panic")).collect()
        });
        found.extend(
            super::files(folder)
                .into_iter()
                .map(|file| (file.display().to_string(), std::fs::read(&file).expect("a file"))),
        );
        Self(found)
    }

    /// The same, and what a sink was given.
    pub(super) fn and(&mut self, name: &str, bytes: Vec<u8>) {
        self.0.push((name.to_owned(), bytes));
    }

    /// No secret is in any of it, and what is shown by design is where it belongs.
    #[track_caller]
    pub(super) fn holds_nothing_planted(&self) {
        let mut leaks = Vec::new();
        for (name, bytes) in &self.0 {
            for text in unpacked(bytes) {
                let found = ALL.into_iter().filter(|secret| text.contains(secret));
                leaks.extend(found.map(|secret| format!("{secret} is in {name}: {}", around(&text, secret))));
            }
        }
        assert!(leaks.is_empty(), "{}", leaks.join("\n\n"));
        for (name, shown) in [
            ("/debug/", RULE),
            ("/debug/", GAUGE),
            ("/debug/pprof/heap", FUNCTION),
            ("/debug/pprof/heap?format=json", FUNCTION),
            ("/debug/top?profile=heap", FUNCTION),
            ("/debug/routes", ROUTE),
            ("/metrics", ROUTE),
            ("/debug/pprof/goroutine?debug=1", "talkative::confide"),
            ("/debug/alerts", RULE),
            ("log", RULE),
            ("alert.json", RULE),
            ("heap.pb.gz", FUNCTION),
            ("a post to a webhook", RULE),
            ("a post to PagerDuty", RULE),
            ("Slack", RULE),
        ] {
            let mut places = self.0.iter().filter(|(place, _)| place.ends_with(name));
            assert!(
                places.any(|(_, bytes)| unpacked(bytes).iter().any(|text| text.contains(shown))),
                "{shown} is not in {name}, among {:?}",
                self.0
                    .iter()
                    .map(|(name, bytes)| format!("{name}: {} bytes", bytes.len()))
                    .collect::<Vec<_>>()
            );
        }
    }
}

/// Every page of the port, taken from the router itself; every profile on its list, in every form.
fn pages(service: &Service) -> Vec<String> {
    let router = include_str!("../../../agent/src/serve/mod.rs");
    let routes = router.split(".route(\"").skip(1).filter_map(|rest| rest.split('"').next());
    let mut pages: Vec<String> = routes.filter(|route| !route.contains('{')).map(str::to_owned).collect();
    // It is the profile `wall`, which has its turn below, and takes its time.
    pages.retain(|page| page != "/debug/fgprof");
    let tables: Vec<String> = pages.iter().filter(|page| page.starts_with("/debug/")).cloned().collect();
    pages.extend(
        tables.iter().flat_map(|page| ["format=json", "format=text"].map(|form| format!("{page}?{form}"))),
    );
    pages.extend(["/nothing", "/debug/pprof/nothing", "/debug/snapshots/nothing"].map(str::to_owned));
    // What a page hands on, such as `value`, its links show to who has asked for it.
    pages.push(format!("/debug/pprof/heap?value={ASKED}"));
    pages.push(format!("/debug/flame?profile=heap&title={ASKED}"));
    let index = service.ask("/debug/pprof/").text();
    let profiles =
        index.split("<form action=\"/debug/pprof/").skip(1).filter_map(|rest| rest.split('"').next());
    for name in profiles.chain(["goroutine", "allocs", "mutex", "block", "threadcreate"]) {
        // Without this link it takes a while.
        let takes_time = !index.contains(&format!("href=\"/debug/pprof/{name}?debug=1\""))
            && index.contains(&format!("/debug/pprof/{name}\""));
        if takes_time {
            pages
                .extend(["pprof", "json"].map(|form| format!("/debug/pprof/{name}?seconds=1&format={form}")));
            continue;
        }
        pages.push(format!("/debug/pprof/{name}"));
        pages.extend(["debug=1", "debug=2", "raw=1"].map(|query| format!("/debug/pprof/{name}?{query}")));
        pages.extend(
            ["svg", "png", "text", "folded", "json"].map(|form| format!("/debug/pprof/{name}?format={form}")),
        );
        pages.extend(["flame", "top"].map(|page| format!("/debug/{page}?profile={name}")));
    }
    let snapshots = service.ask("/debug/snapshots?format=json").json();
    let ids: Vec<&str> =
        snapshots.as_array().expect("a list").iter().filter_map(|one| one["id"].as_str()).collect();
    assert!(!ids.is_empty(), "an alert keeps one");
    for id in ids {
        pages.extend(
            ["pprof", "svg", "png", "text", "folded", "json"]
                .map(|form| format!("/debug/snapshots/{id}?format={form}")),
        );
        pages.extend(["flame", "top"].map(|page| format!("/debug/{page}?snapshot={id}")));
    }
    assert!(pages.len() > 100, "{pages:?}");
    pages
}

/// The whole answer to `page`, its head, too.
fn read(service: &Service, page: &str) -> (String, Vec<u8>) {
    let headers = format!("Authorization: Bearer {TOKEN}\r\nX-Asked: {ASKED}\r\n");
    let whole = asked(service.debug_address(), page, &headers);
    let head = String::from_utf8_lossy(&whole[..whole.len().min(256)]).into_owned();
    assert!(!head.starts_with("HTTP/1.1 401") && !head.starts_with("HTTP/1.1 429"), "{page}: {head}");
    (page.to_owned(), whole)
}

fn asked(address: SocketAddr, path: &str, headers: &str) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).expect("a connection");
    stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a time-out");
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).expect("a request");
    let mut whole = Vec::new();
    stream.read_to_end(&mut whole).expect("an answer");
    whole
}

/// `bytes` as they are, and what is packed in them: by gzip, behind the head of an answer or alone.
fn unpacked(bytes: &[u8]) -> Vec<String> {
    let body =
        bytes.windows(4).position(|window| window == b"\r\n\r\n").map_or(bytes, |end| &bytes[end + 4..]);
    let mut texts = vec![String::from_utf8_lossy(bytes).into_owned()];
    for packed in [bytes, body].into_iter().filter(|packed| packed.starts_with(&[0x1f, 0x8b])) {
        let mut text = Vec::new();
        MultiGzDecoder::new(packed).read_to_end(&mut text).expect("gzip");
        texts.push(String::from_utf8_lossy(&text).into_owned());
    }
    texts
}

fn around(text: &str, word: &str) -> String {
    let (before, behind) = text.split_once(word).unwrap_or((text, ""));
    let before: String = before.chars().rev().take(200).collect();
    before.chars().rev().chain(word.chars()).chain(behind.chars().take(200)).collect()
}
