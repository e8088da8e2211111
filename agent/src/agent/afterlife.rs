//! What is told of runs that died: a line in the log for each, and an alert where alerts were open, with the last snapshot
//! that it left.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::desk::Desk;
use crate::moment;
use crate::sink::{Alert, Delivery, State};
use crate::store::{About, Death, Killer};

/// The rule in alerts about it.
const RULE: &str = "died";

/// The most alerts about deaths at one start, the latest first; the others are in the log.
const MAX_ALERTS: usize = 5;

/// The most open alerts that a headline names.
const NAMED: usize = 3;

/// Waits until the disk has been looked at, and tells what it says of earlier runs.
pub(super) async fn tell(
    service: String,
    url: Option<String>,
    desk: Arc<Desk>,
    deliveries: Arc<Vec<Delivery>>,
) {
    let deaths = desk.deaths().await;
    for death in &deaths {
        let last = desk.newest_snapshot_of(&death.run);
        let (headline, killer) =
            (headline(death, last.as_ref().map(|kept| &kept.about)), killer(death.killer));
        tracing::warn!("flamewatch: {headline}. {killer}");
    }
    let told = deaths.iter().rev().filter(|death| !death.open.is_empty()).take(MAX_ALERTS);
    for (number, death) in told.enumerate() {
        let last = desk.newest_snapshot_of(&death.run);
        let mut alert = alert(death, last.as_ref().map(|kept| &kept.about), &service, url.as_deref(), number);
        alert.context = vec![desk.identity().summary()];
        let alert = Arc::new(alert);
        deliveries.iter().for_each(|delivery| delivery.send(alert.clone()));
    }
}

fn alert(death: &Death, last: Option<&About>, service: &str, url: Option<&str>, number: usize) -> Alert {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let id = format!("{seconds:x}-{:x}-died-{number}", std::process::id());
    let mut alert = Alert::new(id, State::Firing, service, RULE);
    alert.group = format!("{service}/{RULE}//{}", death.version.as_deref().unwrap_or_default());
    alert.headline = headline(death, last);
    alert.details.push(killer(death.killer).to_owned());
    let open = death.open.iter().map(|open| format!("Open since {}: {}.", clock(open.since), open.headline));
    alert.details.extend(open);
    if let Some(last) = last {
        alert.details.extend(last.says.iter().map(|line| format!("Last snapshot: {line}")));
        alert.snapshot_url = url.map(|url| format!("{url}/debug/snapshots/{}?format=svg", last.id));
    }
    let version = death.version.as_ref().map(|version| format!(", version {version}")).unwrap_or_default();
    alert.details.push(format!(
        "It was process {}{version}; its last sign of life came at {}, and there is one a minute.",
        death.pid,
        moment::readable(death.last_sign)
    ));
    alert
}

/// `the previous run died at ~14:02 UTC (last sign of life) with rss.share high open; last snapshot 1a-2b-1 (heap)`.
fn headline(death: &Death, last: Option<&About>) -> String {
    let open = match death.open.as_slice() {
        [] => "no alert".to_owned(),
        open => {
            let mut names: Vec<&str> = open.iter().map(|open| open.rule.as_str()).take(NAMED).collect();
            let more = (open.len() > NAMED).then(|| format!("{} more", open.len() - NAMED));
            names.extend(more.as_deref());
            names.join(", ")
        }
    };
    let snapshot = last.map_or_else(
        || "no snapshot".to_owned(),
        |last| format!("last snapshot {} ({}, {})", last.id, last.kind, clock(last.taken)),
    );
    let at = clock(death.last_sign);
    format!("the previous run died at ~{at} (last sign of life) with {open} open; {snapshot}")
}

const fn killer(killer: Killer) -> &'static str {
    match killer {
        Killer::Kernel => {
            "The kernel's OOM killer: it has killed in this cgroup since the run last wrote its state."
        }
        Killer::NotKernel => {
            "Not the kernel's OOM killer, which has killed nobody in this cgroup: it crashed, was killed by somebody else, \
             or ended without dropping the agent."
        }
        Killer::Unknown => {
            "Whether it was the kernel's OOM killer cannot be told: the cgroup is a new one, or does not count that."
        }
    }
}

/// `14:02 UTC`, with the day where it was not in the last 12 hours.
fn clock(at: SystemTime) -> String {
    let recent = SystemTime::now().duration_since(at).is_ok_and(|age| age < Duration::from_secs(12 * 3600));
    let readable = moment::readable(at);
    let (day, time) = (readable.get(..10).unwrap_or_default(), readable.get(11..16).unwrap_or_default());
    if recent { format!("{time} UTC") } else { format!("{day} {time} UTC") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Open;

    fn death(rules: &[&str], killer: Killer) -> Death {
        let open = |rule: &&str| Open {
            id: "a1".to_owned(),
            rule: (*rule).to_owned(),
            headline: format!("{rule}, at 512 MiB"),
            since: UNIX_EPOCH + Duration::from_secs(1_700_000_000),
        };
        let open = rules.iter().map(open).collect();
        let last_sign = UNIX_EPOCH + Duration::from_secs(1_700_003_600);
        Death { run: "r".to_owned(), pid: 7, version: Some("1.4".to_owned()), last_sign, open, killer }
    }

    #[test]
    fn a_death_is_told_with_what_was_open_and_who_did_it() {
        let told = alert(&death(&["rss.share high"], Killer::Kernel), None, "shop", None, 0);
        assert_eq!(
            told.headline,
            "the previous run died at ~2023-11-14 23:13 UTC (last sign of life) with rss.share high open; no snapshot"
        );
        assert!(told.details[0].starts_with("The kernel's OOM killer"), "{:?}", told.details);
        assert_eq!(told.details[1], "Open since 2023-11-14 22:13 UTC: rss.share high, at 512 MiB.");
        assert!(
            told.details[2].starts_with("It was process 7, version 1.4; its last sign"),
            "{:?}",
            told.details
        );
        let many = headline(&death(&["a", "b", "c", "d", "e"], Killer::Unknown), None);
        assert!(many.contains("with a, b, c, 2 more open"), "{many}");
        assert!(headline(&death(&[], Killer::Unknown), None).contains("with no alert open"));
    }
}
