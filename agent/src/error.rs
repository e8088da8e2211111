//! The one error of the crate: a kind for programs, a chain for people. No other crate's type shows through.

use std::borrow::Cow;
use std::fmt;

/// What went wrong, for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// This build, allocator or system cannot do it.
    Unsupported,
    /// Somebody else is doing it; try again later.
    Busy,
    /// The caller asked for something that makes no sense.
    Invalid,
    /// There is no such thing.
    NotFound,
    /// The system refused.
    Io,
    /// It took too long, or the caller went away.
    TimedOut,
}

/// An error of flamewatch. `{err}` is what we were doing, `{err:#}` the whole chain of causes. So is `{err:?}`, which
/// is what a `main` that returns it prints.
pub struct Error {
    kind: ErrorKind,
    context: Cow<'static, str>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// An error with what we were doing, lower case, no full stop: `cannot dump the heap profile`.
    pub fn new(kind: ErrorKind, context: impl Into<Cow<'static, str>>) -> Self {
        Self { kind, context: context.into(), source: None }
    }

    /// The same error with its cause.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
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
        formatter.write_str(&self.context)?;
        if formatter.alternate() {
            let mut cause = std::error::Error::source(self);
            while let Some(error) = cause {
                write!(formatter, ": {error}")?;
                cause = error.source();
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{self:#}")
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_alternate_form_shows_the_chain() {
        let cause = std::io::Error::other("disk full");
        let error = Error::new(ErrorKind::Io, "cannot write the snapshot").because(cause);
        assert_eq!(format!("{error}"), "cannot write the snapshot");
        assert_eq!(format!("{error:#}"), "cannot write the snapshot: disk full");
        assert_eq!(format!("{error:?}"), "cannot write the snapshot: disk full");
        assert_eq!(error.kind(), ErrorKind::Io);
    }
}
