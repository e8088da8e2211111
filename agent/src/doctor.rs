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
    /// What to do about it when it is not ok, and what could be better when it is.
    pub remedy: Option<Cow<'static, str>>,
}

/// How it stands with what was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum State {
    /// It does not do what it is for.
    Broken,
    /// It works, and could do better.
    Hint,
    /// Nothing to do.
    Fine,
}

impl State {
    /// One word: `broken`, `hint` or `fine`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Broken => "broken",
            Self::Hint => "hint",
            Self::Fine => "fine",
        }
    }
}

impl Check {
    /// Nothing wrong here.
    pub fn ok(name: &'static str, finding: impl Into<Cow<'static, str>>) -> Self {
        Self { name, ok: true, finding: finding.into(), remedy: None }
    }

    /// Nothing wrong, but something could be better.
    pub fn hint(
        name: &'static str,
        finding: impl Into<Cow<'static, str>>,
        remedy: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { name, ok: true, finding: finding.into(), remedy: Some(remedy.into()) }
    }

    /// Something wrong, and what to do about it.
    pub fn problem(
        name: &'static str,
        finding: impl Into<Cow<'static, str>>,
        remedy: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { name, ok: false, finding: finding.into(), remedy: Some(remedy.into()) }
    }

    /// How it stands.
    #[must_use]
    pub const fn state(&self) -> State {
        match (self.ok, &self.remedy) {
            (false, _) => State::Broken,
            (true, Some(_)) => State::Hint,
            (true, None) => State::Fine,
        }
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

/// What a check-up found; [`crate::doctor()`] makes one. Shown as one line a finding.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// The findings, in the order in which they should be mended.
    pub checks: Vec<Check>,
}

impl Report {
    /// True when nothing is wrong.
    #[must_use]
    pub fn is_well(&self) -> bool {
        self.checks.iter().all(|check| check.ok)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for check in &self.checks {
            let mark = match check.state() {
                State::Fine => "ok   ",
                State::Hint => "hint ",
                State::Broken => "BAD  ",
            };
            writeln!(formatter, "{mark}{check}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_says_what_is_wrong_and_what_to_do() {
        let checks = vec![
            Check::ok("memory limit", "2 GiB (cgroup)"),
            Check::hint("snapshots", "in memory only", "set FLAMEWATCH_DIR"),
            Check::problem("names", "no debug info", "set debug = 1 in [profile.release]"),
        ];
        let report = Report { checks };
        assert!(!report.is_well());
        let expected = "ok   memory limit: 2 GiB (cgroup)\nhint snapshots: in memory only; set FLAMEWATCH_DIR\n\
                        BAD  names: no debug info; set debug = 1 in [profile.release]\n";
        assert_eq!(report.to_string(), expected);
    }
}
