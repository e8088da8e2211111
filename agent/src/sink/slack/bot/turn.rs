//! One attempt to deliver one alert, from where the last attempt stopped.

use std::time::{Duration, Instant};

use serde_json::Value;
use slack_morphism::errors::SlackClientError;
use slack_morphism::{ClientResult, SlackMessageContent};

use super::super::{answer, message, remedy};
use super::SlackBot;
use super::incidents::Incident;
use super::mark::Mark;
use super::web::Posted;
use crate::sink::{Alert, Kind, Outcome};

/// How far back the message of an incident is looked for.
pub(super) const MEMORY: Duration = Duration::from_secs(3 * 24 * 60 * 60);

/// How often what is only pleasant to have is tried, and the rest between.
pub(super) const MAX_TRIES: u32 = 3;
pub(super) const PAUSE: Duration = Duration::from_secs(2);

/// The longest rest that is granted for it.
pub(super) const MAX_PAUSE: Duration = Duration::from_secs(30);

/// What was done for one alert.
#[derive(Debug)]
pub(super) struct Work {
    pub(super) mark: Mark,
    /// Whether the answer to a post was lost: it may be there all the same.
    pub(super) attempted: bool,
    /// When the history was read, and the message of another replica that it showed.
    pub(super) looked: Option<Instant>,
    pub(super) chosen: Option<String>,
    /// Our message.
    pub(super) posted: Option<Posted>,
    /// The message that it answers, if it does.
    pub(super) parent: Option<String>,
    /// When all messages that came before ours are in the history.
    pub(super) settled: Option<Instant>,
    /// Our message in the wrong place, once it is in the right one.
    pub(super) left_behind: Option<Posted>,
    /// What is said of the end, whether others have not ended, and whether they were waited for.
    pub(super) line: Option<SlackMessageContent>,
    pub(super) others: bool,
    pub(super) waited: bool,
    pub(super) pictures: usize,
    pub(super) files: Vec<String>,
    tries: u32,
    pub(super) unseen: u32,
}

/// How often the history is asked where it matters, with rests up to 30 s: the message is posted, so there is time.
pub(super) const PATIENT_TRIES: u32 = 8;

/// What a step gives, or what ends the attempt.
pub(super) type Step<T> = Result<T, Outcome>;

/// The attempt.
pub(super) struct Turn<'t> {
    pub(super) bot: &'t mut SlackBot,
    pub(super) work: &'t mut Work,
    pub(super) alert: &'t Alert,
    pub(super) deadline: Instant,
}

impl Work {
    pub(super) const fn new(mark: Mark) -> Self {
        Self {
            mark,
            attempted: false,
            looked: None,
            chosen: None,
            posted: None,
            parent: None,
            settled: None,
            left_behind: None,
            line: None,
            others: false,
            waited: false,
            pictures: 0,
            files: Vec::new(),
            tries: 0,
            unseen: 0,
        }
    }

    pub(super) fn is_of(&self, mark: &Mark) -> bool {
        self.mark.post == mark.post && self.mark.alert == mark.alert
    }
}

impl Turn<'_> {
    /// Does what is left to be done.
    pub(super) fn take(mut self) -> Step<()> {
        match self.alert.kind {
            Kind::New | Kind::Asked => self.open(),
            Kind::Resolved => self.close(),
            Kind::Reply | Kind::Reminder => self.follow(),
        }
    }

    /// Remembers where our message is, and so where the thread of the incident is.
    pub(super) fn is_posted(&mut self, posted: Posted, parent: Option<String>, blocks: Vec<Value>) -> Posted {
        let ts = parent.clone().unwrap_or_else(|| posted.ts.clone());
        let message = Posted { channel: posted.channel.clone(), ts };
        self.bot.incidents.put(Incident { id: self.alert.id.clone(), message, blocks });
        self.work.settled.get_or_insert(Instant::now() + self.bot.spread);
        self.work.posted = Some(posted.clone());
        self.work.parent = parent;
        posted
    }

    pub(super) fn post(&mut self, content: SlackMessageContent, thread: Option<&str>) -> Step<Posted> {
        let posted = self.try_post(content, thread);
        self.answered(posted)
    }

    pub(super) fn try_post(
        &mut self,
        content: SlackMessageContent,
        thread: Option<&str>,
    ) -> ClientResult<Posted> {
        let marked = content.with_metadata(self.work.mark.metadata());
        let mut posted = self.bot.web.post(marked, thread, self.deadline);
        // Should Slack ever refuse our layout, the words alone are still worth sending.
        if posted.as_ref().is_err_and(answer::refuses_layout) {
            posted = self.bot.web.post(message::words_only(self.alert), thread, self.deadline);
        }
        posted
    }

    pub(super) fn answered<T>(&mut self, result: ClientResult<T>) -> Step<T> {
        // Slack's own no is a certain one.
        let is_certain = |error: &SlackClientError| {
            matches!(error, SlackClientError::ApiError(_) | SlackClientError::RateLimitError(_))
        };
        self.work.attempted |= result.as_ref().is_err_and(|error| !is_certain(error));
        result.map_err(|error| answer::of_call(&error, self.bot.web.host()))
    }

    /// What of `result` there is: an error is tried again a few times, then logged and done without.
    pub(super) fn pleasant<T>(&mut self, what: &'static str, result: ClientResult<T>) -> Step<Option<T>> {
        let outcome = match result {
            Ok(value) => {
                self.work.tries = 0;
                return Ok(Some(value));
            }
            Err(error) => answer::of_call(&error, self.bot.web.host()),
        };
        let reason = match outcome {
            Outcome::Retry { after, .. } if self.work.tries + 1 < MAX_TRIES => {
                self.work.tries += 1;
                return Err(Outcome::Wait { after: after.unwrap_or(PAUSE).min(MAX_PAUSE) });
            }
            Outcome::Retry { reason, .. } | Outcome::Drop { reason } => reason,
            Outcome::Sent | Outcome::Wait { .. } => String::new(),
        };
        self.work.tries = 0;
        tracing::warn!(target: "flamewatch", sink = "slack", %reason, "{what}");
        Ok(None)
    }

    /// The alert with our host in its small print.
    pub(super) fn with_host(&self) -> Alert {
        let mut alert = self.alert.clone();
        alert.context.insert(0, format!("host {}", self.bot.host));
        alert
    }
}

pub(super) fn is_gone(error: &SlackClientError) -> bool {
    answer::code(error).is_some_and(remedy::is_gone)
}

pub(super) fn as_values(content: &SlackMessageContent) -> Vec<Value> {
    let blocks = content.blocks.iter().flatten();
    blocks.filter_map(|block| serde_json::to_value(block).ok()).collect()
}
