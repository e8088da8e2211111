//! The public face of flamewatch in a build without any of its features: the same names, nothing behind them.
//! A service keeps its two lines; they compile to nothing and pull nothing in.

mod scope;
mod segment;
pub(crate) mod sink;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::Error;
use crate::doctor::{Check, Report};
use crate::gauge::Gauge;
use crate::sink::Sink;
use crate::watch::Rule;

pub use scope::{Scope, scope};
pub use segment::{Segment, segment};

/// Does nothing in this build; enable flamewatch's `full` feature to start the agent.
///
/// # Errors
/// Never in this build.
pub fn start() -> Result<Agent, Error> {
    Agent::builder().start()
}

/// Says that there is nothing to examine in this build.
#[must_use]
pub fn doctor() -> Report {
    let mut report = Report::default();
    report.checks.push(Check::problem(
        "flamewatch",
        "built without its features: nothing is profiled or watched",
        "enable `flamewatch/full`",
    ));
    report
}

/// A handle on nothing: flamewatch was built without its features.
#[derive(Debug)]
#[must_use = "dropping it ends the agent"]
pub struct Agent(());

impl Agent {
    /// A builder whose agent does nothing.
    pub fn builder() -> Builder {
        Builder(())
    }

    /// Always `None`: there is no debug port.
    #[must_use]
    pub fn debug_address(&self) -> Option<SocketAddr> {
        None
    }
}

/// Takes what the real builder takes, and forgets it.
#[derive(Debug)]
#[must_use = "call start() to start the agent"]
pub struct Builder(());

impl Builder {
    /// Does nothing in this build.
    pub fn service(self, _name: impl Into<String>) -> Self {
        self
    }

    /// Does nothing in this build.
    pub fn version(self, _version: impl Into<String>) -> Self {
        self
    }

    /// Does nothing in this build.
    pub fn revision(self, _revision: impl Into<String>) -> Self {
        self
    }

    /// Does nothing in this build.
    pub fn bind(self, _address: SocketAddr) -> Self {
        self
    }

    /// Does nothing in this build.
    pub fn bind_unix(self, _path: impl Into<PathBuf>) -> Self {
        self
    }

    /// Does nothing in this build.
    pub fn tls(self, _certificate: impl Into<PathBuf>, _key: impl Into<PathBuf>) -> Self {
        self
    }

    /// Does nothing in this build.
    pub fn lock_rate(self, _rate: impl Into<Option<Duration>>) -> Self {
        self
    }

    /// Does nothing in this build.
    pub fn without_port(self) -> Self {
        self
    }

    /// Does nothing in this build.
    pub fn token(self, _token: impl Into<String>) -> Self {
        self
    }

    /// Does nothing in this build.
    pub fn dir(self, _path: impl Into<PathBuf>) -> Self {
        self
    }

    /// Does nothing in this build.
    pub fn debug_dir(self, _path: impl Into<PathBuf>) -> Self {
        self
    }

    /// Does nothing in this build.
    pub fn tick(self, _tick: Duration) -> Self {
        self
    }

    /// Does nothing in this build.
    pub fn warm_up(self, _warm_up: Duration) -> Self {
        self
    }

    /// Does nothing in this build.
    pub fn watch(self, _rule: Rule) -> Self {
        self
    }

    /// Does nothing in this build.
    pub fn gauge(self, _gauge: impl Gauge + 'static) -> Self {
        self
    }

    /// Does nothing in this build.
    pub fn sink(self, _sink: impl Sink + 'static) -> Self {
        self
    }

    /// An agent that does nothing.
    ///
    /// # Errors
    /// Never in this build.
    pub fn start(self) -> Result<Agent, Error> {
        Ok(Agent(()))
    }
}
