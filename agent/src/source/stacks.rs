//! Every distinct stack that was ever sampled, and what was allocated on it, or of the lock profile, what was waited:
//! there an object is a wait and a byte is a nanosecond. Insert-only, lock-free, bounded.
//! Runs inside malloc and futex calls: no allocation, no lock, safe code over atomics.

use std::io;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use crate::sys::reserve::{self, zeroable};

/// The most distinct stacks that are told apart; the rest share one. 65,536 nodes of 48 bytes are 3 MiB when all
/// are used, and nothing before.
pub(crate) const MAX_STACKS: usize = 65_536;

/// The most frames of one stack; the outermost beyond are cut off and the stack is counted as truncated.
pub(crate) const MAX_DEPTH: usize = 128;

/// Frames of all stacks together: 32 MiB of addresses when all are used, 64 a stack.
const MAX_FRAMES: usize = MAX_STACKS * 64;

/// Heads of the chains, 128 KiB; 65,536 stacks make chains of two.
const BUCKETS: usize = 32_768;

/// Fixed point of the object counters: steps of 1/1024, so a weight of 1.002 is off by less than 0.05 %, and 2^54
/// objects fit, 5 years of 100 million a second.
const OBJECT_STEPS: f64 = 1024.0;

/// A stack's place in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct StackId(pub(super) u32);

impl StackId {
    /// The stack that all share once the table is full.
    pub(crate) const OVERFLOW: Self = Self(0);
}

zeroable! {
    struct Node {
        hash: AtomicU64,
        next: AtomicU32,
        depth: AtomicU32,
        start: AtomicU64,
        objects: AtomicU64,
        bytes: AtomicU64,
        samples: AtomicU64,
    }
}

/// What was ever allocated on a stack.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Allocated {
    pub(crate) objects: f64,
    pub(crate) bytes: u64,
    pub(crate) samples: u64,
}

pub(crate) struct Stacks {
    heads: &'static [AtomicU32],
    nodes: &'static [Node],
    frames: &'static [AtomicU64],
    // Node 0 is `OVERFLOW`; an index of 0 in a chain means its end.
    nodes_used: AtomicU64,
    frames_used: AtomicU64,
    overflowed: AtomicU64,
}

