//! One incident from its first post to its last: what belongs to it, what was told of it, and when it is over.

use std::time::Duration;

use super::quota::Quota;
use super::topic::Relation;
use super::{Case, Kind, Post, Topic, Why};

/// The waits before the reminders of what stays open, each from the post before it; the last one is repeated. So it is told
/// of a fault that lasts a day when it begins, after 4 and after 12 hours. What only grows, and is near no limit, begins with
/// the second one.
pub const DEFAULT_REMINDERS: [Duration; 4] = [
    Duration::from_secs(4 * 60 * 60),
    Duration::from_secs(8 * 60 * 60),
    Duration::from_secs(16 * 60 * 60),
    Duration::from_secs(24 * 60 * 60),
];

/// The most cases of one incident; of more, such as the places of a burst of leaks, the end is not waited for.
pub(super) const MAX_MEMBERS: usize = 64;

/// The most posts of one incident that are followed until they have arrived somewhere.
const MAX_UNDER_WAY: usize = 8;

#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "__agent", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Incident {
    /// What this process calls it.
    pub(super) number: u64,
    /// What people know it as, where an earlier process has begun it.
    pub(super) name: Option<String>,
    pub(super) members: Vec<Member>,
    pub(super) began: Duration,
    pub(super) cooldown: Duration,
    pub(super) posts: u32,
    reminders: usize,
    /// Whether people have been told that it is so, and not yet that it is over.
    pub(super) heard: bool,
    /// When they last got a post.
    pub(super) told: Duration,
    came_back: u64,
    /// Whether people know that it comes and goes. From then on its end is told when it has been quiet for long.
    flapping: bool,
    /// Since when none of its members is open.
    pub(super) quiet: Option<Duration>,
    /// Whether nothing more is to be told unless it comes back.
    pub(super) over: bool,
    /// The posts that may yet be lost with the process.
    pub(super) under_way: Vec<UnderWay>,
    /// It is quiet because the process was started anew, and has not come back since.
    pub(super) restarted: bool,
    /// None of its rules exists any more, so nobody can tell whether it is over.
    pub(super) orphaned: bool,
    /// A post that said what it is about was lost with an earlier process.
    pub(super) owed: bool,
    /// How many processes have died while it was open.
    pub(super) deaths: u32,
    /// When the first of them did, and when the last one did.
    pub(super) died: Option<Duration>,
    pub(super) died_last: Option<Duration>,
}

/// A post on its way.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "__agent", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct UnderWay {
    pub(super) number: u32,
    pub(super) kind: Kind,
    /// It tells of a death.
    pub(super) death: bool,
}

#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "__agent", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Member {
    pub(super) rule: String,
    key: String,
    pub(super) topic: Topic,
    pub(super) open: bool,
}

/// A post, or why there is none; `None` where nothing was to be told.
pub(super) type Outcome = Result<Post, Option<Why>>;

impl Incident {
    pub(super) fn new(number: u64, now: Duration, case: &Case<'_>) -> Self {
        Self {
            number,
            name: None,
            members: vec![Member::of(case)],
            began: now,
            cooldown: case.cooldown,
            posts: 0,
            reminders: 0,
            heard: false,
            told: now,
            came_back: 0,
            flapping: false,
            quiet: None,
            over: false,
            under_way: Vec::new(),
            restarted: false,
            orphaned: false,
            owed: false,
            deaths: 0,
            died: None,
            died_last: None,
        }
    }

    /// Tells of it for the first time.
    pub(super) fn begin(&mut self, now: Duration, quota: &mut Quota) -> Outcome {
        let (rule, key) = self.foremost();
        self.tell(now, self.more(), rule, key, quota)
    }

    /// `case`, which is known, fires again.
    pub(super) fn came_back(&mut self, now: Duration, case: &Case<'_>, quota: &mut Quota) -> Outcome {
        let Some(member) = self.members.iter_mut().find(|member| member.is(case)) else { return Err(None) };
        if std::mem::replace(&mut member.open, true) {
            return Err(None);
        }
        // While another member kept it open it was not away.
        if self.quiet.take().is_none() {
            return Err(Some(Why::Explained));
        }
        (self.over, self.restarted) = (false, false);
        self.came_back = self.came_back.saturating_add(1);
        match (self.heard, self.posts) {
            (true, _) if std::mem::take(&mut self.owed) => {
                self.tell(now, Kind::Reply, case.rule.to_owned(), case.key.to_owned(), quota)
            }
            // Its end was not told yet, so that it is back is no news.
            (true, _) => Err(Some(Why::CameBack)),
            // It is told as soon as it may be.
            (false, 0) => Err(None),
            (false, _) => {
                let post = self.tell(now, Kind::Reply, case.rule.to_owned(), case.key.to_owned(), quota)?;
                self.flapping = true;
                Ok(post)
            }
        }
    }

    /// `case`, which is new, has to do with what is open.
    pub(super) fn joined(&mut self, now: Duration, case: &Case<'_>, quota: &mut Quota) -> Outcome {
        let relation = self.relation(case.topic);
        self.add(case);
        (self.quiet, self.restarted) = (None, false);
        match relation {
            // The first one, where the others had no post left.
            Relation::More => self.tell(now, self.more(), case.rule.to_owned(), case.key.to_owned(), quota),
            _ => Err(Some(Why::Explained)),
        }
    }

    /// Makes `case` a part of it without a word.
    pub(super) fn add(&mut self, case: &Case<'_>) {
        if self.members.len() < MAX_MEMBERS {
            self.members.push(Member::of(case));
        }
    }

