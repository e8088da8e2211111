//! The other files that a module's debug info may be in: a separate debug file, the file that several debug files
//! share (dwz), split units (`.dwo`), a package of them (`.dwp`), and the symbols packed into a stripped file.
//! Each is opened when it is first asked for, and proved to belong to the module.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use gimli::{DebugCuIndex, LittleEndian, UnitIndex};

use crate::binary::Binary;
use crate::dwarf::{Sections, Split};
use crate::frame::Source;
use crate::places::Places;
use crate::separate;

/// A package's index is some 60 bytes a unit; a larger one is damaged.
const MAX_INDEX: usize = 16 << 20;

/// The files around one module's.
pub(crate) struct Companions<'module> {
    binary: &'module Binary,
    path: PathBuf,
    places: &'module Places,
    /// The file with the debug info, if it is not the module's own.
    pub(crate) debug: Option<Binary>,
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
        let path = fs::canonicalize(path).unwrap_or_else(|_| PathBuf::from(path));
        let mut companions = Self { binary, path, places, debug: None, package: None };
        if binary.elf.debug_section("info").is_none() {
            companions.debug = companions.separate();
        }
        companions
    }

    /// The file that holds the debug info.
    pub(crate) fn info(&self) -> &Binary {
        self.debug.as_ref().unwrap_or(self.binary)
    }

    /// Its symbol tables, the best first.
    pub(crate) fn symbol_tables(&self) -> Vec<(&Binary, Source)> {
        let own = [(self.binary, Source::Symtab)];
        let separate = self.debug.as_ref().map(|file| (file, Source::Symtab));
        own.into_iter().chain(separate).chain([(self.binary, Source::Dynsym)]).collect()
    }

    fn separate(&self) -> Option<Binary> {
        let elf = &self.binary.elf;
        let link = elf.debuglink.as_ref().map(|(name, checksum)| (OsStr::from_bytes(name), *checksum));
        let dirs = self.places.dirs();
        let by_id = separate::by_build_id(&dirs, &elf.build_id).into_iter();
        let found = by_id.filter_map(|path| Binary::open(&path, self.places).ok());
        let mut found = found.filter(|file| file.elf.build_id == elf.build_id);
        if let Some(found) = found.next() {
            return Some(found);
        }
        let (name, checksum) = link?;
        separate::by_link(&dirs, &self.path, name).into_iter().find_map(|path| {
            let file = Binary::open(&path, self.places).ok()?;
            let proved = match elf.build_id.is_empty() || file.elf.build_id.is_empty() {
                true => separate::checksum(&file.bytes).ok()? == checksum,
                false => file.elf.build_id == elf.build_id,
            };
            proved.then_some(file)
        })
    }

    /// The file that holds what several debug files have in common.
    pub(crate) fn shared(&self) -> Option<Sections> {
        let info = self.info();
        let (name, build_id) = info.elf.altlink.as_ref()?;
        let from = info.path.as_deref().unwrap_or(&self.path);
        let candidates = separate::shared(&self.places.dirs(), from, OsStr::from_bytes(name), build_id);
        let files = candidates.into_iter().filter_map(|path| Binary::open(&path, self.places).ok());
        let mut proved = files.filter(|file| !build_id.is_empty() && file.elf.build_id == *build_id);
        proved.next().map(|file| file.debug_sections(""))
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
        let candidates = separate::split(&self.places.dirs(), &self.path, directory, &split.file);
        candidates.into_iter().find_map(|path| {
            let file = Binary::open(&path, self.places).ok()?;
            file.elf.debug_section("info.dwo").is_some().then(|| file.debug_sections(".dwo"))
        })
    }

    fn open_package(&self) -> Option<Package> {
        let own = self.info().path.as_deref();
        let candidates =
            separate::packages(&self.path).into_iter().chain(own.into_iter().flat_map(separate::packages));
        candidates.into_iter().find_map(|path| {
            let binary = Binary::open(&path, self.places).ok()?;
            let mut index = binary.debug_section("cu_index", 0);
            let size = usize::try_from(index.size()).ok().filter(|size| (1..=MAX_INDEX).contains(size))?;
            let index = index.exactly(0, size)?.to_vec();
            Some(Package { binary, index })
        })
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
