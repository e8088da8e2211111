//! The contract of our profiles: what `go tool pprof`, Parca, Pyroscope and Alloy demand of one, and what we have promised
//! besides, as rules that each name where they come from. Every profile that a test makes or is given passes through here.
//! It knows nothing of the agent: it decodes the bytes on its own, and depends on no crate of ours.

mod alloy;
mod answer;
mod case;
mod go;
mod ours;
mod parca;
mod pyroscope;
mod terms;

// The program's own messages: every field of the format, no more.
#[path = "../../cli/src/proto.rs"]
mod proto;

#[cfg(test)]
mod tests;

use std::io::Read as _;

use flate2::bufread::GzDecoder;
use prost::Message as _;

use case::{Case, Rule};

pub use answer::Answer;
pub use terms::{Origin, Span, Terms};

/// How many complaints of one rule are shown: the tenth location out of its mapping says no more than the first.
const MOST: usize = 3;

/// What a reader could hold against `bytes`, a line each, beginning with the rule's name; empty for a sound profile.
#[must_use]
pub fn complaints(bytes: &[u8], terms: &Terms) -> Vec<String> {
    let raw = match unzipped(bytes) {
        Ok(raw) => raw,
        Err(why) => return vec![why],
    };
    let profile = match proto::Profile::decode(&*raw) {
        Ok(profile) => profile,
        // Text that is not UTF-8 ends here, too.
        Err(why) => return vec![format!("wire/protobuf: {why}")],
    };
    let case = Case { bytes, raw: &raw, profile: &profile, terms };
    // Who follows references that lead nowhere would complain of what is not there.
    let broken = judged(&case, &[go::RULES, parca::RULES]);
    if broken.is_empty() { judged(&case, &[pyroscope::RULES, alloy::RULES, &ours::rules()]) } else { broken }
}

/// Holds `bytes` to the contract.
///
/// # Panics
/// When a rule is broken. `what` says of what, and the file is kept for a look at it.
#[track_caller]
pub fn check(what: &str, bytes: &[u8], terms: &Terms) {
    accept(what, &complaints(bytes, terms), bytes);
}

/// Holds an answer of the debug port to the contract: its head, and the profile in it, of `origin`, if it is one.
///
/// # Panics
/// As [`check`].
#[track_caller]
pub fn check_answer(answer: &Answer<'_>, origin: Origin) {
    accept(answer.target, &answer.complaints(origin), answer.body);
}

#[track_caller]
fn accept(what: &str, complaints: &[String], bytes: &[u8]) {
    assert!(
        complaints.is_empty(),
        "{what} ({} bytes) breaks the contract:\n{}",
        bytes.len(),
        complaints.join("\n")
    );
}

fn judged(case: &Case<'_>, rules: &[&[Rule]]) -> Vec<String> {
    let rules = rules.iter().flat_map(|rules| rules.iter()).filter(|rule| rule.applies(case.terms));
    rules
        .flat_map(|rule| {
            (rule.broken)(case).into_iter().take(MOST).map(|why| format!("{}: {why}", rule.name))
        })
        .collect()
}

/// The message, out of one gzip stream with nothing behind it: Go's reader takes it raw, too, but Alloy's counts on gzip.
fn unzipped(bytes: &[u8]) -> Result<Vec<u8>, String> {
    let mut raw = Vec::new();
    let mut gzip = GzDecoder::new(bytes);
    gzip.read_to_end(&mut raw).map_err(|why| format!("wire/gzip: {why}"))?;
    let rest = gzip.into_inner().len();
    if rest > 0 { Err(format!("wire/gzip: {rest} bytes behind its end")) } else { Ok(raw) }
}
