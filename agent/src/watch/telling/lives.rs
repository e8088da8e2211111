//! What outlives the process: incidents, and the posts of the day, as the next run of the service takes them over. A process
//! that ends knows nothing of whether what was open is over, so it counts as quiet from the restart on.

use std::time::Duration;

use super::incident::{Incident, MAX_MEMBERS};
use super::{Case, Kind, MAX_INCIDENTS, Post, Telling, Topic, Why, count};

/// What deaths count as, so that a process that dies again and again does not take the posts of what it dies of.
const DEATHS: &str = "died";

/// What was told, to be kept for the next run. The times are those that went in, so they must have begun at a moment that
/// both know.
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "__agent", derive(serde::Serialize, serde::Deserialize))]
pub struct Told {
    incidents: Vec<Incident>,
    posts: Vec<(Duration, String)>,
}

impl Told {
    /// A post of this `kind` of the incident called `name` is not lost, since somebody else has found it.
    pub fn arrived(&mut self, name: &str, kind: Kind) {
        let named = |incident: &&mut Incident| incident.name.as_deref() == Some(name);
        if let Some(incident) = self.incidents.iter_mut().find(named) {
            incident.under_way.retain(|post| post.kind != kind);
        }
    }
}

impl Telling {
    /// What the next run has to know. `name` says what the incidents that have begun here are called, by their numbers.
    pub fn told(&self, name: impl Fn(u64) -> String) -> Told {
        let named = |incident: &Incident| {
            let mut incident = incident.clone();
            incident.name.get_or_insert_with(|| name(incident.number));
            incident
        };
        Told {
            incidents: self.incidents.iter().map(named).collect(),
            posts: self.quota.posts().cloned().collect(),
        }
    }

    /// The post `number` of `incident` has arrived, or is where the next run finds it.
    pub fn arrived(&mut self, incident: u64, number: u32) {
        if let Some(incident) = self.incidents.iter_mut().find(|one| one.number == incident) {
            incident.under_way.retain(|post| post.number != number);
        }
    }

    /// Takes over what an earlier run has told, at `now`. Its times are not after that, whatever a clock has done meanwhile.
    /// `knows` tells which rules there still are; `patience` is how long it may take at least until a fault that is still
    /// there is seen again.
    pub fn inherit(
        &mut self,
        told: Told,
        now: Duration,
        knows: impl Fn(&str) -> bool,
        patience: impl Fn(Topic) -> Duration,
    ) {
        let Told { incidents, posts } = told;
        self.quota.inherit(now, posts);
        for mut incident in incidents {
            let is_told = |ours: &Incident| ours.shares_a_member_with(&incident);
            if self.incidents.len() >= MAX_INCIDENTS || self.incidents.iter().any(is_told) {
                continue;
            }
            self.numbered += 1;
            incident.number = self.numbered;
            incident.resume(now, &knows, &patience);
            self.incidents.push(incident);
        }
    }

    /// The run that these incidents are from died at `at`, which is found out at `now`. Each incident that it died over is
    /// told of if people do not know of it yet, else one for all; of more deaths the 3rd, the 10th, the 30th and so on. With
    /// `known` somebody else has told.
    pub fn died(&mut self, now: Duration, at: Duration, known: bool) -> Vec<Post> {
        let over_it = self.incidents.iter_mut().filter(|incident| incident.restarted && !incident.over);
        let mut due: Vec<&mut Incident> =
            over_it.filter_map(|incident| incident.died(now, at).then_some(incident)).collect();
        if known || self.closed {
            return Vec::new();
        }
        if due.is_empty() {
            count(&mut self.suppressed, Why::CameBack);
        }
        due.sort_by_key(|incident| (incident.posts > 0, incident.rank()));
        let unheard = due.iter().filter(|incident| incident.posts == 0).count();
        let mut posts = Vec::new();
        for incident in due.into_iter().take(unheard.max(1)) {
            match self.quota.take(now, DEATHS, false) {
                Ok(()) => posts.push(incident.tell_death(now)),
                Err(why) => count(&mut self.suppressed, why),
            }
        }
        posts
    }

