//! Names from the symbol tables, for addresses that the debug info does not name. One pass over the symbols for
//! all addresses; keeps one candidate per address and none of the rest.

use std::cmp::Reverse;

use object::{Object, ObjectSection, ObjectSymbol, SectionIndex, SymbolKind};

use crate::frame::Source;

/// A function's name in a symbol table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Symbol<'file> {
    pub(crate) name: &'file str,
    pub(crate) source: Source,
}

/// The symbol that covers each of `wanted` (sorted addresses of the file), `None` where none does.
pub(crate) fn symbols<'file>(file: &object::File<'file>, wanted: &[u64]) -> Vec<Option<Symbol<'file>>> {
    let mut search = Search::for_each(wanted);
    search.through(file.symbols(), Source::Symtab);
    search.through(file.dynamic_symbols(), Source::Dynsym);
    let labels = search.labels(file);
    let found = search.best.into_iter().zip(labels);
    found.map(|(best, label)| best.map(|(_, symbol)| symbol).or(label)).collect()
}

/// True when `file` has a symbol table, besides the one for dynamic linking.
pub(crate) fn has_symbols(file: &object::File<'_>) -> bool {
    file.symbols().any(|symbol| symbol.kind() == SymbolKind::Text && symbol.is_definition())
}

/// How good a candidate is, the greatest being the best: the table with all functions before the one of exports,
/// the innermost start, the name that others link against before its local aliases, the plainest spelling.
type Rank<'file> = (Reverse<Source>, u64, bool, bool, Reverse<usize>, Reverse<&'file str>);

struct Search<'file, 'wanted> {
    wanted: &'wanted [u64],
    /// The best symbol that covers the address.
    best: Vec<Option<(Rank<'file>, Symbol<'file>)>>,
    /// The last symbol that starts between the address before this one and this one.
    last: Vec<Option<Start<'file>>>,
}

/// Where a symbol starts. Of two that start together the sized one wins, because it says where it ends.
#[derive(Clone, Copy)]
struct Start<'file> {
    address: u64,
    sized: bool,
    section: Option<SectionIndex>,
    symbol: Symbol<'file>,
}

impl<'file, 'wanted> Search<'file, 'wanted> {
    fn for_each(wanted: &'wanted [u64]) -> Self {
        Self { wanted, best: vec![None; wanted.len()], last: vec![None; wanted.len()] }
    }

    fn through<S: ObjectSymbol<'file>>(&mut self, symbols: impl Iterator<Item = S>, source: Source) {
        for entry in symbols.filter(|entry| entry.kind() == SymbolKind::Text && entry.is_definition()) {
            let Ok(name) = entry.name() else { continue };
            if name.is_empty() {
                continue;
            }
            let symbol = Symbol { name, source };
            let (address, size) = (entry.address(), entry.size());
            let plainness = Reverse(name.len() - name.trim_start_matches('_').len());
            let rank =
                (Reverse(source), address, entry.is_global(), !entry.is_weak(), plainness, Reverse(name));
            self.cover(address, size, rank, symbol);
            self.start(Start { address, sized: size > 0, section: entry.section_index(), symbol });
        }
    }

    /// Offers `symbol` to the addresses in `address..address + size`.
    fn cover(&mut self, address: u64, size: u64, rank: Rank<'file>, symbol: Symbol<'file>) {
        let from = self.wanted.partition_point(|wanted| *wanted < address);
        let to = self.wanted.partition_point(|wanted| *wanted < address.saturating_add(size));
        for best in self.best.get_mut(from..to).into_iter().flatten() {
            if best.as_ref().is_none_or(|(known, _)| *known < rank) {
                *best = Some((rank, symbol));
            }
        }
    }

    fn start(&mut self, start: Start<'file>) {
        let next = self.wanted.partition_point(|wanted| *wanted < start.address);
        if let Some(last) = self.last.get_mut(next)
            && last.is_none_or(|known| (known.address, known.sized) < (start.address, start.sized))
        {
            *last = Some(start);
        }
    }

    /// Hand-written assembly has labels without a size. Such a label names what follows it, but only up to the next
    /// function and within its section: past that it would be a guess.
    fn labels(&self, file: &object::File<'file>) -> Vec<Option<Symbol<'file>>> {
        let mut last: Option<Start<'file>> = None;
        let nearest = self.wanted.iter().zip(&self.last).map(|(wanted, here)| {
            last = here.or(last);
            let start = last.filter(|start| !start.sized)?;
            let section = file.section_by_index(start.section?).ok()?;
            (*wanted < section.address().saturating_add(section.size())).then_some(start.symbol)
        });
        nearest.collect()
    }
}
