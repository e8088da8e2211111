//! What one client can do to the others, and to us.

use std::io::{Read, Write};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::{Answer, Server};

/// Waits for `done`, at most two seconds.
#[track_caller]
fn soon(what: &str, done: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(2);
    while !done() {
        assert!(Instant::now() < end, "{what} did not happen");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn four_at_a_time_the_fifth_is_told_when_to_come_back() {
    let server = Server::start();
    let asked = || server.source("profile").asked.load(Ordering::SeqCst);
    let left = || server.source("profile").left.load(Ordering::SeqCst);
    let waiting: Vec<_> =
        (0..4).map(|_| server.send("GET", "/debug/pprof/profile?seconds=60", &[], b"")).collect();
    soon("collecting", || asked() == 4);
    let fifth = server.get("/debug/pprof/heap");
    assert_eq!((fifth.status, fifth.header("retry-after"), fifth.header("x-go-pprof")), (429, "5", "1"));
    assert_eq!(server.get("/debug/health").status, 200, "the port stays responsive");
    drop(waiting);
    soon("giving up for clients that left", || left() == 4);
    soon("room for others", || server.get("/debug/pprof/heap").status == 200);
}

#[test]
fn windows_overlap() {
    let server = Server::start();
    let begun = Instant::now();
    let streams: Vec<_> =
        (0..3).map(|_| server.send("GET", "/debug/pprof/profile?seconds=1", &[], b"")).collect();
    for stream in streams {
        assert_eq!(Answer::read(stream).profile().len(), 1);
    }
    assert!(begun.elapsed() < Duration::from_millis(2500), "{:?}", begun.elapsed());
}

#[test]
fn a_head_that_dribbles_in_is_cut_off() {
    let server = Server::start();
    let begun = Instant::now();
    let mut slow = server.connect();
    slow.write_all(b"GET /debug/health HTTP/1.1\r\nHost: localhost\r\nX-Slow: ").expect("a head begun");
    let mut silent = server.connect();
    let mut rest = Vec::new();
    let _ = slow.read_to_end(&mut rest);
    let _ = silent.read_to_end(&mut rest);
    let took = begun.elapsed();
    assert!((Duration::from_secs(4)..Duration::from_secs(9)).contains(&took), "{took:?}");
    assert!(!String::from_utf8_lossy(&rest).contains("200 OK"));
}

#[test]
fn a_large_head_is_refused() {
    let server = Server::start();
    assert_eq!(server.request("GET", "/debug/health", &[("X-Large", &"x".repeat(8 << 10))], b"").status, 200);
    assert_eq!(
        server.request("GET", "/debug/health", &[("X-Large", &"x".repeat(17 << 10))], b"").status,
        431
    );
}

#[test]
fn connections_past_the_bound_wait_for_a_seat() {
    let server = Server::start();
    let idle: Vec<_> = (0..32).map(|_| server.connect()).collect();
    let mut waiting = server.send("GET", "/debug/health", &[], b"");
    waiting.set_read_timeout(Some(Duration::from_millis(300))).expect("a time-out");
    assert!(waiting.read(&mut [0]).is_err(), "all seats are taken");
    drop(idle);
    waiting.set_read_timeout(Some(Duration::from_secs(3))).expect("a time-out");
    assert_eq!(Answer::read(waiting).status, 200);
}

#[test]
fn stopping_ends_everything_soon() {
    let mut server = Server::start();
    let waiting = server.send("GET", "/debug/pprof/profile?seconds=60", &[], b"");
    soon("collecting", || server.source("profile").asked.load(Ordering::SeqCst) == 1);
    let begun = Instant::now();
    server.stop();
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    assert_eq!(Answer::read(waiting).status, 0, "the connection is closed");
    assert!(std::net::TcpStream::connect(server.address).is_err(), "the port is free again");
}
