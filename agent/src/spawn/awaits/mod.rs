//! Where tasks wait, told by the tasks themselves: each is woken once and polled with a waker that tells the stack where
//! it is cloned. No task is stopped, none waits for another; who does not answer in time is counted.
//!
//! tokio's own dump is not used: it stops all workers until each has come by, which a blocked one never does.

mod answer;
mod asker;
mod tables;

pub(super) use answer::Answer;
pub(crate) use asker::{MAX_ASKED, awaits};

use super::slab::State;

/// What a round of questions brought.
#[derive(Clone, Debug, Default)]
pub(crate) struct Awaits {
    pub(crate) waits: Vec<Wait>,
    /// Tasks that were woken and asked.
    pub(crate) asked: u64,
    /// Of those, who has told where it waits.
    pub(crate) told: u64,
    /// Of those, who had something to do and has ended meanwhile.
    pub(crate) ended: u64,
    /// Tasks beyond [`MAX_ASKED`], or for which the time was up.
    pub(crate) left_out: u64,
    /// Stacks that were told and not kept: too many different ones, or no unwinder was free.
    pub(crate) dropped: u64,
    /// Stacks that were deeper than is followed.
    pub(crate) truncated: u64,
    /// Stacks that could not be followed to the task's poll.
    pub(crate) incomplete: u64,
}

/// Tasks that wait in one place, with what they have in common. The numbers are those of [`super::Row`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wait {
    pub(crate) site: u32,
    pub(crate) tag: u32,
    pub(crate) name: u32,
    pub(crate) place: Place,
    pub(crate) tasks: u64,
}

/// Where a task waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Return addresses, innermost first.
    At(Box<[u64]>),
    /// It was polled and cloned no waker: as far as can be seen, nobody will ever wake it.
    Nowhere,
    /// It has not answered; this is what it does.
    Unknown(State),
}

#[cfg(test)]
mod tests;
