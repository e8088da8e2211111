//! How many posts there may be a day.

use std::collections::VecDeque;
use std::time::Duration;

use super::Why;

/// The most posts of one rule in 24 hours; of leaks, of one place.
pub const DEFAULT_POSTS_A_RULE: usize = 6;

/// The most posts of one process in 24 hours.
pub const DEFAULT_POSTS_A_PROCESS: usize = 20;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The posts of the last 24 hours, at most [`DEFAULT_POSTS_A_PROCESS`] of them.
#[derive(Clone, Debug, Default)]
pub(super) struct Quota {
    posts: VecDeque<(Duration, String)>,
}

impl Quota {
    /// Takes a post of `fault`, a rule with its key, at `now`. The last post of a day is kept for a `resolved`: it would be worse not to hear
    /// that something is over than not to hear of one thing more.
    pub(super) fn take(&mut self, now: Duration, fault: &str, resolved: bool) -> Result<(), Why> {
        while self.posts.front().is_some_and(|(at, _)| now.saturating_sub(*at) >= DAY) {
            self.posts.pop_front();
        }
        let kept = usize::from(!resolved);
        if self.posts.len() + kept >= DEFAULT_POSTS_A_PROCESS {
            return Err(Why::ProcessQuota);
        }
        if self.posts.iter().filter(|(_, other)| other == fault).count() + kept >= DEFAULT_POSTS_A_RULE {
            return Err(Why::RuleQuota);
        }
        self.posts.push_back((now, fault.to_owned()));
        Ok(())
    }

    /// The posts of the last day, the oldest first.
    pub(super) fn posts(&self) -> impl Iterator<Item = &(Duration, String)> {
        self.posts.iter()
    }

    /// Counts `posts` too, which others have made by `now`.
    pub(super) fn inherit(&mut self, now: Duration, posts: Vec<(Duration, String)>) {
        self.posts.extend(posts.into_iter().map(|(at, fault)| (at.min(now), fault)));
        self.posts.make_contiguous().sort_by_key(|(at, _)| *at);
        self.posts.drain(..self.posts.len().saturating_sub(DEFAULT_POSTS_A_PROCESS));
    }
}
