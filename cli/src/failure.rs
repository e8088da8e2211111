//! Why the program ends without an answer: one sentence for people, one number for scripts.

use std::fmt;
use std::process::ExitCode;

/// The program cannot go on.
#[derive(Debug)]
pub(crate) struct Failure {
    message: String,
    misused: bool,
}

impl Failure {
    /// The input or the system is at fault: exit status 1.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), misused: false }
    }

    /// The command line is at fault: exit status 2, as clap's own.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self { message: message.into(), misused: true }
    }

    /// The same, with the name of what was being read in front.
    pub(crate) fn of(mut self, name: &str) -> Self {
        self.message = format!("{name}: {}", self.message);
        self
    }

    /// True when the command line is at fault, so that its help is worth a look.
    pub(crate) const fn is_misuse(&self) -> bool {
        self.misused
    }

    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(if self.misused { 2 } else { 1 })
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::new(error.to_string())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}
