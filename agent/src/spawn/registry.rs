//! How many tasks each spawn site has alive. Sites are few and live as long as the process; counting a task takes
//! a read lock and two atomic additions.

use std::collections::HashMap;
use std::panic::Location;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{LazyLock, PoisonError, RwLock};

/// The most sites that are told apart: 4,096 of them take about 400 KiB. Tasks of further ones count under one.
pub(crate) const MAX_SITES: usize = 4096;

/// A line of code that spawns tasks.
#[derive(Debug)]
pub(crate) struct Site {
    /// Where; `None` for the site of all that came too late.
    pub(crate) location: Option<&'static Location<'static>>,
    /// The type of the first future it spawned, which names the function that runs.
    pub(crate) type_name: &'static str,
    spawned: AtomicU64,
    ended: AtomicU64,
}

/// One task that is alive; counted out when dropped.
#[derive(Debug)]
pub(crate) struct Alive(&'static Site);

/// Keyed by the address of the location: comparing its text at every spawn would cost more than the rest. The same
/// line can have two addresses, as two generic instances do; whoever lists sites adds equal lines up.
static SITES: LazyLock<RwLock<HashMap<usize, &'static Site>>> = LazyLock::new(RwLock::default);

static OTHER_SITES: Site =
    Site { location: None, type_name: "(other sites)", spawned: AtomicU64::new(0), ended: AtomicU64::new(0) };

/// Counts a task in at `location`.
pub(crate) fn enter(location: &'static Location<'static>, type_name: &'static str) -> Alive {
    let site = site(location, type_name);
    site.spawned.fetch_add(1, Ordering::Relaxed);
    Alive(site)
}

/// Every site with the tasks it has alive, in no order.
pub(crate) fn sites() -> Vec<(&'static Site, u64)> {
    let sites = SITES.read().unwrap_or_else(PoisonError::into_inner);
    sites.values().copied().chain([&OTHER_SITES]).map(|site| (site, site.alive())).collect()
}

/// The tasks alive over all sites.
pub(crate) fn alive() -> u64 {
    sites().iter().map(|(_, alive)| alive).sum()
}

impl Site {
    /// How many of its tasks are alive. `ended` is read first: the other way round a task that comes and goes
    /// between the two reads would make the difference negative.
    pub(crate) fn alive(&self) -> u64 {
        // Acquire pairs with the Release in `Alive::drop`: whoever sees a task ended sees it spawned, too.
        let ended = self.ended.load(Ordering::Acquire);
        self.spawned.load(Ordering::Relaxed).saturating_sub(ended)
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        // Release pairs with the Acquire in `Site::alive`.
        self.0.ended.fetch_add(1, Ordering::Release);
    }
}

fn site(location: &'static Location<'static>, type_name: &'static str) -> &'static Site {
    let key = std::ptr::from_ref(location) as usize;
    if let Some(site) = SITES.read().unwrap_or_else(PoisonError::into_inner).get(&key) {
        return site;
    }
    let mut sites = SITES.write().unwrap_or_else(PoisonError::into_inner);
    if sites.len() >= MAX_SITES && !sites.contains_key(&key) {
        return &OTHER_SITES;
    }
    sites.entry(key).or_insert_with(|| {
        // Lives as long as the process, as the line of code does.
        Box::leak(Box::new(Site {
            location: Some(location),
            type_name,
            spawned: AtomicU64::new(0),
            ended: AtomicU64::new(0),
        }))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alive_here(line: u32) -> u64 {
        let here = |site: &Site| site.location.is_some_and(|at| at.file() == file!() && at.line() == line);
        sites().into_iter().filter(|(site, _)| here(site)).map(|(_, alive)| alive).sum()
    }

    #[tokio::test]
    async fn a_task_counts_until_it_ends_panics_or_is_aborted() {
        let (line, spawn) = (line!() + 1, |mood: u8| {
            crate::spawn(async move {
                match mood {
                    0 => {}
                    1 => panic!("as tasks do"),
                    _ => std::future::pending().await,
                }
            })
        });
        assert_eq!(alive_here(line), 0);
        let (ends, panics, stays) = (spawn(0), spawn(1), spawn(2));
        // None of them has been polled on this single thread.
        assert_eq!(alive_here(line), 3);
        assert!(ends.await.is_ok() && panics.await.is_err());
        assert_eq!(alive_here(line), 1);
        stays.abort();
        assert!(stays.await.is_err());
        assert_eq!(alive_here(line), 0);
        let blocking = crate::spawn_blocking(|| alive()).await.expect("it ends");
        assert!(blocking >= 1);
    }
}
