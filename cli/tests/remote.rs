//! What is asked of running services, over HTTP, from a server that answers what it is told to.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc::{Receiver, channel};

use prost::Message as _;

use crate::pprof;
use crate::proto;
use crate::run::{flamewatch, flamewatch_with, folder};

/// Answers as many requests as there are `answers`, one connection each, and tells their heads.
fn server(answers: Vec<(u16, Vec<u8>)>) -> (SocketAddr, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    let (heads, asked) = channel();
    std::thread::spawn(move || {
        for (status, body) in answers {
            let (mut stream, _) = listener.accept().expect("a client");
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).expect("a head");
                head.push(byte[0]);
            }
            let _ = heads.send(String::from_utf8_lossy(&head).to_lowercase());
            let answer =
                format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
            let _ = stream.write_all(&[answer.as_bytes(), &body].concat());
        }
    });
    (address, asked)
}

#[test]
fn what_is_fetched_gets_its_names_where_the_file_is_at_hand() {
    let folder = folder("fetch");
    let file = folder.join("cpu.pb.gz");
    let raw = pprof::raw().encode_to_vec();
    let (address, asked) = server(vec![(200, raw)]);
    let url = format!("x:a+secret@{address}");
    let ran = flamewatch("fetch", &[&url, "cpu", "--seconds", "2", "-o", file.to_str().expect("UTF-8")], b"");
    assert_eq!(ran.status, 0, "{}", ran.err);
    let head = asked.recv().expect("a request");
    assert!(head.starts_with("get /debug/pprof/profile?seconds=2 "), "{head}");
    assert!(head.contains("authorization: bearer a+secret"), "{head}");
    assert!(!ran.err.contains("secret"), "{}", ran.err);
    assert!(ran.err.contains("named 1 of 2 addresses that had no name"), "{}", ran.err);
    assert!(ran.err.contains("in no file"), "{}", ran.err);
    let table = flamewatch("top", &["-q", file.to_str().expect("UTF-8")], b"");
    assert!(table.text().contains("landmark"), "{}", table.text());
}

#[test]
fn what_cannot_be_named_is_saved_as_it_came_and_says_which_file_is_missing() {
    let folder = folder("fetch-elsewhere");
    let file = folder.join("cpu.pb.gz");
    let mut raw = pprof::raw();
    for text in &mut raw.string_table {
        if text.starts_with('/') && text != "/orders" {
            *text = "/elsewhere/shop".to_owned();
        }
    }
    let raw = raw.encode_to_vec();
    let (address, _asked) = server(vec![(200, raw.clone()), (200, raw.clone())]);
    let ran = flamewatch("fetch", &[&address.to_string(), "-o", file.to_str().expect("UTF-8")], b"");
    assert_eq!(ran.status, 0, "{}", ran.err);
    assert_eq!(std::fs::read(&file).expect("a file"), raw);
    assert!(ran.err.contains("/elsewhere/shop: 1 address without a name"), "{}", ran.err);
    assert!(ran.err.contains("--debug-dir"), "{}", ran.err);
    let quiet = flamewatch("fetch", &[&address.to_string(), "-q", "-o", "-"], b"");
    assert_eq!((quiet.status, &quiet.out), (0, &raw));
    assert!(!quiet.err.contains("without a name"), "{}", quiet.err);
}

#[test]
fn a_running_service_is_read_like_a_file() {
    let raw = pprof::raw().encode_to_vec();
    let (address, asked) = server(vec![(200, raw), (200, b"main;work 7\n".to_vec())]);
    let ran = flamewatch_with("top", &["-q", &address.to_string()], b"", &[("FLAMEWATCH_TOKEN", "hidden")]);
    assert!(ran.text().contains("landmark"), "{}", ran.text());
    let head = asked.recv().expect("a request");
    assert!(head.starts_with("get /debug/pprof/heap "), "{head}");
    assert!(head.contains("authorization: bearer hidden"), "{head}");
    let url = format!("http://{address}/debug/flame?snapshot=a1");
    assert!(flamewatch("top", &[&url], b"").text().contains("work"));
    assert!(asked.recv().expect("a request").starts_with("get /debug/snapshots/a1 "));
}

#[test]
fn a_refusal_says_what_to_do() {
    let page = b"<html>".to_vec();
    for (status, body, expected) in [
        (401, b"a token is needed\n".to_vec(), "answered 401: a token is needed (set FLAMEWATCH_TOKEN)"),
        (404, Vec::new(), "/debug/pprof/ lists what there is"),
        (421, Vec::new(), "FLAMEWATCH_URL"),
        (200, page, "answered is no profile"),
    ] {
        let (address, _asked) = server(vec![(status, body)]);
        let ran = flamewatch("fetch", &[&address.to_string(), "-o", "/nowhere/file"], b"");
        assert_eq!(ran.status, 1);
        assert!(ran.err.contains(expected), "{}", ran.err);
    }
    let (address, _asked) = server(vec![(401, Vec::new())]);
    let ran = flamewatch_with("fetch", &[&address.to_string()], b"", &[("FLAMEWATCH_TOKEN", "hidden")]);
    assert!(ran.err.contains("the token is another") && !ran.err.contains("hidden"), "{}", ran.err);
    let ran = flamewatch("fetch", &["x:secret@127.0.0.1:1"], b"");
    assert!(ran.err.contains("Nobody listens there") && !ran.err.contains("secret"), "{}", ran.err);
    let ran = flamewatch("top", &["http://x:secret@127.0.0.1:99999"], b"");
    assert!(ran.status == 2 && !ran.err.contains("secret"), "{}", ran.err);
}

#[test]
fn a_profile_that_has_all_its_names_stays_as_it_is() {
    let mut named = proto::Profile {
        sample_type: vec![proto::ValueType { name: 1, unit: 2 }],
        sample: vec![proto::Sample { location_id: vec![1], value: vec![3], label: Vec::new() }],
        string_table: ["", "space", "bytes", "main"].map(str::to_owned).to_vec(),
        ..Default::default()
    };
    named.function.push(proto::Function { id: 1, name: 3, ..Default::default() });
    let line = vec![proto::Line { function_id: 1, ..Default::default() }];
    named.location.push(proto::Location { id: 1, line, ..Default::default() });
    let bytes = named.encode_to_vec();
    let (address, _asked) = server(vec![(200, bytes.clone())]);
    let ran = flamewatch("fetch", &[&address.to_string(), "-o", "-"], b"");
    assert_eq!((ran.status, &ran.out), (0, &bytes), "{}", ran.err);
}
