//! The other files that a module's debug info may be in: a separate debug file, the file that several debug files
//! share (dwz), split units (`.dwo`), a package of them (`.dwp`), and the symbols packed into a stripped file.
//! Each is opened when it is first asked for, and proved to belong to the module.

#[cfg(feature = "debuginfod")]
pub(crate) mod debuginfod;
pub(crate) mod separate;

use std::fs;
use std::path::PathBuf;

use gimli::{DebugCuIndex, LittleEndian, UnitIndex};

use self::separate::Origin;
use crate::dwarf::{Sections, Split};
use crate::file::binary::Binary;
use crate::frame::Source;
use crate::index::Index;
use crate::places::Places;
use crate::report::Reason;

/// A package's index is some 60 bytes a unit; a larger one is damaged.
const MAX_INDEX: usize = 16 << 20;

/// The files around one module's.
pub(crate) struct Companions<'module> {
    binary: &'module Binary,
    path: PathBuf,
    canonical: PathBuf,
    places: &'module Places,
    /// The file with the debug info, if it is not the module's own.
    pub(crate) debug: Option<Binary>,
    /// The symbols of a stripped file, if it carries them packed.
    mini: Option<Binary>,
    package: Option<Option<Package>>,
}

/// Split units packed into one file, and where each is.
struct Package {
    binary: Binary,
    index: Vec<u8>,
}

impl<'module> Companions<'module> {
    /// Those of `binary`, which the process knew as `path`.
    pub(crate) fn of(binary: &'module Binary, path: &str, places: &'module Places) -> Self {
        let path = PathBuf::from(path);
        let canonical = fs::canonicalize(&path).unwrap_or_else(|_| path.clone());
        let mut companions = Self { binary, path, canonical, places, debug: None, mini: None, package: None };
        if binary.elf.debug_section("info").is_none() {
            companions.debug = companions.separate();
        }
        if companions.debug.is_none() && binary.elf.section(".symtab").is_none() {
            companions.mini = binary.unpacked_symbols(places);
        }
        companions
    }

    /// The file that holds the debug info.
    pub(crate) fn info(&self) -> &Binary {
        self.debug.as_ref().unwrap_or(self.binary)
    }

    /// What stood in the way of reading the debug info, if something did.
    pub(crate) fn trouble(&self) -> Option<Reason> {
        self.info().trouble.get().or_else(|| self.binary.trouble.get())
    }

    /// Its symbol tables, the best first.
    pub(crate) fn symbol_tables(&self) -> Vec<(&Binary, Source)> {
        let own = [(self.binary, Source::Symtab)];
        let separate = self.debug.as_ref().map(|file| (file, Source::Symtab));
        let mini = self.mini.as_ref().map(|file| (file, Source::Symtab));
        own.into_iter().chain(separate).chain(mini).chain([(self.binary, Source::Dynsym)]).collect()
    }

    /// The index of the module, if there is one: for a file whose debug info is nowhere.
    pub(crate) fn index(&self) -> Option<Index> {
        let build_id = &self.binary.elf.build_id;
        let candidates = self.places.debug_dirs().indexes(self.origin(), build_id);
        candidates.into_iter().find_map(|path| Index::open(&path, build_id))
    }

    fn separate(&self) -> Option<Binary> {
        let elf = &self.binary.elf;
        let open = |path: PathBuf| Binary::open(&path, self.places).ok();
        let by_id = self.places.debug_dirs().by_build_id(&elf.build_id).into_iter().filter_map(open);
        let mut proved = by_id.filter(|file| file.elf.build_id == elf.build_id);
        proved.next().or_else(|| {
            let Some((name, checksum)) = elf.debuglink.as_ref() else { return self.fetched() };
            let linked = self.places.debug_dirs().by_link(self.origin(), name).into_iter().filter_map(open);
            let mut proved = linked.filter(|file| {
                if elf.build_id.is_empty() || file.elf.build_id.is_empty() {
                    file.checksum().is_some_and(|found| found == *checksum)
                } else {
                    file.elf.build_id == elf.build_id
                }
            });
            proved.next().or_else(|| self.fetched())
        })
    }

