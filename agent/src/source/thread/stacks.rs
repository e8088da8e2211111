//! The stack of a thread as it is now: of one that sleeps without waking it, of one that runs by asking it.

use std::time::Duration;

use super::wait::{self, Place};
use crate::sys::sampler;
use crate::sys::unwinder::End;
use crate::sys::unwinder::asleep::Sleepers;

/// The most frames of one stack.
const MAX_FRAMES: usize = 512;

/// How often a stack that moved while it was read is read again.
const ATTEMPTS: usize = 3;

/// One thread's stack.
#[derive(Clone, Debug)]
pub(in crate::source) struct Stack {
    /// Innermost first; empty when the thread did not answer.
    pub(in crate::source) frames: Vec<u64>,
    pub(in crate::source) end: End,
    /// What it was working on, for `context`; a thread that sleeps does not tell.
    pub(in crate::source) tag: u32,
}

/// What looking at a thread without touching it gives.
#[derive(Clone, Debug)]
pub(in crate::source) enum Look {
    /// It sleeps, in this call if in any.
    Asleep { call: Option<u32>, stack: Stack },
    /// It runs: only it can tell.
    Running,
    /// The kernel does not tell; or it has ended.
    Unknown,
}

/// Looks at threads.
#[derive(Debug)]
pub(in crate::source) struct Looker {
    sleepers: Sleepers,
}

impl Looker {
    /// Ready to look: takes up the loaded images, starts a thread for a moment.
    pub(in crate::source) fn new() -> Self {
        Self { sleepers: Sleepers::new() }
    }

    /// Looks at thread `thread`. About 10 µs.
    pub(in crate::source) fn look(&mut self, thread: u32) -> Look {
        for _ in 0..ATTEMPTS {
            let before = match wait::place(thread) {
                Some(Place::Running) => return Look::Running,
                None => return Look::Unknown,
                Some(before) => before,
            };
            let Place::Waiting { call, sp, pc } = before else { return Look::Running };
            let (frames, end) = self.sleepers.walk(pc, sp, MAX_FRAMES);
            // Still where it was: then it most likely stood still, and nothing was read from a stack in motion.
            if wait::place(thread) == Some(before) {
                return Look::Asleep { call, stack: Stack { frames, end, tag: 0 } };
            }
        }
        Look::Running
    }
}

/// The stacks of threads that run, in the order of `threads`; `None` for who does not answer in time.
pub(in crate::source) fn ask(threads: &[u32], patience: Duration) -> Vec<Option<Stack>> {
    if threads.is_empty() {
        return Vec::new();
    }
    let answers = sampler::ask(threads, patience).unwrap_or_default();
    let mut stacks: Vec<Option<Stack>> = answers
        .into_iter()
        .map(|answer| answer.map(|answer| Stack { frames: answer.frames, end: answer.end, tag: answer.tag }))
        .collect();
    stacks.resize_with(threads.len(), || None);
    stacks
}
