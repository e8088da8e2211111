//! What an alert on memory says before its evidence: which part grew, how much is left, and for how long.

use crate::Unit;
use crate::sink::Alert;
use crate::watch::memory::{Account, Level, Memory};
use crate::watch::{Growth, TimeLeft};

/// Adds to `alert` what `account` knows. `growth` is that of the gauge that fired, where it is one of bytes.
pub(super) fn tell(alert: &mut Alert, growth: Option<Growth>, account: Option<Account>) {
    let Some(Account { memory, verdict, time_left, .. }) = account else { return };
    let left = time_left.or_else(|| by_the_rule(growth?, &memory));
    alert.runs_out_in = left.map(|left| left.expected);
    alert.time_left = left.map(|left| format!("OOM in {}", left.sentence()));
    alert.details.push(sentence(&verdict.sentence));
    alert.details.extend(memory.level.map(|level| room(&memory, level)));
}

/// The rule's own growth will do, where what counts against the limit has not grown steadily, or not for long enough.
fn by_the_rule(growth: Growth, memory: &Memory) -> Option<TimeLeft> {
    TimeLeft::of(memory.level?.room as f64, &growth)
}

/// `RSS is 1.4 GiB; 1.6 GiB of 2 GiB are used (the container's limit).`
fn room(memory: &Memory, level: Level) -> String {
    let show = |bytes: u64| Unit::Bytes.show(bytes as f64);
    let (rss, Level { usage, limit, whose, .. }) = (memory.rss(), level);
    if usage == rss {
        return format!("RSS is {} of {} ({whose}).", show(rss), show(limit));
    }
    format!("RSS is {}; {} of {} are used ({whose}).", show(rss), show(usage), show(limit))
}

/// With a capital letter and a full stop.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first: String = letters.next().into_iter().flat_map(char::to_uppercase).collect();
    format!("{first}{}.", letters.as_str())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::sink::State;
    use crate::watch::memory::Verdict;
    use crate::watch::{Finding, Rule, Verdict as Ruling, Watcher};

    const MIB: u64 = 1 << 20;

    /// What a rule on a gauge that grows by a MiB a second tells.
    fn finding() -> Finding {
        let window = Duration::from_secs(60);
        let mut watcher =
            Watcher::new(Rule::growing("heap.allocated").by(1.0).over(window).for_at_least(Duration::ZERO));
        let fired = (0..=60_u32).find_map(|second| {
            watcher.observe(Duration::from_secs(u64::from(second)), f64::from(second) * MIB as f64)
        });
        match fired.expect("it fires") {
            Ruling::Fired(finding) => finding,
            Ruling::Resolved(_) => panic!("nothing is over"),
        }
    }

    fn account(usage: u64, time_left: Option<TimeLeft>) -> Account {
        let level = Level { usage, limit: 2048 * MIB, room: 600 * MIB, whose: "the container's limit" };
        let memory = Memory { anonymous: 1400 * MIB, level: Some(level), ..Memory::default() };
        let verdict = Verdict::at_rest(&memory);
        Account { memory, verdict, growth: None, time_left }
    }

    #[track_caller]
    fn check(unit: Unit, account: Option<Account>, left: Option<&str>, details: &[&str]) {
        let mut alert = Alert::new("a1", State::Firing, "shop", "heap.allocated growing");
        tell(&mut alert, finding().growth.filter(|_| unit == Unit::Bytes), account);
        assert_eq!(
            (alert.time_left.as_deref(), alert.details),
            (left, details.iter().map(|&line| line.to_owned()).collect())
        );
    }

    #[test]
    fn the_time_left_comes_from_what_is_limited_or_else_from_the_rule() {
        let most = "No growth; the most is other anonymous memory: 1.4 GiB of 1.4 GiB resident.";
        let growth = Growth { per_minute: 1.0, standard_error: 0.0, baseline: 0.0, steady: true };
        let own = TimeLeft::of(26.0, &growth);
        let used = "RSS is 1.4 GiB; 1.6 GiB of 2 GiB are used (the container's limit).";
        check(Unit::Bytes, Some(account(1600 * MIB, own)), Some("OOM in ~26 min"), &[most, used]);
        let rss = "RSS is 1.4 GiB of 2 GiB (the container's limit).";
        check(Unit::Bytes, Some(account(1400 * MIB, None)), Some("OOM in ~10 min"), &[most, rss]);
        check(Unit::Ratio, Some(account(1400 * MIB, None)), None, &[most, rss]);
        check(Unit::Bytes, None, None, &[]);
    }
}
