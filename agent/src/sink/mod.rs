//! Where alerts go. A sink takes a finished alert and a deadline; it knows nothing of profiles or rules.

mod alert;
#[cfg(feature = "__agent")]
mod backoff;
#[cfg(feature = "__agent")]
mod delivery;
#[cfg(feature = "__agent")]
mod dir;
#[cfg(any(feature = "webhook", feature = "pagerduty", feature = "pyroscope"))]
mod host;
#[cfg(feature = "__http")]
mod http;
#[cfg(feature = "__agent")]
mod log;
#[cfg(feature = "pagerduty")]
mod pagerduty;
#[cfg(feature = "pyroscope")]
mod pyroscope;
#[cfg(feature = "__agent")]
mod queue;
#[cfg(any(feature = "webhook", feature = "pagerduty"))]
mod severity;
#[cfg(feature = "slack")]
mod slack;
#[cfg(feature = "webhook")]
mod webhook;
#[cfg(any(feature = "webhook", feature = "pagerduty"))]
mod words;

use std::time::{Duration, Instant};

pub use alert::{Alert, Attachment, Kind, Site, State};
#[cfg(feature = "__agent")]
pub use delivery::{Delivery, Options, Status};
#[cfg(feature = "__agent")]
pub use dir::Dir;
#[cfg(feature = "__agent")]
pub use log::Log;
#[cfg(feature = "pagerduty")]
pub use pagerduty::PagerDuty;
#[cfg(feature = "pyroscope")]
pub use pyroscope::Pyroscope;
#[cfg(feature = "slack")]
pub use slack::{Slack, SlackBot};
#[cfg(feature = "webhook")]
pub use webhook::Webhook;

#[cfg(not(feature = "__agent"))]
pub use crate::inert::sink::{Dir, Log, PagerDuty, Pyroscope, Slack, SlackBot, Webhook};

/// The host and the port of the proxy that posts to `url` take, if they take one.
///
/// # Errors
/// Which variable of the environment is wrong.
#[cfg(feature = "__http")]
pub(crate) fn proxy(url: &url::Url) -> Result<Option<(String, u16)>, String> {
    http::proxy(url)
}

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