    /// The debug file as a server has it, if the program names servers.
    #[cfg(feature = "debuginfod")]
    fn fetched(&self) -> Option<Binary> {
        use crate::companions::debuginfod::{Kind, Limits, fetch};
        use crate::file::elf::hex;
        let (servers, cache) = self.places.servers.as_ref()?;
        let build_id = hex(&self.binary.elf.build_id);
        let Ok(path) = fetch(servers, &build_id, Kind::Debuginfo, cache, &Limits::default()) else {
            self.binary.trouble.set(Some(Reason::ServerFailed));
            return None;
        };
        let path = path?;
        let file = Binary::open(&path, self.places).ok()?;
        (file.elf.build_id == self.binary.elf.build_id).then_some(file)
    }

    #[cfg(not(feature = "debuginfod"))]
    #[expect(clippy::unused_self, reason = "with the feature it is used")]
    const fn fetched(&self) -> Option<Binary> {
        None
    }

    /// The file that holds what several debug files have in common.
    pub(crate) fn shared(&self) -> Option<Sections> {
        let info = self.info();
        let (name, build_id) = info.elf.altlink.as_ref().filter(|(_, build_id)| !build_id.is_empty())?;
        let from = info.path.as_deref().filter(|_| self.debug.is_some()).unwrap_or(&self.canonical);
        let candidates = self.places.debug_dirs().shared(from, name, build_id);
        let files = candidates.into_iter().filter_map(|path| Binary::open(&path, self.places).ok());
        let mut proved = files.filter(|file| file.elf.build_id == *build_id);
        proved.next().map(|file| Sections::of(&file, ""))
    }

    /// The file, or the part of a package, that holds a split unit's entries.
    pub(crate) fn split(&mut self, split: &Split, directory: Option<&str>) -> Option<Sections> {
        if self.package.is_none() {
            self.package = Some(self.open_package());
        }
        let package = self.package.as_ref().and_then(|package| package.as_ref());
        if let Some(sections) = package.and_then(|package| package.unit(split.id)) {
            return Some(sections);
        }
        let directory = directory.unwrap_or_default().as_bytes();
        let candidates = separate::split_unit(self.origin(), directory, split.file.as_bytes());
        candidates.into_iter().find_map(|path| {
            let file = Binary::open(&path, self.places).ok()?;
            file.elf.debug_section("info.dwo").is_some().then(|| Sections::of(&file, ".dwo"))
        })
    }

    fn open_package(&self) -> Option<Package> {
        let debug_file = self.debug.as_ref().and_then(|file| file.path.as_deref());
        self.places.debug_dirs().packages(self.origin(), debug_file).into_iter().find_map(|path| {
            let binary = Binary::open(&path, self.places).ok()?;
            let mut index = binary.debug_section("cu_index", 0);
            let size = usize::try_from(index.size()).ok().filter(|size| (1..=MAX_INDEX).contains(size))?;
            let index = index.exactly(0, size)?.to_vec();
            Some(Package { binary, index })
        })
    }

    fn origin(&self) -> Origin<'_> {
        Origin { path: &self.path, canonical: &self.canonical }
    }
}

impl Package {
    fn unit(&self, id: u64) -> Option<Sections> {
        let index: UnitIndex<_> = DebugCuIndex::new(&self.index, LittleEndian).index().ok()?;
        let parts: Vec<_> = index.sections(index.find(id)?).ok()?.collect();
        Some(Sections::open(|name, read_ahead| {
            let name = format!("{name}.dwo");
            let section = self.binary.debug_section(&name, read_ahead);
            let is_it = |part: &&gimli::UnitIndexSection| {
                part.section.dwo_name().strip_prefix(".debug_") == Some(name.as_str())
            };
            match parts.iter().find(is_it) {
                Some(part) => section.part(part.offset.into(), part.size.into()),
                // The strings belong to all units.
                None => section,
            }
        }))
    }
}
