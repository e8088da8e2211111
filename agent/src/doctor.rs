//! What `doctor` reports: one finding a line, what is wrong and how to put it right.

use std::borrow::Cow;
use std::fmt;

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Check {
    /// What was looked at, such as `heap sampler`.
    pub name: &'static str,
    /// True when nothing is wrong with it.
    pub ok: bool,
    /// What was found.
    pub finding: Cow<'static, str>,
    /// What to do about it, when it is not ok.
    pub remedy: Option<Cow<'static, str>>,
}

impl Check {
    /// Nothing wrong here.
    pub fn ok(name: &'static str, finding: impl Into<Cow<'static, str>>) -> Self {
        Self { name, ok: true, finding: finding.into(), remedy: None }
    }

    /// Something wrong, and what to do about it.
    pub fn problem(
        name: &'static str,
        finding: impl Into<Cow<'static, str>>,
        remedy: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { name, ok: false, finding: finding.into(), remedy: Some(remedy.into()) }
    }
}

impl fmt::Display for Check {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.name, self.finding)?;
        match &self.remedy {
            Some(remedy) => write!(formatter, "; {remedy}"),
            None => Ok(()),
        }
    }
}