    /// `case` is over.
    pub(super) fn ended(&mut self, now: Duration, case: &Case<'_>, quota: &mut Quota) -> Outcome {
        let Some(member) = self.members.iter_mut().find(|member| member.is(case)) else { return Err(None) };
        member.open = false;
        if self.members.iter().any(|member| member.open) || self.quiet.is_some() {
            return Err(None);
        }
        self.quiet = Some(now);
        if !self.heard {
            // Nobody has heard of it, so nobody hears of its end.
            self.over = true;
            return Err(None);
        }
        if self.flapping {
            return Err(None);
        }
        self.over = true;
        self.tell(now, Kind::Resolved, case.rule.to_owned(), case.key.to_owned(), quota)
    }

    /// What time alone makes news.
    pub(super) fn due(&mut self, now: Duration, quota: &mut Quota) -> Outcome {
        let (rule, key) = self.foremost();
        match (self.quiet, self.heard) {
            _ if self.over => Err(None),
            (Some(since), heard) if now.saturating_sub(since) >= self.cooldown => {
                self.over = true;
                if !heard || self.orphaned {
                    return Err(None);
                }
                self.tell(now, Kind::Resolved, rule, key, quota)
            }
            (Some(_), _) => Err(None),
            // That it had to wait was counted when it fired.
            (None, false) => self.tell(now, self.more(), rule, key, quota).map_err(|_| None),
            (None, true) if now.saturating_sub(self.told) >= self.wait() => {
                (self.told, self.reminders) = (now, self.reminders.saturating_add(1));
                self.tell(now, Kind::Reminder, rule, key, quota)
            }
            _ => Err(None),
        }
    }

    pub(super) fn knows(&self, case: &Case<'_>) -> bool {
        self.members.iter().any(|member| member.is(case))
    }

    pub(super) fn shares_a_member_with(&self, other: &Self) -> bool {
        let same = |one: &Member, two: &Member| one.rule == two.rule && one.key == two.key;
        self.members.iter().any(|one| other.members.iter().any(|two| same(one, two)))
    }

    /// Whether a new fault of `topic` belongs here.
    pub(super) fn concerns(&self, topic: Topic) -> bool {
        self.relation(topic) != Relation::Stranger
    }

    pub(super) const fn is_over(&self) -> bool {
        self.over
    }

    /// Whether it has been over for so long that what comes back is something new.
    pub(super) fn is_forgotten(&self, now: Duration) -> bool {
        self.over
            && (self.posts == 0 || self.quiet.is_none_or(|since| now.saturating_sub(since) >= self.cooldown))
    }

    /// What one more post is.
    pub(super) const fn more(&self) -> Kind {
        if self.posts == 0 { Kind::New } else { Kind::Reply }
    }

    fn relation(&self, topic: Topic) -> Relation {
        // What was open when the process ended is what the next one finds first.
        let open = self.members.iter().filter(|member| member.open || self.restarted);
        let another_leak =
            |member: &Member| matches!((topic, member.topic), (Topic::Leak(_), Topic::Leak(_)));
        if open.clone().any(another_leak) {
            return Relation::Stranger;
        }
        open.map(|member| topic.to(member.topic)).max().unwrap_or(Relation::Stranger)
    }

    /// The wait before the next reminder.
    fn wait(&self) -> Duration {
        let [.., last] = DEFAULT_REMINDERS;
        let grows = |member: &Member| matches!(member.topic, Topic::Growth(_) | Topic::Part(_));
        let growing = self.members.iter().filter(|member| member.open).all(grows);
        let next = self.reminders.saturating_add(usize::from(growing));
        DEFAULT_REMINDERS.get(next).copied().unwrap_or(last)
    }

    /// The rule and the key of what is open, or of the first member.
    pub(super) fn foremost(&self) -> (String, String) {
        let open = self.members.iter().find(|member| member.open);
        open.or_else(|| self.members.first())
            .map(|member| (member.rule.clone(), member.key.clone()))
            .unwrap_or_default()
    }

    fn tell(&mut self, now: Duration, kind: Kind, rule: String, key: String, quota: &mut Quota) -> Outcome {
        // Each place that leaks counts for itself: a seventh one is not known because six others are.
        quota.take(now, &format!("{rule} {key}"), kind == Kind::Resolved).map_err(Some)?;
        Ok(self.post(now, kind, rule, key))
    }

    /// One more post, for which there is room.
    pub(super) fn post(&mut self, now: Duration, kind: Kind, rule: String, key: String) -> Post {
        self.posts = self.posts.saturating_add(1);
        self.told = now;
        self.heard = kind != Kind::Resolved;
        if self.under_way.len() >= MAX_UNDER_WAY {
            self.under_way.remove(0);
        }
        self.under_way.push(UnderWay { number: self.posts, kind, death: false });
        let until = self.quiet.unwrap_or(now);
        Post {
            incident: self.number,
            name: self.name.clone(),
            number: self.posts,
            kind,
            rule,
            key,
            with: Vec::new(),
            lasted: until.saturating_sub(self.began),
            came_back: self.came_back,
            restarted: self.restarted,
            deaths: self.deaths,
            died: self.died,
        }
    }
}

impl Member {
    fn of(case: &Case<'_>) -> Self {
        Self { rule: case.rule.to_owned(), key: case.key.to_owned(), topic: case.topic, open: true }
    }

    fn is(&self, case: &Case<'_>) -> bool {
        self.rule == case.rule && self.key == case.key
    }
}
