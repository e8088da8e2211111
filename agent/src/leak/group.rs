//! Findings that share the nearest place of the user's own code become one leak, which has that name. Pure.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

use indexmap::IndexMap;

use super::{Leak, Level, Part, Subject, file};
use crate::profile::{Frame, Function, Stack, owner};
use crate::watch::leak::Leak as Finding;

/// A finding with the frames of its key.
#[derive(Clone, Debug)]
pub(crate) struct Named {
    pub(crate) subject: Subject,
    pub(crate) finding: Finding,
    pub(crate) name: Name,
}

/// What a stack is called.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Name {
    /// The frame a reader is pointed to.
    function: String,
    place: Option<String>,
    /// The frame below it, which allocates for it.
    inner: Option<String>,
    route: Option<Arc<str>>,
    /// The same for the same code in every build of it.
    fingerprint: u64,
}

impl Name {
    /// The name of a stack whose frames are named.
    pub(crate) fn of(stack: &Stack<'_>, subject: Subject) -> Self {
        let suspect = match subject {
            Subject::Heap => owner::suspect(stack),
            // The line that spawned it, or of one that was read from memory whose it is.
            Subject::Tasks => owner::root(stack).or_else(|| first(stack)),
            // Their first frame is all there is.
            Subject::Threads | Subject::Descriptors => first(stack),
        };
        let route = stack.frames().find_map(|frame| match frame {
            Frame::Label { key, value } if key == "route" => Some(value.clone()),
            _ => None,
        });
        let fingerprint = fingerprint(stack);
        match suspect {
            Some(function) => Self {
                function: function.name.clone(),
                place: function.short_place(),
                inner: inner(stack, function),
                route,
                fingerprint,
            },
            None => {
                let shown = stack.frames().next().map_or_else(|| "(no stack)".into(), Frame::show);
                Self { function: shown.into_owned(), place: None, inner: None, route, fingerprint }
            }
        }
    }

    pub(crate) const fn fingerprint(&self) -> u64 {
        self.fingerprint
    }
}

/// The leaks that `named` are, those first that are surest and fastest.
pub(crate) fn group(named: &[Named]) -> Vec<Leak> {
    let mut groups: IndexMap<(Subject, &str, Option<&str>), Vec<&Named>> = IndexMap::new();
    for one in named {
        let key = (one.subject, one.name.function.as_str(), file(&one.name.place));
        groups.entry(key).or_default().push(one);
    }
    let mut leaks: Vec<Leak> = groups.into_values().filter_map(|group| leak(&group)).collect();
    leaks.sort_by(|a, b| rank(b).cmp(&rank(a)).then(b.rate.1.total_cmp(&a.rate.1)));
    leaks
}

/// A number that is the same for a stack of the same functions, whatever their addresses and lines are.
fn fingerprint(stack: &Stack<'_>) -> u64 {
    let mut hasher = DefaultHasher::new();
    for frame in stack.frames() {
        if let Frame::Named(function) = frame {
            function.name.hash(&mut hasher);
        }
    }
    hasher.finish()
}

fn leak(group: &[&Named]) -> Option<Leak> {
    let mut group = group.to_vec();
    group.sort_by(|a, b| rate(b).total_cmp(&rate(a)));
    // What is over says nothing of what goes on.
    let open = group.iter().any(|one| one.finding.level != Level::Resolved);
    let counts: Vec<&Named> =
        group.iter().copied().filter(|one| !open || one.finding.level != Level::Resolved).collect();
    let level = counts.iter().map(|one| one.finding.level).max()?;
    let surest = counts.iter().find(|one| one.finding.level == level)?;
    let sum = |of: fn(&Finding) -> f64| counts.iter().map(|one| of(&one.finding)).sum::<f64>();
    // Errors of different stacks have nothing to do with each other.
    let root =
        |of: fn(&Finding) -> f64| counts.iter().map(|one| of(&one.finding).powi(2)).sum::<f64>().sqrt();
    let rate = sum(|finding| finding.rate);
    let low = rate - root(|finding| finding.rate - finding.rate_low);
    let high = rate + root(|finding| finding.rate_high - finding.rate);
    let first = &counts.first()?.name;
    let of_one_route = counts.iter().all(|one| one.name.route == first.route);
    Some(Leak {
        subject: surest.subject,
        level,
        cause: surest.finding.cause,
        low_confidence: counts.iter().all(|one| one.finding.low_confidence),
        name: first.function.clone(),
        place: first.place.clone(),
        route: first.route.clone().filter(|_| of_one_route),
        rate: (low.max(0.0), rate, high),
        leaked: (sum(|finding| finding.leaked), root(|finding| finding.leaked_error)),
        standing: sum(|finding| finding.standing),
        immortal: immortal(&counts),
        oldest: counts.iter().map(|one| one.finding.oldest).max()?,
        median: surest.finding.median,
        first_seen: counts.iter().map(|one| one.finding.first_seen).min()?,
        since: counts.iter().map(|one| one.finding.since).min()?,
        window: surest.finding.window,
        border: surest.finding.border,
        samples: counts.iter().fold(0, |sum, one| sum.saturating_add(one.finding.samples)),
        plateau: None,
        parts: parts(&counts),
        keys: group.iter().map(|one| one.finding.key).collect(),
    })
}

fn rate(named: &Named) -> f64 {
    named.finding.rate
}

/// How much of what the stacks allocate is never freed, each counted by how fast it grows.
fn immortal(counts: &[&Named]) -> Option<f64> {
    let known = counts.iter().filter_map(|one| Some((one.finding.immortal?, rate(one).max(0.0))));
    let (sum, weights) =
        known.fold((0.0, 0.0), |(sum, weights), (share, rate)| (sum + share * rate, weights + rate));
    (weights > 0.0).then(|| sum / weights)
}

fn parts(counts: &[&Named]) -> Vec<Part> {
    if counts.len() < 2 {
        return Vec::new();
    }
    let part = |one: &&Named| {
        let route = one.name.route.as_deref().map(str::to_owned);
        Part {
            name: route.or_else(|| one.name.inner.clone()).unwrap_or_else(|| one.name.function.clone()),
            place: one.name.place.clone(),
            level: one.finding.level,
            rate: one.finding.rate,
            leaked: one.finding.leaked,
        }
    };
    counts.iter().map(part).collect()
}

/// What `function` of `stack` calls there, as far as it is not the allocator itself.
fn inner(stack: &Stack<'_>, function: &Function) -> Option<String> {
    let mut before = None;
    for frame in stack.frames() {
        match frame {
            Frame::Named(here) if **here == *function => return before,
            Frame::Named(here) if here.owner != owner::Owner::Allocator => before = Some(here.name.clone()),
            _ => {}
        }
    }
    None
}

fn first<'p>(stack: &Stack<'p>) -> Option<&'p Function> {
    stack.frames().find_map(|frame| match frame {
        Frame::Named(function) => Some(&**function),
        _ => None,
    })
}

const fn rank(leak: &Leak) -> u8 {
    match leak.level {
        Level::Resolved => 0,
        Level::Confirmed => 2,
        _ => 1,
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
