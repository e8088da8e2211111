//! Why tokio's task list is not read.

use std::fmt;
use std::io;

/// Why nothing is read. Whatever is not exactly as the probes say it must be is a reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// This process's memory cannot be read; with what the system said.
    Memory(String),
    /// No thread or runtime could be had for the probes; with what the system said.
    Probes(String),
    /// Something that must be there once was found this often.
    Layout { what: &'static str, found: usize },
    /// A runtime's list was not found, or does not have in it what was spawned into it.
    List { found: usize },
}

impl Refusal {
    pub(super) fn memory(error: &io::Error) -> Self {
        Self::Memory(error.to_string())
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory(why) => write!(formatter, "this process may not read its own memory: {why}"),
            Self::Probes(why) => {
                write!(formatter, "no probes could be made to learn tokio's layout from: {why}")
            }
            Self::Layout { what, found: 0 } => {
                write!(
                    formatter,
                    "this version of tokio keeps its tasks in a way that is not known: no {what} was found"
                )
            }
            Self::Layout { what, found } => write!(
                formatter,
                "this version of tokio keeps its tasks in a way that is not known: {found} places look like {what}"
            ),
            Self::List { found: 0 } => formatter.write_str("the runtime's list of tasks was not found"),
            Self::List { found } => write!(formatter, "{found} places look like the runtime's list of tasks"),
        }
    }
}

/// The one of `candidates`, when there is exactly one.
pub(super) fn only<T>(what: &'static str, candidates: impl IntoIterator<Item = T>) -> Result<T, Refusal> {
    let mut candidates = candidates.into_iter();
    match (candidates.next(), candidates.count()) {
        (Some(one), 0) => Ok(one),
        (Some(_), further) => Err(Refusal::Layout { what, found: further + 1 }),
        (None, _) => Err(Refusal::Layout { what, found: 0 }),
    }
}
