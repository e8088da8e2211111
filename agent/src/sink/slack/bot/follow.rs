//! What comes after the first message of an incident: answers in its thread, and its end.

use slack_morphism::SlackMessageContent;

use super::super::message;
use super::history::Members;
use super::incidents::Incident;
use super::mark::{Mark, Message};
use super::turn::{MAX_TRIES, MEMORY, Step, Turn, is_gone};
use super::web::Posted;
use super::words;
use crate::sink::{Kind, Outcome, State};

impl Turn<'_> {
    /// More about what was told: into its thread.
    pub(super) fn follow(&mut self) -> Step<()> {
        let incident = self.incident()?;
        let posted = self.answer(incident.as_ref(), message::laid_out(&self.with_host()))?;
        let thread = incident.map_or(posted, |incident| incident.message);
        self.send_pictures(&thread)?;
        if self.alert.kind == Kind::Reply && self.work.parent.is_some() {
            // What was green is so no longer.
            let messages = self.thread(&thread.ts);
            let was_over =
                messages.first().and_then(Message::mark).is_some_and(|mark| mark.state == State::Resolved);
            if was_over {
                return self.repaint(&thread, &messages, State::Firing);
            }
        }
        Ok(())
    }

    /// The end: a line in the thread, and the message turns green when nobody else is left.
    pub(super) fn close(&mut self) -> Step<()> {
        let Some(incident) = self.incident()? else {
            return self.answer(None, message::laid_out(&self.with_host())).map(drop);
        };
        if self.work.posted.is_none() {
            let line = match self.work.line.clone() {
                Some(line) => line,
                None => self.line_of_the_end(&incident)?,
            };
            self.answer(Some(&incident), line)?;
        }
        // Two who end at the same time may each take the other for ill: a later look tells.
        if self.work.others && !self.work.waited && !self.bot.spread.is_zero() {
            self.work.waited = true;
            return Err(Outcome::Wait { after: self.bot.spread });
        }
        let thread = self.thread_for_sure(&incident.message.ts)?;
        let unseen = thread.is_empty() && self.bot.reads_history;
        if unseen || !Members::of(&thread).others_firing(&self.work.mark.alert).is_empty() {
            return Ok(());
        }
        self.repaint(&incident.message, &thread, State::Resolved)
    }

    /// What is said of the end, and of who is still not well. It is written once, however often it has to be sent.
    fn line_of_the_end(&mut self, incident: &Incident) -> Step<SlackMessageContent> {
        let thread = self.thread_for_sure(&incident.message.ts)?;
        let members = Members::of(&thread);
        let others = members.others_firing(&self.work.mark.alert);
        let began = thread.iter().filter_map(Message::mark).find(|mark| mark.alert == self.alert.id);
        let line = words::over(self.alert, &self.bot.replica(), began.as_ref(), &others);
        self.work.others = !others.is_empty();
        self.work.line = Some(line.clone());
        Ok(line)
    }

    /// Gives the message of an incident the color of `state`, and keeps what it says.
    fn repaint(&mut self, message: &Posted, thread: &[Message], state: State) -> Step<()> {
        let first = thread.first().filter(|first| first.ts == message.ts);
        let remembered = self.bot.incidents.get(&self.alert.id).map(|incident| incident.blocks.clone());
        let (blocks, mark) = match first.map(|first| (first.blocks.as_array(), first.mark())) {
            Some((Some(blocks), Some(mark))) => (blocks.clone(), mark),
            // Its author cannot read the history, and remembers what it said.
            None => (remembered.unwrap_or_default(), self.work.mark.clone()),
            // Somebody has deleted it.
            Some(_) => return Ok(()),
        };
        if blocks.is_empty() {
            return Ok(());
        }
        let mark = Mark { state, ..mark };
        let blocks = words::repainted(&blocks, self.alert, &mark);
        let text = message::summary(self.alert);
        let updated = self.bot.web.update(message, &text, &blocks, mark.metadata(), self.deadline);
        self.pleasant("a message keeps its color", updated).map(drop)
    }

    /// The incident of the alert, as we remember it or as the channel's history does.
    fn incident(&mut self) -> Step<Option<Incident>> {
        if let Some(incident) = self.bot.incidents.get(&self.alert.id) {
            return Ok(Some(incident.clone()));
        }
        let history = self.history(MEMORY, MAX_TRIES)?;
        let Some(ts) = history.incident(&self.work.mark) else { return Ok(None) };
        let incident =
            Incident { id: self.alert.id.clone(), message: self.bot.web.here(ts), blocks: Vec::new() };
        self.bot.incidents.put(incident.clone());
        Ok(Some(incident))
    }

    /// Posts `content` into the thread of `incident`, or into the channel where there is none (any more).
    fn answer(&mut self, incident: Option<&Incident>, content: SlackMessageContent) -> Step<Posted> {
        if let Some(posted) = self.work.posted.clone() {
            return Ok(posted);
        }
        if let Some(Incident { message: thread, blocks, .. }) = incident {
            let found = if self.work.attempted { self.found_in(&thread.ts) } else { None };
            let posted = match found {
                Some(posted) => Ok(posted),
                None => self.try_post(content.clone(), Some(&thread.ts)),
            };
            match posted {
                Err(error) if is_gone(&error) => self.bot.incidents.forget(&self.alert.id),
                other => {
                    let posted = self.answered(other)?;
                    return Ok(self.is_posted(posted, Some(thread.ts.clone()), blocks.clone()));
                }
            }
        }
        let posted = self.post(content, None)?;
        Ok(self.is_posted(posted, None, Vec::new()))
    }
}
