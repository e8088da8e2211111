//! What Grafana Alloy's `pyroscope.scrape` refuses or misreads: `internal/component/pyroscope/scrape/validate.go`
//! (`validateProfileData`) and `internal/fastdelta`, which takes the difference of two scrapes of memory.

use std::collections::HashMap;

use crate::case::{Case, Rule};

pub(crate) const RULES: &[Rule] = &[
    Rule::all("alloy/binary", binary),
    Rule::agents("alloy/one-stack-per-addresses", one_stack_per_addresses),
];

/// The kinds that fastdelta takes differences of.
const DELTAS: [&str; 4] = ["heap", "allocs", "block", "mutex"];

/// "data too short for pprof format", "text response instead of pprof".
fn binary(case: &Case<'_>) -> Vec<String> {
    let gzip = case.bytes.starts_with(&[0x1f, 0x8b]);
    (!gzip || case.bytes.len() <= 2)
        .then(|| "it does not begin as gzip does".to_owned())
        .into_iter()
        .collect()
}

/// fastdelta knows a stack by the addresses of its locations and by its labels alone: two that differ in names only would
/// become one, with the names of the first.
fn one_stack_per_addresses(case: &Case<'_>) -> Vec<String> {
    if !case.terms.kind.as_deref().is_some_and(|kind| DELTAS.contains(&kind)) {
        return Vec::new();
    }
    let mut seen = HashMap::new();
    let mut broken = Vec::new();
    for (number, sample) in case.profile.sample.iter().enumerate() {
        let addresses: Vec<u64> = sample
            .location_id
            .iter()
            .filter_map(|id| case.location(*id))
            .map(|location| location.address)
            .collect();
        if let Some(other) = seen.insert((addresses, case.labels(sample)), number) {
            let leaf = case.names(sample).next().unwrap_or_default();
            broken.push(format!("samples {other} and {number} ({leaf}) have the same addresses and labels"));
        }
    }
    broken
}
