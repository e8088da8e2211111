//! What Pyroscope refuses or cuts: `pkg/validation/validate.go` (`ValidateProfile`) with the defaults of `limits.go`.

use crate::case::{Case, Rule};

/// `validation.max-profile-size-bytes`.
pub(crate) const MAX_BYTES: usize = 4 << 20;
/// `validation.max-profile-stacktrace-samples`.
pub(crate) const MAX_SAMPLES: usize = 16_000;
/// `validation.max-profile-stacktrace-sample-labels`.
const MAX_LABELS: usize = 100;
/// `validation.max-profile-stacktrace-depth`.
const MAX_DEPTH: usize = 1_000;
/// `validation.max-profile-symbol-value-length`.
const MAX_STRING: usize = 65_535;

pub(crate) const RULES: &[Rule] = &[
    Rule::all("pyroscope/size", size),
    Rule::all("pyroscope/samples", samples),
    Rule::all("pyroscope/labels", labels),
    Rule::all("pyroscope/depth", depth),
    Rule::all("pyroscope/strings", strings),
    Rule::all("pyroscope/type-name", type_name),
    Rule::agents("pyroscope/time", time),
];

/// "exceeds the size limit".
fn size(case: &Case<'_>) -> Vec<String> {
    let bytes = case.raw.len();
    (bytes > MAX_BYTES).then(|| format!("{bytes} bytes, at most {MAX_BYTES}")).into_iter().collect()
}

/// "exceeds the samples count limit".
fn samples(case: &Case<'_>) -> Vec<String> {
    let samples = case.profile.sample.len();
    (samples > MAX_SAMPLES).then(|| format!("{samples} samples, at most {MAX_SAMPLES}")).into_iter().collect()
}

/// "exceeds the sample labels limit".
fn labels(case: &Case<'_>) -> Vec<String> {
    let many =
        case.profile.sample.iter().map(|sample| sample.label.len()).filter(|labels| *labels > MAX_LABELS);
    many.map(|labels| format!("a sample has {labels} labels, at most {MAX_LABELS}")).collect()
}

/// Deeper stacks lose their leaves there: what they are about.
fn depth(case: &Case<'_>) -> Vec<String> {
    let deep =
        case.profile.sample.iter().map(|sample| sample.location_id.len()).filter(|depth| *depth > MAX_DEPTH);
    deep.map(|depth| format!("a stack is {depth} deep, at most {MAX_DEPTH}")).collect()
}

/// Longer strings lose their beginning there.
fn strings(case: &Case<'_>) -> Vec<String> {
    let long = case.profile.string_table.iter().map(String::len).filter(|length| *length > MAX_STRING);
    long.map(|length| format!("a string of {length} bytes, at most {MAX_STRING}")).collect()
}

/// "sample type contains -"; one without a name or a unit cannot be asked for.
fn type_name(case: &Case<'_>) -> Vec<String> {
    let bad = |value: &String| value.contains('-') || value.starts_with('/') || value.ends_with('/');
    case.values().into_iter().filter(bad).map(|value| format!("the value {value:?}")).collect()
}

/// What lies outside the ingestion window is refused (`limits.reject-older-than`, `reject-newer-than`): a profile is of
/// today at least, and not of tomorrow.
fn time(case: &Case<'_>) -> Vec<String> {
    const DAY: i64 = 86_400_000_000_000;
    let now =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_nanos();
    let age = i64::try_from(now).unwrap_or(i64::MAX).saturating_sub(case.profile.time_nanos);
    let minutes = age / 60_000_000_000;
    (!(-DAY / 1_440..=DAY).contains(&age))
        .then(|| format!("time_nanos is {minutes} minutes ago"))
        .into_iter()
        .collect()
}
