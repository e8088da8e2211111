//! How many tasks each place in the code has spawned, and how many of them live. Counting is lock-free and allocates
//! only for a place's first task.

use std::panic::Location;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use super::name;

/// The most places kept apart; tasks of later ones count under `(other sites)`.
const MAX_SITES: usize = 4_096;

/// Twice the sites, so that a probe finds its slot or a free one soon. 8,192 slots of 16 bytes are 128 KB, taken at
/// the first spawn; a site takes 1.1 KB, so the most there can be is 4.7 MB.
const SLOTS: usize = 8_192;

/// Counters of a site, so that threads spawning from one line do not fight over a cache line.
const SHARDS: usize = 8;

/// What was spawned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Task,
    Blocking,
}

/// All sites of the process.
#[derive(Debug)]
pub(crate) struct Registry {
    slots: Box<[OnceLock<&'static Site>]>,
    sites: AtomicUsize,
    other: Site,
    other_blocking: Site,
}

/// What one site has counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SiteCount {
    /// Where; `None` for all the sites past the bound.
    pub(crate) place: Option<&'static Location<'static>>,
    /// The function, if the first future's type told.
    pub(crate) function: Option<String>,
    pub(crate) kind: Kind,
    pub(crate) alive: u64,
    pub(crate) spawned: u64,
}

/// Counts its task as alive until dropped.
#[derive(Debug)]
pub(crate) struct Alive(&'static Site);

#[derive(Debug)]
struct Site {
    place: Option<&'static Location<'static>>,
    type_name: &'static str,
    kind: Kind,
    shards: [Shard; SHARDS],
}

/// Two cache lines, because the processor fetches them in pairs.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Shard {
    spawned: AtomicU64,
    ended: AtomicU64,
}

/// Counts one more task spawned at `place`.
#[inline]
pub(super) fn enter<F>(place: &'static Location<'static>, kind: Kind) -> Alive {
    Registry::global().enter(place, std::any::type_name::<F>(), kind)
}

impl Registry {
    /// The registry of this process.
    pub(crate) fn global() -> &'static Self {
        static GLOBAL: OnceLock<&'static Registry> = OnceLock::new();
        GLOBAL.get_or_init(Self::leaked)
    }

    /// Every site with its counts. One `spawn` line can appear more than once, where the compiler made copies of it.
    pub(crate) fn counts(&self) -> Vec<SiteCount> {
        self.all().map(Site::count).filter(|count| count.spawned > 0).collect()
    }

    /// How many tasks live; without the blocking ones, as the runtime counts.
    pub(crate) fn alive(&self) -> u64 {
        self.all().filter(|site| site.kind == Kind::Task).map(|site| site.sums().1).sum()
    }

    fn all(&self) -> impl Iterator<Item = &Site> {
        let kept = self.slots.iter().filter_map(|slot| slot.get().map(|site| &**site));
        kept.chain([&self.other, &self.other_blocking])
    }

    /// Leaked because every task that lives points into it.
    fn leaked() -> &'static Self {
        Box::leak(Box::new(Self {
            slots: std::iter::repeat_with(OnceLock::new).take(SLOTS).collect(),
            sites: AtomicUsize::new(0),
            other: Site::new(None, "", Kind::Task),
            other_blocking: Site::new(None, "", Kind::Blocking),
        }))
    }

    fn enter(&'static self, place: &'static Location<'static>, type_name: &'static str, kind: Kind) -> Alive {
        let site = self.site(place, type_name, kind);
        site.shard().spawned.fetch_add(1, Ordering::Relaxed);
        Alive(site)
    }

    fn site(
        &'static self,
        place: &'static Location<'static>,
        type_name: &'static str,
        kind: Kind,
    ) -> &'static Site {
        let start = start_of(place);
        for slot in (start..start + SLOTS).filter_map(|index| self.slots.get(index % SLOTS)) {
            let found = match slot.get() {
                Some(site) => *site,
                None if !self.reserve() => break,
                None => self.fill(slot, Site::new(Some(place), type_name, kind)),
            };
            if found.place.is_some_and(|other| std::ptr::eq(other, place)) && found.kind == kind {
                return found;
            }
        }
        match kind {
            Kind::Task => &self.other,
            Kind::Blocking => &self.other_blocking,
        }
    }

    /// Takes one of the places for sites.
    fn reserve(&self) -> bool {
        let more = |sites| (sites < MAX_SITES).then_some(sites + 1);
        self.sites.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok()
    }

    /// Puts `site` into `slot`, unless another thread was quicker; then its site it is, and our place is given back.
    #[cold]
    fn fill(&self, slot: &OnceLock<&'static Site>, site: Site) -> &'static Site {
        let mut ours = false;
        let filled = slot.get_or_init(|| {
            ours = true;
            Box::leak(Box::new(site))
        });
        if !ours {
            self.sites.fetch_sub(1, Ordering::Relaxed);
        }
        filled
    }
}

