//! Who may name next: one slice at a time in the whole process, so that the memory of one is the memory of all, and
//! whoever has the least left before the others. Knows nothing of names.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// How often in a row others may go before a request that waits. Then it goes whatever it has left: a page that asks
/// for five names every moment slows a large profile down to a fifth, and never stops it.
const MAX_PASSED: u32 = 4;

/// The turns. A request takes one for each of its slices.
///
/// A turn is handed to the next request by whoever ends one, so a long request that takes turn after turn cannot come
/// back before those who wait have been looked at. There are as many requests as threads that wait here: the desk
/// bounds them.
#[derive(Debug, Default)]
pub(super) struct Turns {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Whose turn it is.
    current: Option<Ticket>,
    waiting: Vec<Request>,
    issued: Ticket,
}

type Ticket = u64;

#[derive(Debug)]
struct Request {
    ticket: Ticket,
    /// How many addresses it has not named yet.
    left: usize,
    /// How many turns others had since it waits.
    passed: u32,
}

/// A turn; it ends when dropped, after a panic too.
#[derive(Debug)]
#[must_use = "the turn ends when this is dropped"]
pub(super) struct Turn<'turns>(&'turns Turns);

impl Turns {
    /// Waits for a turn of a request that has `left` addresses to name.
    pub(super) fn take(&self, left: usize) -> Turn<'_> {
        let mut state = self.state();
        let ticket = state.enter(left);
        while state.current != Some(ticket) {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        Turn(self)
    }

    /// How many requests wait for a turn.
    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.state().waiting.len()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.state().hand_over();
        self.0.changed.notify_all();
    }
}

impl State {
    fn enter(&mut self, left: usize) -> Ticket {
        self.issued += 1;
        self.waiting.push(Request { ticket: self.issued, left, passed: 0 });
        if self.current.is_none() {
            self.hand_over();
        }
        self.issued
    }

    fn hand_over(&mut self) {
        let next = self.next().map(|index| self.waiting.swap_remove(index));
        self.current = next.map(|request| request.ticket);
        self.waiting.iter_mut().for_each(|request| request.passed += 1);
    }

    /// The place of the one to go next: who came first of those that were passed over too often, else who has the
    /// least left.
    fn next(&self) -> Option<usize> {
        let ranks = self.waiting.iter().map(Request::rank).enumerate();
        ranks.min_by_key(|(_, rank)| *rank).map(|(index, _)| index)
    }
}

impl Request {
    /// Whose rank is the lowest goes first.
    const fn rank(&self) -> (bool, usize, Ticket) {
        match self.passed < MAX_PASSED {
            true => (true, self.left, self.ticket),
            false => (false, 0, self.ticket),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The order in which requests go that each have `left`, the first of them going when the others come.
    #[track_caller]
    fn check(left: &[usize], expected: &[u64]) {
        let mut state = State::default();
        left.iter().for_each(|left| _ = state.enter(*left));
        let order = std::iter::from_fn(|| {
            let current = state.current?;
            state.hand_over();
            Some(current)
        });
        assert_eq!(order.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn the_least_left_goes_first_and_equals_as_they_came() {
        check(&[], &[]);
        check(&[50_000], &[1]);
        check(&[50_000, 40_000, 5, 300, 5], &[1, 3, 5, 4, 2]);
    }

    #[test]
    fn nobody_is_passed_over_for_ever() {
        check(&[50_000, 40_000, 1, 2, 3, 4, 5, 6], &[1, 3, 4, 5, 6, 2, 7, 8]);
    }

    #[test]
    fn a_panic_ends_the_turn() {
        let turns = Turns::default();
        let panics = std::panic::AssertUnwindSafe(|| {
            let _turn = turns.take(1);
            panic!("on purpose");
        });
        assert!(std::panic::catch_unwind(panics).is_err());
        drop(turns.take(1));
    }
}
