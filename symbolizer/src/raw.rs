//! The answers for a batch of addresses before names are made readable: what debug info, an index or symbol tables
//! say, in numbers, because many frames share few names and files.

use std::sync::Arc;

use crate::dwarf::{Located, Place};
use crate::file::binary::Binary;
use crate::frame::Source;
use crate::names::Names;
use crate::symtab::Symbol;
use crate::{name, symtab};

/// A function's name as the linker knows it, or as the source does where there is no other.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct RawName {
    pub(crate) text: Arc<str>,
    pub(crate) source: Source,
}

/// Answers.
#[derive(Debug, Default)]
pub(crate) struct Raw {
    /// `None` for a function without a name.
    pub(crate) names: Vec<Option<RawName>>,
    /// The first is empty: an unknown file.
    pub(crate) files: Vec<Arc<str>>,
    /// The frames at each address, innermost first.
    pub(crate) frames: Vec<Box<[Place]>>,
}

impl From<Located> for Raw {
    fn from(located: Located) -> Self {
        let named = |text| RawName { text, source: Source::Dwarf };
        let names = located.names.into_iter().map(|name| name.map(named)).collect();
        Self { names, files: located.files, frames: located.frames }
    }
}

impl Raw {
    /// Looks those of `wanted` (the sorted addresses of the answers) up in `tables` that have no frames, or whose
    /// outermost one has no name of the linker's.
    pub(crate) fn add_symbols(&mut self, tables: &[(&Binary, Source)], wanted: &[u64], names: &mut Names) {
        let of_linker = |name: &Option<RawName>| {
            name.as_ref().is_some_and(|name| !names.function(&name.text).1.is_empty())
        };
        let of_linker: Vec<bool> = self.names.iter().map(of_linker).collect();
        let is_open = |index: &usize| {
            let outermost = self.frames.get(*index).and_then(|places| places.last()?.name);
            !outermost.is_some_and(|name| of_linker.get(name as usize).is_some_and(|of_linker| *of_linker))
        };
        let open: Vec<usize> = (0..wanted.len()).filter(is_open).collect();
        self.add(tables, wanted, &open);
    }

    /// The same for those that have no frames only.
    pub(crate) fn fill_gaps(&mut self, tables: &[(&Binary, Source)], wanted: &[u64]) {
        let is_open = |index: &usize| self.frames.get(*index).is_none_or(|frames| frames.is_empty());
        let open: Vec<usize> = (0..wanted.len()).filter(is_open).collect();
        self.add(tables, wanted, &open);
    }

    fn add(&mut self, tables: &[(&Binary, Source)], wanted: &[u64], open: &[usize]) {
        let addresses: Vec<u64> = open.iter().filter_map(|index| wanted.get(*index)).copied().collect();
        for (index, symbol) in open.iter().zip(symtab::symbols(tables, &addresses)) {
            if let Some(symbol) = symbol {
                self.add_symbol(*index, &symbol);
            }
        }
    }

    /// The outermost frame is the function that was compiled, which is what a symbol names: it takes the symbol's
    /// name when the debug info has none, or only the plain one (`line-tables-only`).
    pub(crate) fn add_symbol(&mut self, index: usize, symbol: &Symbol) {
        if self.outermost(index).is_some() && !name::is_mangled(&symbol.name) {
            return;
        }
        let id = self.name_of(symbol);
        let Some(frames) = self.frames.get_mut(index) else { return };
        if frames.is_empty() {
            *frames = Box::new([Place::default()]);
        }
        if let Some(outermost) = frames.last_mut() {
            outermost.name = Some(id);
        }
    }

    fn outermost(&self, index: usize) -> Option<&RawName> {
        let name = self.frames.get(index)?.last()?.name?;
        self.names.get(name as usize)?.as_ref()
    }

    /// Neighbors often have the same symbol.
    fn name_of(&mut self, symbol: &Symbol) -> u32 {
        let is_last = |last: &Option<RawName>| {
            last.as_ref().is_some_and(|last| *last.text == *symbol.name && last.source == symbol.source)
        };
        if !self.names.last().is_some_and(is_last) {
            self.names.push(Some(RawName { text: Arc::from(&*symbol.name), source: symbol.source }));
        }
        u32::try_from(self.names.len() - 1).unwrap_or(u32::MAX)
    }
}
