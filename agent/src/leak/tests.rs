//! How findings become leaks with a name.

use std::time::Duration;

use super::*;
use crate::Unit;
use crate::leak::{Report, finding};
use crate::profile::{Profile, ValueType};

/// The frames of a stack, innermost first, each as `function file:line`.
fn name(subject: Subject, frames: &[&str]) -> Name {
    let mut profile = Profile::new("leaks", [ValueType::new("leaks", Unit::Count)]);
    let frame = |text: &&str| match text.split_once(' ') {
        Some(("route", route)) => Frame::label("route", route),
        Some((function, place)) => {
            let (file, line) = place.split_once(':').expect("file:line");
            Frame::named(Function::new(function, file, line.parse().expect("a line")))
        }
        None => Frame::named(Function::new(*text, "", 0)),
    };
    profile.add(frames.iter().map(frame), &[1], 0);
    Name::of(&profile.iter().next().expect("a stack"), subject)
}

const PUSH: &str = "alloc::vec::Vec<T,A>::push /rustc/1/library/alloc/src/vec/mod.rs:9";
const RESIZE: &str =
    "hashbrown::raw::RawTable<T,A>::resize /root/.cargo/registry/src/i/hashbrown-0.15.0/src/raw.rs:9";
const INSERT: &str = "shop::cache::insert src/cache.rs:88";
const INSERT_LATER: &str = "shop::cache::insert src/cache.rs:91";

fn heap(key: u64, level: Level, rate: f64, frames: &[&str]) -> Named {
    Named { subject: Subject::Heap, finding: finding(key, level, rate), name: name(Subject::Heap, frames) }
}

#[test]
fn stacks_that_share_the_users_function_are_one_leak_with_parts() {
    let named = [
        heap(1, Level::Suspect, 1e6, &[PUSH, INSERT, "shop::get src/main.rs:3"]),
        heap(2, Level::Confirmed, 3e6, &[RESIZE, INSERT_LATER, "shop::put src/main.rs:7"]),
        heap(3, Level::Resolved, 9e6, &[PUSH, INSERT, "shop::old src/main.rs:9"]),
        heap(4, Level::Suspect, 2e6, &[PUSH, "shop::log src/log.rs:5"]),
    ];
    let leaks = group(&named);
    let rows: Vec<_> = leaks.iter().map(|leak| (leak.name.as_str(), leak.level, leak.rate.1)).collect();
    assert_eq!(rows, [("shop::cache::insert", Level::Confirmed, 4e6), ("shop::log", Level::Suspect, 2e6)]);
    let cache = &leaks[0];
    assert_eq!(cache.place.as_deref(), Some("src/cache.rs:91"), "the line of the fastest");
    let parts: Vec<_> = cache.parts.iter().map(|part| (part.name.as_str(), part.rate)).collect();
    assert_eq!(parts, [("hashbrown::raw::RawTable<T,A>::resize", 3e6), ("alloc::vec::Vec<T,A>::push", 1e6)]);
    // Errors of 0.3 and 0.9 add up as squares; what is over says nothing of what goes on.
    assert!((cache.rate.2 - 4e6 - 1e6 * (0.09_f64 + 0.81).sqrt()).abs() < 1.0, "{:?}", cache.rate);
    assert!((cache.leaked.0 - 4e8).abs() < 1.0 && (cache.immortal.expect("known") - 0.9).abs() < 1e-9);
    assert_eq!((cache.samples, cache.keys.as_slice()), (80, [3, 2, 1].as_slice()));
    assert!(leaks[1].parts.is_empty() && leaks[1].is(&leaks[1]) && !leaks[1].is(cache));
}

