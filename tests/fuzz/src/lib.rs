//! Looks for inputs that break a reader which is private to its crate, where a coverage-guided fuzzer cannot reach it: from
//! seeds, changed at random; what is read in a new way is kept and changed further. For some hundred inputs in a test, for
//! as long as `FUZZ_SECONDS` says in `scripts/fuzz`. An input that panics, takes too long or takes too much memory is
//! written to `target/fuzz/NAME-….bin` and fails the test.

mod change;
mod memory;

use std::collections::HashSet;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use change::Random;

/// How many inputs a test tries that nobody gives time.
const FEW: u64 = 300;

/// The most inputs that are kept for being read in a new way.
const MAX_KEPT: usize = 4_000;

/// How many inputs are tried between two looks at the memory.
const ROUND: usize = 32;

/// A search: what is read, and what it may cost.
#[derive(Debug)]
pub struct Search<'s> {
    /// What it is called on the command line and in file names.
    pub name: &'s str,
    /// Inputs that are right, or nearly.
    pub seeds: Vec<Vec<u8>>,
    /// What is put in now and then: keywords, numbers at their bounds.
    pub words: &'s [&'s str],
    /// The longest input, in bytes.
    pub longest: usize,
    /// How long one input may take, on a busy machine and without optimization.
    pub patience: Duration,
    /// By how many bytes the process may grow over all.
    pub memory: u64,
}

impl<'s> Search<'s> {
    /// A search of inputs up to 16 KiB, which may take two seconds each and 256 MiB in all.
    pub fn new(
        name: &'s str,
        seeds: impl IntoIterator<Item = impl Into<Vec<u8>>>,
        words: &'s [&'s str],
    ) -> Self {
        let seeds = seeds.into_iter().map(Into::into).collect();
        let (longest, patience, memory) = (16 << 10, Duration::from_secs(2), 256 << 20);
        Self { name, seeds, words, longest, patience, memory }
    }

    /// Has `read` read one input after the other. What it returns says in what way it was read: as few values as there are
    /// ways, so not a count of bytes but its magnitude.
    ///
    /// # Panics
    /// When an input was found, as `read` has panicked, or with how long or how much it took.
    pub fn run(self, mut read: impl FnMut(&[u8]) -> u64) {
        let seconds = std::env::var("FUZZ_SECONDS").ok().and_then(|seconds| seconds.parse::<u64>().ok());
        let seed = std::env::var("FUZZ_SEED").ok().and_then(|seed| seed.parse().ok());
        // Nobody's test fails today that held yesterday.
        let seed = seed.unwrap_or_else(|| seconds.map_or(1, |_| u64::from(std::process::id())));
        let mut random = Random::new(seed);
        let (mut kept, mut ways) = (self.seeds.clone(), HashSet::new());
        let (begun, before) = (Instant::now(), memory::now());
        let (mut tried, mut slowest) = (0_u64, Duration::ZERO);
        let mut round: Vec<Vec<u8>> = Vec::new();
        for input in self.seeds.clone() {
            ways.insert(self.try_one(&input, &mut read, &mut slowest));
        }
        let more = |tried| match seconds {
            Some(seconds) => begun.elapsed() < Duration::from_secs(seconds),
            None => tried < FEW,
        };
        while more(tried) {
            let input = random.changed(&kept, self.words, self.longest);
            let way = self.try_one(&input, &mut read, &mut slowest);
            tried += 1;
            if ways.len() < MAX_KEPT && ways.insert(way) {
                kept.push(input.clone());
            }
            round.push(input);
            if round.len() == ROUND {
                self.look_at_memory(&round, before);
                round.clear();
            }
        }
        if seconds.is_some() {
            let (took, grown) = (begun.elapsed(), memory::peak().saturating_sub(before) >> 20);
            say(&format!(
                "fuzz {}: {tried} inputs in {} s from seed {seed}, {} ways to read them, slowest {slowest:?}, {grown} \
                 MiB more at most\n",
                self.name,
                took.as_secs(),
                ways.len()
            ));
        }
    }

    fn try_one(&self, input: &[u8], read: &mut impl FnMut(&[u8]) -> u64, slowest: &mut Duration) -> u64 {
        let begun = Instant::now();
        let way = catch_unwind(AssertUnwindSafe(|| read(input))).unwrap_or_else(|panic| {
            self.keep(input);
            resume_unwind(panic)
        });
        let took = begun.elapsed();
        *slowest = took.max(*slowest);
        if took > self.patience {
            let path = self.keep(input);
            panic!("{}: an input took {took:?}: {}", self.name, path.display());
        }
        way
    }

    fn look_at_memory(&self, round: &[Vec<u8>], before: u64) {
        let grown = memory::peak().saturating_sub(before);
        if grown > self.memory {
            let paths: Vec<_> = round.iter().map(|input| self.keep(input)).collect();
            panic!("{}: one of {} inputs took {} MiB: {paths:?}", self.name, round.len(), grown >> 20);
        }
    }

    /// Writes `input` down for whoever looks into it.
    fn keep(&self, input: &[u8]) -> PathBuf {
        let sum = input.iter().fold(0xcbf2_9ce4_8422_2325_u64, |sum, byte| {
            (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        });
        let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/fuzz"));
        let path = folder.join(format!("{}-{sum:016x}.bin", self.name));
        let written = fs::create_dir_all(&folder).and_then(|()| fs::write(&path, input));
        say(&format!("fuzz {}: {written:?} {}\n", self.name, path.display()));
        path
    }
}

/// The way of something that was read: `parts`, as one number.
#[must_use]
pub fn way(parts: &[u64]) -> u64 {
    parts.iter().fold(7, |sum: u64, part| sum.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(*part + 1))
}

/// The way of a message, whatever numbers and names are in it.
#[must_use]
pub fn way_of(message: &str) -> u64 {
    way(&message.bytes().filter(u8::is_ascii_lowercase).take(60).map(u64::from).collect::<Vec<_>>())
}

/// The magnitude of a count: 0, 1, 2 to 3, 4 to 7, and so on.
#[must_use]
pub fn magnitude(count: usize) -> u64 {
    u64::from(usize::BITS - count.leading_zeros())
}

fn say(text: &str) {
    use std::io::Write as _;
    // Past the capture of the test harness: in minutes of silence one wants to see something.
    let _ = std::io::stderr().write_all(text.as_bytes());
}
