//! The sinks in a build without flamewatch's features: they can be named and built, and deliver nothing.

use std::path::PathBuf;
use std::time::Instant;

use crate::sink::{Alert, Outcome, Sink};
use crate::Error;

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
inert_sink!(Log, "Logs nothing: flamewatch was built without its features.");
inert_sink!(Dir, "Writes nothing: flamewatch was built without its features.");

impl Slack {
    /// A sink that posts nothing; `url` is not looked at.
    ///
    /// # Errors
    /// Never in this build.
    pub fn new(_url: impl Into<String>) -> Result<Self, Error> {
        Ok(Self(()))
    }
}

impl Log {
    /// A sink that logs nothing.
    #[must_use]
    pub fn new() -> Self {
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
    ///
    /// # Errors
    /// Never in this build.
    pub fn new(_path: impl Into<PathBuf>) -> Result<Self, Error> {
        Ok(Self(()))
    }
}
