//! The first message of an incident, which all replicas that have the fault share. There is no server but Slack: the
//! channel's history is what the replicas know of each other.

use std::time::{Duration, Instant, SystemTime};

use super::super::message;
use super::history::GATHERS;
use super::turn::{MAX_TRIES, MEMORY, PATIENT_TRIES, Step, Turn, as_values, is_gone};
use super::web::Posted;
use super::words;
use crate::sink::{Kind, Outcome};

/// With less time than this until memory runs out nobody waits for anybody.
const HASTE: Duration = Duration::from_secs(10 * 60);

/// An alert that is older than this when it is delivered may have been delivered before.
const OLD: Duration = Duration::from_secs(2 * 60);

impl Turn<'_> {
    pub(super) fn open(&mut self) -> Step<()> {
        let posted = match self.work.posted.clone() {
            Some(posted) => posted,
            None => {
                self.wait_for_the_own_moment()?;
                self.post_or_join()?
            }
        };
        // Those who join add a line. The pictures are those of the first.
        if self.work.parent.is_none() {
            self.send_pictures(&posted)?;
        }
        self.settle()
    }

    fn wait_for_the_own_moment(&self) -> Step<()> {
        if !self.gathers() || self.in_haste() {
            return Ok(());
        }
        // Since it fired: who has waited for others in the queue has waited enough.
        let left = self.bot.own_moment().saturating_sub(self.age());
        if left.is_zero() { Ok(()) } else { Err(Outcome::Wait { after: left }) }
    }

    /// Posts into the channel, or into the thread of a replica that was here before.
    fn post_or_join(&mut self) -> Step<Posted> {
        if !self.has_just_looked() {
            self.look()?;
        }
        if let Some(posted) = self.work.posted.clone() {
            return Ok(posted);
        }
        if let Some(parent) = self.work.chosen.clone()
            && let Some(posted) = self.join(&parent)?
        {
            return Ok(self.is_posted(posted, Some(parent), Vec::new()));
        }
        let content = message::laid_out(&self.with_host());
        let blocks = as_values(&content);
        let posted = self.post(content, None)?;
        Ok(self.is_posted(posted, None, blocks))
    }

    /// Whether the last look is young enough to go by. Where many replicas post at once Slack has them wait, and if each
    /// looked before each attempt, soon nobody could look any more.
    fn has_just_looked(&self) -> bool {
        !self.work.attempted && self.work.looked.is_some_and(|at| at.elapsed() < self.bot.spread / 2)
    }

    /// Looks for our message, which may be there, and for one of the same fault.
    fn look(&mut self) -> Step<()> {
        let age = self.age();
        let history = self.history((GATHERS + age).min(MEMORY), MAX_TRIES)?;
        if let Some(ts) = history.posted(&self.work.mark.post) {
            let posted = self.bot.web.here(ts);
            self.is_posted(posted, None, Vec::new());
        }
        let parent = history.parent(&self.work.mark, SystemTime::now()).filter(|_| self.gathers());
        self.work.chosen = parent.map(str::to_owned);
        self.work.looked = Some(Instant::now());
        Ok(())
    }

    /// Adds a line to the thread of `parent`; `None` when that is gone.
    fn join(&mut self, parent: &str) -> Step<Option<Posted>> {
        // It may be there when an answer was lost, or the process died after it.
        let may_be_there = self.work.attempted || self.age() > OLD;
        if let Some(posted) = may_be_there.then(|| self.found_in(parent)).flatten() {
            return Ok(Some(posted));
        }
        let content = words::joined(self.alert, &self.bot.replica());
        match self.try_post(content, Some(parent)) {
            Err(error) if is_gone(&error) => Ok(None),
            other => self.answered(other).map(Some),
        }
    }

    fn age(&self) -> Duration {
        SystemTime::now().duration_since(self.alert.at).unwrap_or_default()
    }

    /// Looks once more, when all that came before is to be seen: the oldest message wins.
    fn settle(&mut self) -> Step<()> {
        let (true, Some(settled), Some(posted)) =
            (self.gathers(), self.work.settled, self.work.posted.clone())
        else {
            return Ok(());
        };
        if self.work.left_behind.is_none() {
            let left = settled.saturating_duration_since(Instant::now());
            if !left.is_zero() {
                return Err(Outcome::Wait { after: left });
            }
            let history = self.history(GATHERS, PATIENT_TRIES)?;
            let place = self.work.parent.clone().unwrap_or_else(|| posted.ts.clone());
            let oldest = history.parent(&self.work.mark, SystemTime::now());
            let Some(oldest) = oldest.filter(|oldest| *oldest < place.as_str()).map(str::to_owned) else {
                return Ok(());
            };
            let Some(moved) = self.join(&oldest)? else { return Ok(()) };
            self.is_posted(moved, Some(oldest), Vec::new());
            self.work.left_behind = Some(posted);
        }
        self.tidy_up()
    }

    /// Deletes what is in the wrong place.
    fn tidy_up(&mut self) -> Step<()> {
        while let Some(file) = self.work.files.last().cloned() {
            let deleted = self.bot.web.delete_file(&file, self.deadline);
            self.pleasant("a picture cannot be deleted", deleted)?;
            self.work.files.pop();
        }
        if let Some(message) = self.work.left_behind.clone() {
            let deleted = self.bot.web.delete(&message, self.deadline);
            self.pleasant("a message that is told elsewhere cannot be deleted", deleted)?;
            self.work.left_behind = None;
        }
        Ok(())
    }

    /// Whether memory ends soon.
    pub(super) fn in_haste(&self) -> bool {
        self.alert.runs_out_in.is_some_and(|left| left < HASTE)
    }

    /// Whether other replicas may have the same message.
    fn gathers(&self) -> bool {
        self.alert.kind == Kind::New
            && !self.alert.group.is_empty()
            && self.bot.reads_history
            && !self.bot.spread.is_zero()
    }
}