#[test]
fn what_is_counted_is_named_by_its_first_frame_and_its_route() {
    let site = "shop::orders::confirm src/orders.rs:88";
    let tasks = |key, rate, route: &str| Named {
        subject: Subject::Tasks,
        finding: Finding { immortal: None, leaked_error: 0.0, ..finding(key, Level::Confirmed, rate) },
        name: name(Subject::Tasks, &[site, &format!("route {route}")]),
    };
    let one = group(&[tasks(1, 5.0, "POST /orders")]);
    assert_eq!(one[0].title(), "shop::orders::confirm (src/orders.rs:88) on POST /orders");
    assert_eq!(one[0].growth(), "5 tasks more every minute (3.5 to 6.5), 500 tasks so far");
    let two = group(&[tasks(1, 5.0, "POST /orders"), tasks(2, 1.0, "GET /")]);
    assert_eq!((two.len(), two[0].route.as_ref()), (1, None), "no single route");
    assert_eq!(
        two[0].parts.iter().map(|part| part.name.as_str()).collect::<Vec<_>>(),
        ["POST /orders", "GET /"]
    );
    let threads = name(Subject::Threads, &["leaky-worker-*"]);
    let threads =
        Named { subject: Subject::Threads, finding: finding(1, Level::Confirmed, 1.0), name: threads };
    assert_eq!(group(&[threads])[0].title(), "leaky-worker-*");
}

#[test]
fn the_fingerprint_is_that_of_the_functions_alone() {
    let of = |frames: &[&str]| name(Subject::Heap, frames).fingerprint();
    assert_eq!(of(&[PUSH, INSERT]), of(&[PUSH, INSERT_LATER]));
    assert_ne!(of(&[PUSH, INSERT]), of(&[INSERT]));
}

#[test]
fn a_leak_is_told_in_words() {
    let leaks = group(&[heap(1, Level::Confirmed, 4e6, &[PUSH, INSERT])]);
    assert_eq!(
        leaks[0].growth(),
        "3.8 MiB more every minute (2.7 MiB to 5.0 MiB), 381 MiB ± 11.4 MiB so far"
    );
    assert_eq!(
        leaks[0].reasons(),
        [
            "In 2 h 40 more have come to be older than 30 min than were freed at that age.",
            "90 % of what is allocated there is never freed.",
            "Half of what lives is older than 55 min, the oldest 3 h.",
        ]
    );
    assert!(Report::default().leaks.is_empty());
}

async fn leaks() {
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn a_type_of_which_more_and_more_live_is_found_to_leak_and_one_that_comes_and_goes_is_not() {
    use crate::source::living::Walked;
    use crate::source::walk::Reading;
    use crate::watch::leak::{Context, Detector, Level, Settings};
    const MINUTE: Duration = Duration::from_secs(60);
    let mut walked =
        Walked::new(std::sync::Arc::new(Reading::default()), Some(tokio::runtime::Handle::current()));
    let mut detector = Detector::new(Settings::counted());
    let mut tasks = Vec::new();
    let mut churn: Vec<tokio::task::JoinHandle<()>> = Vec::new();
    let deadline = std::time::Instant::now() + Duration::from_secs(60);
    let mut plan = false;
    while !plan {
        assert!(std::time::Instant::now() < deadline, "no plan of this program");
        let probe = tokio::spawn(leaks());
        walked.hurry();
        walked.visit(Duration::ZERO, |_, _| plan = true);
        probe.abort();
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    for minute in 1..=150 {
        tasks.extend((0..5).map(|_| tokio::spawn(leaks())));
        churn.drain(..).for_each(|task| task.abort());
        churn.extend(
            (0..50).map(|_| tokio::spawn(async { tokio::time::sleep(Duration::from_secs(900)).await })),
        );
        // Those that are over leave the list when they are polled.
        for _ in 0..4 {
            tokio::task::yield_now().await;
        }
        let mut look = detector.look(MINUTE * minute);
        walked.hurry();
        assert!(walked.visit(MINUTE * minute, |key, age| look.see(key, age, 1.0, 1.0)), "minute {minute}");
        look.end(&Context::default(), |_| 0.0);
    }
    let found: Vec<_> =
        detector.findings().into_iter().filter(|finding| finding.level != Level::Resolved).collect();
    let shown: Vec<String> = found
        .iter()
        .flat_map(|finding| walked.frames(finding.key))
        .map(|frame| frame.show().into_owned())
        .collect();
    assert_eq!(found.len(), 1, "{shown:?}");
    assert!(shown.iter().any(|frame| frame.contains("tests::leaks")), "{shown:?}");
    assert!(Walked::knows(found[0].key) && (found[0].rate - 5.0).abs() < 1.0, "{found:?}");
    tasks.iter().chain(&churn).for_each(tokio::task::JoinHandle::abort);
}
