//! Alerts that wait for their delivery, bounded in number and bytes. When it is full, files go before words and
//! the oldest before the newest, and both are counted.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::sink::Alert;

/// The most alerts that wait. At six posts a rule a day this is days of a dead Slack.
pub(super) const MAX_ALERTS: usize = 64;

/// The most bytes that wait, text and attachments. An attachment shared by two alerts counts twice, and the alert
/// that is being delivered may hold its files until it is done, so the true bound is this plus one alert.
pub(super) const MAX_BYTES: usize = 16 * 1024 * 1024;

/// Names a waiting alert, since its place changes when older ones are dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ticket(u64);

/// What is done when a delivery has come to an end, however it did. Not when it has not: what waits when the process ends is
/// not settled.
pub(crate) struct Receipt(Box<dyn FnOnce() + Send>);

impl Receipt {
    /// Does `settle`, which must not wait for anybody.
    pub(crate) fn new(settle: impl FnOnce() + Send + 'static) -> Self {
        Self(Box::new(settle))
    }
}

impl std::fmt::Debug for Receipt {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Receipt")
    }
}

/// What waits, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: VecDeque<Entry>,
    bytes: usize,
    issued: u64,
    dropped: u64,
    files_left_out: u64,
}

#[derive(Debug)]
struct Entry {
    ticket: Ticket,
    alert: Arc<Alert>,
    bytes: usize,
    receipt: Option<Receipt>,
}

impl Queue {
    /// Adds the newest, making room at the old end.
    pub(super) fn push(&mut self, alert: Arc<Alert>, receipt: Option<Receipt>) {
        let bytes = size(&alert);
        self.issued = self.issued.wrapping_add(1);
        self.bytes = self.bytes.saturating_add(bytes);
        self.waiting.push_back(Entry { ticket: Ticket(self.issued), alert, bytes, receipt });
        while self.waiting.len() > MAX_ALERTS {
            self.drop_oldest();
        }
        self.leave_out_files();
        while self.bytes > MAX_BYTES && !self.waiting.is_empty() {
            self.drop_oldest();
        }
    }

    /// The oldest; it stays until it is [`Queue::done`].
    pub(super) fn front(&self) -> Option<(Ticket, Arc<Alert>)> {
        self.waiting.front().map(|entry| (entry.ticket, entry.alert.clone()))
    }

