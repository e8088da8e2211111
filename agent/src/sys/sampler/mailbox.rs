//! How one thread asks others for their stacks: each gets a mailbox and a signal, and writes its stack into it. A thread
//! that is late finds its ticket no longer valid. The answering half runs in the signal handler.

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use super::handler::MAX_FRAMES;

/// How many threads can be asked at a time: 256 KiB, of which what is used becomes memory.
pub(crate) const MAILBOXES: usize = 64;

/// The phases of a mailbox: the low two bits of its state; above them is the ticket's number.
const FREE: u32 = 0;
const ASKED: u32 = 1;
const WRITING: u32 = 2;
const ANSWERED: u32 = 3;
const PHASES: u32 = 4;

/// A ticket is the mailbox's index and a number that says which question it is.
const INDEX: u32 = 0x3f;

/// One thread's answer.
#[derive(Debug)]
pub(super) struct Mailbox {
    state: AtomicU32,
    tag: AtomicU32,
    end: AtomicU64,
    depth: AtomicU64,
    frames: [AtomicU64; MAX_FRAMES],
}

/// What an answer says besides the addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) tag: u32,
    pub(super) end: u64,
}

static ALL: [Mailbox; MAILBOXES] = [const { Mailbox::new() }; MAILBOXES];

impl Mailbox {
    const fn new() -> Self {
        Self {
            state: AtomicU32::new(FREE),
            tag: AtomicU32::new(0),
            end: AtomicU64::new(0),
            depth: AtomicU64::new(0),
            frames: [const { AtomicU64::new(0) }; MAX_FRAMES],
        }
    }

    /// The mailbox that `ticket` is for.
    pub(super) fn of(ticket: u32) -> Option<&'static Self> {
        ALL.get((ticket & INDEX) as usize)
    }

    /// Writes the answer, if the question still stands. Async-signal-safe: atomics only.
    pub(super) fn answer(&self, ticket: u32, header: Header, frames: &[u64]) {
        let (asked, writing) = (state(ticket, ASKED), state(ticket, WRITING));
        // Acquire: what was read from the last answer is read before we write over it.
        if self.state.compare_exchange(asked, writing, Ordering::Acquire, Ordering::Relaxed).is_err() {
            return;
        }
        for (place, address) in self.frames.iter().zip(frames) {
            place.store(*address, Ordering::Relaxed);
        }
        self.depth.store(frames.len() as u64, Ordering::Relaxed);
        self.tag.store(header.tag, Ordering::Relaxed);
        self.end.store(header.end, Ordering::Relaxed);
        // Release: pairs with the Acquire in `collect`.
        self.state.store(state(ticket, ANSWERED), Ordering::Release);
    }

    /// Opens a mailbox for a question numbered `number`, and gives the ticket; `None` when a late answer is still being
    /// written into it.
    pub(super) fn open(index: usize, number: u32) -> Option<u32> {
        let mailbox = ALL.get(index)?;
        let ticket = (number << INDEX.trailing_ones()) | u32::try_from(index).ok()?;
        let before = mailbox.state.load(Ordering::Relaxed);
        if before % PHASES == WRITING {
            return None;
        }
        // Release: what `collect` read is read before the next answer is written.
        mailbox
            .state
            .compare_exchange(before, state(ticket, ASKED), Ordering::Release, Ordering::Relaxed)
            .is_ok()
            .then_some(ticket)
    }

    /// The answer to `ticket`, if it is there.
    pub(super) fn collect(ticket: u32) -> Option<(Header, Vec<u64>)> {
        let mailbox = Self::of(ticket)?;
        // Acquire: pairs with the Release in `answer`.
        if mailbox.state.load(Ordering::Acquire) != state(ticket, ANSWERED) {
            return None;
        }
        let depth = usize::try_from(mailbox.depth.load(Ordering::Relaxed)).unwrap_or(0);
        let frames = mailbox.frames.iter().take(depth).map(|place| place.load(Ordering::Relaxed)).collect();
        let header =
            Header { tag: mailbox.tag.load(Ordering::Relaxed), end: mailbox.end.load(Ordering::Relaxed) };
        Some((header, frames))
    }

    /// Takes the question back: who answers later is not heard.
    pub(super) fn close(ticket: u32) {
        if let Some(mailbox) = Self::of(ticket) {
            let (asked, free) = (state(ticket, ASKED), state(ticket, FREE));
            let _ = mailbox.state.compare_exchange(asked, free, Ordering::Relaxed, Ordering::Relaxed);
        }
    }
}

/// A ticket's number loses its two highest bits, which leaves 2^24 questions before one looks like another.
const fn state(ticket: u32, phase: u32) -> u32 {
    ticket.wrapping_mul(PHASES) | phase
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_reaches_its_question_and_no_other() {
        let index = MAILBOXES - 1;
        let header = Header { tag: 7, end: 1 };
        let first = Mailbox::open(index, 1).expect("free");
        assert_eq!(Mailbox::collect(first), None, "not answered yet");
        Mailbox::close(first);
        let second = Mailbox::open(index, 2).expect("free again");
        let mailbox = Mailbox::of(second).expect("a mailbox");
        mailbox.answer(first, header, &[1, 2]);
        assert_eq!(Mailbox::collect(second), None, "the first came too late");
        mailbox.answer(second, header, &[3, 4, 5]);
        assert_eq!(Mailbox::collect(second), Some((header, vec![3, 4, 5])));
        assert_eq!(Mailbox::collect(first), None);
    }
}
