//! The life cycle of task slots, in every order in which threads can meet. It is the file that services run, with loom's
//! atomics instead of std's, and chunks so small that a few tasks fill them.

#[allow(dead_code, reason = "the model needs no tags and no times")]
#[path = "../../agent/src/spawn/slab.rs"]
mod slab;

mod parts {
    pub(super) use loom::sync::atomic::{AtomicU16, AtomicU32, AtomicU64, Ordering, fence};

    pub(super) const CHUNK: usize = 4;
    pub(super) const BATCH: usize = 2;

    /// No wakers here.
    #[derive(Debug)]
    pub(super) struct Kept;

    impl Kept {
        pub(super) const fn new() -> Self {
            Self
        }
    }
}

use loom::sync::Arc;
use loom::thread;

use super::model;
use slab::{Of, Slab, Slot};

/// A slab of four slots, two of which were used before. The chunk is made here because loom does not see that std's
/// `OnceLock` orders what made it before what uses it.
fn slab() -> Arc<Slab> {
    let slab = Slab::new(1);
    slab.give(take(&slab).into_iter());
    Arc::new(slab)
}

fn take(slab: &Slab) -> Vec<&Slot> {
    let mut slots = Vec::new();
    slab.take(|slot| slots.push(slot));
    slots
}

/// What a task of `site` writes down everywhere.
fn enter(slot: &Slot, site: u16) {
    slot.enter(Of { site, name: site, named: false }, site, u64::from(site) * 16);
}

/// Takes a batch and enters tasks of `site`; how many.
fn enter_all(slab: &Slab, site: u16) -> usize {
    let slots = take(slab);
    slots.iter().for_each(|slot| enter(slot, site));
    slots.len()
}

#[test]
fn a_row_is_never_half_of_one_task_and_half_of_another() {
    model(|| {
        let slab = slab();
        let reader = slab.clone();
        let slots = take(&slab);
        enter(slots[0], 1);
        let reader = thread::spawn(move || {
            for row in reader.rows() {
                assert!([1, 2].contains(&row.site));
                assert_eq!((row.tag, row.name, row.born_ms), (row.site, row.site, u64::from(row.site) * 16));
            }
        });
        slots[0].leave();
        enter(slots[0], 2);
        reader.join().expect("a thread");
        assert_eq!(slab.rows().map(|row| row.site).collect::<Vec<_>>(), [2]);
    });
}

#[test]
fn a_link_is_not_taken_for_a_task() {
    model(|| {
        let slab = slab();
        let reader = slab.clone();
        let slots = take(&slab);
        slots.iter().for_each(|slot| enter(slot, 7));
        let reader = thread::spawn(move || assert!(reader.rows().all(|row| (row.site, row.name) == (7, 7))));
        slots.iter().for_each(|slot| slot.leave());
        slab.give(slots.into_iter());
        reader.join().expect("a thread");
        assert_eq!(slab.rows().count(), 0);
    });
}

#[test]
fn no_slot_has_two_tasks() {
    model(|| {
        let slab = slab();
        let other = slab.clone();
        let other = thread::spawn(move || enter_all(&other, 1));
        let mine = enter_all(&slab, 2);
        let theirs = other.join().expect("a thread");
        assert_eq!((mine, theirs), (2, 2));
        assert_eq!(slab.rows().count(), 4);
        assert_eq!(enter_all(&slab, 3), 0, "full");
    });
}

#[test]
fn a_batch_that_comes_back_is_not_taken_for_the_one_that_left() {
    model(|| {
        let slab = slab();
        for slots in [take(&slab), take(&slab)] {
            slab.give(slots.into_iter());
        }
        let other = slab.clone();
        let other = thread::spawn(move || enter_all(&other, 1));
        let (first, second) = (take(&slab), take(&slab));
        slab.give(first.into_iter());
        second.iter().for_each(|slot| enter(slot, 2));
        let mine = second.len() + enter_all(&slab, 3);
        let theirs = other.join().expect("a thread");
        assert_eq!(slab.rows().count(), mine + theirs);
    });
}

#[test]
fn a_task_may_end_on_another_thread_than_it_began() {
    model(|| {
        let slab = slab();
        enter_all(&slab, 1);
        let other = slab.clone();
        let other = thread::spawn(move || {
            let slots = take(&other);
            slots.iter().for_each(|slot| enter(slot, 2));
            slots.iter().for_each(|slot| slot.leave());
            other.give(slots.into_iter());
        });
        let mine = take(&slab);
        assert!(mine.len() <= 2);
        mine.iter().for_each(|slot| enter(slot, 3));
        other.join().expect("a thread");
        assert_eq!(slab.rows().filter(|row| row.site == 2).count(), 0);
        assert_eq!(slab.rows().count(), 2 + mine.len());
    });
}
