//! Frames: real addresses, and at the leaf somebody who can do something about it.

use crate::case::{Case, Rule};

pub(crate) const RULES: &[Rule] = &[
    Rule::agents("ours/real-addresses", real_addresses),
    Rule::agents("ours/leaf", leaf),
    Rule::agents("ours/no-profiler", no_profiler),
];

/// The kinds whose stacks were walked; the others are made of what was told.
const WALKED: [&str; 6] = ["profile", "heap", "allocs", "block", "mutex", "wall"];

/// How allocators' and profilers' functions begin.
const PLUMBING: [&str; 16] = [
    "_rjem_",
    "je_",
    "prof_backtrace",
    "prof_alloc_prep",
    "imalloc",
    "malloc",
    "calloc",
    "realloc",
    "posix_memalign",
    "aligned_alloc",
    "<tikv_jemallocator::",
    "tikv_jemallocator::",
    "__rust_",
    "__rustc::__r",
    "alloc::alloc::",
    "alloc::raw_vec::",
];

/// What has no address was not at one: it is made up, and its name says so with brackets.
fn real_addresses(case: &Case<'_>) -> Vec<String> {
    if !case.terms.kind.as_deref().is_some_and(|kind| WALKED.contains(&kind)) {
        return Vec::new();
    }
    let nowhere = case.profile.location.iter().filter(|place| place.address == 0);
    let names = nowhere.map(|place| {
        place
            .line
            .first()
            .and_then(|line| case.function(line.function_id))
            .map_or("", |function| case.text(function.name))
    });
    names.filter(|name| !name.starts_with('(')).map(|name| format!("{name:?} has no address")).collect()
}

/// In memory every stack ends in the allocator, which says nothing; a stack that is nothing else stays whole.
fn leaf(case: &Case<'_>) -> Vec<String> {
    if case.terms.raw || !case.values().iter().any(|value| value.ends_with("/bytes")) {
        return Vec::new();
    }
    let is_plumbing = |name: &str| PLUMBING.iter().any(|start| name.starts_with(start));
    let mut broken = Vec::new();
    for sample in &case.profile.sample {
        let leaf = case.names(sample).next().unwrap_or_default();
        let other = case.names(sample).any(|name| !is_plumbing(name) && !name.contains("+0x"));
        if is_plumbing(leaf) && other {
            broken.push(format!(
                "a stack ends in {leaf}: {:?}",
                case.names(sample).take(5).collect::<Vec<_>>()
            ));
        }
    }
    broken
}

/// Nobody asked how the profiler spends its time.
fn no_profiler(case: &Case<'_>) -> Vec<String> {
    if case.terms.raw {
        return Vec::new();
    }
    let leaves = case.profile.sample.iter().filter_map(|sample| case.names(sample).next());
    let own = leaves.filter(|leaf| {
        leaf.trim_start_matches('<').starts_with("flamewatch::sys::") || leaf.contains("prof_backtrace")
    });
    own.map(|leaf| format!("a stack ends in the profiler, in {leaf}")).collect()
}
