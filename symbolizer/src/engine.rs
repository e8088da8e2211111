//! Names the addresses of one file: debug info first, symbol tables for what it leaves open. What it opens and
//! parses lives no longer than the call.

use object::Object;

use crate::binary::{self, Binary};
use crate::dwarf::{self, DebugFrame};
use crate::frame::{Frame, Source};
use crate::names::Names;
use crate::report::Reason;
use crate::{name, symtab};

/// The frames at each of `offsets` (sorted offsets in the file), innermost first; none for what has no name and no
/// line. The reason says what stood in the way of a better answer.
pub(crate) fn name_offsets(
    binary: &Binary,
    offsets: &[u64],
    memory_budget: u64,
    names: &mut Names,
) -> (Vec<Vec<Frame>>, Option<Reason>) {
    let Ok(file) = object::File::parse(&**binary) else {
        return (vec![Vec::new(); offsets.len()], Some(Reason::Unreadable));
    };
    let placed: Vec<Option<u64>> = offsets.iter().map(|offset| binary::address_of(&file, *offset)).collect();
    let mut wanted: Vec<u64> = placed.iter().copied().flatten().collect();
    wanted.sort_unstable();
    wanted.dedup();
    let (answers, reason) = answer(&file, &wanted, memory_budget, names);
    let of = |address: u64| wanted.binary_search(&address).ok().and_then(|index| answers.get(index)).cloned();
    (placed.into_iter().map(|address| address.and_then(of).unwrap_or_default()).collect(), reason)
}

fn answer(
    file: &object::File<'_>,
    wanted: &[u64],
    memory_budget: u64,
    names: &mut Names,
) -> (Vec<Vec<Frame>>, Option<Reason>) {
    let debug_bytes = dwarf::debug_bytes(file);
    let debug_info =
        file.section_by_name(".debug_info").is_some() || file.section_by_name(".zdebug_info").is_some();
    let reason = match debug_bytes {
        _ if !debug_info && !symtab::has_symbols(file) => Some(Reason::Stripped),
        _ if !debug_info => Some(Reason::NoDebugInfo),
        bytes if bytes > memory_budget => Some(Reason::OverBudget),
        _ => None,
    };
    let debug = match reason {
        None => dwarf::frames(file, wanted),
        Some(_) => vec![Vec::new(); wanted.len()],
    };
    let symbols = symtab::symbols(file, wanted);
    let both = debug.into_iter().zip(symbols);
    (both.map(|(debug, symbol)| combined(debug, symbol, names)).collect(), reason)
}

/// The frames of one address. The outermost is the function that was compiled, which is what a symbol names: it
/// takes the symbol's name when the debug info has none, or only the plain one (`line-tables-only`).
fn combined(mut debug: Vec<DebugFrame>, symbol: Option<symtab::Symbol<'_>>, names: &mut Names) -> Vec<Frame> {
    let mut source = Source::Dwarf;
    if let Some(symbol) = symbol {
        let better = match debug.last().map(|outermost| outermost.name.as_deref()) {
            Some(Some(known)) => !name::is_mangled(known) && name::is_mangled(symbol.name),
            Some(None) => true,
            None => {
                debug.push(DebugFrame::default());
                true
            }
        };
        if better && let Some(outermost) = debug.last_mut() {
            outermost.name = Some(symbol.name.to_owned());
            source = symbol.source;
        }
    }
    let depth = debug.len();
    let frames = debug.into_iter().enumerate().map(|(index, frame)| {
        let outermost = index + 1 == depth;
        names.frame(&frame, !outermost, if outermost { source } else { Source::Dwarf })
    });
    frames.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::symtab::Symbol;

    const MANGLED: &str = "_ZN4shop4leaf17h0123456789abcdefE";

    #[track_caller]
    fn check(debug: &[&str], symbol: Option<&str>, expected: &[(&str, &str, bool, Source)]) {
        let debug = debug.iter().map(|name| DebugFrame {
            name: Some((*name).to_owned()).filter(|name| !name.is_empty()),
            file: "shop.rs".to_owned(),
            line: 7,
            column: 0,
        });
        let symbol = symbol.map(|name| Symbol { name, source: Source::Symtab });
        let frames = combined(debug.collect(), symbol, &mut Names::default());
        let shown: Vec<_> =
            frames.iter().map(|frame| (&*frame.name, &*frame.mangled, frame.inlined, frame.source)).collect();
        assert_eq!(shown, expected);
    }

    #[test]
    fn the_debug_infos_own_linker_name_is_kept() {
        check(
            &[MANGLED],
            Some("_ZN5other17h0123456789abcdefE"),
            &[("shop::leaf", MANGLED, false, Source::Dwarf)],
        );
        check(&["memcpy"], Some("__memcpy_alias"), &[("memcpy", "", false, Source::Dwarf)]);
    }

    #[test]
    fn a_plain_name_gives_way_to_the_symbols_but_only_outermost() {
        check(
            &["{closure#0}", "leaf<u32>"],
            Some(MANGLED),
            &[("{closure#0}", "", true, Source::Dwarf), ("shop::leaf", MANGLED, false, Source::Symtab)],
        );
    }

    #[test]
    fn a_symbol_names_what_the_debug_info_leaves_open() {
        check(&[], Some("memcpy"), &[("memcpy", "", false, Source::Symtab)]);
        check(&[""], Some(MANGLED), &[("shop::leaf", MANGLED, false, Source::Symtab)]);
        check(&[], None, &[]);
        check(&[""], None, &[("", "", false, Source::ModuleOffset)]);
    }
}
