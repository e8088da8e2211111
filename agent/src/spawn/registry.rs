//! The places that spawn, found by their address. Lock-free; it allocates only for a place's first task.

use std::panic::Location;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::site::{Kind, Site, SiteCount};

/// The most places kept apart; tasks of later ones count under `(other sites)`.
const MAX_SITES: usize = 4_096;

/// Twice the sites, so that a probe finds its slot or a free one soon. 8,192 slots of 16 bytes are 128 KB, taken at
/// the first spawn; a site takes 2.8 KB, so the most there can be is 11 MB.
const SLOTS: usize = 8_192;

/// All sites of the process.
#[derive(Debug)]
pub(crate) struct Registry {
    slots: Box<[OnceLock<&'static Site>]>,
    sites: AtomicUsize,
    /// For each kind the sites past the bound.
    others: [Site; 5],
}

/// Who has spawned at a place. One where both have, through a function that hands its caller on, is seen as the others'.
#[cfg(any(test, tokio_unstable))]
#[derive(Clone, Copy, Debug)]
pub(super) enum Seen {
    Nobody,
    Ours,
    Others(&'static Site),
}

impl Registry {
    /// The registry of this process.
    #[inline]
    pub(crate) fn global() -> &'static Self {
        static GLOBAL: OnceLock<&'static Registry> = OnceLock::new();
        GLOBAL.get_or_init(Self::leaked)
    }

    /// Every site with its counts. One `spawn` line can appear more than once, where the compiler made copies of it.
    pub(crate) fn counts(&self) -> Vec<SiteCount> {
        self.all().map(Site::count).filter(|count| count.spawned > 0).collect()
    }

    /// How many tasks live; without blocking ones and futures within tasks, as the runtime counts.
    pub(crate) fn alive(&self) -> u64 {
        self.alive_of(&[Kind::Task, Kind::Local, Kind::Runtime])
    }

    /// How many live of `kinds`.
    pub(crate) fn alive_of(&self, kinds: &[Kind]) -> u64 {
        self.all().filter(|site| kinds.contains(&site.kind())).map(|site| site.sums().1).sum()
    }

    /// Who has spawned at `place`.
    #[cfg(any(test, tokio_unstable))]
    #[inline]
    pub(super) fn seen(&'static self, place: &'static Location<'static>) -> Seen {
        let start = start_of(place);
        let mut seen = Seen::Nobody;
        for index in start..start + SLOTS {
            let Some(site) = self.slots.get(index % SLOTS).and_then(OnceLock::get) else { break };
            if site.is(place, Kind::Runtime) {
                return Seen::Others(site);
            }
            if site.is(place, Kind::Task) || site.is(place, Kind::Local) || site.is(place, Kind::Blocking) {
                seen = Seen::Ours;
            }
        }
        let is_full = || self.sites.load(Ordering::Relaxed) >= MAX_SITES;
        if matches!(seen, Seen::Nobody) && is_full() { Seen::Others(self.other(Kind::Runtime)) } else { seen }
    }

    /// The site of `place`, made at its first task.
    #[inline]
    pub(super) fn site(
        &'static self,
        place: &'static Location<'static>,
        type_name: &'static str,
        kind: Kind,
    ) -> &'static Site {
        let start = start_of(place);
        match self.slots.get(start).and_then(OnceLock::get) {
            Some(site) if site.is(place, kind) => site,
            _ => self.search(start, place, type_name, kind),
        }
    }

    fn search(
        &'static self,
        start: usize,
        place: &'static Location<'static>,
        type_name: &'static str,
        kind: Kind,
    ) -> &'static Site {
        for (index, slot) in (start..start + SLOTS).filter_map(|index| {
            let index = index % SLOTS;
            self.slots.get(index).map(|slot| (index, slot))
        }) {
            let found = match slot.get() {
                Some(site) => *site,
                None if !self.reserve() => break,
                None => self.fill(slot, Site::new(number(index), Some(place), type_name, kind)),
            };
            if found.is(place, kind) {
                return found;
            }
        }
        self.other(kind)
    }

    fn other(&self, kind: Kind) -> &Site {
        let [task, local, blocking, future, runtime] = &self.others;
        match kind {
            Kind::Task => task,
            Kind::Local => local,
            Kind::Blocking => blocking,
            Kind::Future => future,
            Kind::Runtime => runtime,
        }
    }

    fn all(&self) -> impl Iterator<Item = &Site> {
        let kept = self.slots.iter().filter_map(|slot| slot.get().map(|site| &**site));
        kept.chain(&self.others)
    }

    /// Leaked because every task that lives points into it.
    fn leaked() -> &'static Self {
        let mut after = SLOTS..;
        Box::leak(Box::new(Self {
            slots: std::iter::repeat_with(OnceLock::new).take(SLOTS).collect(),
            sites: AtomicUsize::new(0),
            others: Kind::ALL.map(|kind| Site::new(after.next().map_or(0, number), None, "", kind)),
        }))
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

/// Where the search for a place begins. The multiplier is 2^64 divided by the golden ratio: places that are neighbors
/// in memory land far apart.
fn start_of(place: &'static Location<'static>) -> usize {
    let address = std::ptr::from_ref(place).addr() as u64;
    let spread = address.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (u64::BITS - SLOTS.ilog2());
    usize::try_from(spread).unwrap_or(0)
}

fn number(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Alive(&'static Site);

    impl Drop for Alive {
        fn drop(&mut self) {
            self.0.ended();
        }
    }

    /// As many different places as wanted; the registry tells them apart by address.
    fn places(count: usize) -> Vec<&'static Location<'static>> {
        let place = *Location::caller();
        vec![place; count].leak().iter().collect()
    }

    fn enter(
        registry: &'static Registry,
        place: &'static Location<'static>,
        type_name: &'static str,
        kind: Kind,
    ) -> Alive {
        let site = registry.site(place, type_name, kind);
        site.spawned();
        Alive(site)
    }

    fn counts(registry: &Registry) -> Vec<(u64, u64)> {
        registry.counts().iter().map(|count| (count.alive, count.spawned)).collect()
    }

    #[test]
    fn a_task_counts_where_it_was_spawned_until_it_ends() {
        let registry = Registry::leaked();
        let places = places(2);
        let first = enter(registry, places[0], "shop::run::{{closure}}", Kind::Task);
        let second = enter(registry, places[0], "shop::run::{{closure}}", Kind::Task);
        let blocking = enter(registry, places[1], "shop::hash::{{closure}}", Kind::Blocking);
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
            places(MAX_SITES + 7).iter().map(|place| enter(registry, place, "", Kind::Task)).collect();
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
                        kept.push(enter(registry, place, "", Kind::Task));
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
