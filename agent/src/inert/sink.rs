//! The sinks in a build without flamewatch's features: they can be named and built, and deliver nothing.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::Error;
use crate::sink::{Alert, Outcome, Sink};

macro_rules! inert_sink {
    ($name:ident, $text:literal) => {
        #[doc = $text]
        #[derive(Debug)]
        pub struct $name(());

        impl Sink for $name {
            fn name(&self) -> &str {
                "inert"
            }

            fn deliver(&mut self, _alert: &Alert, _deadline: Instant) -> Outcome {
                Outcome::Drop { reason: "flamewatch was built without its features".to_owned() }
            }
        }
    };
}

inert_sink!(Slack, "Posts nothing: flamewatch was built without its features.");
inert_sink!(SlackBot, "Posts nothing: flamewatch was built without its features.");
inert_sink!(Webhook, "Posts nothing: flamewatch was built without its features.");
inert_sink!(PagerDuty, "Sends nothing: flamewatch was built without its features.");
inert_sink!(Pyroscope, "Pushes nothing: flamewatch was built without its features.");
inert_sink!(Log, "Logs nothing: flamewatch was built without its features.");
inert_sink!(Dir, "Writes nothing: flamewatch was built without its features.");

impl Slack {
    /// A sink that posts nothing; `url` is not looked at.
    ///
    /// # Errors
    /// Never in this build.
    pub fn new(_url: &str) -> Result<Self, Error> {
        Ok(Self(()))
    }

    /// No sink: the environment is not looked at.
    ///
    /// # Errors
    /// Never in this build.
    pub fn from_env() -> Result<Option<Self>, Error> {
        Ok(None)
    }
}

impl Webhook {
    /// A sink that posts nothing; `url` is not looked at.
    ///
    /// # Errors
    /// Never in this build.
    pub fn new(_url: &str) -> Result<Self, Error> {
        Ok(Self(()))
    }

    /// Does nothing in this build.
    ///
    /// # Errors
    /// Never in this build.
    pub fn signed(self, _secret: &str) -> Result<Self, Error> {
        Ok(self)
    }

    /// Does nothing in this build.
    ///
    /// # Errors
    /// Never in this build.
    pub fn template(self, _template: &str) -> Result<Self, Error> {
        Ok(self)
    }

    /// Does nothing in this build; the file is not looked at.
    ///
    /// # Errors
    /// Never in this build.
    pub fn template_file(self, _path: impl AsRef<Path>) -> Result<Self, Error> {
        Ok(self)
    }
}

impl PagerDuty {
    /// A sink that sends nothing; `key` is not looked at.
    ///
    /// # Errors
    /// Never in this build.
    pub fn new(_key: &str) -> Result<Self, Error> {
        Ok(Self(()))
    }

    /// Does nothing in this build.
    ///
    /// # Errors
    /// Never in this build.
    pub fn at(self, _url: &str) -> Result<Self, Error> {
        Ok(self)
    }
}

impl Pyroscope {
    /// A sink that pushes nothing; `url` is not looked at.
    ///
    /// # Errors
    /// Never in this build.
    pub fn new(_url: &str) -> Result<Self, Error> {
        Ok(Self(()))
    }

    /// Does nothing in this build.
    ///
    /// # Errors
    /// Never in this build.
    pub fn tenant(self, _tenant: &str) -> Result<Self, Error> {
        Ok(self)
    }
}

impl SlackBot {
    /// A sink that posts nothing; nothing is looked at.
    ///
    /// # Errors
    /// Never in this build.
    pub fn new(_token: &str, _channel: &str) -> Result<Self, Error> {
        Ok(Self(()))
    }

    /// Does nothing in this build.
    ///
    /// # Errors
    /// Never in this build.
    pub fn api(self, _url: &str) -> Result<Self, Error> {
        Ok(self)
    }

    /// Does nothing in this build.
    #[must_use]
    pub const fn spread(self, _spread: Duration) -> Self {
        self
    }

    /// Does nothing in this build.
    #[must_use]
    pub fn host(self, _name: impl Into<String>) -> Self {
        self
    }
}

impl Log {
    /// A sink that logs nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self(())
    }
}

impl Default for Log {
    fn default() -> Self {
        Self::new()
    }
}

impl Dir {
    /// A sink that writes nothing; `path` is not looked at.
    pub fn new(_path: impl Into<PathBuf>) -> Self {
        Self(())
    }

    /// Does nothing in this build.
    #[must_use]
    pub const fn max_alerts(self, _alerts: usize) -> Self {
        self
    }

    /// Does nothing in this build.
    #[must_use]
    pub const fn max_bytes(self, _bytes: u64) -> Self {
        self
    }
}
