//! Addresses in, frames out: sorts a batch by module, answers from memory what it can, and has each module's file
//! asked once for the rest.

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::Addr;
use crate::cache::{self, Cache, CacheStats, DEFAULT_CACHE_BUDGET};
use crate::engine;
use crate::file::binary::Binary;
use crate::frame::Frame;
use crate::module::{Module, ModuleMap};
use crate::names::Names;
use crate::perf_map;
use crate::places::Places;
use crate::report::{ModuleReport, Reason, Report};
use crate::resolved::Resolved;
use crate::shelf::{Answer, Shelf};
#[cfg(feature = "debuginfod")]
use crate::{Error, ErrorKind};

/// The most memory, in bytes, that compressed debug sections are unpacked into where there is no disk to unpack them
/// to: 64 MiB.
pub const DEFAULT_MEMORY_BUDGET: u64 = 64 << 20;

/// How much of the debug info is held in memory at a time unless told otherwise, in bytes: 4 MiB, more than all but
/// the largest units take.
pub const DEFAULT_WINDOW: usize = 4 << 20;

/// A smaller window would be read over and over.
const LEAST_WINDOW: usize = 16 << 10;

/// Names code addresses. Reads files a few MiB at a time and gives that back before `resolve` returns; what it keeps
/// are answers, up to [`Builder::cache_budget`].
#[derive(Debug)]
pub struct Symbolizer {
    places: Places,
    memory_budget: AtomicU64,
    shelf: Option<Shelf>,
    /// The builds whose answers on disk are remembered already.
    taken_down: Mutex<HashSet<String>>,
    unkept: AtomicU64,
    cache: Mutex<Cache>,
}

/// Settings of a [`Symbolizer`].
#[derive(Clone, Debug)]
#[must_use]
pub struct Builder {
    places: Places,
    cache_budget: usize,
    cache_dir: Option<PathBuf>,
}

impl Builder {
    /// The most memory, in bytes, that the compressed debug sections of one file are unpacked into when the
    /// temporary directory cannot be written to or is itself in memory. A file that needs more is named from its
    /// symbol table. Default: [`DEFAULT_MEMORY_BUDGET`].
    pub const fn memory_budget(mut self, bytes: u64) -> Self {
        self.places.memory_budget = bytes;
        self
    }

    /// How much of the debug info is held in memory at a time, in bytes: at least 16 KiB. A larger unit of it (fat
    /// link-time optimization makes one of the whole program) is read in so many pieces. Default: [`DEFAULT_WINDOW`].
    pub const fn window(mut self, bytes: usize) -> Self {
        self.places.window = if bytes < LEAST_WINDOW { LEAST_WINDOW } else { bytes };
        self
    }

    /// How many bytes of answers are remembered for the next call. Default: [`DEFAULT_CACHE_BUDGET`]; 0 remembers
    /// nothing.
    pub const fn cache_budget(mut self, bytes: usize) -> Self {
        self.cache_budget = bytes;
        self
    }

    /// Keeps answers from debug info in files below `dir` as well, for the next process of the same build: a file a
    /// build, at most as large as [`Builder::cache_budget`], of the 64 builds that were used last; readable by nobody
    /// else. Default: nothing is written.
    pub fn cache_dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.cache_dir = Some(dir.into());
        self
    }

    /// One more directory with separate debug files, looked at before `/usr/lib/debug`: for
    /// `<dir>/.build-id/ab/cdef….debug` (or `….fwi`, an [`index`](crate::index)), and for the file that a stripped one
    /// names, in the same place below `dir`.
    pub fn debug_dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.places.debug_dirs.push(dir.into());
        self
    }

    /// Servers to ask for debug files that are on no disk, as `DEBUGINFOD_URLS` lists them (separated by spaces), and
    /// the directory that keeps what they send. Asking may take up to a minute a file: meant for tools, not for a
    /// service that is being looked at. Never taken from the environment by itself.
    ///
    /// # Errors
    /// `Invalid` when `urls` has no `http` or `https` address without query and password.
    #[cfg(feature = "debuginfod")]
    pub fn debuginfod(mut self, urls: &str, cache: impl Into<PathBuf>) -> Result<Self, Error> {
        let servers = crate::companions::debuginfod::Server::list(urls);
        if servers.is_empty() {
            return Err(Error::new(ErrorKind::Invalid, "there is no debuginfod server among the addresses"));
        }
        self.places.servers = Some((servers, cache.into()));
        Ok(self)
    }

    /// The symbolizer with these settings.
    #[must_use]
    pub fn build(self) -> Symbolizer {
        Symbolizer {
            shelf: self.cache_dir.map(|dir| Shelf::new(dir, self.cache_budget as u64)),
            taken_down: Mutex::default(),
            unkept: AtomicU64::new(0),
            memory_budget: AtomicU64::new(self.places.memory_budget),
            places: self.places,
            cache: Mutex::new(Cache::of_bytes(self.cache_budget)),
        }
    }
}

