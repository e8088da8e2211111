//! Where alerts go. A sink takes a finished alert and a deadline; it knows nothing of profiles or rules.

mod alert;
#[cfg(feature = "__agent")]
mod backoff;
#[cfg(feature = "__agent")]
mod delivery;
#[cfg(feature = "__agent")]
mod dir;
#[cfg(feature = "slack")]
mod http;
#[cfg(feature = "__agent")]
mod log;
#[cfg(feature = "__agent")]
mod queue;
#[cfg(feature = "slack")]
mod slack;

use std::time::{Duration, Instant};

pub use alert::{Alert, Attachment, Kind, Site, State};
#[cfg(feature = "__agent")]
pub use delivery::{Delivery, Options, Status};
#[cfg(feature = "__agent")]
pub use dir::Dir;
#[cfg(feature = "__agent")]
pub use log::Log;
#[cfg(feature = "slack")]
pub use slack::{Slack, SlackBot};

#[cfg(not(feature = "__agent"))]
pub use crate::inert::sink::{Dir, Log, Slack, SlackBot};

/// Delivers alerts to one place. Each sink has its own thread, so a sink that hangs holds up nobody else.
pub trait Sink: Send {
    /// Its name in pages and logs, such as `slack`.
    fn name(&self) -> &str;

    /// Delivers `alert` before `deadline`, blocking until it is there or has failed.
    fn deliver(&mut self, alert: &Alert, deadline: Instant) -> Outcome;
}

/// What became of a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// It arrived.
    Sent,
    /// It did not arrive, but may later. `after` is what the other side asked for, if it asked.
    Retry {
        /// How long the other side wants to be left alone.
        after: Option<Duration>,
        /// What happened, without secrets.
        reason: String,
    },
    /// Nothing has failed, and there is more to be done for it after a rest of at most a minute. It is the next one to be
    /// delivered again.
    Wait {
        /// The rest.
        after: Duration,
    },
    /// It will never arrive; trying again is no use.
    Drop {
        /// What happened, without secrets.
        reason: String,
    },
}
