//! Snapshots of a service that leaks, given to the program `flamewatch`: what somebody does who has no more than `curl`.

use std::path::{Path, PathBuf};

use flamewatch_tests::{Fixture, Load, Service};

/// How many snapshots, each after as many orders as this.
const SNAPSHOTS: u32 = 4;
const SECONDS: u32 = 2;
const RATE: u32 = 500;

/// The heap of the shop after each round of orders, as files.
fn snapshots(leak: &str) -> Vec<PathBuf> {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("snapshots-{leak}"));
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir).expect("a folder");
    let shop = Service::start("leaky_shop", &[("LEAK", leak)]);
    let after = |round: u32| {
        let report = Load::start(shop.running.address(), SECONDS, RATE, "orders=9,cart=1").report();
        assert_eq!(report["errors"], 0, "{report}");
        let path = dir.join(format!("heap.{round}.pb.gz"));
        std::fs::write(&path, shop.ask("/debug/pprof/heap").body).expect("a file");
        path
    };
    (0..SNAPSHOTS).map(after).collect()
}

#[test]
fn a_leak_is_found_in_snapshots() {
    let paths = snapshots("orders");
    let paths = paths.iter().map(|path| path.to_str().expect("UTF-8"));
    let (status, text, errors) =
        Fixture::program().with_arguments(["leaks"].into_iter().chain(paths)).run([]);
    assert_eq!(status.code(), Some(1), "{text}{errors}");
    // All that is ordered is kept, however fast the machine is in each round.
    for expected in [
        "4 snapshots of leaky_shop over ",
        "1. leaky_shop::orders::remember  ",
        "leaky_shop/orders.rs:",
        "   grows steadily ",
        "(3 of 3 steps",
        " that it allocated meanwhile is still held\n",
        "verdict: leaky_shop::orders::remember may leak\n",
    ] {
        assert!(text.contains(expected), "{expected}: {text}");
    }
}
