//! Scrapers, asking as they do: Grafana Alloy (`internal/component/pyroscope/scrape`: `scrape_loop.go`, the paths of
//! `config.go`) and Parca (`pkg/scrape/scrape.go`, the paths of `pkg/config`). What they refuse in an answer is held to it by
//! the contract, as in every other test.

use std::collections::HashMap;
use std::thread;

use flamewatch::render::pprof::decode;
use flamewatch_tests::Service;
use flamewatch_tests::port::{Answer, get_with};

/// What both ask for when nobody has set them up otherwise, besides CPU time.
const AT_ONCE: [&str; 4] = ["allocs", "block", "goroutine", "mutex"];

const ALLOY: &str = "Alloy/v1.11.0 (linux; linux-amd64; docker)";
const PARCA: &str = "conprof/0.24.2";

/// Both at a time, with a person between them, all of them for as long as a window of CPU time takes: a process of Go's has
/// one CPU profile at a time, and refuses the others.
#[track_caller]
pub(super) fn are_served(service: &Service, token: &str) {
    let bearer = format!("Bearer {token}");
    let scrape = |agent: &str, path: &str| -> Answer {
        let headers = [("user-agent", agent), ("authorization", &*bearer), ("accept-encoding", "gzip")];
        let answer = get_with(&service.debug_url(path), &headers).expect("an answer");
        // Parca takes 200 alone, Alloy all that begins with 2.
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        answer
    };
    thread::scope(|scope| {
        for (agent, path) in [
            (PARCA, "/debug/pprof/profile?seconds=4"),
            (ALLOY, "/debug/pprof/profile?seconds=3"),
            ("curl/7.88.1", "/debug/pprof/profile?seconds=2"),
            (ALLOY, "/debug/fgprof?seconds=2"),
        ] {
            scope.spawn(move || scrape(agent, path));
        }
    });
    for (agent, name) in [PARCA, ALLOY].into_iter().flat_map(|agent| AT_ONCE.map(|name| (agent, name))) {
        scrape(agent, &format!("/debug/pprof/{name}"));
    }
    let allocs = || allocated(&scrape(ALLOY, "/debug/pprof/allocs").body);
    never_less(&allocs(), &allocs());
}

/// What was ever allocated, in objects and bytes, by stack.
fn allocated(body: &[u8]) -> HashMap<String, [i64; 2]> {
    let profile = decode(body).expect("a profile");
    let [objects, bytes] =
        ["alloc_objects", "alloc_space"].map(|name| profile.value_index(name).expect(name));
    let stack = |stack: flamewatch::profile::Stack<'_>| {
        let frames: Vec<String> = stack.frames().map(|frame| format!("{frame:?}")).collect();
        (frames.join("\n"), [stack.value(objects), stack.value(bytes)])
    };
    profile.iter().map(stack).collect()
}

/// Alloy takes the difference of two scrapes itself, of numbers that are to be counters: what was ever allocated on a stack
/// never becomes less, and no stack is forgotten.
#[track_caller]
fn never_less(before: &HashMap<String, [i64; 2]>, after: &HashMap<String, [i64; 2]>) {
    assert!(!before.is_empty());
    for (stack, [objects, bytes]) in before {
        let Some([more, larger]) = after.get(stack) else { panic!("forgotten: {stack}") };
        assert!(more >= objects && larger >= bytes, "{more} of {objects}, {larger} of {bytes}: {stack}");
    }
}
