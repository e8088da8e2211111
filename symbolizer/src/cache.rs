//! What has been named before, by build and offset, in a bounded number of bytes.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use crate::frame::Frame;
use crate::module::Module;
use crate::report::Reason;

/// How many bytes of names a [`Symbolizer`](crate::Symbolizer) remembers unless told otherwise: 16 MiB. An address
/// with four frames of 80 bytes of name, 110 of mangled name and 90 of path counts 1.6 KB (less is used: equal
/// strings are shared), so this is room for 10,000 addresses, twice what a busy service's heap profile has.
pub const DEFAULT_CACHE_BUDGET: usize = 16 << 20;

/// What an entry takes besides its frames: its place in a hash table that may be half empty, and two counters.
const ENTRY_BYTES: usize = 96;
/// For so many builds it is remembered what stood in the way of better names; a process has some hundred modules.
const MAX_REASONS: usize = 4096;

/// Names by address, the least recently used half forgotten when there is no more room.
///
/// The key is the build and the offset in its file, so an address that another library has taken over is another
/// key. Kept as two generations: a hit in the old one moves to the young one; when that is half of the budget, the
/// old one is forgotten and the young one takes its place.
#[derive(Debug)]
pub(crate) struct Cache {
    budget: usize,
    young: Generation,
    old: Generation,
    reasons: HashMap<Box<str>, Option<Reason>>,
    used: u64,
    forgotten: u64,
}

/// What a [`Symbolizer`](crate::Symbolizer) remembers, and how well that served.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CacheStats {
    /// Addresses remembered.
    pub addresses: usize,
    /// The bytes they take; equal strings are counted as often as they are used.
    pub bytes: usize,
    /// Addresses that were answered from memory.
    pub used: u64,
    /// Addresses that were forgotten, or never remembered, for want of room.
    pub forgotten: u64,
    /// Addresses that could not be kept on disk, where that is asked for.
    pub unkept: u64,
}

#[derive(Debug, Default)]
struct Generation {
    by_build: HashMap<Box<str>, HashMap<u64, Arc<[Frame]>>>,
    len: usize,
    bytes: usize,
}

impl Cache {
    /// A cache that holds at most `bytes`.
    pub(crate) fn of_bytes(bytes: usize) -> Self {
        Self {
            budget: bytes,
            young: Generation::default(),
            old: Generation::default(),
            reasons: HashMap::new(),
            used: 0,
            forgotten: 0,
        }
    }

    /// The frames at `offset` of the file of `build`, if they were asked for before.
    pub(crate) fn get(&mut self, build: &str, offset: u64) -> Option<Arc<[Frame]>> {
        let found = match self.young.get(build, offset) {
            Some(found) => found,
            None => {
                let found = self.old.take(build, offset)?;
                self.insert(build, offset, &found);
                found
            }
        };
        self.used += 1;
        Some(found)
    }

    /// Remembers `frames` as those at `offset` of the file of `build`.
    pub(crate) fn insert(&mut self, build: &str, offset: u64, frames: &Arc<[Frame]>) {
        let bytes = entry_bytes(frames);
        if bytes > self.budget / 2 {
            self.forgotten += 1;
            return;
        }
        if self.young.bytes + bytes > self.budget / 2 {
            let forgotten = std::mem::replace(&mut self.old, std::mem::take(&mut self.young));
            self.forgotten += forgotten.len as u64;
        }
        self.young.put(build, offset, frames);
    }

    /// What stood in the way of better names in the file of `build`, when it was last looked at.
    pub(crate) fn reason(&self, build: &str) -> Option<Reason> {
        self.reasons.get(build).copied().flatten()
    }

    /// Remembers what stood in the way.
    pub(crate) fn set_reason(&mut self, build: &str, reason: Option<Reason>) {
        if self.reasons.len() >= MAX_REASONS {
            self.reasons.clear();
        }
        self.reasons.insert(build.into(), reason);
    }

    pub(crate) const fn stats(&self) -> CacheStats {
        CacheStats {
            addresses: self.young.len + self.old.len,
            bytes: self.young.bytes + self.old.bytes,
            used: self.used,
            forgotten: self.forgotten,
            unkept: 0,
        }
    }
}

impl Generation {
    fn get(&self, build: &str, offset: u64) -> Option<Arc<[Frame]>> {
        self.by_build.get(build)?.get(&offset).cloned()
    }

    fn take(&mut self, build: &str, offset: u64) -> Option<Arc<[Frame]>> {
        let frames = self.by_build.get_mut(build)?.remove(&offset)?;
        self.len -= 1;
        self.bytes -= entry_bytes(&frames);
        Some(frames)
    }

    fn put(&mut self, build: &str, offset: u64, frames: &Arc<[Frame]>) {
        let of_build = match self.by_build.get_mut(build) {
            Some(of_build) => of_build,
            None => self.by_build.entry(build.into()).or_default(),
        };
        self.len += 1;
        self.bytes += entry_bytes(frames);
        if let Some(before) = of_build.insert(offset, frames.clone()) {
            self.len -= 1;
            self.bytes -= entry_bytes(&before);
        }
    }
}

/// What stands for the build that `module` is. Without a build id the file does: the inode of a mapped file is not
/// given away.
pub(crate) fn build(module: &Module) -> Cow<'_, str> {
    match module.build_id.as_str() {
        "" => Cow::Owned(format!("{}:{}", module.inode, module.path)),
        build_id => Cow::Borrowed(build_id),
    }
}

fn entry_bytes(frames: &[Frame]) -> usize {
    let text = |frame: &Frame| frame.name.len() + frame.mangled.len() + frame.file.len();
    ENTRY_BYTES + frames.iter().map(|frame| size_of::<Frame>() + text(frame)).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::Names;

    fn frames() -> Arc<[Frame]> {
        Arc::from([Names::default().place("libshop.so+0x1234")])
    }

    #[test]
    fn it_never_holds_more_than_its_budget_and_counts_what_it_forgets() {
        let frames = frames();
        let budget = 20 * entry_bytes(&frames);
        let mut cache = Cache::of_bytes(budget);
        for index in 0..50 {
            cache.insert("abc", index, &frames);
            assert!(cache.stats().bytes <= budget, "{index}: {:?}", cache.stats());
        }
        let stats = cache.stats();
        assert_eq!(stats.bytes, stats.addresses * entry_bytes(&frames));
        assert_eq!(stats.addresses as u64 + stats.forgotten, 50);
        assert!(cache.get("abc", 49).is_some() && cache.get("abc", 0).is_none());
        assert!(cache.get("another build", 49).is_none());
    }

    #[test]
    fn what_is_asked_for_is_kept_over_what_is_not() {
        let frames = frames();
        let mut cache = Cache::of_bytes(20 * entry_bytes(&frames));
        for index in 0..60 {
            cache.insert("abc", index, &frames);
            assert!(cache.get("abc", 0).is_some(), "asked for after each of {index} others");
        }
        assert!(cache.get("abc", 1).is_none());
        assert_eq!(cache.stats().used, 60);
    }

    #[test]
    fn the_same_entry_twice_counts_once() {
        let frames = frames();
        let mut cache = Cache::of_bytes(DEFAULT_CACHE_BUDGET);
        cache.insert("abc", 0, &frames);
        cache.insert("abc", 0, &frames);
        let expected =
            CacheStats { addresses: 1, bytes: entry_bytes(&frames), used: 0, forgotten: 0, unkept: 0 };
        assert_eq!(cache.stats(), expected);
        assert_eq!(Cache::of_bytes(10).stats(), CacheStats::default());
    }
}
