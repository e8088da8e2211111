//! Posts become alerts: the id of an incident, what an alert is to those before it, and those alerts that need no
//! investigation because nothing new has happened.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::leak::{Leak, Report, Subject};
use crate::moment::{self, spoken};
use crate::sink::{Alert, Kind, State};
use crate::watch::Finding;
use crate::watch::telling::{self, Family, Post, Telling, Topic};

use super::leak_alert;
use super::lookout::Lookout;

/// What the incidents of this process are called.
#[derive(Debug)]
pub(super) struct Stamp {
    process: String,
    service: String,
    version: String,
}

/// What an alert has from its post.
#[derive(Clone, Debug)]
pub(super) struct Mark {
    id: String,
    group: String,
    kind: Kind,
    remark: Option<String>,
    /// What the profile that explains it is kept as: each post has its own, and the first one that of the incident.
    pub(super) snapshot: String,
}

impl Stamp {
    /// Of this process and this moment, for `version` of `service`.
    pub(super) fn of(service: &str, version: Option<&str>) -> Self {
        let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        // With a number, unlike any other on this host, and nothing to guess a secret from.
        let process = format!("{seconds:x}-{:x}", std::process::id());
        Self { process, service: service.to_owned(), version: version.unwrap_or_default().to_owned() }
    }

    /// What an incident is called that has begun here as number `incident`.
    pub(super) fn name(&self, incident: u64) -> String {
        format!("{}-{incident}", self.process)
    }

    pub(super) fn mark(&self, post: &Post) -> Mark {
        let id = post.name.clone().unwrap_or_else(|| self.name(post.incident));
        let group = [&self.service, &post.rule, &post.key, &self.version].map(String::as_str).join("/");
        let snapshot = if post.number == 1 { id.clone() } else { format!("{id}.{}", post.number) };
        Mark { id, group, kind: kind(post), remark: remark(post), snapshot }
    }
}

impl Mark {
    /// An alert with nothing in it yet.
    pub(super) fn alert(&self, service: &str, rule: &str) -> Alert {
        let mut alert = Alert::new(self.id.clone(), self.state(), service, rule);
        alert.group.clone_from(&self.group);
        alert.kind = self.kind;
        alert.context.extend(self.remark.clone());
        alert
    }

    pub(super) fn state(&self) -> State {
        if self.kind == Kind::Resolved { State::Resolved } else { State::Firing }
    }
}

/// The case of a verdict.
pub(super) fn of_rule(finding: &Finding) -> telling::Case<'_> {
    let topic = Topic::of_rule(&finding.gauge, finding.limit.is_none());
    telling::Case { rule: &finding.rule, key: "", topic, cooldown: finding.cooldown }
}

/// The case of a leak, which `rule` tells of.
pub(super) fn of_leak<'c>(leak: &'c Leak, rule: &'c str, cooldown: Duration) -> telling::Case<'c> {
    let family = match leak.subject {
        Subject::Heap => Family::Memory,
        Subject::Tasks => Family::Tasks,
        Subject::Threads => Family::Threads,
        Subject::Descriptors => Family::Descriptors,
    };
    telling::Case { rule, key: &leak.name, topic: Topic::Leak(family), cooldown }
}

/// The headline of a post that only time has brought about: `still firing after 4 h: tasks is 4,711`.
pub(super) fn headline(post: &Post, lookout: &Lookout, leaks: &Report) -> String {
    let lasted = spoken(post.lasted);
    let verb = match post.kind {
        telling::Kind::Reminder => format!("still firing after {lasted}"),
        telling::Kind::Resolved if post.restarted => {
            format!("has not come back since the restart, which ended it after {lasted}")
        }
        telling::Kind::Resolved => format!("well again after {lasted}"),
        _ => format!("firing for {lasted}"),
    };
    let leak = || {
        leaks
            .leaks
            .iter()
            .find(|leak| leak.name == post.key && leak_alert::rule_of(leak.subject) == post.rule)
    };
    let gauge = lookout.gauge_of(&post.rule);
    let gauge = gauge.and_then(|gauge| Some(format!("{} is {}", gauge.name, gauge.unit.show(gauge.value?))));
    match gauge.or_else(|| leak().map(|leak| format!("{}: {}", leak.title(), leak.growth()))) {
        Some(now) => format!("{verb}: {now}"),
        None => verb,
    }
}

