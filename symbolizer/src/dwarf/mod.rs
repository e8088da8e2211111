//! Functions, lines and inlined frames from debug info (DWARF 2 to 5), for many addresses at once: each unit that
//! holds one is gone through once, and nothing of it is kept but the answers.

mod abbreviations;
mod aranges;
mod bounds;
mod cursor;
mod entries;
mod form;
mod lines;
mod names;
mod paged;
mod ranges;
mod sections;
pub(crate) mod types;
mod unit;

use std::sync::Arc;

pub(crate) use bounds::bounds;
use entries::Chain;
use lines::Lines;
use names::{FunctionNames, NameId};
use rustc_hash::FxHashMap;
pub(crate) use sections::Sections;
pub(crate) use unit::Split;
use unit::{Header, Unit};

/// The debug info of one module, and what it refers to.
pub(crate) struct DebugInfo<'files> {
    pub(crate) own: Sections,
    /// The file that several share (dwz).
    pub(crate) shared: Option<Sections>,
    /// How much of a unit is held at a time.
    pub(crate) window: usize,
    /// Finds the file that holds a unit's entries, by what the unit says and the directory of its compilation.
    pub(crate) split: &'files mut dyn FnMut(&Split, Option<&str>) -> Option<Sections>,
}

/// The answers for a batch of addresses, in numbers: many frames share few names and files.
#[derive(Debug, Default)]
pub(crate) struct Located {
    /// The linker's names, or the source's where there is no other; `None` where the debug info has no name.
    pub(crate) names: Vec<Option<Arc<str>>>,
    /// The first is empty: an unknown file.
    pub(crate) files: Vec<Arc<str>>,
    /// The frames at each address, innermost first; none where the debug info has nothing.
    pub(crate) frames: Vec<Box<[Place]>>,
    /// Units that could not be read to their end.
    pub(crate) damaged: usize,
    /// Units whose entries are in a file that was not found.
    pub(crate) missing_splits: usize,
}

/// A frame, in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Place {
    /// Among the names.
    pub(crate) name: Option<NameId>,
    /// Among the files.
    pub(crate) file: u32,
    /// 0 when unknown, and so is the column.
    pub(crate) line: u32,
    pub(crate) column: u32,
}

/// The frames at each of `targets` (sorted addresses of the file). What is damaged costs the addresses it describes.
pub(crate) fn locate(mut info: DebugInfo<'_>, targets: &[u64]) -> Located {
    let mut search = Search {
        targets,
        window: info.window,
        located: Located { frames: vec![Box::default(); targets.len()], ..Located::default() },
        names: FunctionNames::default(),
        file_ids: FxHashMap::default(),
    };
    search.located.files.push(Arc::from(""));
    let table = aranges::membership(&mut info.own.aranges, targets);
    info.own.aranges.forget();
    search.units(&mut info, table.pairs);
    if search.located.frames.iter().any(|frames| frames.is_empty()) {
        let pairs = search.unlisted(&mut info, &table.units);
        search.units(&mut info, pairs);
    }
    search.located.names = search.names.finish(&mut info.own, &mut info.shared);
    search.located
}

struct Search<'targets> {
    targets: &'targets [u64],
    window: usize,
    located: Located,
    names: FunctionNames,
    file_ids: FxHashMap<Arc<str>, u32>,
}

