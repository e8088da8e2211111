//! Asks the symbolizer about addresses of any number of modules at once, each in an address space of its own:
//! a profile that was merged from several processes has mappings that overlap.

use flamewatch_symbolizer::{Addr, Frame, Module, ModuleMap, Report, Resolved, Symbolizer};

use crate::finder::Finder;
use crate::progress::Progress;

/// An address in the space of one of the modules, or in none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// Which module.
    pub(crate) module: Option<usize>,
    /// The address to look up: a return address is already moved into its call.
    pub(crate) address: u64,
}

/// The answer to a list of places.
#[derive(Debug)]
pub(crate) struct Answer {
    resolved: Resolved,
    /// For each place, its position among the addresses that were asked about.
    index: Vec<Option<usize>>,
    /// How many distinct places lie in no module.
    pub(crate) homeless: usize,
    /// The modules as the symbolizer was asked about them, `None` for those it was not asked about.
    pub(crate) found: Vec<Option<Module>>,
}

impl Answer {
    /// The frames at a place, innermost first; empty where nothing has a name.
    pub(crate) fn frames(&self, place: usize) -> &[Frame] {
        let frames =
            self.index.get(place).copied().flatten().map_or(&[][..], |index| self.resolved.frames(index));
        if frames.iter().any(Frame::is_named) { frames } else { &[] }
    }

    /// What the symbolizer says of the modules.
    pub(crate) const fn report(&self) -> &Report {
        self.resolved.report()
    }
}

/// Names `places`, which lie in `modules`.
pub(crate) fn name(finder: &Finder<'_>, modules: &[Module], places: &[Place]) -> Answer {
    let mut asked: Vec<bool> = vec![false; modules.len()];
    for module in places.iter().filter_map(|place| place.module) {
        if let Some(asked) = asked.get_mut(module) {
            *asked = true;
        }
    }
    let found = modules.iter().zip(asked).map(|(module, asked)| asked.then(|| finder.find(module)));
    let found: Vec<Option<Module>> = found.collect();
    let mut spaces = Spaces::default();
    for module in &found {
        spaces.add(module.clone());
    }
    let mut addresses = Vec::new();
    let mut homeless = Vec::new();
    let index = places.iter().map(|place| {
        let Some(address) = spaces.address(*place) else {
            homeless.push(place.address);
            return None;
        };
        addresses.push(Addr::Pc(address));
        Some(addresses.len() - 1)
    });
    let index = index.collect();
    homeless.sort_unstable();
    homeless.dedup();
    let _progress = Progress::begin(format!("naming {} addresses", addresses.len()));
    let resolved = symbolizer(finder).resolve(&ModuleMap::from(spaces.modules), &addresses);
    Answer { resolved, index, homeless: homeless.len(), found }
}

/// The symbolizer of one answer: the next is about other addresses, so that nothing need be remembered.
fn symbolizer(finder: &Finder<'_>) -> Symbolizer {
    let builder = Symbolizer::builder().cache_budget(0);
    let builder = finder.folders().iter().fold(builder, |builder, folder| builder.debug_dir(folder));
    let Some((urls, cache)) = finder.servers() else { return builder.build() };
    // The finder has looked at them already.
    builder.clone().debuginfod(urls, cache).unwrap_or(builder).build()
}

/// Modules moved apart.
#[derive(Debug, Default)]
struct Spaces {
    modules: Vec<Module>,
    /// By module as it was numbered before: what is added to its addresses, and the range they must lie in.
    shifts: Vec<Option<Shift>>,
    /// The first address that is free.
    free: u64,
}

#[derive(Clone, Copy, Debug)]
struct Shift {
    start: u64,
    end: u64,
    to: u64,
}

impl Spaces {
    /// Adds the next module; `None` for one that nobody asks about.
    fn add(&mut self, module: Option<Module>) {
        let shift = module.and_then(|module| self.place(module));
        self.shifts.push(shift);
    }

    fn place(&mut self, mut module: Module) -> Option<Shift> {
        const PAGE: u64 = 4096;
        let start = module.segments.iter().map(|segment| segment.start).min()?;
        let end = module.segments.iter().map(|segment| segment.end).max().filter(|end| *end > start)?;
        // Page by page: whoever asks about a mapping may take for granted that it begins as in a process.
        let to = self.free.checked_next_multiple_of(PAGE)?.checked_add(PAGE + start % PAGE)?;
        self.free = to.checked_add(end - start)?;
        for segment in &mut module.segments {
            segment.start = segment.start - start + to;
            segment.end = segment.end.saturating_sub(start).saturating_add(to);
        }
        self.modules.push(module);
        Some(Shift { start, end, to })
    }

    fn address(&self, place: Place) -> Option<u64> {
        let shift = self.shifts.get(place.module?).copied().flatten()?;
        (shift.start..shift.end).contains(&place.address).then(|| place.address - shift.start + shift.to)
    }
}

#[cfg(test)]
mod tests {
    use flamewatch_symbolizer::Segment;

    use super::*;

    fn module(start: u64, end: u64) -> Module {
        let mut segment = Segment::default();
        (segment.start, segment.end) = (start, end);
        let mut module = Module::default();
        module.segments = vec![segment];
        module
    }

    #[test]
    fn modules_that_overlap_are_moved_apart() {
        let mut spaces = Spaces::default();
        for added in [Some(module(0x1000, 0x3000)), None, Some(module(0x2010, 0x4000)), Some(module(9, 9))] {
            spaces.add(added);
        }
        let at = |module, address| spaces.address(Place { module: Some(module), address });
        let (first, second) = (at(0, 0x2020).expect("inside"), at(2, 0x2020).expect("inside"));
        let map = ModuleMap::from(spaces.modules.clone());
        let found =
            [first, second].map(|address| map.lookup(address).map(|(_, segment)| segment.offset_of(address)));
        assert_eq!(found, [Some(0x1020), Some(0x10)]);
        assert_eq!(second % 4096, 0x20, "pages stay pages");
        assert_eq!(
            (at(0, 0x3000), at(1, 0x1000), at(2, 0x2000), at(3, 9), at(4, 9)),
            (None, None, None, None, None)
        );
        assert_eq!(spaces.address(Place { module: None, address: 0x2020 }), None);
    }

    #[test]
    fn a_mapping_of_everything_leaves_no_room_and_nothing_breaks() {
        let mut spaces = Spaces::default();
        for added in [module(0, u64::MAX), module(0, u64::MAX), module(0x1000, 0x2000)] {
            spaces.add(Some(added));
        }
        assert_eq!(spaces.address(Place { module: Some(1), address: 5 }), None);
    }
}
