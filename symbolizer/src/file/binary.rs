//! A file: opened, held to its build id, and its sections.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Seek};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use object::CompressedFileRange;

use crate::file::bytes::Bytes;
use crate::file::checksum;
use crate::file::elf::{self, Elf};
use crate::file::inflate::{Failure, Limits, Packed, inflate};
use crate::file::mini;
use crate::file::scratch;
use crate::file::section::Section;
use crate::module::Module;
use crate::places::Places;
use crate::report::Reason;
use crate::sys;

/// An object file, its tables read.
#[derive(Debug)]
pub(crate) struct Binary {
    pub(crate) elf: Elf,
    pub(crate) bytes: Rc<Bytes>,
    /// Where it was opened, if it is a file.
    pub(crate) path: Option<PathBuf>,
    inode: u64,
    /// What unpacking sections may still take.
    memory_left: Cell<u64>,
    /// Why a section was not unpacked.
    pub(crate) trouble: Cell<Option<Reason>>,
    /// What was decompressed, by section.
    unpacked: RefCell<HashMap<String, Option<Rc<Bytes>>>>,
}

impl Binary {
    /// Opens the file that `module` was mapped from, or says why its names cannot be had.
    ///
    /// A file counts as the mapped one when its build id is the module's. Where the module has none that we know
    /// of, its inode decides: the kernel does not give the number to another file as long as the old one is mapped.
    /// The device is not compared, because on overlayfs and btrfs `maps` and `stat` disagree about it.
    ///
    /// In `this_process` the running executable is also looked for behind `/proc/self/exe`, which reaches it when
    /// it was deleted or replaced, and without privileges.
    pub(crate) fn of(module: &Module, this_process: bool, places: &Places) -> Result<Self, Reason> {
        if this_process && module.path == "[vdso]" {
            let segment = module.segments.first().ok_or(Reason::Unreadable)?;
            let bytes = sys::vdso(segment.start, segment.end).ok_or(Reason::Unreadable)?;
            return Self::parse(Bytes::Memory(bytes), 0, places).ok_or(Reason::Unreadable);
        }
        let proved =
            |path: &str| Self::open(Path::new(path), places).and_then(|binary| binary.proved(module));
        let first = proved(&module.path);
        match first {
            Err(_) if this_process => proved("/proc/self/exe").or(first),
            _ => first,
        }
    }

    /// Opens `path`, whatever file it is.
    pub(crate) fn open(path: &Path, places: &Places) -> Result<Self, Reason> {
        // Looked at before it is opened: opening a pipe would wait for its other end.
        let about = fs::metadata(path).map_err(|error| reason(&error))?;
        if !about.is_file() {
            return Err(Reason::Unreadable);
        }
        let file = File::open(path).map_err(|error| reason(&error))?;
        let inode = file.metadata().map_err(|error| reason(&error))?.ino();
        let parsed = Self::parse(Bytes::File(file), inode, places).ok_or(Reason::Unreadable)?;
        Ok(Self { path: Some(path.to_owned()), ..parsed })
    }

    /// The object file that `bytes` are.
    pub(crate) fn parse(bytes: Bytes, inode: u64, places: &Places) -> Option<Self> {
        Some(Self {
            elf: Elf::parse(&bytes)?,
            bytes: Rc::new(bytes),
            path: None,
            inode,
            memory_left: Cell::new(places.memory_budget),
            trouble: Cell::new(None),
            unpacked: RefCell::new(HashMap::new()),
        })
    }

    /// Itself, if `module` was mapped from it.
    fn proved(self, module: &Module) -> Result<Self, Reason> {
        if !module.build_id.is_empty() {
            return if self.has_build_id(&module.build_id) { Ok(self) } else { Err(Reason::BuildIdDiffers) };
        }
        if self.inode == module.inode && self.inode != 0 { Ok(self) } else { Err(Reason::FileReplaced) }
    }

    /// Its CRC-32, as a `.gnu_debuglink` has it.
    pub(crate) fn checksum(&self) -> Option<u32> {
        let Bytes::File(file) = &*self.bytes else { return None };
        // A handle of its own, but the position is shared; nobody else uses it.
        let mut file = file.try_clone().ok()?;
        file.rewind().ok()?;
        checksum::crc32(&mut file).ok()
    }

    /// True when its build id is the one that `hex` spells.
    pub(crate) fn has_build_id(&self, hex: &str) -> bool {
        !hex.is_empty() && elf::hex(&self.elf.build_id).eq_ignore_ascii_case(hex)
    }

    /// The section `.debug_<name>`, an empty one if there is none or it cannot be unpacked.
    pub(crate) fn debug_section(&self, name: &str, read_ahead: usize) -> Section {
        let Some(range) = self.elf.debug_section(name) else { return Section::empty() };
        let Some(compression) = range.compression else {
            return Section::new(self.bytes.clone(), range.offset, range.size, read_ahead);
        };
        let mut unpacked = self.unpacked.borrow_mut();
        let bytes = unpacked.entry(name.to_owned()).or_insert_with(|| self.unpack(&compression));
        match bytes {
            Some(bytes) => Section::new(bytes.clone(), 0, compression.uncompressed_size, read_ahead),
            None => Section::empty(),
        }
    }

    /// The file with symbols that it carries in `.gnu_debugdata` (MiniDebugInfo).
    pub(crate) fn unpacked_symbols(&self, places: &Places) -> Option<Self> {
        let (Bytes::File(file), range) = (&*self.bytes, self.elf.section(".gnu_debugdata")?) else {
            return None;
        };
        let packed = Packed { file, offset: range.offset, left: range.size };
        let mut unpacked = scratch::nameless(&std::env::temp_dir()).ok()?;
        mini::unpack(packed, &mut unpacked, mini::DEFAULT_BYTES).ok()?;
        Self::parse(Bytes::File(unpacked), 0, places)
    }

    fn unpack(&self, range: &CompressedFileRange) -> Option<Rc<Bytes>> {
        let Bytes::File(file) = &*self.bytes else { return None };
        let limits = Limits { memory: self.memory_left.get(), ..Limits::default() };
        let failure = match inflate(file, range, &std::env::temp_dir(), &limits) {
            Ok(bytes) => {
                let memory = if let Bytes::Memory(bytes) = &bytes { bytes.len() as u64 } else { 0 };
                self.memory_left.set(limits.memory.saturating_sub(memory));
                return Some(Rc::new(bytes));
            }
            Err(failure) => failure,
        };
        let reason =
            if matches!(failure, Failure::OverBudget) { Reason::OverBudget } else { Reason::Damaged };
        self.trouble.set(Some(reason));
        None
    }
}

fn reason(error: &io::Error) -> Reason {
    match error.kind() {
        io::ErrorKind::NotFound => Reason::FileMissing,
        io::ErrorKind::PermissionDenied => Reason::NoPermission,
        _ => Reason::Unreadable,
    }
}
