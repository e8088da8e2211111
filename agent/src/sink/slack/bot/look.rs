//! What is in the channel, as far as it can be read. Without the scope for it the bot does without.

use std::time::{Duration, SystemTime};

use slack_morphism::errors::SlackClientError;

use super::super::{answer, remedy};
use super::history::{History, after};
use super::mark::{Mark, Message};
use super::turn::{MAX_PAUSE, PATIENT_TRIES, PAUSE, Step, Turn};
use super::web::Posted;
use crate::sink::Outcome;

/// The most pages of history that are read at a time.
const MAX_PAGES: usize = 5;

impl Turn<'_> {
    /// Our message in the thread of `ts`, if it is there already.
    pub(super) fn found_in(&mut self, ts: &str) -> Option<Posted> {
        let messages = self.thread(ts);
        let is_ours = |mark: Mark| mark.post == self.work.mark.post;
        let found = messages.iter().skip(1).find(|message| message.mark().is_some_and(is_ours))?;
        Some(self.bot.web.here(&found.ts))
    }

    /// The message `ts` and its answers; nothing where they cannot be had.
    pub(super) fn thread(&mut self, ts: &str) -> Vec<Message> {
        if !self.bot.reads_history {
            return Vec::new();
        }
        match self.bot.web.replies(ts, self.deadline) {
            Ok(page) => page.messages,
            Err(error) => {
                self.goes_without(&error);
                Vec::new()
            }
        }
    }

    /// The same, asked for until it is had, or it is clear that it cannot be had.
    pub(super) fn thread_for_sure(&mut self, ts: &str) -> Step<Vec<Message>> {
        if !self.bot.reads_history {
            return Ok(Vec::new());
        }
        match self.bot.web.replies(ts, self.deadline) {
            Ok(page) => {
                self.work.unseen = 0;
                Ok(page.messages)
            }
            Err(error) => {
                self.goes_without(&error);
                self.look_again(&error, PATIENT_TRIES)?;
                Ok(Vec::new())
            }
        }
    }

    /// What we posted in the last `age`; nothing where it cannot be had. It is asked for up to `tries` times more.
    pub(super) fn history(&mut self, age: Duration, tries: u32) -> Step<History> {
        let mut messages = Vec::new();
        let mut cursor = None;
        let oldest = after(SystemTime::now(), age);
        for _ in 0..MAX_PAGES {
            if !self.bot.reads_history {
                break;
            }
            match self.bot.web.history(&oldest, cursor.as_deref(), self.deadline) {
                Ok((page, next)) => {
                    messages.extend(page.into_iter().filter(|message| message.mark().is_some()));
                    cursor = next;
                }
                Err(error) => {
                    self.goes_without(&error);
                    self.look_again(&error, tries)?;
                    break;
                }
            }
            if cursor.is_none() {
                break;
            }
        }
        self.work.unseen = 0;
        Ok(History::of(&messages))
    }

    /// Has the history asked again later, a few times: who does not see the others posts what they have posted, and a message
    /// whose answer was lost may be there. With little time left only the latter counts.
    fn look_again(&mut self, error: &SlackClientError, tries: u32) -> Step<()> {
        let worthwhile = self.work.attempted || self.work.posted.is_some() || !self.in_haste();
        if !self.bot.reads_history || !worthwhile || self.work.unseen >= tries {
            return Ok(());
        }
        // All replicas share what may be asked in a minute, so they must not come back together.
        let doubled = PAUSE.saturating_mul(2_u32.saturating_pow(self.work.unseen));
        let spread = doubled.mul_f64(1.0 + self.bot.luck());
        self.work.unseen += 1;
        match answer::of_call(error, self.bot.web.host()) {
            Outcome::Retry { after, .. } => {
                Err(Outcome::Wait { after: spread.max(after.unwrap_or_default()).min(MAX_PAUSE) })
            }
            _ => Ok(()),
        }
    }

    /// Says once that there is no history for us.
    fn goes_without(&mut self, error: &SlackClientError) {
        let outcome = answer::of_call(error, self.bot.web.host());
        if let (Outcome::Drop { reason }, false) = (outcome, answer::code(error).is_some_and(remedy::is_gone))
        {
            self.bot.reads_history = false;
            tracing::warn!(
                target: "flamewatch", sink = "slack", %reason,
                "the channel's history cannot be read: replicas do not share messages, and threads are not found after a \
                 restart"
            );
        }
    }
}
