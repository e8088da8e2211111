//! What somebody asks for, in their words and in ours.

use std::time::Duration;

/// The longest profile, in seconds; what is longer is cut.
const MAX_SECONDS: u64 = 60;

/// How long a profile is when nobody says.
const DEFAULT_SECONDS: u64 = 30;

/// What can be asked for: the words for it, and the source that has it.
const KINDS: [(&str, &str); 5] = [
    ("cpu", "profile"),
    ("heap", "heap"),
    ("tasks", "goroutine"),
    ("threads", "threadcreate"),
    ("wall", "wall"),
];

/// A profile that somebody asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Order {
    /// What they call it.
    pub(crate) word: &'static str,
    /// The source's name.
    pub(crate) kind: &'static str,
    /// How long to look, 1 to 60 s. Of no meaning to a source that has no window.
    pub(crate) length: Duration,
    /// Who asks, for the message and the log.
    pub(crate) who: String,
}

/// What was not understood, in words for whom asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unclear(pub(super) String);

impl Order {
    /// The order for `word`, such as `cpu` (the default), over `seconds`.
    pub(super) fn new(word: Option<&str>, seconds: Option<u64>, who: String) -> Result<Self, Unclear> {
        let word = word.unwrap_or("cpu");
        let Some((word, kind)) = KINDS.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(word)) else {
            return Err(Unclear(format!("there is no such profile; {}", help())));
        };
        let seconds = seconds.unwrap_or(DEFAULT_SECONDS).clamp(1, MAX_SECONDS);
        Ok(Self { word, kind, length: Duration::from_secs(seconds), who })
    }

    /// The order in a line such as `cpu 30s`, `heap`, or nothing at all.
    pub(super) fn of_line(line: &str, who: String) -> Result<Self, Unclear> {
        let mut words = line.split_whitespace();
        let (word, length) = (words.next(), words.next());
        if words.next().is_some() {
            return Err(Unclear(help()));
        }
        let seconds =
            length.map(|length| whole_seconds(length).ok_or_else(|| Unclear(help()))).transpose()?;
        Self::new(word, seconds, who)
    }
}

/// `30`, `30s` or `1m`.
fn whole_seconds(text: &str) -> Option<u64> {
    text.parse().ok().or_else(|| humantime::parse_duration(text).ok().map(|length| length.as_secs()))
}

/// What can be asked, in one line.
pub(super) fn help() -> String {
    let words = KINDS.map(|(word, _)| word).join(", ");
    format!("ask for one of {words}, and for how long, such as: cpu 30s (1 s to {MAX_SECONDS} s)")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &str, expected: Option<(&str, u64)>) {
        let order = Order::of_line(line, String::new());
        assert_eq!(
            order.as_ref().ok().map(|order| (order.kind, order.length.as_secs())),
            expected,
            "{order:?}"
        );
    }

    #[test]
    fn lines_are_understood_or_answered_with_help() {
        check("", Some(("profile", 30)));
        check("cpu", Some(("profile", 30)));
        check("  CPU   5s ", Some(("profile", 5)));
        check("heap", Some(("heap", 30)));
        check("wall 1m", Some(("wall", 60)));
        check("tasks 10", Some(("goroutine", 10)));
        check("cpu 0", Some(("profile", 1)));
        check("cpu 2h", Some(("profile", 60)));
        check("cpu 18446744073709551615", Some(("profile", 60)));
        for unclear in ["help", "cpu soon", "cpu -1", "cpu 30s please", "/etc/passwd"] {
            check(unclear, None);
        }
        let said = Order::of_line("<!channel>", String::new()).expect_err("unclear").0;
        assert!(said.contains("ask for one of cpu, heap, tasks") && !said.contains("channel"), "{said}");
    }
}
