//! One line of `/proc/PID/task/TID/stat`, proc_pid_stat(5).

use std::time::Duration;

/// What a thread does, and for how long it has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::source) struct Stat {
    pub(in crate::source) name: String,
    pub(in crate::source) state: State,
    /// User and system time, to one hundredth of a second.
    pub(in crate::source) cpu: Duration,
    /// When it was started, since the machine was.
    pub(in crate::source) started: Duration,
}

/// The state of a thread as the kernel's letter says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::source) enum State {
    /// On a processor or waiting for one.
    Running,
    Sleeping,
    /// In a wait that no signal ends.
    Disk,
    Stopped,
    Ended,
    Idle,
    Unknown,
}

/// What one step of the counters in `stat` is: USER_HZ, 100 on every Linux.
const STEP: Duration = Duration::from_millis(10);

impl Stat {
    /// `4711 (tokio-worker 3) S …`; the name may hold blanks and parentheses of its own.
    pub(in crate::source) fn parse(text: &str) -> Option<Self> {
        let (head, tail) = text.rsplit_once(") ")?;
        let (_, name) = head.split_once(" (")?;
        let mut fields = tail.split_ascii_whitespace();
        let state = State::of(fields.next()?.chars().next()?);
        // The 14th and 15th field of the line are the 11th and 12th behind the state, the 22nd the 19th.
        let mut times = fields.skip(10).map(|field| field.parse::<u64>().unwrap_or(0));
        let steps = times.next().unwrap_or(0).saturating_add(times.next().unwrap_or(0));
        let started = times.nth(6).unwrap_or(0);
        Some(Self { name: name.to_owned(), state, cpu: lasting(steps), started: lasting(started) })
    }
}

fn lasting(steps: u64) -> Duration {
    STEP.saturating_mul(u32::try_from(steps).unwrap_or(u32::MAX))
}

impl State {
    const fn of(letter: char) -> Self {
        match letter {
            'R' => Self::Running,
            'S' => Self::Sleeping,
            'D' => Self::Disk,
            'T' | 't' => Self::Stopped,
            'Z' | 'X' => Self::Ended,
            'I' | 'P' => Self::Idle,
            _ => Self::Unknown,
        }
    }

    /// For people.
    pub(in crate::source) const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Sleeping => "sleeping",
            Self::Disk => "waiting for the disk",
            Self::Stopped => "stopped",
            Self::Ended => "ended",
            Self::Idle => "idle",
            Self::Unknown => "unknown",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stat_lines() {
        let check = |text: &str, expected: Option<(&str, &str, u64)>| {
            let found = Stat::parse(text);
            let found = found.as_ref().map(|stat| {
                (stat.name.as_str(), stat.state.as_str(), u64::try_from(stat.cpu.as_millis()).unwrap_or(0))
            });
            assert_eq!(found, expected, "{text}");
        };
        check("7 (main) R 1 7 7", Some(("main", "running", 0)));
        check("7 (a) b (c)) S 1", Some(("a) b (c)", "sleeping", 0)));
        check("7 () D 1", Some(("", "waiting for the disk", 0)));
        check("7 (w) S 1 7 7 0 -1 4194304 110 0 0 0 12 3 0 0 20 0", Some(("w", "sleeping", 150)));
        let line = "7 (w) S 1 7 7 0 -1 4194304 110 0 0 0 12 3 0 0 20 0 13 0 12345 4096 2";
        assert_eq!(Stat::parse(line).map(|stat| stat.started), Some(Duration::from_millis(123_450)));
        check("", None);
        check("7 (cut", None);
        check("7 (x) ", None);
    }
}