impl Site {
    fn new(place: Option<&'static Location<'static>>, type_name: &'static str, kind: Kind) -> Self {
        Self { place, type_name, kind, shards: Default::default() }
    }

    fn shard(&self) -> &Shard {
        let [first, ..] = &self.shards;
        self.shards.get(shard_of_this_thread()).unwrap_or(first)
    }

    fn count(&self) -> SiteCount {
        let (spawned, alive) = self.sums();
        let function = name::function_of(self.type_name);
        SiteCount { place: self.place, function, kind: self.kind, alive, spawned }
    }

    /// Spawned and alive. The ends are read first, and each end was written after its spawn, so `alive` never comes
    /// out below zero.
    fn sums(&self) -> (u64, u64) {
        // Acquire: pairs with the Release in `Alive::drop`.
        let ended: u64 = self.shards.iter().map(|shard| shard.ended.load(Ordering::Acquire)).sum();
        let spawned: u64 = self.shards.iter().map(|shard| shard.spawned.load(Ordering::Relaxed)).sum();
        (spawned, spawned.saturating_sub(ended))
    }
}

impl Drop for Alive {
    #[inline]
    fn drop(&mut self) {
        // Release: pairs with the Acquire in `Site::sums`; who sees this end sees the spawn before it.
        self.0.shard().ended.fetch_add(1, Ordering::Release);
    }
}

/// Where the search for a place begins. The multiplier is 2^64 divided by the golden ratio: places that are neighbors
/// in memory land far apart.
fn start_of(place: &'static Location<'static>) -> usize {
    let address = std::ptr::from_ref(place).addr() as u64;
    let spread = address.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (u64::BITS - SLOTS.ilog2());
    usize::try_from(spread).unwrap_or(0)
}

fn shard_of_this_thread() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static SHARD: usize = NEXT.fetch_add(1, Ordering::Relaxed) % SHARDS;
    }
    // A task can be dropped while its thread is being torn down; any shard will do then.
    SHARD.try_with(|shard| *shard).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As many different places as wanted; the registry tells them apart by address.
    fn places(count: usize) -> Vec<&'static Location<'static>> {
        let place = *Location::caller();
        vec![place; count].leak().iter().collect()
    }

    fn counts(registry: &Registry) -> Vec<(u64, u64)> {
        registry.counts().iter().map(|count| (count.alive, count.spawned)).collect()
    }

    #[test]
    fn a_task_counts_where_it_was_spawned_until_it_ends() {
        let registry = Registry::leaked();
        let places = places(2);
        let first = registry.enter(places[0], "shop::run::{{closure}}", Kind::Task);
        let second = registry.enter(places[0], "shop::run::{{closure}}", Kind::Task);
        let blocking = registry.enter(places[1], "shop::hash::{{closure}}", Kind::Blocking);
        drop(first);
        let mut found = registry.counts();
        found.sort_by_key(|count| count.spawned);
        assert_eq!((found[0].alive, found[0].spawned, found[0].kind), (1, 1, Kind::Blocking));
        assert_eq!((found[1].alive, found[1].spawned, found[1].kind), (1, 2, Kind::Task));
        assert_eq!(found[1].function.as_deref(), Some("shop::run"));
        assert_eq!(registry.alive(), 1, "blocking ones are not the runtime's tasks");
        drop((second, blocking));
        assert_eq!(registry.alive(), 0);
    }

    #[test]
    fn sites_past_the_bound_count_together() {
        let registry = Registry::leaked();
        let alive: Vec<Alive> =
            places(MAX_SITES + 7).iter().map(|place| registry.enter(place, "", Kind::Task)).collect();
        let counts = registry.counts();
        assert_eq!(counts.len(), MAX_SITES + 1);
        let other = counts.last().expect("the others");
        assert_eq!((other.place, other.alive), (None, 7));
        drop(alive);
        assert_eq!(registry.alive(), 0);
    }

    #[test]
    fn threads_do_not_lose_counts() {
        let registry = Registry::leaked();
        let places = places(50);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let mut kept = Vec::new();
                    for place in places.iter().cycle().take(10_000) {
                        kept.push(registry.enter(place, "", Kind::Task));
                    }
                    kept.truncate(100);
                    kept.leak();
                });
            }
        });
        assert_eq!(counts(registry), vec![(8, 800); 50]);
        assert_eq!(registry.sites.load(Ordering::Relaxed), 50);
    }
}
