//! End to end: fixture programs in processes of their own, asked by real clients. One binary, so that it links once.

mod afterlife;
mod alerts;
mod blocked;
mod census;
mod clients;
mod cpu;
mod heap;
mod inbound;
mod inert;
mod leak_zoo;
mod leaks;
mod lives;
mod memory;
mod outlets;
mod plan;
mod pprof;
mod saved;
mod settings;
mod shop;
mod slack;
mod slack_bot;
mod slack_service;
mod tasks;
mod tidy;
mod trouble;
mod workers;

use std::path::Path;

use flamewatch_tests::go::Go;

/// Every Go there is; what they build on first use stays for the next run.
fn go() -> Vec<Go> {
    Go::all(&Path::new(env!("CARGO_TARGET_TMPDIR")).join("go"))
}
