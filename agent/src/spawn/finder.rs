//! The tasks of [`spawn`](super::spawn()) by what is found in memory: the address of a slot, or of a task.

use std::collections::HashSet;

use super::magazine::SLAB;
use super::slab::{Row, Slot};

/// The slots as they are now; those taken afterwards are not found.
#[derive(Debug)]
pub(crate) struct Finder(Vec<(u64, &'static [Slot])>);

impl Finder {
    pub(crate) fn new() -> Self {
        Self(SLAB.places())
    }

    /// What is known of the task at `task` whose ticket says `slot`, and how many clones of its waker we keep. `None` for one
    /// that is counted and not listed, and for whatever else is no slot of this task.
    pub(crate) fn row(&self, slot: u64, task: u64) -> Option<(Row, u64)> {
        let after = self.0.partition_point(|(at, _)| *at <= slot);
        let (at, slots) = self.0.get(after.checked_sub(1)?)?;
        let (offset, size) = (slot - at, size_of::<Slot>() as u64);
        let found = slots.get(usize::try_from(offset / size).ok()?).filter(|_| offset % size == 0)?;
        // A task that was never polled has no waker here.
        let kept = found.waker().task();
        if kept.is_some_and(|kept| kept != task) {
            return None;
        }
        Some((found.read()?, u64::from(kept.is_some())))
    }

    /// Those of `tasks` that are ours, as far as they were polled.
    pub(crate) fn ours(&self, tasks: &HashSet<u64>) -> HashSet<u64> {
        let slots = self.0.iter().flat_map(|(_, slots)| slots.iter());
        slots.filter_map(|slot| slot.waker().task()).filter(|task| tasks.contains(task)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_task_is_found_by_its_waker_and_nothing_else_is() {
        let (tell, told) = tokio::sync::oneshot::channel();
        let mut tell = Some(tell);
        let task = crate::spawn(std::future::poll_fn(move |context: &mut std::task::Context<'_>| {
            if let Some(tell) = tell.take() {
                let _ = tell.send(context.waker().data() as u64);
            }
            std::task::Poll::<()>::Pending
        }));
        let header = told.await.expect("the poll tells");
        tokio::task::yield_now().await;
        let finder = Finder::new();
        assert_eq!(finder.ours(&[header, 64].into()), [header].into());
        let slot = SLAB.slots().find(|slot| slot.waker().task() == Some(header)).expect("its slot");
        let at = std::ptr::from_ref(slot) as u64;
        assert!(finder.row(at, header).is_some_and(|(row, wakers)| row.polls > 0 && wakers == 1));
        assert!(finder.row(at, header + 64).is_none() && finder.row(at + 8, header).is_none());
        assert!(finder.row(0, header).is_none() && finder.row(u64::MAX, header).is_none());
        task.abort();
    }
}
