//! When a worker of an async runtime stands still: it is not parked, and neither of its counters moves. Whether it is
//! blocked or only busy with long polls the counters do not tell. Pure.

use std::time::Duration;

/// The longest step between two looks that counts as standing still. After a longer one it was the looking that stood
/// still: the process was stopped, or had no processor.
const MAX_STEP: Duration = Duration::from_millis(100);

/// One worker, as look after look shows it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Worker {
    last: Option<Look>,
    still: Duration,
    told: bool,
}

/// What a worker's counters say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Look {
    /// When, since the start of the agent.
    pub(crate) at: Duration,
    /// How often the worker has parked and unparked; odd while it is parked.
    pub(crate) parks: u64,
    /// How long it has worked, as it says now and then.
    pub(crate) busy: Duration,
}

/// What a look shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It parks, or moves.
    Well,
    /// It has stood still for as long as the threshold, since the last look.
    Begun(Duration),
    /// It still stands still.
    Lasting(Duration),
    /// It moves again, after so long.
    Over(Duration),
}

impl Worker {
    /// What the worker does at `look`, when standing still for `threshold` is too long.
    pub(crate) fn observe(&mut self, look: Look, threshold: Duration) -> Standing {
        let Some(last) = self.last.replace(look) else { return Standing::Well };
        let parked = !look.parks.is_multiple_of(2);
        if parked || (look.parks, look.busy) != (last.parks, last.busy) {
            let still = std::mem::take(&mut self.still);
            let told = std::mem::take(&mut self.told);
            return if told { Standing::Over(still) } else { Standing::Well };
        }
        let step = look.at.saturating_sub(last.at);
        self.still += if step > MAX_STEP { Duration::ZERO } else { step };
        if self.still < threshold {
            Standing::Well
        } else if std::mem::replace(&mut self.told, true) {
            Standing::Lasting(self.still)
        } else {
            Standing::Begun(self.still)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Looks every 10 ms at a worker: `p` parked, `u` unparked since the last look, `w` at work and moving, `s` standing
    /// still, `z` the same after a second without a look. Says for each `.`, `B`, `l` or `O`; threshold 50 ms.
    #[track_caller]
    fn check(looks: &str, expected: &str) {
        let (mut worker, mut at) = (Worker::default(), Duration::ZERO);
        let (mut parks, mut busy) = (1_u64, Duration::ZERO);
        let said: String = looks
            .chars()
            .map(|look| {
                at += Duration::from_millis(if look == 'z' { 1_000 } else { 10 });
                match look {
                    'p' => parks += u64::from(parks.is_multiple_of(2)),
                    'u' => parks += 1 + u64::from(parks.is_multiple_of(2)),
                    'w' => busy += Duration::from_millis(9),
                    _ => {}
                }
                match worker.observe(Look { at, parks, busy }, Duration::from_millis(50)) {
                    Standing::Well => '.',
                    Standing::Begun(still) => {
                        assert_eq!(still, Duration::from_millis(50));
                        'B'
                    }
                    Standing::Lasting(_) => 'l',
                    Standing::Over(_) => 'O',
                }
            })
            .collect();
        assert_eq!(said, expected, "{looks}");
    }

    #[test]
    fn standing_still_is_told_from_parking_and_from_work() {
        check("pppppppppppp", "............");
        check("pwwwwwwwwwww", "............");
        check("pusssssssspp", "......BlllO.");
        check("pusssspusssssw", "............BO");
        check("pussssssssssuss", "......BlllllO..");
        check("puzzzzzzzz", "..........");
        check("puszsssss", ".......Bl");
    }
}