impl Default for Symbolizer {
    fn default() -> Self {
        Self::builder().build()
    }
}

/// The addresses of one module: where each stands among the distinct ones, and its offset in the file.
type Targets = Vec<(usize, u64)>;

impl Symbolizer {
    /// A symbolizer with other settings than the defaults.
    pub fn builder() -> Builder {
        Builder { places: Places::default(), cache_budget: DEFAULT_CACHE_BUDGET, cache_dir: None }
    }

    /// Names `addresses`, which lie in the modules of `map`. Never fails: what has no name becomes `module+offset`
    /// and is in the report. Ask for many addresses at once; each file is opened, and each distinct address looked
    /// up, once per call.
    ///
    /// A file is used only when it is proved to be the one that was mapped: by its build id or, where the map has
    /// none, by its inode. A wrong name is worse than none. (An inode proves it while the mapping lives; a map of
    /// a process that has ended should carry build ids, as one from [`ModuleMap::current`] does.)
    #[must_use]
    pub fn resolve(&self, map: &ModuleMap, addresses: &[Addr]) -> Resolved {
        let mut distinct: Vec<u64> = addresses.iter().map(|address| address.lookup()).collect();
        distinct.sort_unstable();
        distinct.dedup();
        let mut by_module: BTreeMap<usize, Targets> = BTreeMap::new();
        let mut homeless = Vec::new();
        for (index, address) in distinct.iter().enumerate() {
            match map.locate(*address) {
                Some((module, segment)) => {
                    by_module.entry(module).or_default().push((index, segment.offset_of(*address)));
                }
                None => homeless.push(index),
            }
        }
        let mut batch = Batch::of(distinct.len());
        for (module, targets) in by_module {
            if let Some(module) = map.modules().get(module) {
                self.name_module(module, map.is_of_this_process(), targets, &mut batch);
            }
        }
        batch.place_homeless(&homeless, &distinct, map.is_of_this_process());
        let index = addresses.iter().filter_map(|address| distinct.binary_search(&address.lookup()).ok());
        Resolved { index: index.collect(), answers: batch.answers, report: batch.report }
    }

    /// Changes [`Builder::memory_budget`] for the calls that begin from now on: what there is to spend changes with
    /// what the program has left of its memory limit.
    pub fn set_memory_budget(&self, bytes: u64) {
        self.memory_budget.store(bytes, Ordering::Relaxed);
    }

    /// What is remembered.
    #[must_use]
    pub fn cache_stats(&self) -> CacheStats {
        CacheStats { unkept: self.unkept.load(Ordering::Relaxed), ..self.cache().stats() }
    }

    fn cache(&self) -> MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn name_module(&self, module: &Module, this_process: bool, targets: Targets, batch: &mut Batch) {
        let build = cache::build(module);
        let mut report = ModuleReport {
            path: module.path.clone(),
            build_id: module.build_id.clone(),
            ..ModuleReport::default()
        };
        let mut unknown = Targets::new();
        self.take_down(module);
        let mut cache = self.cache();
        report.reason = cache.reason(&build);
        for (index, offset) in targets {
            match cache.get(&build, offset) {
                Some(frames) => batch.answer(index, frames, &mut report),
                None => unknown.push((index, offset)),
            }
        }
        // Naming takes long; others may look things up meanwhile.
        drop(cache);
        if !unknown.is_empty() {
            unknown.sort_unstable_by_key(|(_, offset)| *offset);
            self.name_unknown(module, this_process, &unknown, batch, &mut report);
        }
        batch.report.modules.push(report);
    }

    /// Remembers what is kept on disk of this build.
    fn take_down(&self, module: &Module) {
        let Some(shelf) = self.shelf.as_ref().filter(|_| !module.build_id.is_empty()) else { return };
        let mut taken_down = self.taken_down.lock().unwrap_or_else(PoisonError::into_inner);
        if taken_down.insert(module.build_id.clone()) {
            let answers = shelf.load(&module.build_id);
            let mut cache = self.cache();
            answers.iter().for_each(|(offset, frames)| cache.insert(&module.build_id, *offset, frames));
        }
    }

