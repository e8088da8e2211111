//! A task's state word, as tokio's `runtime/task/state.rs` has kept it since 1.0: six flags, and above them how many hold
//! the task. The probes must show exactly these words, or nothing is read.

use std::fmt;

const RUNNING: u64 = 1;
const COMPLETE: u64 = 2;
const NOTIFIED: u64 = 4;
const JOIN_INTEREST: u64 = 8;
const FLAGS: u32 = 6;

/// The state of one task at one moment.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct State(u64);

/// What a task does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Doing {
    /// It waits for somebody to wake it.
    Idle,
    /// It waits in a queue for a worker.
    Scheduled,
    /// A worker polls it.
    Running,
    /// It is over, and about to leave the list.
    Complete,
}

impl State {
    pub(super) const fn new(word: u64) -> Self {
        Self(word)
    }

    /// The word of a task that `references` hold.
    pub(super) const fn expected(references: u64, joined: bool, doing: Doing) -> u64 {
        let join = if joined { JOIN_INTEREST } else { 0 };
        let doing = match doing {
            Doing::Idle => 0,
            Doing::Scheduled => NOTIFIED,
            Doing::Running => RUNNING,
            Doing::Complete => COMPLETE,
        };
        references << FLAGS | join | doing
    }

    pub(crate) const fn doing(self) -> Doing {
        if self.0 & COMPLETE != 0 {
            Doing::Complete
        } else if self.0 & RUNNING != 0 {
            Doing::Running
        } else if self.0 & NOTIFIED != 0 {
            Doing::Scheduled
        } else {
            Doing::Idle
        }
    }

    /// How many hold the task: the list, the join handle, every waker, every abort handle.
    pub(crate) const fn references(self) -> u64 {
        self.0 >> FLAGS
    }

    /// True when nobody is left who could wake the task: only the list, its join handle and `ours` of us hold it, and it is
    /// in no queue. It can still be aborted.
    pub(crate) const fn is_forgotten(self, ours: u64) -> bool {
        let join = (self.0 & JOIN_INTEREST) >> 3;
        matches!(self.doing(), Doing::Idle) && self.references() == 1 + join + ours
    }
}

impl fmt::Debug for State {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:?} held by {}", self.doing(), self.references())
    }
}

impl Doing {
    /// As pages call it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Idle => "waiting",
            Self::Scheduled => "scheduled",
            Self::Running => "running",
            Self::Complete => "complete",
        }
    }
}