    /// Whether anything of an earlier run is open, or was when that ended.
    pub fn goes_on(&self) -> bool {
        self.incidents.iter().any(|incident| incident.restarted && !incident.over)
    }

    /// The incident that `case` belongs to: its number, and its name where an earlier process has begun it.
    pub fn incident_of(&self, case: &Case<'_>) -> Option<(u64, Option<&str>)> {
        let incident = self.incidents.iter().find(|incident| incident.knows(case))?;
        Some((incident.number, incident.name.as_deref()))
    }

    /// A run died at `now` whose incidents are not known here. Whether people are to be told.
    pub fn other_died(&mut self, now: Duration) -> bool {
        let taken = self.quota.take(now, DEATHS, false);
        if let Err(why) = taken {
            count(&mut self.suppressed, why);
        }
        taken.is_ok()
    }
}

impl Incident {
    /// Goes on in a process that was started at `now`.
    fn resume(
        &mut self,
        now: Duration,
        knows: &impl Fn(&str) -> bool,
        patience: &impl Fn(Topic) -> Duration,
    ) {
        self.members.truncate(MAX_MEMBERS);
        (self.began, self.told) = (self.began.min(now), self.told.min(now));
        self.died = self.died.map(|died| died.min(now));
        let under_way = std::mem::take(&mut self.under_way);
        let lost = |kind| under_way.iter().any(|post| post.kind == kind);
        let (new, end) = (lost(Kind::New), lost(Kind::Resolved));
        let reply = under_way.iter().any(|post| post.kind == Kind::Reply && !post.death);
        if under_way.iter().any(|post| post.death) {
            // Nor of that death, which we are going to hear of once more.
            (self.deaths, self.died_last) = (self.deaths.saturating_sub(1), None);
        }
        if end {
            // Nobody has heard that it is over.
            (self.heard, self.over) = (true, false);
        }
        if new {
            // Nobody has heard anything.
            (self.posts, self.heard) = (0, false);
        }
        self.owed |= new || reply;
        let was_open = self.members.iter().any(|member| member.open);
        self.members.iter_mut().for_each(|member| member.open = false);
        self.restarted |= was_open || new;
        self.quiet = Some(self.quiet.filter(|_| !was_open).unwrap_or(now).min(now));
        self.orphaned = !self.members.iter().any(|member| knows(&member.rule));
        let longest = self.members.iter().map(|member| patience(member.topic)).max();
        self.cooldown = self.cooldown.max(longest.unwrap_or_default());
    }

    /// One more process died over it. Whether that is told.
    fn died(&mut self, now: Duration, at: Duration) -> bool {
        if self.died_last.replace(at) == Some(at) {
            return false;
        }
        self.deaths = self.deaths.saturating_add(1);
        self.died.get_or_insert(at.min(now));
        self.quiet = Some(now);
        let mut tens = self.deaths;
        while tens != 0 && tens.is_multiple_of(10) {
            tens /= 10;
        }
        tens == 1 || tens == 3
    }

    fn tell_death(&mut self, now: Duration) -> Post {
        let (rule, key) = self.foremost();
        let post = self.post(now, self.more(), rule, key);
        if let Some(last) = self.under_way.last_mut() {
            last.death = true;
        }
        post
    }

    /// How much it has to do with a death, the most first.
    fn rank(&self) -> u8 {
        let rank = |topic| match topic {
            Topic::Limit(_) => 0,
            Topic::Leak(_) => 1,
            Topic::Growth(_) | Topic::Part(_) => 2,
            Topic::Alone => 3,
        };
        self.members.iter().map(|member| rank(member.topic)).min().unwrap_or(u8::MAX)
    }
}

#[cfg(test)]
#[path = "lives_tests.rs"]
mod tests;
