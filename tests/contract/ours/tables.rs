//! The tables hold what is used, once, and nothing that `profile.proto` does not know.

use std::collections::HashSet;

use prost::Message as _;

use crate::case::{Case, Rule};

pub(crate) const RULES: &[Rule] = &[
    Rule::all("ours/known-fields", known_fields),
    Rule::all("ours/strings-once", strings_once),
    Rule::all("ours/strings-used", strings_used),
    Rule::all("ours/all-used", all_used),
];

/// Written again, every byte must be there: what is lost is a field that the format does not have.
fn known_fields(case: &Case<'_>) -> Vec<String> {
    let (own, again) = (case.raw.len(), case.profile.encoded_len());
    (own != again && !case.terms.owners)
        .then(|| {
            format!(
                "{} of its {own} bytes are no field of profile.proto, or a field twice",
                own.abs_diff(again)
            )
        })
        .into_iter()
        .collect()
}

fn strings_once(case: &Case<'_>) -> Vec<String> {
    let mut seen = HashSet::new();
    let strings = case.profile.string_table.iter();
    strings
        .filter(|text| !seen.insert(*text))
        .map(|text| format!("the string {text:?} is there twice"))
        .collect()
}

fn strings_used(case: &Case<'_>) -> Vec<String> {
    if case.terms.owners {
        return Vec::new();
    }
    let used: HashSet<i64> = case.indices().map(|(_, index)| index).collect();
    let strings = (0..).zip(&case.profile.string_table).skip(1);
    strings
        .filter(|(index, _)| !used.contains(index))
        .map(|(_, text)| format!("nobody has the string {text:?}"))
        .collect()
}

/// A function or a location that no sample has is weight for every reader.
fn all_used(case: &Case<'_>) -> Vec<String> {
    let profile = case.profile;
    let locations: HashSet<u64> =
        profile.sample.iter().flat_map(|sample| &sample.location_id).copied().collect();
    let lines = profile.location.iter().flat_map(|location| &location.line);
    let functions: HashSet<u64> = lines.map(|line| line.function_id).collect();
    let idle = profile.location.iter().filter(|location| !locations.contains(&location.id));
    let idle = idle.map(|location| format!("no sample is at location {}", location.id));
    let unused = profile.function.iter().filter(|function| !functions.contains(&function.id));
    idle.chain(unused.map(|function| format!("no location is in {:?}", case.text(function.name)))).collect()
}
