//! What is mapped where: the modules of a process and their executable segments.
//! A plain value that travels with a dump, so that it can be named later and elsewhere.

use serde::{Deserialize, Serialize};

use crate::{Error, ErrorKind, maps, sys};

/// An executable or library as a process mapped it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Module {
    /// The file, as the process saw it.
    pub path: String,
    /// The build id in hex; empty when the file has none, or nobody could read it.
    pub build_id: String,
    /// The file's inode, 0 when unknown.
    pub inode: u64,
    /// The executable segments, by address.
    pub segments: Vec<Segment>,
}

/// One executable segment of a module.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Segment {
    /// First address.
    pub start: u64,
    /// First address after it.
    pub end: u64,
    /// Offset of `start` in the file.
    pub file_offset: u64,
}

/// The modules of a process: which file and which of its bytes an address belongs to.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(from = "Vec<Module>", into = "Vec<Module>")]
pub struct ModuleMap {
    modules: Vec<Module>,
    /// Where each segment stands in `modules`, by start address.
    index: Vec<Place>,
    of_this_process: bool,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    start: u64,
    module: usize,
    segment: usize,
}

impl Module {
    /// The file's name without its directories: `libc.so.6`.
    #[must_use]
    pub fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }
}

impl Segment {
    /// True when `address` lies in this segment.
    #[must_use]
    pub const fn contains(&self, address: u64) -> bool {
        self.start <= address && address < self.end
    }

    /// Where in the file the byte at `address` comes from. Means nothing for an address outside.
    #[must_use]
    pub const fn offset_of(&self, address: u64) -> u64 {
        address.wrapping_sub(self.start).wrapping_add(self.file_offset)
    }
}

impl ModuleMap {
    /// What this process has mapped now. Libraries loaded later are not in it: take a new one each time.
    /// Reading it holds up to `vm.max_map_count` lines (65,530 by default, some 7 MB) for a moment.
    ///
    /// Build ids are read from memory, not from the files: a file may have been replaced since it was mapped.
    ///
    /// # Errors
    /// `Io` when `/proc` cannot be read, `Unsupported` where there is none.
    pub fn current() -> Result<Self, Error> {
        let mut map = Self::from_proc_maps(&own_maps()?);
        for (address, build_id) in sys::loaded_build_ids() {
            if let Some((module, _)) = map.locate(address)
                && let Some(module) = map.modules.get_mut(module)
            {
                module.build_id = build_id;
            }
        }
        map.of_this_process = true;
        Ok(map)
    }

    /// The map that a `/proc/<pid>/maps` text describes. Lines that are none are skipped. The text tells no build
    /// ids, so files are held to their inode; see [`Symbolizer::resolve`](crate::Symbolizer::resolve).
    #[must_use]
    pub fn from_proc_maps(text: &str) -> Self {
        Self::from(maps::modules(text))
    }

    /// The map at the end of a jemalloc heap dump (`heap_v2`, written by `prof.dump`).
    ///
    /// # Errors
    /// `Invalid` when the dump has no `MAPPED_LIBRARIES` part.
    pub fn from_heap_dump(dump: &str) -> Result<Self, Error> {
        dump.split_once("MAPPED_LIBRARIES:\n").map(|(_, text)| Self::from_proc_maps(text)).ok_or_else(|| {
            Error::new(ErrorKind::Invalid, "the heap dump does not say which libraries were mapped")
        })
    }

    /// Every module that has an executable segment, by first address.
    #[must_use]
    pub fn modules(&self) -> &[Module] {
        &self.modules
    }

    /// The module and the segment that `address` falls in.
    #[must_use]
    pub fn lookup(&self, address: u64) -> Option<(&Module, &Segment)> {
        let (module, segment) = self.locate(address)?;
        Some((self.modules.get(module)?, segment))
    }

    /// The place among the modules of the one that `address` falls in, and the segment.
    pub(crate) fn locate(&self, address: u64) -> Option<(usize, &Segment)> {
        let after = self.index.partition_point(|place| place.start <= address);
        let place = self.index.get(after.checked_sub(1)?)?;
        let segment = self.modules.get(place.module)?.segments.get(place.segment)?;
        segment.contains(address).then_some((place.module, segment))
    }

    /// True for a map taken by [`ModuleMap::current`], until it is written down.
    pub(crate) const fn is_of_this_process(&self) -> bool {
        self.of_this_process
    }
}

impl From<Vec<Module>> for ModuleMap {
    fn from(modules: Vec<Module>) -> Self {
        let mut index: Vec<Place> = Vec::new();
        for (module, of) in modules.iter().enumerate() {
            let places = of.segments.iter().enumerate();
            index.extend(places.map(|(segment, at)| Place { start: at.start, module, segment }));
        }
        index.sort_by_key(|place| place.start);
        Self { modules, index, of_this_process: false }
    }
}

impl From<ModuleMap> for Vec<Module> {
    fn from(map: ModuleMap) -> Self {
        map.modules
    }
}

#[cfg(target_os = "linux")]
fn own_maps() -> Result<String, Error> {
    let bytes = std::fs::read("/proc/self/maps")
        .map_err(|error| Error::new(ErrorKind::Io, "cannot read /proc/self/maps").because(error))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(not(target_os = "linux"))]
fn own_maps() -> Result<String, Error> {
    Err(Error::new(
        ErrorKind::Unsupported,
        "cannot tell what this process has mapped: there is no /proc here",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAPS: &str = "\
00400000-00402000 r-xp 00001000 08:01 77 /bin/app\n\
7f00-8000 r-xp 00003000 08:01 78 /lib/liba.so\n";

    #[test]
    fn an_address_falls_in_a_segment_or_in_none() {
        let map = ModuleMap::from_proc_maps(MAPS);
        let (module, segment) = map.lookup(0x40_1fff).expect("the last byte");
        assert_eq!((module.name(), segment.offset_of(0x40_1fff)), ("app", 0x2fff));
        assert!(map.lookup(0x40_2000).is_none());
        assert!(map.lookup(0).is_none());
        assert!(map.lookup(u64::MAX).is_none());
        assert_eq!(map.lookup(0x7f00).map(|(module, _)| module.name()), Some("liba.so"));
    }

    #[test]
    fn a_heap_dump_ends_with_its_map() {
        let dump = format!("heap_v2/524288\n  t*: 1: 2 [0: 0]\n@ 0x1 0x2\n\nMAPPED_LIBRARIES:\n{MAPS}");
        assert_eq!(ModuleMap::from_heap_dump(&dump).expect("a map").modules().len(), 2);
        let error = ModuleMap::from_heap_dump("heap_v2/524288\n").expect_err("no map");
        assert_eq!(error.kind(), ErrorKind::Invalid);
    }

    #[test]
    fn what_is_mapped_travels_as_text() {
        let map = ModuleMap::from_proc_maps(MAPS);
        let text = serde_json::to_string(&map).expect("JSON");
        let back: ModuleMap = serde_json::from_str(&text).expect("a map");
        assert_eq!(back.modules(), map.modules());
        assert!(back.lookup(0x7f01).is_some());
    }

    #[test]
    fn this_process_has_itself_mapped_with_a_build_id() {
        let map = ModuleMap::current().expect("a map");
        let here = this_process_has_itself_mapped_with_a_build_id as fn() as usize as u64;
        let (module, _) = map.lookup(here).expect("our own module");
        let own = std::env::current_exe().expect("a path");
        assert_eq!(module.path, own.to_str().expect("UTF-8"));
        assert!(module.build_id.len() >= 16, "{module:?}");
        assert!(map.is_of_this_process());
    }
}