    /// Takes out the alert with this ticket, whose delivery has come to an end. When it was dropped meanwhile, how
    /// it ended is what counts.
    pub(super) fn done(&mut self, ticket: Ticket) {
        let is_front = self.waiting.front().is_some_and(|entry| entry.ticket == ticket);
        match is_front.then(|| self.waiting.pop_front()).flatten() {
            Some(entry) => {
                self.bytes = self.bytes.saturating_sub(entry.bytes);
                entry.settle();
            }
            None => self.dropped = self.dropped.saturating_sub(1),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Alerts dropped for want of room.
    pub(super) const fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Attachments left out for want of room.
    pub(super) const fn files_left_out(&self) -> u64 {
        self.files_left_out
    }

    fn drop_oldest(&mut self) {
        if let Some(entry) = self.waiting.pop_front() {
            self.bytes = self.bytes.saturating_sub(entry.bytes);
            self.dropped = self.dropped.saturating_add(1);
            entry.settle();
        }
    }

    /// Keeps the words of old alerts when there is no room for their files.
    fn leave_out_files(&mut self) {
        for entry in &mut self.waiting {
            if self.bytes <= MAX_BYTES {
                return;
            }
            let files = entry.alert.attachments.len();
            if files > 0 {
                entry.alert = Arc::new(Alert { attachments: Vec::new(), ..Alert::clone(&entry.alert) });
                let bytes = size(&entry.alert);
                self.bytes = self.bytes.saturating_sub(entry.bytes.saturating_sub(bytes));
                entry.bytes = bytes;
                self.files_left_out = self.files_left_out.saturating_add(files as u64);
            }
        }
    }
}

impl Entry {
    fn settle(self) {
        if let Some(Receipt(settle)) = self.receipt {
            settle();
        }
    }
}

/// What `alert` holds in memory, nearly.
fn size(alert: &Alert) -> usize {
    let site = |site: &crate::sink::Site| {
        size_of_val(site)
            + site.function.len()
            + site.place.as_ref().map_or(0, String::len)
            + site.growth.len()
    };
    let lines = |lines: &[String]| lines.iter().map(|line| size_of::<String>() + line.len()).sum::<usize>();
    size_of::<Alert>()
        + [&alert.id, &alert.group, &alert.service, &alert.rule, &alert.headline]
            .iter()
            .map(|text| text.len())
            .sum::<usize>()
        + alert.snapshot_url.as_ref().map_or(0, String::len)
        + lines(&alert.details)
        + lines(&alert.context)
        + alert.sites.iter().map(site).sum::<usize>()
        + alert.attachments.iter().map(|file| file.name.len() + file.bytes.len()).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::{Attachment, State};

    fn alert(id: usize, file: usize) -> Arc<Alert> {
        let mut alert = Alert::new(id.to_string(), State::Firing, "shop", "heap growing");
        if file > 0 {
            alert.attachments.push(Arc::new(Attachment::new("heap.pb.gz", vec![0; file])));
        }
        Arc::new(alert)
    }

    fn drained(queue: &mut Queue) -> Vec<(String, usize)> {
        let mut all = Vec::new();
        while let Some((ticket, alert)) = queue.front() {
            all.push((alert.id.clone(), alert.attachments.len()));
            queue.done(ticket);
        }
        all
    }

    #[test]
    fn the_oldest_makes_room() {
        let mut queue = Queue::default();
        (0..MAX_ALERTS + 3).for_each(|id| queue.push(alert(id, 0), None));
        assert_eq!((queue.len(), queue.dropped()), (MAX_ALERTS, 3));
        assert_eq!(drained(&mut queue).first(), Some(&(String::from("3"), 0)));
        assert_eq!((queue.bytes, queue.len()), (0, 0));
    }

    #[test]
    fn files_go_before_words() {
        let mut queue = Queue::default();
        (0..4).for_each(|id| queue.push(alert(id, MAX_BYTES / 3), None));
        assert_eq!((queue.dropped(), queue.files_left_out()), (0, 2));
        assert!(queue.bytes <= MAX_BYTES);
        let expected = [("0", 0), ("1", 0), ("2", 1), ("3", 1)].map(|(id, files)| (String::from(id), files));
        assert_eq!(drained(&mut queue), expected);
        assert_eq!(queue.bytes, 0);
    }

    #[test]
    fn words_are_bounded_too() {
        let mut queue = Queue::default();
        let mut giant = Alert::clone(&alert(0, 0));
        giant.headline = "x".repeat(MAX_BYTES);
        queue.push(Arc::new(giant), None);
        assert_eq!((queue.len(), queue.bytes, queue.dropped()), (0, 0, 1));
    }

    #[test]
    fn an_alert_dropped_in_flight_is_not_taken_for_the_next() {
        let mut queue = Queue::default();
        queue.push(alert(0, 0), None);
        let (ticket, _) = queue.front().expect("an alert");
        (1..=MAX_ALERTS).for_each(|id| queue.push(alert(id, 0), None));
        assert_eq!((queue.len(), queue.dropped()), (MAX_ALERTS, 1));
        queue.done(ticket);
        assert_eq!((queue.len(), queue.dropped()), (MAX_ALERTS, 0), "it arrived after all");
    }

    #[test]
    fn what_is_done_or_dropped_is_settled_and_what_waits_is_not() {
        let (settle, settled) = std::sync::mpsc::channel();
        let mut queue = Queue::default();
        for id in 0..MAX_ALERTS + 2 {
            let settle = settle.clone();
            queue.push(alert(id, 0), Some(Receipt::new(move || settle.send(id).expect("a listener"))));
        }
        let (ticket, _) = queue.front().expect("an alert");
        queue.done(ticket);
        queue.done(ticket);
        drop(queue);
        assert_eq!(settled.try_iter().collect::<Vec<_>>(), [0, 1, 2]);
    }
}
