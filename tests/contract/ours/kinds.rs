//! What each kind counts, in which order, and how one sample came about: as Go's own endpoints have it (`runtime/pprof`), so
//! that its clients choose the same value by themselves, and Pyroscope gives it the same name.

use crate::case::{Case, Rule};
use crate::terms::Span;

pub(crate) const RULES: &[Rule] = &[
    Rule::agents("ours/kind-known", known),
    Rule::agents("ours/kind-values", values),
    Rule::agents("ours/kind-default", default),
    Rule::agents("ours/kind-period", period),
    Rule::agents("ours/duration", duration),
];

struct Kind {
    names: &'static [&'static str],
    values: &'static [&'static str],
    default: &'static str,
    period_type: &'static str,
    /// `None` where it is a rate that can be set.
    period: Option<i64>,
}

const HEAP: &[&str] =
    &["alloc_objects/count", "alloc_space/bytes", "inuse_objects/count", "inuse_space/bytes"];

const KINDS: &[Kind] = &[
    kind(&["profile"], &["samples/count", "cpu/nanoseconds"], "cpu", "cpu/nanoseconds", None),
    kind(&["wall", "fgprof"], &["samples/count", "wall/nanoseconds"], "wall", "wall/nanoseconds", None),
    kind(&["heap"], HEAP, "inuse_space", "space/bytes", None),
    kind(&["allocs"], HEAP, "alloc_space", "space/bytes", None),
    kind(&["goroutine", "tasks"], &["goroutine/count"], "goroutine", "goroutine/count", Some(1)),
    kind(&["threadcreate"], &["threadcreate/count"], "threadcreate", "threadcreate/count", Some(1)),
    kind(
        &["block", "mutex"],
        &["contentions/count", "delay/nanoseconds"],
        "delay",
        "contentions/count",
        Some(1),
    ),
    // Those that Go has not.
    kind(&["threads"], &["threads/count"], "threads", "threads/count", Some(1)),
    kind(&["awaits"], &["awaits/count"], "awaits", "awaits/count", Some(1)),
    kind(&["lasting"], &["tasks/count"], "tasks", "tasks/count", Some(1)),
    kind(&["workers"], &["blocks/count", "blocked/nanoseconds"], "blocked", "blocks/count", Some(1)),
];

const fn kind(
    names: &'static [&'static str],
    values: &'static [&'static str],
    default: &'static str,
    period_type: &'static str,
    period: Option<i64>,
) -> Kind {
    Kind { names, values, default, period_type, period }
}

impl Kind {
    fn of(case: &Case<'_>) -> Option<&'static Self> {
        let name = case.terms.kind.as_deref()?;
        KINDS.iter().find(|kind| kind.names.contains(&name))
    }
}

fn known(case: &Case<'_>) -> Vec<String> {
    let name = case.terms.kind.as_deref().filter(|_| Kind::of(case).is_none());
    name.map(|name| format!("nobody has said what {name:?} counts")).into_iter().collect()
}

fn values(case: &Case<'_>) -> Vec<String> {
    let Some(kind) = Kind::of(case) else { return Vec::new() };
    let values = case.values();
    // A dump of jemalloc's own does not tell what was ever allocated; then the profile says that it is from one.
    let from_dump = case.comments().any(|comment| comment.starts_with("from a dump of jemalloc"));
    let expected = if kind.values == HEAP && from_dump { &kind.values[2..] } else { kind.values };
    (values != expected).then(|| format!("{values:?} instead of {expected:?}")).into_iter().collect()
}

/// What a client shows when nobody says. Go's own differences have forgotten it.
fn default(case: &Case<'_>) -> Vec<String> {
    let default = case.text(case.profile.default_sample_type);
    let there = case.profile.sample_type.iter().any(|value| case.text(value.name) == default);
    match Kind::of(case) {
        Some(kind) if kind.default != default => vec![format!("{default:?} instead of {:?}", kind.default)],
        _ if !there => vec![format!("{default:?}, which is none of its values")],
        _ => Vec::new(),
    }
}

fn period(case: &Case<'_>) -> Vec<String> {
    let (found, period) = (case.period_type().unwrap_or_default(), case.profile.period);
    let right = match Kind::of(case) {
        Some(kind) => found == kind.period_type && kind.period.is_none_or(|expected| expected == period),
        None => !found.is_empty(),
    };
    (!right || period < 1).then(|| format!("{found} every {period}")).into_iter().collect()
}

/// A window and a difference say how long; what is there now has no length. Parca and Pyroscope take it for rates.
fn duration(case: &Case<'_>) -> Vec<String> {
    let lasted = case.profile.duration_nanos;
    let nobody_collects = case.profile.sample.is_empty()
        && case.comments().any(|comment| comment.contains("not collected in this process"));
    let right = match case.terms.span {
        _ if nobody_collects => lasted >= 0,
        Span::Unknown => lasted >= 0,
        Span::Moment => lasted == 0,
        Span::Window(None) | Span::Delta(None) => lasted > 0,
        // What was kept of the past may be shorter, and a busy machine takes longer.
        Span::Window(Some(seconds)) | Span::Delta(Some(seconds)) => {
            let most =
                i64::try_from(seconds).unwrap_or(i64::MAX).saturating_add(30).saturating_mul(1_000_000_000);
            (1..most).contains(&lasted)
        }
    };
    (!right).then(|| format!("{lasted} ns of {:?}", case.terms.span)).into_iter().collect()
}