    /// Keeps on disk what was found out about this build.
    fn put_up(&self, module: &Module, answers: &[Answer]) {
        let Some(shelf) = self.shelf.as_ref() else { return };
        if shelf.keep(&module.build_id, answers).is_err() {
            self.unkept.fetch_add(answers.len() as u64, Ordering::Relaxed);
        }
    }

    fn name_unknown(
        &self,
        module: &Module,
        this_process: bool,
        unknown: &Targets,
        batch: &mut Batch,
        report: &mut ModuleReport,
    ) {
        let offsets: Vec<u64> = unknown.iter().map(|(_, offset)| *offset).collect();
        let places = self.places.clone().with_memory_budget(self.memory_budget.load(Ordering::Relaxed));
        let opened = Binary::of(module, this_process, &places);
        // A file that could not be opened now may be there the next time.
        let remember = opened.is_ok();
        let (answers, reason) = match opened {
            Ok(binary) => engine::name_offsets(&binary, module, &places, &offsets, &mut batch.names),
            Err(reason) => (vec![Arc::default(); offsets.len()], Some(reason)),
        };
        report.reason = reason;
        let build = cache::build(module);
        let mut cache = self.cache();
        if remember {
            cache.set_reason(&build, reason);
        }
        let mut found = Vec::new();
        for ((index, offset), frames) in unknown.iter().zip(answers) {
            let frames = batch.named_or_placed(frames, || format!("{}+{offset:#x}", module.name()));
            if remember {
                cache.insert(&build, *offset, &frames);
            }
            if self.shelf.is_some() && reason.is_none() {
                found.push((*offset, frames.clone()));
            }
            batch.answer(*index, frames, report);
        }
        drop(cache);
        self.put_up(module, &found);
    }
}

/// What a call has found so far.
struct Batch {
    names: Names,
    answers: Vec<Arc<[Frame]>>,
    report: Report,
}

impl Batch {
    fn of(addresses: usize) -> Self {
        let nothing: Arc<[Frame]> = Arc::default();
        Self { names: Names::default(), answers: vec![nothing; addresses], report: Report::default() }
    }

    /// `frames`, or a place where there are none; a frame that has a line but no name gets the place for a name.
    fn named_or_placed(&mut self, frames: Arc<[Frame]>, place: impl Fn() -> String) -> Arc<[Frame]> {
        if frames.is_empty() {
            return Arc::from([self.names.place(&place())]);
        }
        if frames.iter().all(|frame| !frame.name.is_empty()) {
            return frames;
        }
        let mut frames = frames.to_vec();
        for frame in frames.iter_mut().filter(|frame| frame.name.is_empty()) {
            frame.name = self.names.text(&place());
        }
        frames.into()
    }

    fn answer(&mut self, index: usize, frames: Arc<[Frame]>, report: &mut ModuleReport) {
        let named = frames.iter().any(Frame::is_named);
        *if named { &mut report.named } else { &mut report.unnamed } += 1;
        if let Some(answer) = self.answers.get_mut(index) {
            *answer = frames;
        }
    }

    /// Addresses in no file: code compiled at run time, if its compiler wrote down what it is, or no code at all.
    fn place_homeless(&mut self, homeless: &[usize], distinct: &[u64], this_process: bool) {
        let addresses: Vec<u64> = homeless.iter().filter_map(|index| distinct.get(*index)).copied().collect();
        let mut report = ModuleReport { reason: Some(Reason::NoModule), ..ModuleReport::default() };
        let compiled = match this_process && !addresses.is_empty() {
            true => perf_map::names(std::process::id(), &addresses).unwrap_or_default(),
            false => Vec::new(),
        };
        let mut compiled = compiled.into_iter();
        for (index, address) in homeless.iter().zip(addresses) {
            let frame = match compiled.next().flatten() {
                Some(name) => self.names.compiled(&name),
                None => self.names.place(&format!("{address:#x}")),
            };
            self.answer(*index, Arc::from([frame]), &mut report);
        }
        if report.unnamed == 0 {
            report.reason = None;
        }
        if report.named + report.unnamed > 0 {
            self.report.modules.push(report);
        }
    }
}
