//! What is told of runs that died: a line in the log for each, and an alert where alerts were open, with the last snapshot
//! that it left. Whether it is told is not decided here.

use crate::moment::{self, clock};
use crate::sink::{Alert, Kind, State};
use crate::store::{About, Death, Killer};
use crate::watch::telling::Post;

use super::bulletin::Mark;

/// The rule in alerts about it.
const RULE: &str = "died";

/// The most open alerts that a headline names.
const NAMED: usize = 3;

/// What the log says of `death`, whose run left `last`.
pub(super) fn line(death: &Death, last: Option<&About>) -> String {
    format!("{}. {}", headline(death, last, None), killer(death.killer))
}

/// The alert that tells of `death` as a part of the incident that it was over: as the first that people hear of that, or
/// below what they have heard.
pub(super) fn alert_of_incident(
    death: &Death,
    last: Option<&About>,
    post: &Post,
    mark: &Mark,
    service: &str,
    url: Option<&str>,
) -> Alert {
    let mut alert = mark.alert(service, RULE);
    if alert.kind == Kind::New {
        alert.rule.clone_from(&post.rule);
    }
    alert.headline = headline(death, last, Some(post));
    write(&mut alert, death, last, url);
    alert
}

/// The alert that tells of `death` where nothing is known of the incident but what the run had noted.
pub(super) fn alert_of_another(
    death: &Death,
    last: Option<&About>,
    service: &str,
    url: Option<&str>,
) -> Alert {
    let open = death.open.first();
    let id = open.map_or_else(|| format!("{}-died", death.run), |open| open.id.clone());
    let mut alert = Alert::new(id, State::Firing, service, RULE);
    alert.kind = if open.is_some() { Kind::Reply } else { Kind::New };
    let rule = open.map_or(RULE, |open| &open.rule);
    alert.group = format!("{service}/{rule}//{}", death.version.as_deref().unwrap_or_default());
    alert.headline = headline(death, last, None);
    write(&mut alert, death, last, url);
    alert
}

fn write(alert: &mut Alert, death: &Death, last: Option<&About>, url: Option<&str>) {
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
}

/// `the previous run died at ~14:02 UTC (last sign of life) with rss.share high open; last snapshot 1a-2b-1 (heap)`; of one
/// more that died over the same, `died 3 times since 14:02 UTC, last at ~14:40 UTC …`.
fn headline(death: &Death, last: Option<&About>, post: Option<&Post>) -> String {
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
    let before = post.and_then(|post| Some((post.deaths, post.died?))).filter(|(deaths, _)| *deaths > 1);
    let died = before.map_or_else(
        || "the previous run died at".to_owned(),
        |(deaths, first)| format!("died {deaths} times since {}, last at", clock(moment::since_1970(first))),
    );
    format!("{died} ~{} (last sign of life) with {open} open; {snapshot}", clock(death.last_sign))
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

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

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
        let version = Some("1.4".to_owned());
        Death {
            run: "r".to_owned(),
            pid: 7,
            version,
            last_sign,
            open,
            killer,
            inherited: false,
            known: false,
        }
    }

    #[test]
    fn a_death_is_told_with_what_was_open_and_who_did_it() {
        let told = alert_of_another(&death(&["rss.share high"], Killer::Kernel), None, "shop", None);
        // It goes to where the incident was told.
        assert_eq!((told.id.as_str(), told.kind), ("a1", Kind::Reply));
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
        let many = headline(&death(&["a", "b", "c", "d", "e"], Killer::Unknown), None, None);
        assert!(many.contains("with a, b, c, 2 more open"), "{many}");
        assert!(headline(&death(&[], Killer::Unknown), None, None).contains("with no alert open"));
    }
}
