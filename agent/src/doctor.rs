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
            let mark = if check.ok { "ok  " } else { "BAD " };
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
            Check::problem("names", "no debug info", "set debug = 1 in [profile.release]"),
        ];
        let report = Report { checks };
        assert!(!report.is_well());
        let expected = "ok  memory limit: 2 GiB (cgroup)\nBAD names: no debug info; set debug = 1 in [profile.release]\n";
        assert_eq!(report.to_string(), expected);
    }
}
