//! One incident from its first post to its last: what belongs to it, what was told of it, and when it is over.

use std::time::Duration;

use super::quota::Quota;
use super::topic::Relation;
use super::{Case, Kind, Post, Topic, Why};

/// The waits before the reminders of what stays open, each from the one before it; the last one is repeated. So it is told
/// of a fault that lasts a day when it begins, after 4 and after 12 hours.
pub const DEFAULT_REMINDERS: [Duration; 4] = [
    Duration::from_secs(4 * 60 * 60),
    Duration::from_secs(8 * 60 * 60),
    Duration::from_secs(16 * 60 * 60),
    Duration::from_secs(24 * 60 * 60),
];

/// The most cases of one incident; of more, such as the places of a burst of leaks, the end is not waited for.
const MAX_MEMBERS: usize = 64;

#[derive(Clone, Debug)]
pub(super) struct Incident {
    number: u64,
    members: Vec<Member>,
    began: Duration,
    cooldown: Duration,
    posts: u32,
    reminders: usize,
    /// Whether people have been told that it is so, and not yet that it is over.
    heard: bool,
    /// When that was, or when they were last reminded.
    told: Duration,
    came_back: u64,
    /// Whether people know that it comes and goes. From then on its end is told when it has been quiet for long.
    flapping: bool,
    /// Since when none of its members is open.
    quiet: Option<Duration>,
    /// Whether nothing more is to be told unless it comes back.
    over: bool,
}

#[derive(Clone, Debug)]
struct Member {
    rule: String,
    key: String,
    topic: Topic,
    open: bool,
}

/// A post, or why there is none; `None` where nothing was to be told.
type Outcome = Result<Post, Option<Why>>;

impl Incident {
    pub(super) fn new(number: u64, now: Duration, case: &Case<'_>) -> Self {
        Self {
            number,
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
        self.over = false;
        self.came_back = self.came_back.saturating_add(1);
        match (self.heard, self.posts) {
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
            (Some(since), _) if now.saturating_sub(since) >= self.cooldown => {
                self.over = true;
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
    const fn more(&self) -> Kind {
        if self.posts == 0 { Kind::New } else { Kind::Reply }
    }

    fn relation(&self, topic: Topic) -> Relation {
        let open = self.members.iter().filter(|member| member.open);
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
        DEFAULT_REMINDERS.get(self.reminders).copied().unwrap_or(last)
    }

    /// The rule and the key of what is open, or of the first member.
    fn foremost(&self) -> (String, String) {
        let open = self.members.iter().find(|member| member.open);
        open.or_else(|| self.members.first())
            .map(|member| (member.rule.clone(), member.key.clone()))
            .unwrap_or_default()
    }

    fn tell(&mut self, now: Duration, kind: Kind, rule: String, key: String, quota: &mut Quota) -> Outcome {
        // Each place that leaks counts for itself: a seventh one is not known because six others are.
        quota.take(now, &format!("{rule} {key}"), kind == Kind::Resolved).map_err(Some)?;
        self.posts = self.posts.saturating_add(1);
        if !self.heard {
            self.told = now;
        }
        self.heard = kind != Kind::Resolved;
        let until = self.quiet.unwrap_or(now);
        Ok(Post {
            incident: self.number,
            number: self.posts,
            kind,
            rule,
            key,
            with: Vec::new(),
            lasted: until.saturating_sub(self.began),
            came_back: self.came_back,
        })
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
