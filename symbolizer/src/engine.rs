//! Names the addresses of one file: from debug info or an index of it, from symbol tables what that leaves open. What
//! it opens and parses lives no longer than the call.

use std::sync::Arc;

use crate::companions::Companions;
use crate::dwarf::{self, DebugInfo, Place, Sections, Split};
use crate::file::binary::Binary;
use crate::frame::{Frame, Source};
use crate::index::Index;
use crate::module::Module;
use crate::names::{Function, Names};
use crate::places::Places;
use crate::raw::{Raw, RawName};
use crate::report::Reason;
use crate::symtab;

/// The frames at each of `offsets` (sorted offsets in the file), innermost first; none for what has no name and no
/// line. The reason says what stood in the way of a better answer.
pub(crate) fn name_offsets(
    binary: &Binary,
    module: &Module,
    places: &Places,
    offsets: &[u64],
    names: &mut Names,
) -> (Vec<Arc<[Frame]>>, Option<Reason>) {
    let placed: Vec<Option<u64>> = offsets.iter().map(|offset| binary.elf.address_of(*offset)).collect();
    let mut wanted: Vec<u64> = placed.iter().copied().flatten().collect();
    wanted.sort_unstable();
    wanted.dedup();
    let (answers, reason) = answer(binary, module, places, &wanted, names);
    let of = |address: u64| wanted.binary_search(&address).ok().and_then(|index| answers.get(index)).cloned();
    (placed.into_iter().map(|address| address.and_then(of).unwrap_or_default()).collect(), reason)
}

fn answer(
    binary: &Binary,
    module: &Module,
    places: &Places,
    wanted: &[u64],
    names: &mut Names,
) -> (Vec<Arc<[Frame]>>, Option<Reason>) {
    let mut companions = Companions::of(binary, &module.path, places);
    let own = Sections::of(companions.info(), "");
    let index = if own.has_info() { None } else { companions.index() };
    let (raw, reason) = match index {
        Some(mut index) => from_index(&mut index, &companions, wanted),
        None => from_debug_info(&mut companions, own, places, wanted, names),
    };
    // Each is given back as soon as its frames are there: a large batch is never held twice.
    let Raw { names: functions, files, frames } = raw;
    let table = Table::of(functions, files, names);
    (frames.into_iter().map(|places| table.frames(&places).into()).collect(), reason)
}

/// What the debug info has, with a symbol's name where it has none.
fn from_debug_info(
    companions: &mut Companions<'_>,
    own: Sections,
    places: &Places,
    wanted: &[u64],
    names: &mut Names,
) -> (Raw, Option<Reason>) {
    let (has_info, shared) = (own.has_info(), companions.shared());
    let split = &mut |split: &Split, directory: Option<&str>| companions.split(split, directory);
    let located = dwarf::locate(DebugInfo { own, shared, window: places.window, split }, wanted);
    let tables = companions.symbol_tables();
    let trouble = companions.trouble();
    let reason = match () {
        () if trouble.is_some() => trouble,
        () if !has_info && !symtab::any_function(&tables) => Some(Reason::Stripped),
        () if !has_info => Some(Reason::NoDebugInfo),
        () if located.damaged > 0 => Some(Reason::Damaged),
        () if located.missing_splits > 0 => Some(Reason::SplitMissing),
        () => None,
    };
    let mut raw = Raw::from(located);
    raw.add_symbols(&tables, wanted, names);
    (raw, reason)
}

/// What was written down before the file was stripped; symbols only for what is damaged in it.
fn from_index(index: &mut Index, companions: &Companions<'_>, wanted: &[u64]) -> (Raw, Option<Reason>) {
    let (mut raw, damaged) = index.locate(wanted);
    raw.fill_gaps(&companions.symbol_tables(), wanted);
    (raw, damaged.then_some(Reason::Damaged))
}

/// The names and files of an answer, each made readable once.
struct Table {
    functions: Vec<Option<(Function, Source)>>,
    files: Vec<Arc<str>>,
    nowhere: Frame,
}

impl Table {
    fn of(functions: Vec<Option<RawName>>, files: Vec<Arc<str>>, names: &mut Names) -> Self {
        let mut function = |name: RawName| (names.function(&name.text), name.source);
        let functions = functions.into_iter().map(|name| name.map(&mut function)).collect();
        Self { functions, files, nowhere: names.nowhere() }
    }

    fn frames(&self, places: &[Place]) -> Vec<Frame> {
        let frames = places.iter().enumerate().map(|(depth, place)| {
            let function = place.name.and_then(|name| self.functions.get(name as usize)?.as_ref());
            let nothing = || (self.nowhere.name.clone(), self.nowhere.mangled.clone());
            let (name, mangled) = function.map_or_else(nothing, |(function, _)| function.clone());
            Frame {
                name,
                mangled,
                file: self.files.get(place.file as usize).unwrap_or(&self.nowhere.file).clone(),
                line: place.line,
                column: place.column,
                inlined: depth + 1 < places.len(),
                source: function.map_or(Source::ModuleOffset, |(_, source)| *source),
            }
        });
        frames.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dwarf::Located;
    use crate::symtab::Symbol;

    const MANGLED: &str = "_ZN4shop4leaf17h0123456789abcdefE";

    #[track_caller]
    fn check(debug: &[&str], symbol: Option<&str>, expected: &[(&str, &str, bool, Source)]) {
        let named = |name: &&str| Some(Arc::from(*name)).filter(|name: &Arc<str>| !name.is_empty());
        let places =
            (0..).zip(debug).map(|(name, _)| Place { name: Some(name), file: 0, line: 7, column: 0 });
        let located = Located {
            names: debug.iter().map(named).collect(),
            frames: vec![places.collect()],
            ..Located::default()
        };
        let mut names = Names::default();
        let mut raw = Raw::from(located);
        if let Some(name) = symbol {
            raw.add_symbol(0, &Symbol { name: name.to_owned(), source: Source::Symtab });
        }
        let Raw { names: functions, files, frames } = raw;
        let frames = Table::of(functions, files, &mut names).frames(&frames[0]);
        let shown: Vec<_> =
            frames.iter().map(|frame| (&*frame.name, &*frame.mangled, frame.inlined, frame.source)).collect();
        assert_eq!(shown, expected);
    }

    #[test]
    fn a_plain_name_gives_way_to_the_symbols_but_only_outermost() {
        check(
            &["{closure#0}", "leaf<u32>"],
            Some(MANGLED),
            &[("{closure}", "", true, Source::Dwarf), ("shop::leaf", MANGLED, false, Source::Symtab)],
        );
        check(&["memcpy"], Some("__memcpy_alias"), &[("memcpy", "", false, Source::Dwarf)]);
    }

    #[test]
    fn a_symbol_names_what_the_debug_info_leaves_open() {
        check(&[], Some("memcpy"), &[("memcpy", "", false, Source::Symtab)]);
        check(&[""], Some(MANGLED), &[("shop::leaf", MANGLED, false, Source::Symtab)]);
        check(&[], None, &[]);
        check(&[""], None, &[("", "", false, Source::ModuleOffset)]);
    }
}
