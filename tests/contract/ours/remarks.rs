//! Remarks, which `go tool pprof` shows above every report: who this is, how it was sampled, what is missing, why it was
//! taken. A file that somebody finds a year later has nothing else to say it with.

use crate::case::{Case, Rule};

pub(crate) const RULES: &[Rule] = &[
    Rule::agents("ours/remark-identity", identity),
    Rule::agents("ours/remark-rate", rate),
    Rule::agents("ours/remark-losses", losses),
    Rule::agents("ours/remark-trigger", trigger),
    Rule::agents("ours/remarks-once", once),
];

/// Service, version and revision, process, age: `checkout 1.4.2 (1f3a9c2), process 4711, up 3h 12m`.
fn identity(case: &Case<'_>) -> Vec<String> {
    let is_identity = |comment: &&str| {
        comment.split_once(", process ").and_then(|(service, rest)| {
            let (process, age) = rest.split_once(", up ")?;
            Some(!service.is_empty() && process.parse::<u32>().is_ok() && age.contains('s'))
        }) == Some(true)
    };
    match case.comments().filter(is_identity).count() {
        1 => Vec::new(),
        count => vec![format!("{count} remarks say whose it is: {:?}", case.comments().collect::<Vec<_>>())],
    }
}

/// What is sampled says how often.
fn rate(case: &Case<'_>) -> Vec<String> {
    let sampled =
        matches!(case.period_type().as_deref(), Some("cpu/nanoseconds" | "wall/nanoseconds" | "space/bytes"));
    let told = |comment: &str| {
        comment.contains(" Hz")
            || comment.contains("times a second")
            || comment.starts_with("sampled: 1 object in ")
    };
    (sampled && !case.comments().any(told))
        .then(|| format!("no remark tells the rate: {:?}", case.comments().collect::<Vec<_>>()))
        .into_iter()
        .collect()
}

fn losses(case: &Case<'_>) -> Vec<String> {
    let count = case.comments().filter(|comment| comment.starts_with("losses: ")).count();
    (count != 1).then(|| format!("{count} remarks tell what is missing")).into_iter().collect()
}

/// Why it was taken: a person, a scraper, an alert.
fn trigger(case: &Case<'_>) -> Vec<String> {
    let told: Vec<&str> = case.comments().filter_map(|comment| comment.strip_prefix("trigger: ")).collect();
    let right = match &case.terms.trigger {
        Some(trigger) => told == [trigger],
        None => told.len() == 1 && !told.contains(&""),
    };
    (!right).then(|| format!("{told:?}, and it was {:?}", case.terms.trigger)).into_iter().collect()
}

fn once(case: &Case<'_>) -> Vec<String> {
    let mut comments: Vec<&str> = case.comments().collect();
    let all = comments.len();
    comments.sort_unstable();
    comments.dedup();
    let long = case.comments().filter(|comment| comment.len() > 1_000 || comment.contains('\n'));
    let long = long.map(|comment| format!("{} bytes, or more than a line", comment.len()));
    (comments.len() != all).then(|| "one is there twice".to_owned()).into_iter().chain(long).collect()
}
