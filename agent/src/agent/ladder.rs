//! The snapshots on the way to the memory limit. Cheap when memory is scarce: a heap profile as it is collected, without a
//! name. It is named when somebody opens it.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::desk::Desk;
use crate::profile::Profile;
use crate::store::Snapshot;
use crate::watch::Ladder;
use crate::watch::memory::{Account, Level};
use crate::{Error, Unit};

use super::investigation;
use super::lookout::Lookout;

/// The profile that explains memory.
const HEAP: &str = "heap";

/// Takes a snapshot at each rung.
#[derive(Debug)]
pub(super) struct MemoryLadder(Ladder);

impl MemoryLadder {
    pub(super) fn new() -> Self {
        Self(Ladder::new())
    }

    /// Called on a worker thread after each round. While a rule on memory is broken, whether that was told already or not:
    /// a quick leak reaches the limit before any patience ends.
    pub(super) fn climb(&mut self, lookout: &Lookout, desk: &Desk) {
        let Some(Account { memory, verdict, .. }) = desk.newest_memory() else { return };
        let Some(level) = memory.level else { return };
        let rule = lookout.broken(HEAP).next().map(|rule| rule.name().to_owned());
        let Some(rung) = self.0.climb(rule.is_some(), level.share()) else { return };
        // At once and in the log: the next line may be the kernel's.
        let trigger = trigger(rung, level, rule.as_deref().unwrap_or_default());
        tracing::warn!("flamewatch: {trigger}; {}", verdict.sentence);
        match desk
            .collect_to_keep(HEAP)
            .and_then(|profile| snapshot(profile, rung, trigger, rule.unwrap_or_default()))
            .map(|snapshot| Snapshot { says: vec![verdict.sentence], ..snapshot })
        {
            Ok(snapshot) => desk.keep(snapshot),
            Err(error) => tracing::warn!("flamewatch: no snapshot of the heap: {error:#}"),
        }
    }
}

/// `90 % of the limit: 461 MiB of 512 MiB (the container's limit); rss.share high`
fn trigger(rung: f64, level: Level, rule: &str) -> String {
    let show = |bytes: u64| Unit::Bytes.show(bytes as f64);
    let Level { usage, limit, whose, .. } = level;
    format!("{} of the limit: {} of {} ({whose}); {rule}", Unit::Ratio.show(rung), show(usage), show(limit))
}

/// Not named: that would read debug info, into memory that is not there.
fn snapshot(profile: Profile, rung: f64, trigger: String, rule: String) -> Result<Snapshot, Error> {
    let pprof = investigation::pprof(&investigation::triggered(profile, &trigger))?;
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    Ok(Snapshot {
        id: format!("{seconds:x}-{:x}-{:.0}", std::process::id(), rung * 100.0),
        taken: SystemTime::now(),
        trigger,
        rule,
        says: Vec::new(),
        kind: HEAP.to_owned(),
        pprof,
        named: false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_says_why_it_was_taken() {
        let level =
            Level { usage: 461 << 20, limit: 512 << 20, room: 51 << 20, whose: "the container's limit" };
        let said = trigger(0.9, level, "rss.share high");
        assert_eq!(said, "90 % of the limit: 461 MiB of 512 MiB (the container's limit); rss.share high");
        let taken =
            snapshot(Profile::new(HEAP, []), 0.97, said, "rss.share high".to_owned()).expect("in memory");
        assert!(taken.id.ends_with("-97") && !taken.named);
    }
}
