//! The snapshots that alerts took, kept in memory for the debug port: bounded in number and bytes, oldest out first.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

/// How many snapshots are kept.
pub(crate) const MAX_SNAPSHOTS: usize = 32;
/// How many bytes they may take together. One is at most a few hundred KiB: a profile is capped at 4 MiB before gzip.
pub(crate) const MAX_BYTES: usize = 8 * 1024 * 1024;

/// A profile as it was when an alert fired.
#[derive(Debug)]
pub(crate) struct Snapshot {
    /// The id of the alert that took it.
    pub(crate) id: String,
    /// When it was taken.
    pub(crate) taken: SystemTime,
    /// The alert's headline.
    pub(crate) trigger: String,
    /// The profile's kind, such as `heap`.
    pub(crate) kind: String,
    /// The gzipped pprof.
    pub(crate) pprof: Vec<u8>,
    /// False for one of bare addresses, taken when there was no memory to spare for naming them.
    pub(crate) named: bool,
}

/// Keeps the newest snapshots.
#[derive(Debug, Default)]
pub(crate) struct Store {
    snapshots: Mutex<VecDeque<Arc<Snapshot>>>,
}

impl Store {
    /// Adds `snapshot`. The oldest go until both bounds hold; the newest always stays.
    pub(crate) fn add(&self, snapshot: Snapshot) {
        let mut snapshots = self.snapshots.lock().unwrap_or_else(PoisonError::into_inner);
        snapshots.push_back(Arc::new(snapshot));
        while snapshots.len() > 1 && (snapshots.len() > MAX_SNAPSHOTS || total_bytes(&snapshots) > MAX_BYTES)
        {
            snapshots.pop_front();
        }
    }

    /// All snapshots, the newest first.
    pub(crate) fn list(&self) -> Vec<Arc<Snapshot>> {
        self.snapshots.lock().unwrap_or_else(PoisonError::into_inner).iter().rev().cloned().collect()
    }

    /// The snapshot with this id.
    pub(crate) fn get(&self, id: &str) -> Option<Arc<Snapshot>> {
        self.list().into_iter().find(|snapshot| snapshot.id == id)
    }
}

fn total_bytes(snapshots: &VecDeque<Arc<Snapshot>>) -> usize {
    snapshots.iter().map(|snapshot| snapshot.pprof.len()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(id: usize, bytes: usize) -> Snapshot {
        Snapshot {
            id: id.to_string(),
            taken: SystemTime::UNIX_EPOCH,
            trigger: String::new(),
            kind: "heap".to_owned(),
            pprof: vec![0; bytes],
            named: true,
        }
    }

    #[test]
    fn the_oldest_go_and_the_newest_stays() {
        let store = Store::default();
        (0..MAX_SNAPSHOTS + 5).for_each(|id| store.add(snapshot(id, 1)));
        assert_eq!(store.list().len(), MAX_SNAPSHOTS);
        assert!(store.get("4").is_none() && store.get("5").is_some());
        store.add(snapshot(1000, MAX_BYTES + 1));
        assert_eq!(store.list().iter().map(|snapshot| snapshot.id.as_str()).collect::<Vec<_>>(), ["1000"]);
    }
}
