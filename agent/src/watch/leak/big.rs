//! Tables that double: one big object that is replaced by a larger one again and again. By their balance they never
//! grow, because each that is born outlives its border and each that it replaces dies.

use super::short;

/// A record high is this many times the last one.
const RISE: f32 = 1.3;

/// Below this share of the record it was a buffer that comes and goes.
const FALL: f32 = 0.7;

/// Rises that follow each other within so many minutes are one.
const APART: f32 = 10.0;

/// So many minutes between the last two record highs make a suspect: what fills for less than twice as long is silent.
const SUSPECT: f32 = 22.0;

/// So many confirm it.
const CONFIRMED: f32 = 55.0;

/// What grows steadily doubles in twice the time of its last doubling. Later than so many times, it has stopped.
const OVERDUE: f32 = 2.2;

/// The largest object of a key, and when it last became larger. Minutes since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Big {
    record: f32,
    highs: [f32; 3],
    count: u8,
}

/// What the record highs say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Doubling {
    /// Nothing.
    No,
    /// It has doubled for a while.
    Suspect,
    /// It has doubled for long.
    Confirmed,
}

impl Big {
    pub(super) const fn new() -> Self {
        Self { record: 0.0, highs: [0.0; 3], count: 0 }
    }

    /// Takes the size of the largest object, which is 0 when there is none.
    pub(super) fn observe(&mut self, now: f64, largest: f64) {
        let (now, largest) = (short(now), short(largest));
        if largest < FALL * self.record {
            *self = Self { record: largest, ..Self::default() };
        } else if largest >= RISE * self.record && largest > 0.0 {
            self.record = largest;
            let [_, second, last] = self.highs;
            // What comes late begins anew: what saturates doubles once more, hours after it should have.
            if self.count > 2 && self.is_overdue(f64::from(now)) {
                self.count = 0;
            }
            if self.count == 0 || now - last >= APART {
                self.highs = [second, last, now];
                self.count = self.count.saturating_add(1);
            }
        }
    }

    pub(super) fn judge(&self, now: f64) -> Doubling {
        let apart = self.interval();
        let [first, second, _] = self.highs;
        match self.count {
            // What saturates takes ever longer than twice the time.
            3.. if self.is_overdue(now) || apart > OVERDUE * (second - first) => Doubling::No,
            3.. if apart >= CONFIRMED => Doubling::Confirmed,
            3.. if apart >= SUSPECT => Doubling::Suspect,
            _ => Doubling::No,
        }
    }

    /// Whether the next doubling should have come long ago, or what doubled is gone.
    pub(super) fn is_overdue(&self, now: f64) -> bool {
        let [_, _, last] = self.highs;
        self.count < 3 || short(now) - last > OVERDUE * self.interval()
    }

    /// Minutes from the first of the last three record highs to the last.
    pub(super) fn span(&self) -> f64 {
        let [first, _, last] = self.highs;
        f64::from(last - first)
    }

    pub(super) const fn record(&self) -> f64 {
        self.record as f64
    }

    fn interval(&self) -> f32 {
        let [_, second, last] = self.highs;
        last - second
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One look a minute at the largest object: `.` nothing, `s` suspect, `c` confirmed, one letter in ten minutes.
    #[track_caller]
    fn check(largest: impl Fn(f64) -> f64, expected: &str) {
        let mut big = Big::default();
        let mut letters = String::new();
        for minute in 0..=200_u32 {
            let now = f64::from(minute);
            big.observe(now, largest(now));
            if minute % 10 == 0 {
                letters.push(match big.judge(now) {
                    Doubling::No => '.',
                    Doubling::Suspect => 's',
                    Doubling::Confirmed => 'c',
                });
            }
        }
        assert_eq!(letters, expected);
    }

    fn doubled(amount: f64) -> f64 {
        (1..).map(|power| f64::from(power).exp2()).find(|size| *size >= amount).unwrap_or(0.0)
    }

    #[test]
    fn a_table_that_doubles_for_hours_is_told_from_one_that_fills() {
        check(doubled, ".......sssssscccccccc");
        check(|now| doubled(now.min(40.0)), ".....................");
        check(|now| doubled(now.min(70.0)), ".......sssssss.......");
        check(|now| if now % 60.0 < 50.0 { doubled(now) } else { 0.0 }, ".....................");
        check(|_| 0.0, ".....................");
    }
}
