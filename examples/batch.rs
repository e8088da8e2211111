//! A batch job: no runtime, no requests, and an end. It is looked at while it runs, like a service, and its parts are told
//! apart by scopes.
//!
//! ```sh
//! cargo run --release -p flamewatch-examples --bin batch -- 60     # for so many seconds
//! flamewatch fetch 127.0.0.1:6060 cpu --seconds 5 -o cpu.pb.gz
//! flamewatch top cpu.pb.gz
//! go tool pprof -tagfocus=scope=parse -top cpu.pb.gz               # one part of the job
//! ```
//!
//! With `FLAMEWATCH_DIR` the snapshots of a job that ran out of memory are there for the next one to tell of.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use flamewatch::Agent;

flamewatch::allocator!();

/// Lines of words, as a file might have them.
fn read(round: u64) -> String {
    let _scope = flamewatch::scope("read");
    (0..20_000).map(|line| format!("word{} word{} word{}\n", line % 97, line % 1009, line * round)).collect()
}

/// How often each word is there.
fn parse<'t>(text: &'t str, counts: &mut HashMap<&'t str, u64>) {
    let _scope = flamewatch::scope("parse");
    for word in text.split_whitespace() {
        *counts.entry(word).or_default() += 1;
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let seconds = std::env::args().nth(1).map_or(Ok(10), |seconds| seconds.parse())?;
    // A job may be over before a service has warmed up.
    let _agent = Agent::builder().service("word-count").warm_up(Duration::ZERO).start()?;
    let (begun, mut rounds, mut words) = (Instant::now(), 0, 0);
    while begun.elapsed() < Duration::from_secs(seconds) {
        rounds += 1;
        let text = read(rounds);
        let mut counts = HashMap::new();
        parse(&text, &mut counts);
        words = words.max(counts.len());
    }
    println!("{rounds} rounds, {words} different words at most");
    Ok(())
}
