//! The profiles and their refusals.

use std::sync::atomic::Ordering;

use super::{SCRIPT, Server};
use crate::profile::Profile;

fn opens_with(profile: &Profile) -> &str {
    profile.values()[profile.default_value].name()
}

#[test]
fn profiles_come_as_go_sends_them() {
    let server = Server::start();
    for (path, file) in [
        ("/debug/pprof/heap", "heap"),
        ("/debug/pprof/allocs", "allocs"),
        ("/debug/pprof/profile?seconds=1", "profile"),
        ("/debug/pprof/goroutine", "goroutine"),
        ("/debug/pprof/heap?seconds=1", "heap-delta"),
    ] {
        let answer = server.get(path);
        assert_eq!(answer.profile().len(), 1, "{path}");
        assert_eq!(answer.header("content-type"), "application/octet-stream");
        assert_eq!(answer.header("content-disposition"), format!("attachment; filename=\"{file}\""));
        assert_eq!(answer.header("content-length"), answer.body.len().to_string());
    }
}

#[test]
fn allocs_opens_with_what_was_allocated_also_as_a_difference() {
    let server = Server::start();
    assert_eq!(opens_with(&server.get("/debug/pprof/heap").profile()), "inuse_space");
    assert_eq!(opens_with(&server.get("/debug/pprof/allocs").profile()), "alloc_space");
    let delta = server.get("/debug/pprof/allocs?seconds=1").profile();
    assert_eq!((opens_with(&delta), delta.total(3)), ("alloc_space", 1 << 20));
}

#[test]
fn what_scrapers_ask_for_is_there_even_if_empty() {
    let server = Server::start();
    for (name, value) in [("mutex", "delay"), ("block", "delay"), ("threadcreate", "threadcreate")] {
        let profile = server.get(&format!("/debug/pprof/{name}")).profile();
        assert_eq!((profile.len(), opens_with(&profile)), (0, value));
        let said = |words: &str| profile.comments.iter().any(|comment| comment.contains(words));
        assert!(said("not collected") && said(", process "), "{:?}", profile.comments);
    }
}

#[test]
fn every_form_has_its_type() {
    let server = Server::start();
    for (query, media_type, part) in [
        ("debug=1", "text/plain; charset=utf-8", "flat%"),
        ("format=text&value=inuse_objects", "text/plain; charset=utf-8", "heap: inuse_objects"),
        ("format=folded", "text/plain; charset=utf-8", "shop::main;"),
        ("format=json", "application/json", "\"kind\":\"heap\""),
    ] {
        let answer = server.get(&format!("/debug/pprof/heap?{query}"));
        assert_eq!((answer.status, answer.header("content-type")), (200, media_type));
        assert!(answer.text().contains(part) && !answer.text().contains("_rjem_malloc"), "{}", answer.text());
        assert_eq!(answer.header("content-disposition"), "");
    }
    let raw = server.get("/debug/pprof/heap?format=folded&raw=1");
    assert!(raw.text().contains(";_rjem_malloc "), "{}", raw.text());
}

#[cfg(feature = "flamegraph")]
#[test]
fn a_drawing_is_shut_in_a_sandbox() {
    let answer = Server::start().get("/debug/pprof/heap?format=svg");
    assert_eq!((answer.status, answer.header("content-type")), (200, "image/svg+xml"));
    assert!(
        answer.header("content-security-policy").starts_with("sandbox allow-scripts; default-src 'none'")
    );
    assert!(answer.text().contains("&lt;script&gt;") && !answer.text().contains(SCRIPT));
}

#[cfg(feature = "flamegraph")]
#[test]
fn a_picture_comes_in_two_sizes() {
    let server = Server::start();
    for (query, width) in [("", 1_600_u32), ("&size=full", 1_600), ("&size=preview", 960)] {
        for path in ["/debug/pprof/heap", "/debug/snapshots/a1"] {
            let answer = server.get(&format!("{path}?format=png{query}"));
            assert_eq!((answer.status, answer.header("content-type")), (200, "image/png"), "{path}{query}");
            assert_eq!(answer.body.get(16..20), Some(&width.to_be_bytes()[..]), "{path}{query}");
        }
    }
}

#[test]
fn what_shrank_is_counted_beside_the_folded_form() {
    let server = Server::start();
    let answer = server.get("/debug/snapshots/a1?base=b2&format=folded");
    assert_eq!((answer.status, answer.text()), (200, ""));
    assert_eq!(answer.header("x-flamewatch-omitted"), "1 stacks that shrank, by 2097152 in all");
}

#[test]
fn refusals_can_be_read_in_a_terminal() {
    let server = Server::start();
    for (path, status, why) in [
        ("/debug/pprof/nonsense", 404, "Unknown profile"),
        ("/debug/pprof/..%2f..%2fetc%2fpasswd", 404, "Unknown profile"),
        ("/nothing", 404, "no such page"),
        (
            "/debug/pprof/profile?seconds=abc",
            400,
            "invalid value for \"seconds\" - must be a whole number from 1 to 60",
        ),
        ("/debug/pprof/profile?seconds=0", 400, "invalid value for \"seconds\""),
        ("/debug/pprof/heap?seconds=61", 400, "invalid value for \"seconds\""),
        ("/debug/pprof/heap?debug=1&seconds=1", 400, "seconds and debug params are incompatible"),
        ("/debug/pprof/heap?format=gif", 400, "must be one of: pprof, svg, png"),
        ("/debug/pprof/heap?value=cpu", 400, "must be one of: alloc_objects, alloc_space"),
        ("/debug/pprof/broken", 501, "cannot profile: no allocator"),
        ("/debug/snapshots/zz", 404, "no such snapshot"),
        ("/debug/snapshots/a1?base=c3", 400, "of different kinds"),
        ("/debug/snapshots?format=svg", 400, "?format=json"),
    ] {
        let answer = server.get(path);
        assert_eq!(answer.status, status, "{path}: {answer:?}");
        assert!(answer.text().contains(why), "{path}: {}", answer.text());
        assert_eq!(answer.header("x-go-pprof"), "1");
        assert_eq!(answer.header("content-type"), "text/plain; charset=utf-8");
        assert_eq!(answer.header("content-disposition"), "");
    }
    assert_eq!(server.source("profile").asked.load(Ordering::SeqCst), 0);
}
