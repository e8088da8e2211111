//! What Parca refuses: `pkg/normalizer/validate.go` (`ValidatePprofProfile`) and `pkg/scrape/scrape.go`
//! (`processScrapeResp`). It demands everything of google/pprof's reader first.

use crate::case::{Case, Rule};

pub(crate) const RULES: &[Rule] = &[
    Rule::all("parca/sequential", sequential),
    Rule::all("parca/mapping-range", mapping_range),
    Rule::all("parca/function-range", function_range),
    Rule::all("parca/label-key", label_key),
    Rule::all("parca/executable-info", executable_info),
];

/// "mapping id is not sequential", and of functions and locations.
fn sequential(case: &Case<'_>) -> Vec<String> {
    let profile = case.profile;
    let mut broken = Vec::new();
    for (what, ids) in [
        ("mapping", profile.mapping.iter().map(|mapping| mapping.id).collect::<Vec<_>>()),
        ("location", profile.location.iter().map(|location| location.id).collect()),
        ("function", profile.function.iter().map(|function| function.id).collect()),
    ] {
        let jump = ids.into_iter().zip(1..).find(|(id, expected)| id != expected);
        broken.extend(jump.map(|(id, expected)| format!("{what} {expected} has the id {id}")));
    }
    broken
}

/// "location has invalid mapping id".
fn mapping_range(case: &Case<'_>) -> Vec<String> {
    let most = case.profile.mapping.len() as u64;
    let lost = case.profile.location.iter().filter(|location| location.mapping_id > most);
    lost.map(|location| format!("location {} is in mapping {} of {most}", location.id, location.mapping_id))
        .collect()
}

/// "location %d has invalid function id". It lets 0 pass, which pprof then shows as a line of nobody.
fn function_range(case: &Case<'_>) -> Vec<String> {
    let known = 1..=case.profile.function.len() as u64;
    let lines = case
        .profile
        .location
        .iter()
        .flat_map(|location| location.line.iter().map(|line| (location.id, line.function_id)));
    let lost = lines.filter(|(_, function)| !known.contains(function));
    lost.map(|(id, function)| format!("location {id} is in function {function} of {}", known.end())).collect()
}

/// "sample %d label %d has no key".
fn label_key(case: &Case<'_>) -> Vec<String> {
    let labels = case.profile.sample.iter().flat_map(|sample| &sample.label);
    labels
        .filter(|label| label.key == 0)
        .map(|label| format!("a label without a key says {:?}", case.text(label.text)))
        .collect()
}

/// A comment that begins so is parsed as a description of a mapping, and there must be one for each.
fn executable_info(case: &Case<'_>) -> Vec<String> {
    case.comments()
        .filter(|comment| comment.starts_with("executableInfo="))
        .map(|comment| format!("the comment {comment:?}"))
        .collect()
}
