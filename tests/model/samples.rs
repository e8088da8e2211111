//! The ring that brings samples out of signal handlers: two threads are sampled while a third takes samples out.

#[path = "../../agent/src/sys/sampler/ring.rs"]
mod ring;

mod atomic {
    pub(super) use loom::sync::atomic::{AtomicU64, Ordering};
}

use loom::sync::Arc;
use loom::thread;

use super::model;
use atomic::AtomicU64;
use ring::{MAX_WORDS, Ring};

/// A ring of eight words, which holds two records of three or four.
fn ring() -> Arc<Ring<'static>> {
    let words: Vec<AtomicU64> = (0..8).map(|_| AtomicU64::new(0)).collect();
    Arc::new(Ring::new(Box::leak(words.into_boxed_slice())))
}

/// Takes out what is there. Every record must be whole: its first word says what the others are.
fn drain(ring: &Ring<'_>) -> Vec<u64> {
    let mut record = [0; MAX_WORDS];
    let mut found = Vec::new();
    while let Some(words) = ring.pop(&mut record) {
        let (first, rest) = words.split_first().expect("a record has words");
        assert!(rest.iter().all(|word| *word == first * 100), "torn: {words:?}");
        assert_eq!(rest.len(), usize::try_from(*first).expect("small"), "cut: {words:?}");
        found.push(*first);
    }
    found
}

/// What a signal handler does: `who` words that follow from the first.
fn push(ring: &Ring<'_>, who: u64) -> bool {
    let rest = vec![who * 100; usize::try_from(who).expect("small")];
    ring.push(&[who], &rest)
}

#[test]
fn a_record_is_whole_and_none_is_lost_uncounted() {
    model(|| {
        let ring = ring();
        // So that records lie across the end of the ring, and its words have been used before.
        assert!(push(&ring, 2) && drain(&ring) == [2]);
        let writers = [1, 2].map(|who| {
            let ring = ring.clone();
            thread::spawn(move || usize::from(push(&ring, who)) + usize::from(push(&ring, who)))
        });
        let mut found = drain(&ring).len();
        let pushed: usize = writers.into_iter().map(|writer| writer.join().expect("no panic")).sum();
        found += drain(&ring).len();
        assert_eq!(found, pushed);
        assert_eq!(pushed + usize::try_from(ring.turned_away()).expect("small"), 4);
    });
}

#[test]
fn a_ring_is_cleared_only_when_nobody_writes() {
    model(|| {
        let ring = ring();
        assert!(push(&ring, 2) && drain(&ring) == [2]);
        let writer = {
            let ring = ring.clone();
            thread::spawn(move || usize::from(push(&ring, 1)) + usize::from(push(&ring, 2)))
        };
        // What is cleared in between would be lost, or leave a record that nobody can read past.
        let cleared = ring.clear(|| {});
        let mut found = drain(&ring).len();
        let pushed = writer.join().expect("no panic");
        found += drain(&ring).len();
        assert_eq!(found, pushed, "cleared: {cleared}");
        assert!(ring.clear(|| {}) && push(&ring, 2) && drain(&ring) == [2]);
    });
}

#[test]
fn a_full_ring_turns_away_and_has_room_again() {
    model(|| {
        let ring = ring();
        assert!(push(&ring, 2) && push(&ring, 2) && !push(&ring, 1));
        let writer = {
            let ring = ring.clone();
            thread::spawn(move || push(&ring, 2))
        };
        let before = drain(&ring).len();
        let fitted = writer.join().expect("no panic");
        assert_eq!(before + drain(&ring).len(), 2 + usize::from(fitted));
        assert!(push(&ring, 2) && drain(&ring) == [2]);
    });
}
