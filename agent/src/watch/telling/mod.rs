//! What people are told of the verdicts, and what they are spared. Pure: verdicts go in with the time, posts come out;
//! who writes and delivers them is somebody else's business, and so is what a post says.

mod incident;
mod lives;
mod quota;
#[cfg(test)]
mod tests;
mod topic;

use std::collections::BTreeMap;
use std::time::Duration;

use incident::Incident;
use quota::Quota;

pub use incident::DEFAULT_REMINDERS;
pub use lives::Told;
pub use quota::{DEFAULT_POSTS_A_PROCESS, DEFAULT_POSTS_A_RULE};
pub use topic::{Family, Topic};

/// The most incidents that are remembered at a time. With 64 members of about 150 bytes each they take 600 KiB; one
/// that finds no room is not told, and counted.
const MAX_INCIDENTS: usize = 64;

/// What a verdict is about.
#[derive(Clone, Copy, Debug)]
pub struct Case<'c> {
    /// The rule, which has a number of posts a day.
    pub rule: &'c str,
    /// What tells apart the faults that one rule finds, such as the place of a leak. Empty when there is one only.
    pub key: &'c str,
    /// What it is to do with others.
    pub topic: Topic,
    /// How long a fault that comes back is the same one.
    pub cooldown: Duration,
}

/// What a post is to those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "__agent", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Kind {
    /// The first one of an incident.
    New,
    /// Something more about an incident that was told: it is back, or another rule sees it as well.
    Reply,
    /// It is still so.
    Reminder,
    /// It is over.
    Resolved,
}

/// Something that people are to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Post {
    /// The incident's number: the same in all its posts of this process.
    pub incident: u64,
    /// What the incident is called, where an earlier process has begun it, see [`Telling::told`].
    pub name: Option<String>,
    /// Which post of its incident it is, from 1.
    pub number: u32,
    /// What it is to those before it.
    pub kind: Kind,
    /// The rule that it is about.
    pub rule: String,
    /// The key that it is about.
    pub key: String,
    /// The keys of others that were found at the same time, for a list.
    pub with: Vec<String>,
    /// How long the incident has lasted.
    pub lasted: Duration,
    /// How many times it has come back.
    pub came_back: u64,
    /// It is quiet because the process was started anew, and has not come back since.
    pub restarted: bool,
    /// How many processes have died while it was open.
    pub deaths: u32,
    /// When the first of them did.
    pub died: Option<Duration>,
}

/// Why something was not told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Why {
    /// It came back, which was told already.
    CameBack,
    /// Something that was told explains it.
    Explained,
    /// Its rule has had its posts of the day.
    RuleQuota,
    /// The process has had its posts of the day.
    ProcessQuota,
    /// Too many incidents at a time.
    Full,
}

impl Why {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::CameBack, Self::Explained, Self::RuleQuota, Self::ProcessQuota, Self::Full];

    /// One word for a label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CameBack => "came_back",
            Self::Explained => "explained",
            Self::RuleQuota => "rule_quota",
            Self::ProcessQuota => "process_quota",
            Self::Full => "full",
        }
    }
}

/// Decides what is told. Everything that fires and ends goes through it, and [`Telling::due`] is asked now and then.
#[derive(Clone, Debug, Default)]
pub struct Telling {
    incidents: Vec<Incident>,
    quota: Quota,
    suppressed: BTreeMap<Why, u64>,
    numbered: u64,
    closed: bool,
}

impl Telling {
    /// Nothing told so far.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// `case` fires at `now`: the post about it, unless it is better not told. Times must not go backwards.
    pub fn fired(&mut self, now: Duration, case: &Case<'_>) -> Option<Post> {
        if self.closed {
            return None;
        }
        self.forget(now);
        if let Some(index) = self.incidents.iter().position(|incident| incident.knows(case)) {
            let outcome = self.incidents.get_mut(index)?.came_back(now, case, &mut self.quota);
            return self.counted(outcome);
        }
        let relative = self.incidents.iter_mut().rev().find(|incident| incident.concerns(case.topic));
        if let Some(incident) = relative {
            let outcome = incident.joined(now, case, &mut self.quota);
            return self.counted(outcome);
        }
        if self.incidents.len() >= MAX_INCIDENTS {
            // One that is over makes room first: all it would do is to recognize what comes back.
            let Some(over) = self.incidents.iter().position(Incident::is_over) else {
                return self.counted(Err(Some(Why::Full)));
            };
            self.incidents.remove(over);
        }
        self.numbered += 1;
        let mut incident = Incident::new(self.numbered, now, case);
        let outcome = incident.begin(now, &mut self.quota);
        self.incidents.push(incident);
        self.counted(outcome)
    }

    /// Several cases of one rule, found at the same time: those that are new make one post, which lists them.
    pub fn fired_together(&mut self, now: Duration, cases: &[Case<'_>]) -> Vec<Post> {
        if self.closed {
            return Vec::new();
        }
        self.forget(now);
        let knows = |case: &&Case<'_>| self.incidents.iter().any(|incident| incident.knows(case));
        let (known, new): (Vec<&Case<'_>>, Vec<_>) = cases.iter().partition(knows);
        let mut posts: Vec<Post> = known.into_iter().filter_map(|case| self.fired(now, case)).collect();
        let Some((first, others)) = new.split_first() else { return posts };
        let post = self.fired(now, first);
        if let Some(incident) = self.incidents.iter_mut().find(|incident| incident.knows(first)) {
            others.iter().for_each(|case| incident.add(case));
        }
        let with = others.iter().map(|case| case.key.to_owned()).collect();
        posts.extend(post.map(|post| Post { with, ..post }));
        posts
    }

    /// `case` is over at `now`: the post about it, if all of its incident is over and was told.
    pub fn resolved(&mut self, now: Duration, case: &Case<'_>) -> Option<Post> {
        if self.closed {
            return None;
        }
        let incident = self.incidents.iter_mut().find(|incident| incident.knows(case))?;
        let outcome = incident.ended(now, case, &mut self.quota);
        self.counted(outcome)
    }

    /// What is to be told at `now` although nothing has happened: reminders, the end of what kept coming back, and what
    /// had to wait for the posts of another day.
    pub fn due(&mut self, now: Duration) -> Vec<Post> {
        if self.closed {
            return Vec::new();
        }
        self.forget(now);
        let mut posts = Vec::new();
        for incident in &mut self.incidents {
            match incident.due(now, &mut self.quota) {
                Ok(post) => posts.push(post),
                Err(Some(why)) => count(&mut self.suppressed, why),
                Err(None) => {}
            }
        }
        posts
    }

    /// From now on nothing is told: a service that shuts down breaks rules that mean nothing any more.
    pub const fn close(&mut self) {
        self.closed = true;
    }

    /// How many times something was not told, for each reason that there was.
    pub fn suppressed(&self) -> impl Iterator<Item = (Why, u64)> + '_ {
        self.suppressed.iter().map(|(why, count)| (*why, *count))
    }

    fn forget(&mut self, now: Duration) {
        self.incidents.retain(|incident| !incident.is_forgotten(now));
    }

    fn counted(&mut self, outcome: Result<Post, Option<Why>>) -> Option<Post> {
        outcome
            .map_err(|why| {
                if let Some(why) = why {
                    count(&mut self.suppressed, why);
                }
            })
            .ok()
    }
}

fn count(suppressed: &mut BTreeMap<Why, u64>, why: Why) {
    let count = suppressed.entry(why).or_default();
    *count = count.saturating_add(1);
}
