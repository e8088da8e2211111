//! Names the addresses of one file: debug info first, symbol tables for what it leaves open. What it opens and
//! parses lives no longer than the call.

use crate::binary::Binary;
use crate::dwarf::{self, DebugFrame, DebugInfo, Located};
use crate::frame::Frame;
use crate::names::Names;
use crate::report::Reason;
use crate::{name, symtab};

/// The frames at each of `offsets` (sorted offsets in the file), innermost first; none for what has no name and no
/// line. The reason says what stood in the way of a better answer.
pub(crate) fn name_offsets(
    binary: &Binary,
    offsets: &[u64],
    names: &mut Names,
) -> (Vec<Vec<Frame>>, Option<Reason>) {
    let placed: Vec<Option<u64>> = offsets.iter().map(|offset| binary.elf.address_of(*offset)).collect();
    let mut wanted: Vec<u64> = placed.iter().copied().flatten().collect();
    wanted.sort_unstable();
    wanted.dedup();
    let (answers, reason) = answer(binary, &wanted, names);
    let of = |address: u64| wanted.binary_search(&address).ok().and_then(|index| answers.get(index)).cloned();
    (placed.into_iter().map(|address| address.and_then(of).unwrap_or_default()).collect(), reason)
}

fn answer(binary: &Binary, wanted: &[u64], names: &mut Names) -> (Vec<Vec<Frame>>, Option<Reason>) {
    let info = DebugInfo { own: binary.debug_sections(""), shared: None, split: &mut |_, _| None };
    let has_info = info.own.has_info();
    let located = dwarf::locate(info, wanted);
    let reason = match () {
        () if !has_info && !symtab::has_symbols(binary) => Some(Reason::Stripped),
        () if !has_info => Some(Reason::NoDebugInfo),
        () if located.damaged > 0 => Some(Reason::Damaged),
        () => None,
    };
    let mut frames: Vec<Vec<Frame>> = (0..wanted.len()).map(|index| framed(&located, index, names)).collect();
    drop(located);
    let open = |frames: &&mut Vec<Frame>| frames.last().is_none_or(|outermost| outermost.mangled.is_empty());
    let addresses = wanted.iter().zip(&mut frames).filter(|(_, frames)| open(frames)).map(|(address, _)| *address);
    let addresses: Vec<u64> = addresses.collect();
    for (frames, symbol) in frames.iter_mut().filter(open).zip(symtab::symbols(binary, &addresses)) {
        if let Some(symbol) = symbol {
            add_symbol(frames, &symbol, names);
        }
    }
    (frames, reason)
}

fn framed(located: &Located, index: usize, names: &mut Names) -> Vec<Frame> {
    let frames = located.frames(index);
    let depth = frames.len();
    frames.enumerate().map(|(index, frame)| names.frame(&frame, index + 1 < depth)).collect()
}

/// The outermost frame is the function that was compiled, which is what a symbol names: it takes the symbol's name
/// when the debug info has none, or only the plain one (`line-tables-only`).
fn add_symbol(frames: &mut Vec<Frame>, symbol: &symtab::Symbol, names: &mut Names) {
    if frames.is_empty() {
        frames.push(names.frame(&DebugFrame::default(), false));
    }
    if let Some(outermost) = frames.last_mut()
        && (!outermost.is_named() || name::is_mangled(&symbol.name))
    {
        (outermost.name, outermost.mangled) = names.function(&symbol.name);
        outermost.source = symbol.source;
    }
}
