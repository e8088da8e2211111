//! Mappings say which file is where, and of the names in it only what is true: a reader that believes too much asks nobody
//! for names, one that believes too little asks for names it has (pprof's `internal/symbolizer`).

use std::collections::HashSet;

use crate::case::{Case, Rule};
use crate::proto::{Location, Mapping};

pub(crate) const RULES: &[Rule] = &[
    Rule::all("ours/mapping-range", range),
    Rule::all("ours/mapping-flags", flags),
    Rule::all("ours/address-in-mapping", address_in_mapping),
    Rule::agents("ours/segment-once", segment_once),
    Rule::agents("ours/build-id", build_id),
    Rule::agents("ours/program-is-mapped", program_is_mapped),
];

fn show(case: &Case<'_>, mapping: &Mapping) -> String {
    let Mapping { id, memory_start, memory_limit, file_offset, .. } = mapping;
    format!(
        "mapping {id}, {memory_start:#x}-{memory_limit:#x} at {file_offset:#x} of {:?},",
        case.text(mapping.filename)
    )
}

/// A range that is one, and nobody else's.
fn range(case: &Case<'_>) -> Vec<String> {
    let mut sorted: Vec<&Mapping> = case.profile.mapping.iter().collect();
    sorted.sort_by_key(|mapping| mapping.memory_start);
    let empty = sorted.iter().filter(|mapping| mapping.memory_start >= mapping.memory_limit);
    let empty = empty.map(|mapping| format!("{} is empty", show(case, mapping)));
    let overlapping = sorted.windows(2).filter(|pair| pair[0].memory_limit > pair[1].memory_start);
    empty.chain(overlapping.map(|pair| format!("{} reaches into the next", show(case, pair[0])))).collect()
}

fn flags(case: &Case<'_>) -> Vec<String> {
    let mut broken = Vec::new();
    for mapping in &case.profile.mapping {
        let inside: Vec<&Location> =
            case.profile.location.iter().filter(|place| place.mapping_id == mapping.id).collect();
        let lines = || inside.iter().flat_map(|place| &place.line);
        let named = inside.iter().all(|place| !place.line.is_empty());
        let file = |function: u64| case.function(function).is_some_and(|function| function.filename != 0);
        for (flag, says, is) in [
            ("has_functions", mapping.has_functions, named),
            ("has_filenames", mapping.has_filenames, named && lines().all(|line| file(line.function_id))),
            ("has_line_numbers", mapping.has_line_numbers, named && lines().all(|line| line.line != 0)),
            ("has_inline_frames", mapping.has_inline_frames, inside.iter().any(|place| place.line.len() > 1)),
        ] {
            // Of a mapping that nobody is in, either can be said.
            if says != is && !inside.is_empty() {
                broken.push(format!("{} says {flag} = {says}", show(case, mapping)));
            }
        }
    }
    broken
}

/// A location is in the mapping that its address is in.
fn address_in_mapping(case: &Case<'_>) -> Vec<String> {
    let of = |address: u64| {
        let holds = |mapping: &&Mapping| (mapping.memory_start..mapping.memory_limit).contains(&address);
        case.profile.mapping.iter().find(holds).map_or(0, |mapping| mapping.id)
    };
    let lost = case.profile.location.iter().filter(|place| place.mapping_id != of(place.address));
    lost.map(|place| {
        format!(
            "{:#x} is said to be in mapping {}, and is in {}",
            place.address,
            place.mapping_id,
            of(place.address)
        )
    })
    .collect()
}

/// One for each executable segment of a file.
fn segment_once(case: &Case<'_>) -> Vec<String> {
    let mut seen = HashSet::new();
    let files = case.profile.mapping.iter().filter(|mapping| case.text(mapping.filename).starts_with('/'));
    let twice = files.filter(|mapping| !seen.insert((mapping.filename, mapping.file_offset)));
    twice.map(|mapping| format!("{} is there twice", show(case, mapping))).collect()
}

/// In hex, and there for every file: it is what proves that a debug file is the right one.
fn build_id(case: &Case<'_>) -> Vec<String> {
    let hex = |text: &str| {
        text.len() >= 16
            && text.len().is_multiple_of(2)
            && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    let bad = case.profile.mapping.iter().filter(|mapping| {
        let (file, id) = (case.text(mapping.filename), case.text(mapping.build_id));
        if file.starts_with('/') { !hex(id) } else { !id.is_empty() && !hex(id) }
    });
    bad.map(|mapping| format!("{} has the build id {:?}", show(case, mapping), case.text(mapping.build_id)))
        .collect()
}

/// Where there are addresses there is the program they are in.
fn program_is_mapped(case: &Case<'_>) -> Vec<String> {
    let addressed = case.profile.location.iter().any(|place| place.address != 0);
    (addressed && case.profile.mapping.is_empty())
        .then(|| "there are addresses and no mapping".to_owned())
        .into_iter()
        .collect()
}
