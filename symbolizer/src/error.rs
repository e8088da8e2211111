//! The crate's one error: a kind for programs, a chain for people. No other crate's type shows through.

use std::fmt;

/// What went wrong, for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// This system has no such thing as a module map to read.
    Unsupported,
    /// The text is not what it should be.
    Invalid,
    /// The system refused.
    Io,
}

/// Why there is no [`ModuleMap`](crate::ModuleMap) or no [`index`](crate::index). Naming addresses never fails; it reports.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    context: &'static str,
    source: Option<std::io::Error>,
}

impl Error {
    pub(crate) const fn new(kind: ErrorKind, context: &'static str) -> Self {
        Self { kind, context, source: None }
    }

    pub(crate) fn because(mut self, source: std::io::Error) -> Self {
        self.source = Some(source);
        self
    }

    /// What went wrong, for programs.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        self.kind
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.context)?;
        match &self.source {
            Some(source) if formatter.alternate() => write!(formatter, ": {source}"),
            _ => Ok(()),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|source| source as _)
    }
}
