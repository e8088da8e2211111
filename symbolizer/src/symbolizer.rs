//! Addresses in, frames out: sorts a batch by module and has each module's file asked once.

use std::collections::BTreeMap;

use crate::Addr;
use crate::binary::Binary;
use crate::engine;
use crate::frame::Frame;
use crate::module::ModuleMap;
use crate::names::Names;
use crate::report::{ModuleReport, Reason, Report};
use crate::resolved::Resolved;

/// The most debug info of one file that is read, in bytes: 256 MiB. Reading costs about half of that in heap and
/// two thirds in mapped pages, for the time of one call. A file with more is named from its symbol table.
pub const DEFAULT_MEMORY_BUDGET: u64 = 256 << 20;

/// Names code addresses. Holds settings only: what it reads from files is given back before `resolve` returns.
#[derive(Clone, Debug)]
pub struct Symbolizer {
    memory_budget: u64,
}

/// Settings of a [`Symbolizer`].
#[derive(Clone, Debug)]
#[must_use]
pub struct Builder {
    memory_budget: u64,
}

impl Builder {
    /// The most debug info of one file that is read, in bytes. Default: [`DEFAULT_MEMORY_BUDGET`].
    pub const fn memory_budget(mut self, bytes: u64) -> Self {
        self.memory_budget = bytes;
        self
    }

    /// The symbolizer with these settings.
    #[must_use]
    pub const fn build(self) -> Symbolizer {
        Symbolizer { memory_budget: self.memory_budget }
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
    pub const fn builder() -> Builder {
        Builder { memory_budget: DEFAULT_MEMORY_BUDGET }
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
        let mut batch = Batch { answers: vec![Box::default(); distinct.len()], ..Batch::default() };
        for (module, targets) in by_module {
            self.name_module(map, module, targets, &mut batch);
        }
        batch.place_homeless(&homeless, &distinct);
        let index = addresses.iter().filter_map(|address| distinct.binary_search(&address.lookup()).ok());
        Resolved { index: index.collect(), answers: batch.answers, report: batch.report }
    }

    fn name_module(&self, map: &ModuleMap, module: usize, mut targets: Targets, batch: &mut Batch) {
        let Some(module) = map.modules().get(module) else { return };
        targets.sort_unstable_by_key(|(_, offset)| *offset);
        let offsets: Vec<u64> = targets.iter().map(|(_, offset)| *offset).collect();
        let (answers, reason) = match Binary::of(module, map.is_of_this_process()) {
            Ok(binary) => engine::name_offsets(&binary, &offsets, &mut batch.names),
            Err(reason) => (vec![Vec::new(); offsets.len()], Some(reason)),
        };
        let mut report = ModuleReport {
            path: module.path.clone(),
            build_id: module.build_id.clone(),
            reason,
            ..ModuleReport::default()
        };
        for ((index, offset), frames) in targets.into_iter().zip(answers) {
            let frames = batch.named_or_placed(frames, || format!("{}+{offset:#x}", module.name()));
            batch.answer(index, frames, &mut report);
        }
        batch.report.modules.push(report);
    }
}

/// What a call has found so far.
#[derive(Default)]
struct Batch {
    names: Names,
    answers: Vec<Box<[Frame]>>,
    report: Report,
}

impl Batch {
    /// `frames`, or a place where there are none; a frame that has a line but no name gets the place for a name.
    fn named_or_placed(&mut self, mut frames: Vec<Frame>, place: impl Fn() -> String) -> Vec<Frame> {
        if frames.is_empty() {
            return vec![self.names.place(&place())];
        }
        for frame in frames.iter_mut().filter(|frame| frame.name.is_empty()) {
            frame.name = self.names.text(&place());
        }
        frames
    }

    fn answer(&mut self, index: usize, frames: Vec<Frame>, report: &mut ModuleReport) {
        let named = frames.iter().any(Frame::is_named);
        *if named { &mut report.named } else { &mut report.unnamed } += 1;
        if let Some(answer) = self.answers.get_mut(index) {
            *answer = frames.into_boxed_slice();
        }
    }

    fn place_homeless(&mut self, homeless: &[usize], distinct: &[u64]) {
        let mut report = ModuleReport { reason: Some(Reason::NoModule), ..ModuleReport::default() };
        for index in homeless {
            let address = distinct.get(*index).copied().unwrap_or_default();
            let frame = self.names.place(&format!("{address:#x}"));
            self.answer(*index, vec![frame], &mut report);
        }
        if report.unnamed > 0 {
            self.report.modules.push(report);
        }
    }
}