impl Stacks {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self {
            heads: reserve::zeroed(BUCKETS)?,
            nodes: reserve::zeroed(MAX_STACKS)?,
            frames: reserve::zeroed(MAX_FRAMES)?,
            nodes_used: AtomicU64::new(1),
            frames_used: AtomicU64::new(0),
            overflowed: AtomicU64::new(0),
        })
    }

    /// The id of the stack with these return addresses, new or known.
    pub(crate) fn intern(&self, addresses: &[usize]) -> StackId {
        let addresses = addresses.get(..MAX_DEPTH).unwrap_or(addresses);
        let hash = hash(addresses);
        self.find_or_insert(hash, addresses).unwrap_or_else(|| {
            self.overflowed.fetch_add(1, Ordering::Relaxed);
            StackId::OVERFLOW
        })
    }

    /// Adds one sample that stands for `weight` objects of `usable` bytes.
    pub(crate) fn count(&self, stack: StackId, weight: f64, usable: u64) {
        let Some(node) = self.node(stack.0) else { return };
        node.objects.fetch_add(steps(weight), Ordering::Relaxed);
        node.bytes.fetch_add(whole(weight * usable as f64), Ordering::Relaxed);
        node.samples.fetch_add(1, Ordering::Relaxed);
    }

    /// Adds to what has been counted: each of the `weight` objects that the sample stood for was so much larger.
    #[cfg(feature = "lock-profile")]
    pub(crate) fn add(&self, stack: StackId, weight: f64, usable: u64) {
        let Some(node) = self.node(stack.0) else { return };
        node.bytes.fetch_add(whole(weight * usable as f64), Ordering::Relaxed);
    }

    /// What was ever allocated on a stack.
    pub(crate) fn allocated(&self, stack: StackId) -> Allocated {
        let Some(node) = self.node(stack.0) else { return Allocated::default() };
        Allocated {
            objects: node.objects.load(Ordering::Relaxed) as f64 / OBJECT_STEPS,
            bytes: node.bytes.load(Ordering::Relaxed),
            samples: node.samples.load(Ordering::Relaxed),
        }
    }

    /// The return addresses of a stack, innermost first.
    pub(crate) fn addresses(&self, stack: StackId) -> impl Iterator<Item = u64> + '_ {
        let frames = self.node(stack.0).and_then(|node| self.frames_of(node)).unwrap_or(&[]);
        frames.iter().map(|address| address.load(Ordering::Relaxed))
    }

    /// How many ids were given out; every id is below.
    pub(crate) fn len(&self) -> usize {
        usize::try_from(self.nodes_used.load(Ordering::Acquire)).unwrap_or(MAX_STACKS).min(MAX_STACKS)
    }

    /// How many samples had to share [`StackId::OVERFLOW`].
    pub(crate) fn overflowed(&self) -> u64 {
        self.overflowed.load(Ordering::Relaxed)
    }

    fn find_or_insert(&self, hash: u64, addresses: &[usize]) -> Option<StackId> {
        let bucket = usize::try_from(hash >> 49).ok()?; // 15 bits, as many as BUCKETS has
        let head = self.heads.get(bucket)?;
        let mut first = head.load(Ordering::Acquire); // Release: the exchange below
        if let Some(found) = self.search(first, 0, hash, addresses) {
            return Some(found);
        }
        let (index, node) = self.write(hash, addresses)?;
        loop {
            node.next.store(first, Ordering::Relaxed); // published by the exchange
            match head.compare_exchange(first, index, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return Some(StackId(index)),
                Err(now) => {
                    // Another thread was quicker, perhaps with the same stack. Ours is then wasted, which is rare.
                    if let Some(found) = self.search(now, first, hash, addresses) {
                        return Some(found);
                    }
                    first = now;
                }
            }
        }
    }

    /// Looks through a chain from `first` up to but not including `end`.
    fn search(&self, first: u32, end: u32, hash: u64, addresses: &[usize]) -> Option<StackId> {
        let mut index = first;
        while index != end {
            let node = self.node(index)?;
            if node.hash.load(Ordering::Relaxed) == hash && self.is(node, addresses) {
                return Some(StackId(index));
            }
            index = node.next.load(Ordering::Relaxed);
        }
        None
    }

    fn is(&self, node: &Node, addresses: &[usize]) -> bool {
        self.frames_of(node).is_some_and(|frames| {
            frames.len() == addresses.len()
                && frames
                    .iter()
                    .zip(addresses)
                    .all(|(frame, address)| frame.load(Ordering::Relaxed) == *address as u64)
        })
    }

    /// Writes a node that nobody can see yet. `None` when the table is full.
    fn write(&self, hash: u64, addresses: &[usize]) -> Option<(u32, &Node)> {
        let start = take(&self.frames_used, addresses.len(), MAX_FRAMES)?;
        let index = take(&self.nodes_used, 1, MAX_STACKS)?;
        let frames = self.frames.get(start..start.checked_add(addresses.len())?)?;
        for (frame, address) in frames.iter().zip(addresses) {
            frame.store(*address as u64, Ordering::Relaxed);
        }
        let node = self.nodes.get(index)?;
        node.hash.store(hash, Ordering::Relaxed);
        node.start.store(start as u64, Ordering::Relaxed);
        node.depth.store(u32::try_from(addresses.len()).ok()?, Ordering::Relaxed);
        Some((u32::try_from(index).ok()?, node))
    }

    fn frames_of(&self, node: &Node) -> Option<&[AtomicU64]> {
        let start = usize::try_from(node.start.load(Ordering::Relaxed)).ok()?;
        let depth = node.depth.load(Ordering::Relaxed) as usize;
        self.frames.get(start..start.checked_add(depth)?)
    }

    fn node(&self, index: u32) -> Option<&Node> {
        self.nodes.get(index as usize)
    }
}

