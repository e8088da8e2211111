//! Where profiles are asked for: by the debug port, and by the agent itself when a rule fires.
//! Collecting and naming run on the agent's worker threads, so that its own loop never waits for them.

mod alerts;
#[cfg_attr(not(feature = "serve"), allow(dead_code, reason = "only the debug port draws charts"))]
mod charts;
#[cfg(feature = "serve")]
mod checkup;
mod memory;
#[cfg(feature = "serve")]
mod others;

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use crate::figure::Family;
use crate::leak::Report;
use crate::meter::{Count, Meter, Meters, Subject};
use crate::profile::Profile;
use crate::resolve::Resolver;
use crate::source::{Source, Window, walk::Reading};
use crate::store::{Kept, Run, Snapshot, Store, Whose};
use crate::{Error, ErrorKind, Unit, gauge, sys};

#[cfg(feature = "serve")]
pub(crate) use charts::Charts;
pub(crate) use charts::{Chart, Mark};
use memory::Ledger;

pub(crate) use alerts::{Board, Outlet};

/// Everything that can be asked for.
pub(crate) struct Desk {
    sources: Vec<Arc<dyn Source>>,
    resolver: Arc<Resolver>,
    dumps: Arc<Semaphore>,
    store: Store,
    identity: Identity,
    status: Mutex<Vec<(String, String)>>,
    figures: Mutex<Vec<Family>>,
    meters: Mutex<Meters>,
    leaks: Mutex<Arc<Report>>,
    outlets: Mutex<Vec<Outlet>>,
    suppressed: Mutex<Vec<(&'static str, u64)>>,
    #[cfg(feature = "serve")]
    charts: Mutex<Arc<Charts>>,
    #[cfg(feature = "serve")]
    practice: checkup::Practice,
    ledger: Arc<Ledger>,
    runtime: Option<Handle>,
    reading: Option<Arc<Reading>>,
    on_jemalloc: bool,
}

/// Who this process is, as pages and profiles say it.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    pub(crate) service: String,
    pub(crate) version: Option<String>,
    pub(crate) revision: Option<String>,
    pub(crate) started: Instant,
}

impl Identity {
    /// The process as it starts now.
    pub(crate) fn of(service: &str, version: Option<&str>) -> Self {
        let version = version.map(str::to_owned);
        Self { service: service.to_owned(), version, revision: None, started: Instant::now() }
    }

    /// The same, built from `revision` of its source.
    pub(crate) fn built_from(self, revision: Option<&str>) -> Self {
        Self { revision: revision.map(str::to_owned), ..self }
    }

    /// One line such as `checkout 1.4.2 (1f3a9c2), process 4711, up 3h 12m`.
    pub(crate) fn summary(&self) -> String {
        let version = self.version.as_deref().map(|version| format!(" {version}")).unwrap_or_default();
        let revision = self.revision.as_deref().map(|revision| format!(" ({revision})")).unwrap_or_default();
        let up = humantime::format_duration(Duration::from_secs(self.started.elapsed().as_secs()));
        format!("{}{version}{revision}, process {}, up {up}", self.service, std::process::id())
    }
}

impl Desk {
    pub(crate) fn new(sources: Vec<Arc<dyn Source>>, identity: Identity) -> Self {
        Self {
            sources,
            resolver: Arc::default(),
            dumps: Arc::new(Semaphore::new(1)),
            store: Store::new(Run::now(&identity.service, identity.version.as_deref())),
            identity,
            status: Mutex::default(),
            figures: Mutex::default(),
            meters: Mutex::default(),
            leaks: Mutex::default(),
            outlets: Mutex::default(),
            suppressed: Mutex::default(),
            #[cfg(feature = "serve")]
            charts: Mutex::default(),
            #[cfg(feature = "serve")]
            practice: checkup::Practice::default(),
            ledger: Arc::default(),
            runtime: None,
            reading: None,
            on_jemalloc: false,
        }
    }

