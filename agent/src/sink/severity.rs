//! How bad an alert is, in the four words that pagers and Alertmanager's receivers share.

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

    /// The same, and critical where memory lasts no more than minutes.
    #[cfg(any(feature = "pagerduty", test))]
    pub(super) fn of(alert: &Alert) -> Self {
        let soon = alert.time_left.as_deref().is_some_and(is_soon);
        if soon { Self::Critical } else { Self::of_rule(&alert.rule) }
    }
}

/// Whether a time left is told in minutes or seconds, which is under 100 minutes: `OOM in ~26 min (19 to 41)`.
#[cfg(any(feature = "pagerduty", test))]
fn is_soon(left: &str) -> bool {
    let unit = left.split_once('~').and_then(|(_, rest)| rest.split(' ').nth(1));
    matches!(unit, Some("min" | "s"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::State;

    #[track_caller]
    fn check(rule: &str, left: &str, expected: &str) {
        let mut alert = Alert::new("a1", State::Firing, "shop", rule);
        alert.time_left = (!left.is_empty()).then(|| format!("OOM in {left}"));
        assert_eq!(Severity::of(&alert).as_str(), expected, "{rule}, {left}");
    }

    /// The times are as `watch::TimeLeft` says them.
    #[test]
    fn of_rules_and_of_what_is_left() {
        check("rss.share high", "", "critical");
        check("died", "", "critical");
        check("heap leak", "", "error");
        check("fds leak", "", "error");
        check("heap.allocated growing", "", "warning");
        check("rss.shared.pages high", "", "warning");
        check("heap.allocated growing", "~26 min (19 to 41)", "critical");
        check("heap.allocated growing", "~60 s (50 to 75)", "critical");
        check("heap.allocated growing", "~0 s", "critical");
        check("heap.allocated growing", "~10 h (8.3 to 12)", "warning");
        check("heap leak", "~6.9 d (5.8 to over a week)", "error");
    }
}
