//! What has been named before, by build and offset, in a bounded number of bytes.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use flamewatch_symbolizer::{Addr, Frame, Module, ModuleMap};

use crate::Unit;

/// How many bytes of names a [`Resolver`](super::Resolver) remembers: 16 MiB. An address with four frames of 80
/// bytes of name, 110 of mangled name and 90 of path counts 1.6 KB (less is used: equal strings are shared), so
/// this is room for 10,000 addresses, twice what a busy service's heap profile has.
pub(crate) const DEFAULT_CACHE_BYTES: usize = 16 << 20;

/// What an entry takes besides its frames: its place in a hash table that may be half empty, and two counters.
const ENTRY_BYTES: usize = 96;

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
    hits: u64,
    evicted: u64,
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
        Self { budget: bytes, young: Generation::default(), old: Generation::default(), hits: 0, evicted: 0 }
    }

    /// The frames at `address`, if they were asked for before. An address outside every module is never known.
    pub(crate) fn get(&mut self, map: &ModuleMap, address: Addr) -> Option<Arc<[Frame]>> {
        let (build, offset) = key(map, address)?;
        let found = match self.young.get(&build, offset) {
            Some(found) => found,
            None => {
                let found = self.old.take(&build, offset)?;
                self.keep(&build, offset, &found);
                found
            }
        };
        self.hits += 1;
        Some(found)
    }

    /// Remembers `frames` as those at `address`.
    pub(crate) fn insert(&mut self, map: &ModuleMap, address: Addr, frames: &Arc<[Frame]>) {
        if let Some((build, offset)) = key(map, address) {
            self.keep(&build, offset, frames);
        }
    }

    fn keep(&mut self, build: &str, offset: u64, frames: &Arc<[Frame]>) {
        let bytes = entry_bytes(frames);
        if bytes > self.budget / 2 {
            self.evicted += 1;
            return;
        }
        if self.young.bytes + bytes > self.budget / 2 {
            let forgotten = std::mem::replace(&mut self.old, std::mem::take(&mut self.young));
            self.evicted += forgotten.len as u64;
        }
        self.young.put(build, offset, frames);
    }

    /// What is remembered, in words.
    pub(crate) fn summary(&self) -> String {
        let size = Unit::Bytes.show(self.bytes() as f64);
        format!("{} addresses in {size}, used {} times, {} forgotten", self.len(), self.hits, self.evicted)
    }

    /// How many addresses are remembered.
    pub(crate) const fn len(&self) -> usize {
        self.young.len + self.old.len
    }

    /// How many bytes they take, equal strings counted as often as they are used.
    pub(crate) const fn bytes(&self) -> usize {
        self.young.bytes + self.old.bytes
    }

    /// How many addresses were answered from here.
    #[cfg(test)]
    pub(crate) const fn hits(&self) -> u64 {
        self.hits
    }

    /// How many addresses were forgotten, or never remembered, for want of room.
    #[cfg(test)]
    pub(crate) const fn evicted(&self) -> u64 {
        self.evicted
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

/// The build that `address` belongs to, and where in its file. Without a build id the file stands for the build:
/// the inode of a mapped file is not given away.
fn key(map: &ModuleMap, address: Addr) -> Option<(Cow<'_, str>, u64)> {
    let (module, segment) = map.lookup(address.lookup())?;
    Some((build(module), segment.offset_of(address.lookup())))
}

fn build(module: &Module) -> Cow<'_, str> {
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
    use flamewatch_symbolizer::Symbolizer;

    use super::*;

    /// Addresses of this test program, and an answer that could be any one's.
    struct Known {
        map: ModuleMap,
        start: u64,
        frames: Arc<[Frame]>,
    }

    impl Known {
        fn new() -> Self {
            let map = ModuleMap::current().expect("a map");
            let start = Self::new as fn() -> Self as usize as u64;
            let frames = Arc::from(Symbolizer::default().resolve(&map, &[Addr::Pc(start)]).frames(0));
            Self { map, start, frames }
        }

        fn insert(&self, cache: &mut Cache, index: u64) {
            cache.insert(&self.map, Addr::Pc(self.start + index), &self.frames);
        }

        fn get(&self, cache: &mut Cache, index: u64) -> bool {
            cache.get(&self.map, Addr::Pc(self.start + index)).is_some()
        }
    }

    #[test]
    fn it_never_holds_more_than_its_budget_and_counts_what_it_forgets() {
        let known = Known::new();
        let budget = 20 * entry_bytes(&known.frames);
        let mut cache = Cache::of_bytes(budget);
        for index in 0..50 {
            known.insert(&mut cache, index);
            assert!(cache.bytes() <= budget, "{index}: {}", cache.bytes());
        }
        assert_eq!(cache.bytes(), cache.len() * entry_bytes(&known.frames));
        assert_eq!(cache.len() as u64 + cache.evicted(), 50);
        assert!(known.get(&mut cache, 49) && !known.get(&mut cache, 0));
    }

    #[test]
    fn what_is_asked_for_is_kept_over_what_is_not() {
        let known = Known::new();
        let mut cache = Cache::of_bytes(20 * entry_bytes(&known.frames));
        for index in 0..60 {
            known.insert(&mut cache, index);
            assert!(known.get(&mut cache, 0), "asked for after each of {index} others");
        }
        assert!(!known.get(&mut cache, 1));
        assert_eq!(cache.hits(), 60);
    }

    #[test]
    fn the_same_entry_twice_counts_once() {
        let known = Known::new();
        let mut cache = Cache::of_bytes(DEFAULT_CACHE_BYTES);
        known.insert(&mut cache, 0);
        known.insert(&mut cache, 0);
        assert_eq!((cache.len(), cache.bytes(), cache.evicted()), (1, entry_bytes(&known.frames), 0));
    }

    #[test]
    fn an_address_outside_every_module_is_never_known() {
        let known = Known::new();
        let mut cache = Cache::of_bytes(DEFAULT_CACHE_BYTES);
        cache.insert(&known.map, Addr::Pc(1), &known.frames);
        assert!(cache.get(&known.map, Addr::Pc(1)).is_none());
        assert_eq!(cache.len(), 0);
    }
}
