//! Gzipped `profile.proto`, as `go tool pprof`, Parca, Pyroscope and Datadog read it, and the way back.
//! The contract that those readers impose, and where it is kept:
//! ids count from 1, string 0 is empty, mappings say only what is true (`tables`); a system name is mangled or
//! absent, labels have a key and a value and no key twice, at most [`MAX_SAMPLES`] and [`MAX_BYTES`] (here).

mod decode;
mod proto;
mod tables;

use std::cmp::Reverse;
use std::io::{self, Write};
use std::time::UNIX_EPOCH;

use flate2::Compression;
use flate2::write::GzEncoder;
use prost::Message as _;

use super::certainty::{self, Tally};
use crate::profile::{Frame, Function, MAX_VALUES, Profile, Stack, ValueType};
use tables::{Tables, field};

#[cfg(all(test, feature = "serve"))]
pub(crate) use tables::number as owner_number;

pub use decode::decode;
#[cfg(test)]
pub(crate) use tests::of_foreign;

/// The most samples written; Pyroscope refuses more.
pub const MAX_SAMPLES: usize = 16_000;

/// The most bytes written, before compression; Pyroscope refuses more.
pub const MAX_BYTES: usize = 4 << 20;

/// The name of the stack that stands for those past the bounds.
const OTHER: &str = "(other)";

/// Kept free for the head, the stack `(other)` and the comment that counts it.
const RESERVE: usize = 1024;

/// How the remarks begin that a profile's own values are written into.
const LOSSES: &str = "losses: ";
const ERROR: &str = "sampling error: ";

/// Writes `profile`, with fields of our own for our viewer if `owners`.
pub(super) fn write(profile: &Profile, owners: bool, out: &mut dyn Write) -> io::Result<()> {
    let raw = encode(profile, owners).encode_to_vec();
    #[cfg(test)]
    tests::sound(&raw, owners);
    let mut gzip = GzEncoder::new(out, Compression::default());
    gzip.write_all(&raw)?;
    gzip.finish().map(drop)
}

fn encode(profile: &Profile, owners: bool) -> proto::Profile {
    let mut writer = Writer::new(profile, owners);
    let mut stacks: Vec<Stack<'_>> = profile.iter().collect();
    // What was merged before, in a profile that was read back, is merged again before anything else is.
    stacks.sort_by_key(|stack| (is_other(stack), Reverse(stack.value(profile.default_value).unsigned_abs())));
    let room = if stacks.len() > MAX_SAMPLES { MAX_SAMPLES - 1 } else { MAX_SAMPLES };
    let fit = stacks.iter().take(room).take_while(|stack| writer.fits(stack)).count();
    if let Some(rest @ [_, ..]) = stacks.get(fit..) {
        writer.merge(rest);
        let (rest, all) = (rest.len(), stacks.len());
        writer.comment(&format!(
            "the {rest} smallest of {all} stacks are merged into {OTHER}: {MAX_SAMPLES} samples or {} MiB is the most",
            MAX_BYTES >> 20
        ));
    }
    writer.finish()
}

/// Whether `stack` already stands for those past the bounds.
fn is_other(stack: &Stack<'_>) -> bool {
    let mut frames = stack.frames();
    let only = frames.next().filter(|_| frames.next().is_none());
    only.is_some_and(|frame| matches!(frame, Frame::Named(function) if function.name == OTHER))
}

struct Writer<'p> {
    profile: &'p Profile,
    /// Whether our own fields are written.
    owners: bool,
    message: proto::Profile,
    tables: Tables,
    /// The bytes of the samples and comments so far.
    size: usize,
}

