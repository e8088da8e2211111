//! When to take a snapshot on the way to the limit: at each rung once, and again only after it was left well below.

/// The shares of the memory limit at which a snapshot is taken while memory is short.
pub const DEFAULT_RUNGS: [f64; 2] = [0.90, 0.97];

/// How far below a rung the usage must fall before that rung counts again, as a share of the limit. And what was short
/// must have been well meanwhile: an incident takes each snapshot once, however often it crosses the line.
pub const DEFAULT_STEP_BACK: f64 = 0.05;

/// Where the usage has been.
#[derive(Clone, Debug)]
pub(crate) struct Ladder {
    /// Each rung, and whether it was taken.
    rungs: [(f64, bool); DEFAULT_RUNGS.len()],
}

impl Ladder {
    /// A ladder of the default rungs, none taken.
    pub(crate) fn new() -> Self {
        Self { rungs: DEFAULT_RUNGS.map(|rung| (rung, false)) }
    }

    /// Takes a reading: `share` of the limit is used, and `open` says whether a rule on memory is broken. The rung that was
    /// reached, when it is time for a snapshot: the highest, where several are passed at once.
    pub(crate) fn climb(&mut self, open: bool, share: f64) -> Option<f64> {
        let mut reached = None;
        for (rung, taken) in &mut self.rungs {
            if !open && share < *rung - DEFAULT_STEP_BACK {
                *taken = false;
            }
            if open && !*taken && share >= *rung {
                *taken = true;
                reached = Some(*rung);
            }
        }
        reached
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Readings in percent, those in an incident with a `!`, against the snapshots: a dot for none.
    #[track_caller]
    fn check(readings: &str, expected: &str) {
        let mut ladder = Ladder::new();
        let step = |reading: &str| {
            let percent: f64 = reading.trim_end_matches('!').parse().expect("a number");
            let rung = ladder.climb(reading.ends_with('!'), percent / 100.0);
            rung.map_or(".".to_owned(), |rung| format!("{:.0}", rung * 100.0))
        };
        let taken: Vec<String> = readings.split(' ').map(step).collect();
        assert_eq!(taken.join(" "), expected);
    }

    #[test]
    fn each_rung_once_an_incident() {
        check("80 86! 89! 90! 93! 96! 97! 99! 100!", ". . . 90 . . 97 . .");
        check("91 98", ". .");
        check("86! 91! 89! 91! 84! 91! 98! 96! 98!", ". 90 . . . . 97 . .");
        // Both at once: one snapshot shows what two would.
        check("80! 98! 96! 98!", ". 97 . .");
        // The incident is over, but the usage hangs about the rung.
        check("91! 88 91! 86 91!", "90 . . . .");
        check("91! 84 91! 98! 80! 98! 80 98!", "90 . 90 97 . . . 97");
        check("NaN! 91!", ". 90");
    }
}