    /// The same desk, of a service that runs on `runtime`, and on jemalloc or not.
    pub(crate) fn serving(self, runtime: Option<Handle>, on_jemalloc: bool) -> Self {
        Self { runtime, on_jemalloc, ..self }
    }

    /// The same desk, which also looks for separate debug files in `debug_dir`.
    pub(crate) fn looking_in(self, debug_dir: Option<&Path>) -> Self {
        Self { resolver: Arc::new(Resolver::looking_in(debug_dir)), ..self }
    }

    /// The same desk, which keeps its snapshots below `dir` too, where there is one. Reading and writing there is done by a
    /// thread of its own.
    pub(crate) fn keeping_in(self, dir: Option<&Path>) -> Self {
        match dir {
            Some(dir) => Self { store: self.store.on_disk(dir), ..self },
            None => self,
        }
    }

    /// Every source, in the order pages list them.
    pub(crate) fn sources(&self) -> &[Arc<dyn Source>] {
        &self.sources
    }

    /// A named profile from the source called `name`. A windowed source covers `window`; any other shows what is there
    /// now, or with a length what changed over it. Dropping the future ends the window.
    pub(crate) async fn collect(&self, name: &str, window: Window) -> Result<Profile, Error> {
        let source = self.source(name)?;
        check_memory(&*source)?;
        let length = window.length();
        let raw = if source.windowed() {
            collect_raw(source.clone(), window).await?
        } else if length.is_zero() {
            self.dump(source.clone()).await?
        } else {
            let before = self.dump(source.clone()).await?;
            tokio::time::sleep(length).await;
            self.dump(source.clone()).await?.since(&before)
        };
        Ok(source.refine(self.name(raw).await?))
    }

    /// What is there now. One at a time: each goes over a whole table of the process, or asks all of its threads.
    async fn dump(&self, source: Arc<dyn Source>) -> Result<Profile, Error> {
        let turn = self.dumps.clone().acquire_owned().await.ok();
        let collected = on_worker(move || {
            let raw = source.collect(&Window::now());
            drop(turn);
            raw
        });
        let raw = collected.await??;
        tracing::debug!(profile = raw.kind(), "profile collected");
        Ok(raw)
    }

    /// What is there now as it was collected, for comparing with a later one.
    pub(crate) async fn collect_unnamed(&self, name: &str) -> Result<Profile, Error> {
        collect_raw(self.source(name)?, Window::now()).await
    }

    /// The same, for who is on a worker thread already.
    pub(crate) fn collect_here(&self, name: &str) -> Result<Profile, Error> {
        self.source(name)?.collect(&Window::now())
    }

    /// The same with who we are and what is mapped where, so that it can be named later, and by another run.
    pub(crate) fn collect_to_keep(&self, name: &str) -> Result<Profile, Error> {
        Ok(self.signed(self.resolver.with_mappings(self.collect_here(name)?)))
    }

    /// The same on a worker thread.
    pub(crate) async fn collect_raw_to_keep(&self, name: &str) -> Result<Profile, Error> {
        let (source, resolver) = (self.source(name)?, self.resolver.clone());
        let collected = on_worker(move || Ok(resolver.with_mappings(source.collect(&Window::now())?)));
        collected.await?.map(|profile| self.signed(profile))
    }

    /// `profile` with who we are: a profile of ours that was just collected.
    pub(crate) fn signed(&self, mut profile: Profile) -> Profile {
        profile.comments.insert(0, self.identity.summary());
        profile
    }

    /// Whether the source called `name` may be asked now and then without need.
    pub(crate) fn is_cheap(&self, name: &str) -> bool {
        self.source(name).is_ok_and(|source| source.is_cheap())
    }

    /// Whether the source called `name` looks at a stretch of time.
    pub(crate) fn is_windowed(&self, name: &str) -> Result<bool, Error> {
        Ok(self.source(name)?.windowed())
    }

