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
fn a_body_that_dribbles_in_is_cut_off() {
    let server = Server::start();
    let begun = Instant::now();
    let mut slow = server.connect();
    let head = "POST /debug/pprof/symbol HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 9\r\n\r\n0x1";
    slow.write_all(head.as_bytes()).expect("a request begun");
    assert_eq!(Answer::read(slow).status, 408);
    let took = begun.elapsed();
    assert!((Duration::from_secs(4)..Duration::from_secs(9)).contains(&took), "{took:?}");
}

#[test]
fn who_leaves_is_missed_within_a_second() {
    let server = Server::start();
    let asked = || server.source("profile").asked.load(Ordering::SeqCst);
    let left = || server.source("profile").left.load(Ordering::SeqCst);
    for round in 0..3 {
        let waiting = server.send("GET", "/debug/pprof/profile?seconds=60", &[], b"");
        soon("collecting", || asked() == round + 1);
        let begun = Instant::now();
        drop(waiting);
        soon("giving up", || left() == round + 1);
        assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    }
}

#[test]
fn what_is_there_now_is_collected_one_at_a_time() {
    let server = Server::start();
    let streams: Vec<_> = ["heap", "tasks", "heap", "tasks"]
        .map(|name| server.send("GET", &format!("/debug/pprof/{name}"), &[], b""))
        .into();
    for stream in streams {
        assert_eq!(Answer::read(stream).status, 200, "each has its turn");
    }
    assert_eq!(server.running.at_once(), 1);
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
    let known: Vec<_> = (0..32)
        .map(|_| {
            let mut stream = server.connect();
            stream.write_all(b"GET /debug/health HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("a request");
            assert!(stream.read(&mut [0; 512]).is_ok_and(|length| length > 0), "an answer");
            stream
        })
        .collect();
    let mut waiting = server.send("GET", "/debug/health", &[], b"");
    waiting.set_read_timeout(Some(Duration::from_millis(600))).expect("a time-out");
    assert!(waiting.read(&mut [0]).is_err(), "all seats are taken");
    drop(known);
    waiting.set_read_timeout(Some(Duration::from_secs(3))).expect("a time-out");
    assert_eq!(Answer::read(waiting).status, 200);
}

#[test]
fn a_crowd_that_says_nothing_makes_room_one_by_one() {
    let server = Server::start();
    let mut silent: Vec<_> = (0..34).map(|_| server.connect()).collect();
    let begun = Instant::now();
    for _ in 0..4 {
        assert_eq!(server.get("/debug/health").status, 200);
    }
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(3), "{took:?}");
    // As many as were needed, the oldest first.
    let (gone, left) = silent.split_at_mut(2);
    let is_open = |stream: &mut std::net::TcpStream| {
        stream.set_read_timeout(Some(Duration::from_millis(10))).expect("a time-out");
        stream.read(&mut [0]).is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
    };
    assert!(!gone.iter_mut().any(is_open));
    assert!(left.iter_mut().filter_map(|stream| is_open(stream).then_some(())).count() >= 28);
}

/// Or else one cheap refusal would buy a seat for as long as an idle connection is kept.
#[test]
fn who_is_not_let_in_is_not_kept() {
    let server = Server::with_token(Some("hunter2"));
    for (host, status) in [("localhost", 401), ("evil.example", 421)] {
        let mut stream = server.connect();
        let head = format!("GET /debug/ HTTP/1.1\r\nHost: {host}\r\n\r\n");
        stream.write_all(head.as_bytes()).expect("a request");
        let begun = Instant::now();
        let answer = Answer::read(stream);
        assert_eq!((answer.status, answer.header("connection")), (status, "close"));
        assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    }
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
