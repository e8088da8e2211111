//! Samples: labels that mean one thing, stacks that are there once, values that make sense.

use std::collections::HashSet;

use crate::case::{Case, Rule};
use crate::pyroscope::{MAX_BYTES, MAX_SAMPLES};
use crate::terms::Span;

/// The stack that stands for those past the bounds.
const OTHER: &str = "(other)";

pub(crate) const RULES: &[Rule] = &[
    Rule::all("ours/label-one-meaning", one_meaning),
    Rule::all("ours/label-key-once", key_once),
    Rule::all("ours/stack-once", stack_once),
    Rule::all("ours/no-empty-stack", no_empty_stack),
    Rule::all("ours/other-is-told", other_is_told),
    Rule::agents("ours/no-negative", no_negative),
    Rule::agents("ours/no-zero", no_zero),
];

/// profile.proto on `Label`: "At most one of the following must be present", text or number.
fn one_meaning(case: &Case<'_>) -> Vec<String> {
    let labels = case.profile.sample.iter().flat_map(|sample| &sample.label);
    let both = labels.filter(|label| label.text != 0 && (label.number != 0 || label.number_unit != 0));
    both.map(|label| format!("the label {:?} is a text and a number", case.text(label.key))).collect()
}

/// pprof keeps both values of a key, Parca and Pyroscope keep one of them, each another.
fn key_once(case: &Case<'_>) -> Vec<String> {
    let mut broken = Vec::new();
    for sample in &case.profile.sample {
        let mut seen = HashSet::new();
        let twice = sample.label.iter().filter(|label| !seen.insert(label.key));
        broken.extend(twice.map(|label| format!("a sample has the label {:?} twice", case.text(label.key))));
    }
    broken
}

fn stack_once(case: &Case<'_>) -> Vec<String> {
    let mut seen = HashSet::new();
    let twice =
        case.profile.sample.iter().filter(|sample| !seen.insert((&sample.location_id, case.labels(sample))));
    twice.map(|sample| format!("{:?} is there twice", case.names(sample).collect::<Vec<_>>())).collect()
}

/// pprof leaves out of its reports what is nowhere, and the percentages no longer add up.
fn no_empty_stack(case: &Case<'_>) -> Vec<String> {
    let empty = case.profile.sample.iter().filter(|sample| sample.location_id.is_empty());
    empty.map(|sample| format!("{:?} are nowhere", sample.value)).collect()
}

/// Whoever sees `(other)` is told what it is, and it is only there near the bounds.
fn other_is_told(case: &Case<'_>) -> Vec<String> {
    let merged = case.profile.sample.iter().filter(|sample| case.names(sample).eq([OTHER])).count();
    let told = case.comments().any(|comment| comment.contains(OTHER));
    let near = case.profile.sample.len() == MAX_SAMPLES || case.raw.len() > MAX_BYTES / 10 * 9;
    match (merged, told, near) {
        (0, false, _) | (1, true, true) => Vec::new(),
        (_, _, _) => vec![format!(
            "{merged} stacks {OTHER}, remark {told}, {} samples of {} bytes",
            case.profile.sample.len(),
            case.raw.len()
        )],
    }
}

/// Only a difference can be negative.
fn no_negative(case: &Case<'_>) -> Vec<String> {
    if matches!(case.terms.span, Span::Delta(_) | Span::Unknown) {
        return Vec::new();
    }
    let below = case.profile.sample.iter().filter(|sample| sample.value.iter().any(|value| *value < 0));
    below.map(|sample| format!("{:?} of {:?}", sample.value, case.names(sample).next())).collect()
}

/// A stack that is nothing is no news.
fn no_zero(case: &Case<'_>) -> Vec<String> {
    let zero = case.profile.sample.iter().filter(|sample| sample.value.iter().all(|value| *value == 0));
    zero.map(|sample| format!("nothing of {:?}", case.names(sample).next())).collect()
}
