//! What anybody may send to the port, broken at random: the whole way of a request through access, query and pages. See
//! `scripts/fuzz --help`. How bytes become requests is hyper's to test.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::http::{HeaderName, HeaderValue, Request, StatusCode};
use flamewatch_fuzz::{Search, magnitude, way, way_of};
use tower::ServiceExt as _;

use super::{Fake, Limits, desk};
use crate::config::Place;
use crate::serve::listener::Way;
use crate::serve::{Access, router};

const TOKEN: &str = "a token of some length";

/// A method and a target, headers, an empty line and a body; `None` where hyper would have refused.
fn request(bytes: &[u8]) -> Option<Request<Vec<u8>>> {
    let end = bytes.windows(2).position(|pair| pair == b"\n\n").unwrap_or(bytes.len());
    let (head, body) = (&bytes[..end], bytes.get(end + 2..).unwrap_or(&[]));
    let mut lines = head.split(|byte| *byte == b'\n');
    let mut first = lines.next()?.split(|byte| *byte == b' ');
    let mut request = Request::builder().method(first.next()?).uri(first.next()?);
    for line in lines.take(100) {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let name = HeaderName::from_bytes(&line[..colon]).ok()?;
        request = request.header(name, HeaderValue::from_bytes(line[colon + 1..].trim_ascii()).ok()?);
    }
    request.body(body.to_vec()).ok()
}

/// A runtime and the port's router, over sources that look at no stretch of time.
struct Port {
    runtime: tokio::runtime::Runtime,
    router: axum::Router,
}

impl Port {
    fn new(token: Option<&str>) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let address: SocketAddr = "127.0.0.1:6060".parse().expect("an address");
        let sources =
            ["profile", "heap", "tasks", "broken"].map(|name| Arc::new(Fake { name, ..Fake::default() }));
        let access = Access::new(&Place::Tcp(address), token.map(str::to_owned), []);
        let router = router(Arc::new(desk(&sources)), access, Limits::default(), Way::Http);
        Self { runtime, router }
    }

    /// The status and the body.
    fn ask(&self, request: Request<Vec<u8>>) -> (StatusCode, Vec<u8>) {
        self.runtime.block_on(async {
            let answer = self.router.clone().oneshot(request.map(Body::from)).await.expect("infallible");
            let status = answer.status();
            (status, to_bytes(answer.into_body(), 64 << 20).await.expect("a body").to_vec())
        })
    }
}

/// Nothing waits for a window here, which would be a search of one input a second.
fn without_windows(bytes: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(bytes);
    text.replace("seconds", "sekonds").replace("last", "lest").into_bytes()
}

const PAGES: [&str; 14] = [
    "/debug/",
    "/debug/flame?profile=heap",
    "/debug/top?snapshot=a1&base=b2",
    "/debug/history?since=3",
    "/debug/fgprof",
    "/metrics",
    "/debug/threads",
    "/debug/alerts?format=json",
    "/debug/leaks?format=text",
    "/debug/tasks?page=2&size=7",
    "/debug/stats",
    "/debug/pprof/heap?debug=1&value=alloc_space&raw=1",
    "/debug/pprof/tasks?format=folded",
    "/debug/snapshots/a1?base=b2&owners=1",
];

#[test]
fn fuzz_request() {
    let port = Port::new(None);
    let seeds = PAGES.map(|page| format!("GET {page} HTTP/1.1\nHost: localhost\nAccept: text/html\n\n"));
    let words = [
        "&",
        "?",
        "=",
        "%00",
        "%ff",
        "/",
        "..",
        "format=png&size=preview",
        "debug=2",
        "base=",
        "hz=999",
        "HEAD ",
        "POST ",
        "\nOrigin: http://localhost",
        "\nSec-Fetch-Site: none",
        "\nIf-None-Match: *",
        "\nAccept-Encoding: gzip",
        "+",
        "<script>",
    ];
    Search::new("request", seeds, &words).run(|bytes| {
        let Some(request) = request(&without_windows(bytes)) else { return 0 };
        let uri = request.uri().clone();
        let (status, body) = port.ask(request);
        // What a source of ours does not know is 501, and what it knows and lacks is 404: 500 is a fault.
        assert_ne!(status, StatusCode::INTERNAL_SERVER_ERROR, "{}", String::from_utf8_lossy(&body));
        let path: Vec<&str> = uri.path().split('/').collect();
        way(&[
            u64::from(status.as_u16()),
            magnitude(path.len()),
            magnitude(body.len()),
            way_of(path.get(2).unwrap_or(&"")),
        ])
    });
}

/// Nobody is let in without the token, whatever else they say, and nobody who is at fault takes the port down.
#[test]
fn fuzz_access() {
    let port = Port::new(Some(TOKEN));
    let seeds = [
        "Host: localhost\nAuthorization: Bearer a token of some lengt",
        "Host: 127.0.0.1:6060\nAuthorization: Basic eDpzZWNyZXQ=\nOrigin: http://127.0.0.1:6060",
        "Host: [::1]:6060\nSec-Fetch-Site: cross-site\nSec-Fetch-Mode: navigate\nSec-Fetch-Dest: document",
    ];
    let seeds = seeds.map(|headers| format!("GET /debug/health HTTP/1.1\n{headers}\n\n"));
    let words = [
        "Bearer ",
        "Basic ",
        "\nAuthorization: ",
        "\nHost: ",
        "localhost",
        "[",
        "]",
        ":",
        "=",
        "null",
        "\nOrigin: ",
    ];
    Search::new("access", seeds, &words).run(|bytes| {
        let Some(request) = request(&without_windows(bytes)) else { return 0 };
        let knows = request
            .headers()
            .get_all("authorization")
            .iter()
            .any(|shown| shown.as_bytes().ends_with(b"length"));
        let (status, body) = port.ask(request);
        assert!(knows || !status.is_success(), "let in: {}", String::from_utf8_lossy(&body));
        way(&[u64::from(status.as_u16()), magnitude(body.len())])
    });
}

/// Addresses of this program and of nowhere, as `go tool pprof` sends them.
#[test]
fn fuzz_symbol() {
    let port = Port::new(None);
    let ours = [fuzz_symbol as fn() as usize, without_windows as fn(&[u8]) -> Vec<u8> as usize];
    let known = ours.map(|address| format!("{address:#x}")).join("+");
    let seeds = [known.clone(), format!("{known}+0x10+ffff"), String::new()];
    let mut search = Search::new("symbol", seeds, &["+", "0x", "0x7f", "%2B", "++++", "ffffffffffffffff"]);
    // More than the port takes.
    search.longest = 80 << 10;
    // Names are read from this program's own debug info, a turn at a time.
    search.patience = std::time::Duration::from_secs(10);
    search.memory = 512 << 20;
    search.run(|bytes| {
        let by_post = Request::post("/debug/pprof/symbol").header("host", "localhost");
        let (posted, names) = port.ask(by_post.body(bytes.to_vec()).expect("a request"));
        assert!(matches!(posted, StatusCode::OK | StatusCode::PAYLOAD_TOO_LARGE), "{posted}");
        assert!(posted != StatusCode::OK || names.starts_with(b"num_symbols: 1\n"));
        let lines = names.iter().filter(|byte| **byte == b'\n').count();
        let asked = bytes.iter().filter(|byte| **byte == b'+').count() + 1;
        assert!(lines <= asked + 1, "{lines} answers to {asked} questions");
        way(&[u64::from(posted.as_u16()), magnitude(lines), magnitude(names.len())])
    });
}
