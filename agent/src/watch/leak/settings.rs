//! What the detector is held to: how much is worth telling, in bytes of a sampled heap or in things that are counted.

use std::time::Duration;

/// The agent looks at everything that lives this often.
pub const DEFAULT_LOOK_INTERVAL: Duration = Duration::from_secs(60);

/// No more keys are followed at once. At 1.5 KiB each that is 12 MiB; 5,000 stacks are 7.5.
pub const DEFAULT_TRACKED_KEYS: usize = 8_192;

/// What outlives its border must be at least this much before anything is said of it, in bytes.
pub const DEFAULT_LEAST_BYTES: f64 = 4e6;

/// The lower bound of a leak's rate must be at least this much, in bytes a minute: 29 MB a day.
pub const DEFAULT_LEAST_RATE: f64 = 2e4;

/// The same for tasks, threads and descriptors.
pub const DEFAULT_LEAST_COUNT: f64 = 50.0;

/// The lower bound of the rate for tasks, threads and descriptors, one in ten minutes.
pub const DEFAULT_LEAST_COUNT_RATE: f64 = 0.1;

/// What a [`Detector`](super::Detector) is held to.
#[derive(Clone, Debug, PartialEq)]
#[must_use]
pub struct Settings {
    pub(super) timescale: f64,
    pub(super) keys: usize,
    pub(super) least: f64,
    pub(super) least_rate: f64,
    pub(super) record: f64,
    pub(super) big: bool,
}

impl Settings {
    /// For the live samples of a sampled heap: amounts are bytes, and single big objects that grow are followed too.
    pub const fn sampled() -> Self {
        Self {
            timescale: 1.0,
            keys: DEFAULT_TRACKED_KEYS,
            least: DEFAULT_LEAST_BYTES,
            least_rate: DEFAULT_LEAST_RATE,
            record: DEFAULT_LEAST_BYTES / 4.0,
            big: true,
        }
    }

    /// For things that are all seen: tasks, threads, descriptors. Each counts 1.0.
    pub const fn counted() -> Self {
        Self {
            timescale: 1.0,
            keys: DEFAULT_TRACKED_KEYS,
            least: DEFAULT_LEAST_COUNT,
            least_rate: DEFAULT_LEAST_COUNT_RATE,
            record: DEFAULT_LEAST_COUNT / 4.0,
            big: false,
        }
    }

    /// Plays time faster: at 60, a second counts as a minute, in ages, windows and the least rate. What is told is in real
    /// time. For demonstrations and tests; default 1, and whatever is not a positive number counts as 1.
    pub const fn timescale(mut self, timescale: f64) -> Self {
        self.timescale = if timescale.is_finite() && timescale > 0.0 { timescale } else { 1.0 };
        self
    }

    /// Says nothing of less than `amount` (bytes, or a count), nor of what surely grows by less than `rate` a minute.
    pub const fn at_least(mut self, amount: f64, rate: f64) -> Self {
        self.least = amount;
        self.least_rate = rate;
        self.record = amount / 4.0;
        self
    }

    /// Follows at most `keys` keys, default [`DEFAULT_TRACKED_KEYS`].
    pub const fn at_most_keys(mut self, keys: usize) -> Self {
        self.keys = keys;
        self
    }

    /// How often to look.
    #[must_use]
    pub fn look_interval(&self) -> Duration {
        DEFAULT_LOOK_INTERVAL.div_f64(self.timescale)
    }

    /// Minutes as the rules count them.
    pub(super) fn minutes(&self, time: Duration) -> f64 {
        time.as_secs_f64() * self.timescale / 60.0
    }

    /// The time that so many minutes of the rules take.
    pub(super) fn duration(&self, minutes: f64) -> Duration {
        Duration::try_from_secs_f64(minutes.max(0.0) * 60.0 / self.timescale).unwrap_or(Duration::MAX)
    }
}
