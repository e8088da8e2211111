//! The gate behind both doors: one profile at a time, six an hour, and nothing twice. Pure but for the lock: time is an
//! argument.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How many profiles may be asked for in an hour.
pub(crate) const AN_HOUR: usize = 6;

const HOUR: Duration = Duration::from_secs(60 * 60);

/// How long what was shown is remembered. Slack signs a time that may be 5 minutes off either way, so that what is older
/// than 10 is refused by its time; monitors try again for minutes.
const MEMORY: Duration = Duration::from_secs(60 * 60);

/// The most that is remembered. Only what bears a valid secret gets here, so this is full when somebody with the secret asks
/// 512 times an hour: nobody is let in then.
const MAX_SEEN: usize = 512;

/// Who may pass, and what came of those who asked.
#[derive(Debug, Default)]
pub(crate) struct Gate(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    seen: VecDeque<(Duration, String)>,
    begun: VecDeque<Duration>,
    busy: bool,
    counts: Counts,
}

/// What came of what was asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Profiles that were begun.
    pub(crate) begun: u64,
    /// What was seen before.
    pub(crate) repeated: u64,
    /// Turned away because one was running, or too many had been.
    pub(crate) turned_away: u64,
    /// Not let in: without the secret, stale, from a channel that may not ask.
    pub(crate) refused: u64,
}

/// Why nobody passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shut {
    /// It was seen before.
    Seen,
    /// A profile is being taken.
    Busy,
    /// There were six in the last hour, or there is no room to remember one more; it opens again after that time.
    Enough(Duration),
}

/// The right to take one profile; the next one may begin when it is dropped.
#[derive(Debug)]
pub(crate) struct Turn(Arc<Gate>);

impl Gate {
    /// Whether `mark`, which names one request, is new at `now`; from here on it is not.
    pub(super) fn see(&self, now: Duration, mark: &str) -> Result<(), Shut> {
        let mut state = self.lock();
        state.forget(now);
        if state.seen.iter().any(|(_, seen)| seen == mark) {
            state.counts.repeated += 1;
            return Err(Shut::Seen);
        }
        if let Some((oldest, _)) = state.seen.front().filter(|_| state.seen.len() >= MAX_SEEN) {
            let wait = (*oldest + MEMORY).saturating_sub(now);
            state.counts.turned_away += 1;
            return Err(Shut::Enough(wait));
        }
        state.seen.push_back((now, mark.to_owned()));
        Ok(())
    }

    /// Forgets `mark`, for which there was no room: it may come again.
    pub(super) fn unsee(&self, mark: &str) {
        self.lock().seen.retain(|(_, seen)| seen != mark);
    }

    /// Lets one pass at `now`.
    pub(super) fn pass(self: &Arc<Self>, now: Duration) -> Result<Turn, Shut> {
        let mut state = self.lock();
        state.forget(now);
        let shut = match state.begun.front() {
            _ if state.busy => Some(Shut::Busy),
            Some(first) if state.begun.len() >= AN_HOUR => {
                Some(Shut::Enough((*first + HOUR).saturating_sub(now)))
            }
            _ => None,
        };
        if let Some(shut) = shut {
            state.counts.turned_away += 1;
            return Err(shut);
        }
        state.busy = true;
        state.begun.push_back(now);
        state.counts.begun += 1;
        Ok(Turn(self.clone()))
    }

    /// Somebody was not let in.
    pub(super) fn refused(&self) {
        self.lock().counts.refused += 1;
    }

    /// What came of what was asked.
    pub(crate) fn counts(&self) -> Counts {
        self.lock().counts
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn forget(&mut self, now: Duration) {
        while self.seen.front().is_some_and(|(at, _)| now.saturating_sub(*at) >= MEMORY) {
            self.seen.pop_front();
        }
        while self.begun.front().is_some_and(|at| now.saturating_sub(*at) >= HOUR) {
            self.begun.pop_front();
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.lock().busy = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minutes(count: u64) -> Duration {
        Duration::from_secs(60 * count)
    }

    #[test]
    fn one_at_a_time_and_six_an_hour() {
        let gate = Arc::new(Gate::default());
        let turn = gate.pass(minutes(0)).expect("the first");
        assert_eq!(gate.pass(minutes(1)).err(), Some(Shut::Busy));
        drop(turn);
        for minute in 1..6 {
            drop(gate.pass(minutes(minute)).expect("one of six"));
        }
        assert_eq!(gate.pass(minutes(20)).err(), Some(Shut::Enough(minutes(40))));
        drop(gate.pass(minutes(60)).expect("the first is an hour ago"));
        assert_eq!(gate.pass(minutes(60)).err(), Some(Shut::Enough(minutes(1))));
        assert_eq!(gate.counts(), Counts { begun: 7, turned_away: 3, ..Counts::default() });
    }

    #[test]
    fn nothing_passes_twice_and_what_is_remembered_is_bounded() {
        let gate = Gate::default();
        assert_eq!(gate.see(minutes(0), "a"), Ok(()));
        assert_eq!(gate.see(minutes(9), "a"), Err(Shut::Seen));
        assert_eq!(gate.see(minutes(60), "a"), Ok(()), "forgotten");
        for index in 1..MAX_SEEN {
            assert_eq!(gate.see(minutes(61), &index.to_string()), Ok(()));
        }
        assert_eq!(gate.see(minutes(61), "b"), Err(Shut::Enough(minutes(59))));
        assert_eq!(gate.see(minutes(61), "7"), Err(Shut::Seen), "known as ever");
    }
}