/// What was not told, in words.
pub(super) fn suppressed(telling: &Telling) -> Option<(String, String)> {
    let words =
        telling.suppressed().map(|(why, count)| format!("{}: {count}", why.as_str().replace('_', " ")));
    let words: Vec<String> = words.collect();
    (!words.is_empty()).then(|| ("alerts not told".to_owned(), words.join(", ")))
}

/// What an alert was told as; `None` for one that tells of nothing wrong.
pub(super) const fn kind_of(kind: Kind) -> Option<telling::Kind> {
    match kind {
        Kind::New => Some(telling::Kind::New),
        Kind::Reply => Some(telling::Kind::Reply),
        Kind::Reminder => Some(telling::Kind::Reminder),
        Kind::Resolved => Some(telling::Kind::Resolved),
        Kind::Asked => None,
    }
}

const fn kind(post: &Post) -> Kind {
    match post.kind {
        telling::Kind::New => Kind::New,
        telling::Kind::Reply => Kind::Reply,
        telling::Kind::Reminder => Kind::Reminder,
        telling::Kind::Resolved => Kind::Resolved,
    }
}

/// What the small print says of the posts before this one. The times of incidents are those since 1970.
fn remark(post: &Post) -> Option<String> {
    let deaths =
        |died| format!("died {} times since {}", post.deaths, moment::clock(moment::since_1970(died)));
    if let Some(died) = post.died.filter(|_| post.deaths > 1) {
        return Some(deaths(died));
    }
    match (post.kind, post.came_back) {
        (telling::Kind::New, _) | (telling::Kind::Resolved, 0) => None,
        (telling::Kind::Reminder | telling::Kind::Reply, 0) => {
            Some(format!("message {} of this alert", post.number))
        }
        (_, 1) => Some("it came back once".to_owned()),
        (_, count) => Some(format!("it came back {count} times")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(60 * 60);

    #[test]
    fn all_alerts_of_an_incident_have_its_id_and_their_own_snapshots() {
        let stamp =
            Stamp { process: "7f3a".to_owned(), service: "shop".to_owned(), version: "1.2".to_owned() };
        let mut telling = Telling::new();
        let case = telling::Case { rule: "queue high", key: "", topic: Topic::Alone, cooldown: HOUR };
        let mut posts: Vec<Post> = telling.fired(HOUR, &case).into_iter().collect();
        posts.extend(telling.due(5 * HOUR));
        posts.extend(telling.resolved(6 * HOUR, &case));
        posts.extend(telling.fired(6 * HOUR, &case));
        let alerts: Vec<Alert> =
            posts.iter().map(|post| stamp.mark(post).alert("shop", &post.rule)).collect();
        assert!(alerts.iter().all(|alert| alert.id == "7f3a-1" && alert.group == "shop/queue high//1.2"));
        let kinds: Vec<Kind> = alerts.iter().map(|alert| alert.kind).collect();
        assert_eq!(kinds, [Kind::New, Kind::Reminder, Kind::Resolved, Kind::Reply]);
        let small: Vec<String> = alerts.iter().map(|alert| alert.context.join(" ")).collect();
        assert_eq!(small, ["", "message 2 of this alert", "", "it came back once"]);
        let snapshots: Vec<String> = posts.iter().map(|post| stamp.mark(post).snapshot).collect();
        assert_eq!(snapshots, ["7f3a-1", "7f3a-1.2", "7f3a-1.3", "7f3a-1.4"]);
        let lookout = Lookout::new(Vec::new(), HOUR, Vec::new(), HOUR);
        assert_eq!(headline(&posts[1], &lookout, &Report::default()), "still firing after 4 h");
    }
}
