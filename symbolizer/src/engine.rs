//! Names the addresses of one file: debug info first, symbol tables for what it leaves open. What it opens and
//! parses lives no longer than the call.

use std::sync::Arc;

use crate::binary::Binary;
use crate::companions::Companions;
use crate::dwarf::{self, DebugInfo, Located, Place, Split};
use crate::frame::{Frame, Source};
use crate::module::Module;
use crate::names::{Function, Names};
use crate::places::Places;
use crate::report::Reason;
use crate::{name, symtab};

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
    let (own, shared) = (companions.info().debug_sections(""), companions.shared());
    let has_info = own.has_info();
    let split = &mut |split: &Split, directory: Option<&str>| companions.split(split, directory);
    let located = dwarf::locate(DebugInfo { own, shared, window: places.window, split }, wanted);
    let tables = companions.symbol_tables();
    let trouble = companions.info().trouble.get().or(binary.trouble.get());
    let reason = match () {
        () if trouble.is_some() => trouble,
        () if !has_info && !symtab::any_function(&tables) => Some(Reason::Stripped),
        () if !has_info => Some(Reason::NoDebugInfo),
        () if located.damaged > 0 => Some(Reason::Damaged),
        () if located.missing_splits > 0 => Some(Reason::SplitMissing),
        () => None,
    };
    (joined(located, &tables, wanted, names), reason)
}

/// The frames that the debug info has, with a symbol's name where it has none.
fn joined(
    mut located: Located,
    tables: &[(&Binary, Source)],
    wanted: &[u64],
    names: &mut Names,
) -> Vec<Arc<[Frame]>> {
    let places = std::mem::take(&mut located.frames);
    let table = Table::of(located, names);
    let is_open = |places: &[Place]| table.outermost(places).is_none_or(|(_, mangled)| mangled.is_empty());
    let all = wanted.iter().zip(&places).enumerate();
    let open: Vec<(usize, u64)> = all
        .filter(|(_, (_, places))| is_open(places))
        .map(|(index, (address, _))| (index, *address))
        .collect();
    let addresses: Vec<u64> = open.iter().map(|(_, address)| *address).collect();
    let mut symbols = open.into_iter().zip(symtab::symbols(tables, &addresses)).peekable();
    // Each is given back as soon as its frames are there: a large batch is never held twice.
    let frames = places.into_iter().enumerate().map(|(index, places)| {
        let mut frames = table.frames(&places);
        if let Some((_, Some(symbol))) = symbols.next_if(|((open, _), _)| *open == index) {
            add_symbol(&mut frames, symbol, names);
        }
        frames.into()
    });
    frames.collect()
}

/// The names and files of an answer, each made readable once.
struct Table {
    functions: Vec<Option<Function>>,
    files: Vec<Arc<str>>,
    nowhere: Frame,
}

impl Table {
    fn of(located: Located, names: &mut Names) -> Self {
        let functions = located.names.into_iter().map(|name| name.map(|name| names.function(&name)));
        Self { functions: functions.collect(), files: located.files, nowhere: names.nowhere() }
    }

    fn outermost(&self, places: &[Place]) -> Option<&Function> {
        self.functions.get(places.last()?.name? as usize)?.as_ref()
    }

    fn frames(&self, places: &[Place]) -> Vec<Frame> {
        let frames = places.iter().enumerate().map(|(depth, place)| {
            let function = place.name.and_then(|name| self.functions.get(name as usize)?.as_ref());
            let (name, mangled) = function
                .cloned()
                .unwrap_or_else(|| (self.nowhere.name.clone(), self.nowhere.mangled.clone()));
            Frame {
                name,
                mangled,
                file: self.files.get(place.file as usize).unwrap_or(&self.nowhere.file).clone(),
                line: place.line,
                column: place.column,
                inlined: depth + 1 < places.len(),
                source: if function.is_some() { Source::Dwarf } else { Source::ModuleOffset },
            }
        });
        frames.collect()
    }
}

/// The outermost frame is the function that was compiled, which is what a symbol names: it takes the symbol's name
/// when the debug info has none, or only the plain one (`line-tables-only`).
fn add_symbol(frames: &mut Vec<Frame>, symbol: symtab::Symbol, names: &mut Names) {
    if frames.is_empty() {
        frames.push(names.nowhere());
    }
    if let Some(outermost) = frames.last_mut()
        && (!outermost.is_named() || name::is_mangled(&symbol.name))
    {
        (outermost.name, outermost.mangled) = names.function(&Arc::from(symbol.name));
        outermost.source = symbol.source;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
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
        let places = located.frames[0].clone();
        let mut frames = Table::of(located, &mut names).frames(&places);
        if let Some(name) = symbol {
            add_symbol(&mut frames, Symbol { name: name.to_owned(), source: Source::Symtab }, &mut names);
        }
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