impl<'p> Writer<'p> {
    fn new(profile: &'p Profile, owners: bool) -> Self {
        let mut tables = Tables::new(&profile.mappings, owners);
        let mut value = |value: &ValueType| proto::ValueType {
            name: tables.string(value.name()),
            unit: tables.string(value.unit().as_str()),
        };
        let nanos = |duration: std::time::Duration| i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX);
        let message = proto::Profile {
            sample_type: profile.values().iter().map(&mut value).collect(),
            period_type: profile.period.as_ref().map(|(period, _)| value(period)),
            period: profile.period.as_ref().map_or(0, |(_, every)| i64::try_from(*every).unwrap_or(i64::MAX)),
            time_nanos: profile.began.duration_since(UNIX_EPOCH).map_or(0, nanos),
            duration_nanos: profile.lasted.map_or(0, nanos),
            default_sample_type: profile
                .values()
                .get(profile.default_value)
                .map_or(0, |value| tables.string(value.name())),
            ..proto::Profile::default()
        };
        let mut writer = Self { profile, owners, message, tables, size: 0 };
        for comment in &profile.comments {
            writer.comment(comment);
        }
        writer.comment(&format!("{LOSSES}{}", profile.losses.summary()));
        if let Some(error) = sampling_error(profile) {
            writer.comment(&format!("{ERROR}{error}"));
        }
        writer
    }

    fn comment(&mut self, text: &str) {
        let index = self.tables.string(text);
        self.message.comment.push(index);
        self.size += field(size_of::<i64>());
    }

    /// Writes `stack`; false, and nothing written, when that would pass the bound.
    fn fits(&mut self, stack: &Stack<'_>) -> bool {
        let mark = self.tables.mark();
        let certainty =
            if self.owners { Certainty::of(stack, stack.values().len()) } else { Certainty::default() };
        let sample = proto::Sample {
            location_id: self.locations(stack),
            value: stack.values().to_vec(),
            label: self.labels(stack),
            samples: certainty.samples,
            variance: certainty.told(stack.values()),
        };
        let size = self.size + field(sample.encoded_len());
        if size + self.tables.size() > MAX_BYTES - RESERVE {
            self.tables.go_back(mark);
            return false;
        }
        self.size = size;
        self.message.sample.push(sample);
        true
    }

    /// Writes the sum of `stacks` as one stack.
    fn merge(&mut self, stacks: &[Stack<'_>]) {
        let mut sums = [0_i64; MAX_VALUES];
        let mut certainty = Certainty::default();
        for stack in stacks {
            if self.owners {
                certainty.add(&Certainty::of(stack, stack.values().len()));
            }
            for (sum, value) in sums.iter_mut().zip(stack.values()) {
                *sum = sum.saturating_add(*value);
            }
        }
        let line = self.tables.line(&Function::new(OTHER, "", 0));
        let location_id = vec![self.tables.location(0, vec![line])];
        let value: Vec<i64> = sums.into_iter().take(self.profile.values().len()).collect();
        let (samples, variance) = (certainty.samples, certainty.told(&value));
        self.message.sample.push(proto::Sample { location_id, value, label: Vec::new(), samples, variance });
    }

    /// Functions inlined into each other at one address are the lines of one location.
    fn locations(&mut self, stack: &Stack<'_>) -> Vec<u64> {
        let mut ids = Vec::new();
        let mut open: Option<(u64, Vec<proto::Line>)> = None;
        for frame in stack.frames() {
            let (address, line, inlined) = match frame {
                Frame::Label { .. } => continue,
                Frame::Address(address) => (address.lookup(), None, false),
                Frame::Named(function) => {
                    (function.address, Some(self.tables.line(function)), function.inlined)
                }
            };
            let mut lines = match open.take() {
                Some((same, lines)) if same == address && line.is_some() => lines,
                Some((other, lines)) => {
                    ids.push(self.tables.location(other, lines));
                    Vec::new()
                }
                None => Vec::new(),
            };
            lines.extend(line);
            if inlined {
                open = Some((address, lines));
            } else {
                ids.push(self.tables.location(address, lines));
            }
        }
        ids.extend(open.map(|(address, lines)| self.tables.location(address, lines)));
        ids
    }

    /// The labels of a stack. Of two with the same key the innermost counts: it is the more specific one.
    /// pprof takes an empty value for a number, and Parca refuses an empty key; neither is written.
    fn labels(&mut self, stack: &Stack<'_>) -> Vec<proto::Label> {
        let mut labels: Vec<proto::Label> = Vec::new();
        for frame in stack.frames() {
            let Frame::Label { key, value } = frame else { continue };
            if key.is_empty() || value.is_empty() {
                continue;
            }
            // Only what is written gets a place among the strings.
            let key = self.tables.string(key);
            if labels.iter().all(|label| label.key != key) {
                labels.push(proto::Label { key, text: self.tables.string(value), ..proto::Label::default() });
            }
        }
        labels
    }

    fn finish(mut self) -> proto::Profile {
        self.tables.fill(&mut self.message);
        self.message
    }
}

/// What the viewer is told of how sure a stack's values are: enough for the error of any sum of them, as [`Tally`] has it.
#[derive(Clone, Debug, Default)]
struct Certainty {
    samples: u64,
    variances: [f64; MAX_VALUES],
}

impl Certainty {
    fn of(stack: &Stack<'_>, values: usize) -> Self {
        let mut variances = [0.0; MAX_VALUES];
        for (index, variance) in variances.iter_mut().enumerate().take(values) {
            *variance = stack.variance(index);
        }
        Self { samples: stack.samples(), variances }
    }

    fn add(&mut self, other: &Self) {
        self.samples = self.samples.saturating_add(other.samples);
        for (sum, variance) in self.variances.iter_mut().zip(&other.variances) {
            *sum += variance;
        }
    }

    /// The variances of `values`; nothing where they follow from the values and the number of samples.
    #[allow(clippy::cast_possible_truncation, reason = "seven digits of an error are five too many")]
    fn told(&self, values: &[i64]) -> Vec<f32> {
        let of_equals = |value: i64| (value as f64).powi(2) / self.samples.max(1) as f64;
        let pairs = || values.iter().zip(self.variances);
        let follow = pairs().all(|(value, variance)| (variance - of_equals(*value)).abs() <= 1e-3 * variance);
        if self.samples == 0 || follow {
            return Vec::new();
        }
        pairs().map(|(_, variance)| variance as f32).collect()
    }
}

fn sampling_error(profile: &Profile) -> Option<String> {
    let total = Tally::total(profile, profile.default_value);
    let error = certainty::show(total.error());
    (!error.is_empty()).then(|| format!("{error} of the total, from {} samples", total.samples()))
}

#[cfg(test)]
mod tests;
