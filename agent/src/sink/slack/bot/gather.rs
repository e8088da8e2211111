//! The first message of an incident, which all replicas that have the fault share. There is no server but Slack: the
//! channel's history is what the replicas know of each other.

use std::time::{Duration, Instant, SystemTime};

use super::super::message;
use super::history::GATHERS;
use super::turn::{MEMORY, Step, Turn, as_values, is_gone};
use super::web::Posted;
use super::words;
use crate::sink::Outcome;

/// With less time than this until memory runs out nobody waits for anybody.
const HASTE: Duration = Duration::from_secs(10 * 60);

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
        let waited = SystemTime::now().duration_since(self.alert.at).unwrap_or_default();
        let left = self.bot.own_moment().saturating_sub(waited);
        if left.is_zero() { Ok(()) } else { Err(Outcome::Wait { after: left }) }
    }

    /// Posts into the channel, or into the thread of a replica that was here before.
    fn post_or_join(&mut self) -> Step<Posted> {
        let age = SystemTime::now().duration_since(self.alert.at).unwrap_or_default();
        let history = self.history((GATHERS + age).min(MEMORY))?;
        if let Some(ts) = history.posted(&self.work.mark.post) {
            let posted = self.bot.web.here(ts);
            return Ok(self.is_posted(posted, None, Vec::new()));
        }
        let parent = history.parent(&self.work.mark, SystemTime::now()).filter(|_| self.gathers());
        if let Some(parent) = parent.map(str::to_owned)
            && let Some(posted) = self.join(&parent)?
        {
            return Ok(self.is_posted(posted, Some(parent), Vec::new()));
        }
        let content = message::laid_out(&self.with_host());
        let blocks = as_values(&content);
        let posted = self.post(content, None)?;
        Ok(self.is_posted(posted, None, blocks))
    }

    /// Adds a line to the thread of `parent`; `None` when that is gone.
    fn join(&mut self, parent: &str) -> Step<Option<Posted>> {
        if let Some(posted) = self.found_in(parent) {
            return Ok(Some(posted));
        }
        let content = words::joined(self.alert, &self.bot.replica());
        match self.try_post(content, Some(parent)) {
            Err(error) if is_gone(&error) => Ok(None),
            other => self.answered(other).map(Some),
        }
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
            let history = self.history(GATHERS)?;
            self.work.unseen = 0;
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
        !self.alert.group.is_empty() && self.bot.reads_history && !self.bot.spread.is_zero()
    }
}