/// Takes `count` of `limit` from a counter; `None`, and nothing taken, when there are not so many left.
fn take(used: &AtomicU64, count: usize, limit: usize) -> Option<usize> {
    let before = used.fetch_update(Ordering::AcqRel, Ordering::Relaxed, |used| {
        used.checked_add(count as u64).filter(|after| *after <= limit as u64)
    });
    usize::try_from(before.ok()?).ok()
}

/// Addresses of one program differ in few bits, so each is spread by a multiplication before the next is mixed in.
fn hash(addresses: &[usize]) -> u64 {
    const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;
    addresses.iter().fold(addresses.len() as u64, |hash, address| {
        (hash.rotate_left(23) ^ *address as u64).wrapping_mul(SPREAD)
    })
}

fn steps(weight: f64) -> u64 {
    whole(weight * OBJECT_STEPS)
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the cast saturates, weights are positive"
)]
fn whole(value: f64) -> u64 {
    value.round() as u64
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::thread;

    use super::*;

    #[test]
    fn a_stack_is_known_again() {
        let stacks = Stacks::new().expect("memory");
        let (first, second) = (stacks.intern(&[1, 2, 3]), stacks.intern(&[1, 2]));
        assert_ne!(first, second);
        assert_eq!(stacks.intern(&[1, 2, 3]), first);
        assert_eq!(stacks.addresses(first).collect::<Vec<_>>(), [1, 2, 3]);
        assert_eq!(stacks.intern(&[]), stacks.intern(&[]));
        stacks.count(first, 1.5, 100);
        stacks.count(first, 1.25, 100);
        assert_eq!(stacks.allocated(first), Allocated { objects: 2.75, bytes: 275, samples: 2 });
    }

    #[test]
    fn too_many_stacks_share_one_and_too_deep_ones_are_cut() {
        let stacks = Stacks::new().expect("memory");
        for index in 1..MAX_STACKS {
            assert_ne!(stacks.intern(&[index, 7]), StackId::OVERFLOW);
        }
        assert_eq!(stacks.intern(&[0, 7]), StackId::OVERFLOW);
        assert_ne!(stacks.intern(&[1, 7]), StackId::OVERFLOW, "a known stack is still found");
        assert_eq!((stacks.overflowed(), stacks.len()), (1, MAX_STACKS));
        let deep = Stacks::new().expect("memory");
        let id = deep.intern(&[5; 1000]);
        assert_eq!(deep.addresses(id).count(), MAX_DEPTH);
    }

    #[test]
    fn frames_are_bounded_too() {
        let stacks = Stacks::new().expect("memory");
        let fit = MAX_FRAMES / MAX_DEPTH;
        let mut addresses = [1_usize; MAX_DEPTH];
        for index in 0..=fit {
            addresses[0] = index;
            let overflowed = stacks.intern(&addresses) == StackId::OVERFLOW;
            assert_eq!(overflowed, index == fit);
        }
    }

    #[test]
    fn threads_agree_on_ids() {
        let stacks = Stacks::new().expect("memory");
        let all: Vec<Vec<StackId>> = thread::scope(|scope| {
            let stacks = &stacks;
            let threads: Vec<_> = (0..8)
                .map(|_| scope.spawn(move || (0..2000).map(|index| stacks.intern(&[index, 1, 2])).collect()))
                .collect();
            threads.into_iter().map(|thread| thread.join().expect("thread")).collect()
        });
        assert!(all.iter().all(|ids| *ids == all[0]));
        assert_eq!(all[0].iter().collect::<HashSet<_>>().len(), 2000);
    }
}