impl Search<'_> {
    /// The members of the units that `.debug_aranges` does not speak of: compilers are free to leave it out.
    fn unlisted(
        &mut self,
        info: &mut DebugInfo<'_>,
        listed: &std::collections::BTreeSet<u64>,
    ) -> Vec<(u64, usize)> {
        let mut pairs = Vec::new();
        for header in unit::headers(&mut info.own.entries) {
            if listed.contains(&header.offset) || !header.may_have_code {
                continue;
            }
            let Some(unit) = Unit::read(&mut info.own, header) else {
                self.located.damaged += 1;
                continue;
            };
            let targets = self.targets;
            let whole = ranges::each(&mut info.own, &unit, unit.code, |low, high| {
                let inside = entries::between(targets, low, high);
                pairs.extend(inside.map(|index| (header.offset, index)));
            });
            self.located.damaged += usize::from(whole.is_none());
        }
        pairs
    }

    /// Goes through the units that `pairs` speaks of, each with its addresses.
    fn units(&mut self, info: &mut DebugInfo<'_>, mut pairs: Vec<(u64, usize)>) {
        pairs.sort_unstable();
        pairs.dedup();
        for pairs in pairs.chunk_by(|(unit, _), (other, _)| unit == other) {
            let indexes = pairs.iter().map(|(_, index)| *index);
            // Where two units claim an address the first one that knows something about it has it.
            let open =
                |index: &usize| self.located.frames.get(*index).is_some_and(|frames| frames.is_empty());
            let indexes: Vec<usize> = indexes.filter(open).collect();
            if let (Some((offset, _)), false) = (pairs.first(), indexes.is_empty()) {
                let whole = self.unit(info, *offset, &indexes);
                self.located.damaged += usize::from(whole != Some(true));
            }
        }
    }

    /// False, or `None`, when the unit at `offset` is damaged.
    fn unit(&mut self, info: &mut DebugInfo<'_>, offset: u64, indexes: &[usize]) -> Option<bool> {
        let header = Header::read(&mut info.own.entries, offset)?;
        let unit = Unit::read(&mut info.own, header)?;
        let targets: Vec<u64> =
            indexes.iter().filter_map(|index| self.targets.get(*index)).copied().collect();
        self.names.begin_unit();
        let split = unit.split.as_ref().map(|split| (info.split)(split, unit.directory.as_deref()));
        let (chains, names, whole) = match split {
            Some(Some(mut sections)) => match unit.rest(&mut sections, &info.own) {
                Some(rest) => self.chains(&mut sections, &mut None, &rest, &targets),
                None => (vec![Chain::new(); targets.len()], Vec::new(), false),
            },
            Some(None) => {
                self.located.missing_splits += 1;
                self.chains(&mut info.own, &mut info.shared, &unit, &targets)
            }
            None => self.chains(&mut info.own, &mut info.shared, &unit, &targets),
        };
        let also: Vec<u64> = chains.iter().flatten().map(|call| call.site.0).collect();
        let lines = lines::lines(&mut info.own, &unit, &targets, &also, self.window);
        self.keep(indexes, &chains, &names, &lines);
        Some(whole && !lines.damaged)
    }

    /// The chains at `targets`, the ids of their functions' names, and whether the unit was whole.
    fn chains(
        &mut self,
        sections: &mut Sections,
        shared: &mut Option<Sections>,
        unit: &Unit,
        targets: &[u64],
    ) -> (Vec<Chain>, Vec<NameId>, bool) {
        let (chains, whole) = entries::chains(sections, unit, targets, self.window);
        let calls = chains.iter().flatten();
        let names = calls.map(|call| self.names.id(sections, shared, unit, call.entry)).collect();
        (chains, names, whole)
    }

    /// Turns chains, outermost first, into frames, innermost first: each stands where the next inner one was called.
    fn keep(&mut self, indexes: &[usize], chains: &[Chain], names: &[NameId], lines: &Lines) {
        let mut names = names.iter().copied();
        for ((index, chain), row) in indexes.iter().zip(chains).zip(&lines.rows) {
            let row = row.map(|row| (row.file, row.line, row.column));
            let sites = chain.iter().skip(1).map(|call| Some(call.site)).chain([row]);
            let mut places: Vec<Place> = chain
                .iter()
                .map(|_| names.next())
                .zip(sites)
                .map(|(name, site)| self.place(name, site, lines))
                .collect();
            if let (true, Some(_)) = (places.is_empty(), row) {
                places.push(self.place(None, row, lines));
            }
            places.reverse();
            if let Some(frames) = self.located.frames.get_mut(*index) {
                *frames = places.into_boxed_slice();
            }
        }
    }

    fn place(&mut self, name: Option<NameId>, site: Option<(u64, u32, u32)>, lines: &Lines) -> Place {
        let (file, line, column) = site.unwrap_or_default();
        let file = match lines.files.get(&file).filter(|_| site.is_some()) {
            Some(path) => self.file(path),
            None => 0,
        };
        Place { name, file, line, column }
    }

    fn file(&mut self, path: &Arc<str>) -> u32 {
        if let Some(known) = self.file_ids.get(path) {
            return *known;
        }
        let id = u32::try_from(self.located.files.len()).unwrap_or(0);
        self.located.files.push(path.clone());
        self.file_ids.insert(path.clone(), id);
        id
    }
}