    /// Names the frames of `profile`, and adds who we are. Dropping the future ends it after the slice in hand.
    pub(crate) async fn name(&self, profile: Profile) -> Result<Profile, Error> {
        self.name_kept(self.signed(profile)).await
    }

    /// The same for a profile that says already whose it is.
    pub(crate) async fn name_kept(&self, profile: Profile) -> Result<Profile, Error> {
        let naming = self.naming(move |resolver, canceled| {
            let named = resolver.name(&profile, canceled);
            tracing::debug!(profile = named.kind(), "profile named");
            named
        });
        naming.await
    }

    /// The same for one that another run of this program took.
    pub(crate) async fn name_of_another_run(&self, profile: Profile) -> Result<Profile, Error> {
        let moved = self.naming(move |resolver, _| resolver.moved_here(&profile)).await?;
        self.name_kept(moved).await
    }

    /// The function at each address, where it can be told.
    pub(crate) async fn symbols(&self, addresses: Vec<u64>) -> Vec<Option<String>> {
        let count = addresses.len();
        let looked_up = self.naming(move |resolver, canceled| resolver.lookup(&addresses, canceled));
        looked_up.await.unwrap_or_else(|_| vec![None; count])
    }

    /// Does `work` with the resolver on a thread of its own; it can ask whether this future is still waited for.
    async fn naming<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Resolver, &dyn Fn() -> bool) -> T + Send + 'static,
    ) -> Result<T, Error> {
        let resolver = self.resolver.clone();
        let wanted = Window::now();
        let _guard = wanted.guard();
        on_quiet_thread(move || {
            resolver.limit_memory(naming_budget(gauge::headroom()));
            work(&resolver, &|| wanted.is_canceled())
        })
        .await
    }

    /// Who this process is.
    pub(crate) fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Keeps `snapshot` for the debug port.
    pub(crate) fn keep(&self, snapshot: Snapshot) {
        self.store.add(snapshot);
    }

    /// The snapshots that were kept and who took them, the newest first.
    pub(crate) fn snapshots(&self) -> Vec<(Arc<Kept>, Whose)> {
        self.store.list()
    }

    /// The snapshot with this id.
    pub(crate) fn snapshot(&self, id: &str) -> Option<Arc<Kept>> {
        self.store.get(id)
    }

    /// True for a snapshot that another run took, whose addresses are not ours.
    pub(crate) fn is_foreign(&self, kept: &Kept) -> bool {
        kept.about.run != self.store.run().id
    }

    /// What is kept past the end of the process.
    pub(crate) const fn store(&self) -> &Store {
        &self.store
    }

    /// Has what waits written to the disk, and a clean end noted. Waits for at most `patience`.
    pub(crate) fn end(&self, patience: Duration) {
        self.store.end(patience);
    }

    /// The service's name: all that `/cmdline` gives, since arguments can hold secrets.
    pub(crate) fn command(&self) -> String {
        self.identity.service.clone()
    }

    /// What the index page says of this process: who it is, its gauges, its rules, its sinks, what was lost.
    pub(crate) fn about(&self) -> Vec<(String, String)> {
        let mut lines = vec![("service".to_owned(), self.identity.summary())];
        lines.extend(self.status.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned());
        lines.push(("leaks".to_owned(), self.leaks().summary()));
        lines.extend(self.memory_lines());
        lines.push(("snapshots".to_owned(), self.store.summary()));
        let waiting = self.store.waiting().and_then(|waiting| waiting.summary());
        lines.extend(waiting.map(|waiting| ("alerts not arrived everywhere".to_owned(), waiting)));
        lines.push(("names remembered".to_owned(), self.resolver.summary()));
        lines
    }

    /// Sets what [`Desk::about`] says beyond the identity; the loop does at every tick.
    pub(crate) fn set_status(&self, status: Vec<(String, String)>) {
        *self.status.lock().unwrap_or_else(PoisonError::into_inner) = status;
    }

    /// Every number there is for scrapers, but those of routes and segments.
    #[cfg(feature = "serve")]
    pub(crate) fn figures(&self) -> Vec<Family> {
        let mut figures = crate::vitals::families(self.runtime.as_ref(), self.on_jemalloc);
        figures.extend(self.figures.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned());
        figures.extend(self.leaks().figures());
        let names = self.resolver.remembered();
        figures.extend([
            Family::gauge("flamewatch_names_remembered", "Addresses whose names are remembered.")
                .of(names.addresses as f64),
            Family::gauge("flamewatch_names_remembered_bytes", "What they take.").of(names.bytes as f64),
            Family::counter("flamewatch_names_forgotten_total", "Names that made room for others.")
                .of(names.forgotten as f64),
            Family::gauge("flamewatch_alerts_open", "Alerts that were told and are not over.").of(self
                .store
                .open_now()
                .len()
                as f64),
            Family::gauge("flamewatch_snapshots", "Profiles of alerts that are kept.")
                .of(self.snapshots().len() as f64),
        ]);
        figures.extend(self.store.waiting().into_iter().flat_map(|waiting| waiting.figures()));
        figures
    }

    /// Sets what [`Desk::figures`] tells of the agent itself; the loop does after every round.
    pub(crate) fn set_figures(&self, figures: Vec<Family>) {
        *self.figures.lock().unwrap_or_else(PoisonError::into_inner) = figures;
    }

    /// The last hour of every gauge.
    #[cfg(feature = "serve")]
    pub(crate) fn charts(&self) -> Arc<Charts> {
        self.charts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sets what [`Desk::charts`] tells; the loop does after every round.
    #[cfg(feature = "serve")]
    pub(crate) fn set_charts(&self, now: Duration, charts: Vec<Chart>) {
        let charts = Arc::new(Charts { now, charts });
        *self.charts.lock().unwrap_or_else(PoisonError::into_inner) = charts;
    }

    /// What leaks.
    pub(crate) fn leaks(&self) -> Arc<Report> {
        self.leaks.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sets what [`Desk::leaks`] tells; the loop does after every look.
    pub(crate) fn set_leaks(&self, report: Report) {
        *self.leaks.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(report);
    }

    /// What is open, what was not told, and how the sinks do.
    pub(crate) fn board(&self) -> Board {
        Board {
            open: self.store.open_now(),
            suppressed: self.suppressed.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            outlets: self.outlets.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }

    /// Sets what [`Desk::board`] tells of sinks and of what was not told; the loop does after every round.
    pub(crate) fn set_board(&self, outlets: Vec<Outlet>, suppressed: Vec<(&'static str, u64)>) {
        *self.outlets.lock().unwrap_or_else(PoisonError::into_inner) = outlets;
        *self.suppressed.lock().unwrap_or_else(PoisonError::into_inner) = suppressed;
    }

    /// How fast routes and segments go.
    pub(crate) fn meters(&self) -> Vec<(Subject, Meter)> {
        self.meters.lock().unwrap_or_else(PoisonError::into_inner).all()
    }

    /// Tells the meters how the counts stand at `now`; the loop does every [`meter::TICK`](crate::meter::TICK).
    pub(crate) fn meter(&self, now: Duration, counts: impl IntoIterator<Item = (Subject, Count)>) {
        self.meters.lock().unwrap_or_else(PoisonError::into_inner).tick(now, counts);
    }

    fn source(&self, name: &str) -> Result<Arc<dyn Source>, Error> {
        let found = self.sources.iter().find(|source| source.name() == name);
        found.cloned().ok_or_else(|| Error::new(ErrorKind::NotFound, format!("unknown profile {name:?}")))
    }
}

/// The most memory that compressed debug info is unpacked into where there is no disk, in bytes a file.
const MAX_NAMING_BYTES: u64 = 64 << 20;

/// How much memory that may be with `headroom` bytes left: a quarter of them, so that naming a leak is not what ends
/// the process.
fn naming_budget(headroom: Option<u64>) -> u64 {
    headroom.map_or(MAX_NAMING_BYTES, |bytes| (bytes / 4).min(MAX_NAMING_BYTES))
}

/// Refuses a source that would take more memory than there is.
fn check_memory(source: &dyn Source) -> Result<(), Error> {
    let needed = source.needs_memory();
    match gauge::headroom() {
        Some(left) if left < needed => {
            let show = |bytes: u64| Unit::Bytes.show(bytes as f64);
            let message =
                format!("this profile takes {}, but only {} are left of the limit", show(needed), show(left));
            Err(Error::new(ErrorKind::Unsupported, message))
        }
        _ => Ok(()),
    }
}

/// Collects on a worker thread. When the caller goes away, the guard ends the window.
async fn collect_raw(source: Arc<dyn Source>, window: Window) -> Result<Profile, Error> {
    let _guard = window.guard();
    let raw = on_worker(move || source.collect(&window)).await??;
    tracing::debug!(profile = raw.kind(), "profile collected");
    Ok(raw)
}

/// Runs `work` on a worker thread of the agent's runtime; a panic there becomes an error here.
async fn on_worker<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Error> {
    spawn_blocking(work)
        .await
        .map_err(|error| Error::new(ErrorKind::Unsupported, "the profiler failed on the way").because(error))
}

/// Runs `work` for a processor, such as naming or drawing, on a thread that steps back behind the service's. It ends with
/// the work, because a priority given up cannot be had back, and gives what it took back to the system. A panic there
/// becomes an error here.
pub(crate) async fn on_quiet_thread<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Error> {
    let (done, result) = tokio::sync::oneshot::channel();
    let body = move || {
        sys::thread::withdraw();
        sys::thread::step_back();
        let outcome = work();
        sys::thread::give_back();
        let _ = done.send(outcome);
    };
    std::thread::Builder::new()
        .name("flamewatch-desk".to_owned())
        .spawn(body)
        .map_err(|error| Error::new(ErrorKind::Io, "cannot start a thread for a profile").because(error))?;
    result.await.map_err(|_| Error::new(ErrorKind::Unsupported, "the profiler failed on the way"))
}

impl std::fmt::Debug for Desk {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Desk").field("identity", &self.identity).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn desk() -> Desk {
        Desk::new(Vec::new(), Identity::of("shop", None))
    }

    #[tokio::test]
    async fn who_goes_away_ends_what_they_asked_for() {
        let (began, has_begun) = tokio::sync::oneshot::channel();
        let (ended, has_ended) = tokio::sync::oneshot::channel();
        let desk = desk();
        let naming = desk.naming(move |_, canceled| {
            let _ = began.send(canceled());
            while !canceled() {
                std::thread::yield_now();
            }
            let _ = ended.send(());
        });
        tokio::select! {
            _ = naming => panic!("it ends when nobody waits for it"),
            canceled = has_begun => assert_eq!(canceled, Ok(false)),
        }
        assert_eq!(has_ended.await, Ok(()));
    }

    #[tokio::test]
    async fn a_panic_while_naming_is_an_error_for_one() {
        let desk = desk();
        let failed: Result<(), Error> = desk.naming(|_, _| panic!("on purpose")).await;
        assert_eq!(failed.map_err(|error| error.kind()), Err(ErrorKind::Unsupported));
        assert_eq!(desk.naming(|_, _| 7).await.ok(), Some(7));
    }

    #[test]
    fn naming_takes_what_is_left_into_account() {
        assert_eq!(naming_budget(None), MAX_NAMING_BYTES);
        assert_eq!(naming_budget(Some(8 << 30)), MAX_NAMING_BYTES);
        assert_eq!(naming_budget(Some(64 << 20)), 16 << 20);
        assert_eq!(naming_budget(Some(0)), 0);
    }
}
