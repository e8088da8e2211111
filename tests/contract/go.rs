//! What google/pprof refuses or misreads: `profile/encode.go` (`postDecode`), `profile/profile.go` (`CheckValid`,
//! `massageMappings`), `profile/proto.go`. It is the reader of `go tool pprof`, and Parca's and Alloy's first step.

use std::collections::HashSet;

use crate::case::{Case, Rule};

pub(crate) const RULES: &[Rule] = &[
    Rule::all("go/first-string", first_string),
    Rule::all("go/strings", strings),
    Rule::all("go/sample-types", sample_types),
    Rule::all("go/values", values),
    Rule::all("go/locations", locations),
    Rule::all("go/ids", ids),
    Rule::all("go/empty-label", empty_label),
    Rule::all("go/main-first", main_first),
];

/// `encode.go`: "string_table[0] must be ''".
fn first_string(case: &Case<'_>) -> Vec<String> {
    match case.profile.string_table.first() {
        Some(first) if first.is_empty() => Vec::new(),
        first => vec![format!("string 0 is {first:?}")],
    }
}

/// `proto.go`, `getString`: "malformed profile format" for an index that is not there.
fn strings(case: &Case<'_>) -> Vec<String> {
    let known = 0..i64::try_from(case.profile.string_table.len()).unwrap_or(i64::MAX);
    let lost = case.indices().filter(|(_, index)| *index != 0 && !known.contains(index));
    lost.map(|(who, index)| format!("{who} is string {index} of {}", known.end)).collect()
}

/// `CheckValid`: "missing sample type information".
fn sample_types(case: &Case<'_>) -> Vec<String> {
    let missing = case.profile.sample_type.is_empty() && !case.profile.sample.is_empty();
    missing.then(|| "there are samples and no sample type".to_owned()).into_iter().collect()
}

/// `CheckValid`: "mismatch: sample has: %d values vs. %d types".
fn values(case: &Case<'_>) -> Vec<String> {
    let types = case.profile.sample_type.len();
    let samples = case.profile.sample.iter().filter(|sample| sample.value.len() != types);
    samples.map(|sample| format!("a sample has {} values of {types} types", sample.value.len())).collect()
}

/// `CheckValid`: "sample has nil location", which is how a dangling id ends.
fn locations(case: &Case<'_>) -> Vec<String> {
    let known: HashSet<u64> = case.profile.location.iter().map(|location| location.id).collect();
    let used = case.profile.sample.iter().flat_map(|sample| &sample.location_id);
    used.filter(|id| !known.contains(id))
        .map(|id| format!("a sample is at location {id}, which is not there"))
        .collect()
}

/// `CheckValid`: "found … with reserved ID=0", "multiple … with same id".
fn ids(case: &Case<'_>) -> Vec<String> {
    let profile = case.profile;
    let mut broken = Vec::new();
    for (what, ids) in [
        ("mapping", profile.mapping.iter().map(|mapping| mapping.id).collect::<Vec<_>>()),
        ("location", profile.location.iter().map(|location| location.id).collect()),
        ("function", profile.function.iter().map(|function| function.id).collect()),
    ] {
        let mut seen = HashSet::new();
        broken.extend(
            ids.into_iter()
                .filter(|id| *id == 0 || !seen.insert(*id))
                .map(|id| format!("{what} {id} is 0 or twice")),
        );
    }
    broken
}

/// `postDecode` drops a label that has neither text nor number nor unit.
fn empty_label(case: &Case<'_>) -> Vec<String> {
    let labels = case.profile.sample.iter().flat_map(|sample| &sample.label);
    let empty = labels.filter(|label| label.text == 0 && label.number == 0 && label.number_unit == 0);
    empty.map(|label| format!("the label {:?} says nothing", case.text(label.key))).collect()
}

/// `massageMappings` takes the first mapping of a file that is no library for the program, and shows it as `File:`.
fn main_first(case: &Case<'_>) -> Vec<String> {
    let files = || case.profile.mapping.iter().map(|mapping| case.text(mapping.filename));
    match files().position(is_program) {
        Some(place @ 1..) => vec![format!("the program {:?} is mapping {}", files().nth(place), place + 1)],
        _ => Vec::new(),
    }
}

/// As `libRx` there: `.so` at the end, or followed by a number.
fn is_program(file: &str) -> bool {
    let file = file.replace("(deleted)", "");
    let file = file.trim();
    let numbered =
        file.rfind(".so").and_then(|at| file.get(at + 3..)).and_then(|rest| rest.strip_prefix(['.', '_']));
    let library = file.ends_with(".so")
        || numbered.is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit()));
    !file.is_empty() && !file.starts_with('[') && !library
}
