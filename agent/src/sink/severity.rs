//! How bad an alert is, in the four words that pagers and Alertmanager's receivers share.

#[cfg(any(feature = "pagerduty", test))]
use std::time::Duration;

#[cfg(any(feature = "pagerduty", test))]
use crate::sink::Alert;

/// How bad a fault is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Severity {
    Warning,
    Error,
    Critical,
}

impl Severity {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Error => "error",
            Self::Critical => "critical",
        }
    }

    /// By the rule alone, so that it is the same in all messages of an incident: memory near its limit and the death of a
    /// run are critical, a leak that is sure is an error, all else, the service's own rules included, a warning.
    pub(super) fn of_rule(rule: &str) -> Self {
        match rule {
            "died" => Self::Critical,
            rule if rule.starts_with("rss.share ") => Self::Critical,
            rule if rule.ends_with(" leak") => Self::Error,
            _ => Self::Warning,
        }
    }

    /// The same, and critical where memory lasts less than [`SOON`].
    #[cfg(any(feature = "pagerduty", test))]
    pub(super) fn of(alert: &Alert) -> Self {
        let soon = alert.runs_out_in.is_some_and(|left| left < SOON);
        if soon { Self::Critical } else { Self::of_rule(&alert.rule) }
    }
}

/// With less left there is no time to look at it later.
#[cfg(any(feature = "pagerduty", test))]
const SOON: Duration = Duration::from_secs(100 * 60);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::State;

    #[track_caller]
    fn check(rule: &str, minutes_left: Option<u64>, expected: &str) {
        let mut alert = Alert::new("a1", State::Firing, "shop", rule);
        alert.runs_out_in = minutes_left.map(|minutes| Duration::from_secs(60 * minutes));
        assert_eq!(Severity::of(&alert).as_str(), expected, "{rule}, {minutes_left:?}");
    }

    #[test]
    fn of_rules_and_of_what_is_left() {
        check("rss.share high", None, "critical");
        check("died", None, "critical");
        check("heap leak", None, "error");
        check("fds leak", None, "error");
        check("heap.allocated growing", None, "warning");
        check("rss.shared.pages high", None, "warning");
        check("heap.allocated growing", Some(26), "critical");
        check("heap.allocated growing", Some(0), "critical");
        check("heap.allocated growing", Some(600), "warning");
        check("heap leak", Some(10_000), "error");
    }
}
