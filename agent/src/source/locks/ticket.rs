//! What a thread that wakes another leaves for it: under which stack it was counted, so that the rest of the wait, until the
//! other runs again, can be counted there too. And the tickets that it had got itself, for locks whose threads wait each at
//! an address of its own: then it is these that tell who held the lock before.

/// How many holders back a wait is divided; all that is earlier goes to the last of them.
pub(super) const HISTORY: usize = 6;

/// Under which stack, and how many such events each stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ticket(u64);

impl Ticket {
    /// Nobody has woken.
    pub(super) const NONE: Self = Self(0);
    /// Somebody has, whose stack was not taken: others stand for it.
    pub(super) const UNSEEN: Self = Self(1);

    /// Of an event counted under stack number `stack` that stands for `weight`, 1 at least. A bit pattern of such a weight is
    /// never that of the two above.
    #[allow(clippy::cast_possible_truncation, reason = "seven digits of a weight are enough")]
    pub(super) fn new(stack: u32, weight: f64) -> Self {
        Self(u64::from(stack) << 32 | u64::from((weight as f32).to_bits()))
    }

    /// The stack and the weight.
    pub(super) fn seen(self) -> Option<(u32, f64)> {
        let weight = f32::from_bits(u32::try_from(self.0 & u64::from(u32::MAX)).unwrap_or(0));
        (weight >= 1.0).then(|| (u32::try_from(self.0 >> 32).unwrap_or(0), f64::from(weight)))
    }

    pub(super) const fn word(self) -> u64 {
        self.0
    }

    pub(super) const fn of_word(word: u64) -> Self {
        Self(word)
    }
}

/// When and by whom the lock was handed on, the latest first.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct History([(u64, Ticket); HISTORY]);

impl History {
    pub(super) const EMPTY: Self = Self([(0, Ticket::NONE); HISTORY]);

    pub(super) fn of(entries: impl Iterator<Item = (u64, Ticket)>) -> Self {
        let mut history = Self::EMPTY;
        for (entry, value) in history.0.iter_mut().zip(entries) {
            *entry = value;
        }
        history
    }

    pub(super) fn all(&self) -> impl Iterator<Item = (u64, Ticket)> + '_ {
        self.0.iter().copied()
    }

    /// The same with one more hand-over, before which there were these.
    pub(super) fn after(moment: u64, ticket: Ticket, before: &Self) -> Self {
        Self::of(std::iter::once((moment, ticket)).chain(before.all()))
    }

    /// Divides a wait from `since` to `now`: what passed after the last hand-over is given back, the rest goes to those of
    /// `others` who had the lock at the time.
    pub(super) fn divide(&self, since: u64, now: u64, mut others: impl FnMut(Ticket, u64)) -> u64 {
        let mut until = now;
        let mut own = None;
        let mut holder = Ticket::NONE;
        for (moment, ticket) in self.all().take_while(|(_, ticket)| *ticket != Ticket::NONE) {
            // Clocks of two threads can differ by nanoseconds; nothing is counted twice.
            let from = moment.clamp(since, until);
            if own.is_none() {
                own = Some(until - from);
            } else {
                others(holder, until - from);
            }
            (until, holder) = (from, ticket);
        }
        match own {
            None => now.saturating_sub(since),
            Some(own) => {
                others(holder, until.saturating_sub(since));
                own
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_is_what_went_into_it() {
        assert_eq!(Ticket::new(7, 12.5).seen(), Some((7, 12.5)));
        assert_eq!(Ticket::new(0, 1.0).seen(), Some((0, 1.0)));
        assert_eq!((Ticket::NONE.seen(), Ticket::UNSEEN.seen()), (None, None));
        assert_eq!(Ticket::of_word(Ticket::new(u32::MAX, 1.0e9).word()).seen(), Some((u32::MAX, 1.0e9)));
    }

    #[test]
    fn a_wait_is_divided_among_those_who_held_the_lock() {
        let (first, second) = (Ticket::new(1, 1.0), Ticket::new(2, 1.0));
        let history = History::after(80, second, &History::after(50, first, &History::EMPTY));
        let divided = |since: u64, now: u64| {
            let mut parts = Vec::new();
            let own = history.divide(since, now, |ticket, time| {
                if time > 0 {
                    parts.push((ticket.seen().map_or(0, |(stack, _)| stack), time));
                }
            });
            (own, parts)
        };
        assert_eq!(divided(90, 100), (10, vec![]), "it came after the last hand-over");
        assert_eq!(divided(60, 100), (20, vec![(2, 20)]));
        assert_eq!(divided(10, 100), (20, vec![(2, 30), (1, 40)]));
        assert_eq!(History::EMPTY.divide(10, 100, |_, _| panic!("nobody else")), 90);
    }
}
