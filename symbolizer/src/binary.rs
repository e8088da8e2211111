//! The file behind a module: found, held to its build id, and its addresses.

use std::fs::{self, File};
use std::io;
use std::ops::Deref;

use memmap2::Mmap;
use object::{Object, ObjectSegment, SegmentFlags, elf};

use crate::module::Module;
use crate::report::Reason;
use crate::sys;

/// The bytes of a file that was proved to be the one the process has mapped.
#[derive(Debug)]
pub(crate) enum Binary {
    File(Mmap),
    Copy(Vec<u8>),
}

impl Deref for Binary {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::File(bytes) => bytes,
            Self::Copy(bytes) => bytes,
        }
    }
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
    pub(crate) fn open(module: &Module, this_process: bool) -> Result<Self, Reason> {
        if this_process && module.path == "[vdso]" {
            let segment = module.segments.first().ok_or(Reason::Unreadable)?;
            return sys::vdso(segment.start, segment.end).map(Self::Copy).ok_or(Reason::Unreadable);
        }
        let first = Self::open_at(&module.path, module);
        match first {
            Err(_) if this_process => Self::open_at("/proc/self/exe", module).or(first),
            _ => first,
        }
    }

    fn open_at(path: &str, module: &Module) -> Result<Self, Reason> {
        // Looked at before it is opened: opening a pipe would wait for its other end.
        let about = fs::metadata(path).map_err(|error| reason(&error))?;
        if !about.is_file() {
            return Err(Reason::Unreadable);
        }
        let file = File::open(path).map_err(|error| reason(&error))?;
        let inode = inode(&file.metadata().map_err(|error| reason(&error))?);
        let bytes = sys::map(&file).map_err(|error| reason(&error))?;
        prove(module, inode, &bytes)?;
        Ok(Self::File(bytes))
    }
}

/// Refuses `bytes` (of the file with this `inode`) unless they are what `module` was mapped from.
fn prove(module: &Module, inode: u64, bytes: &[u8]) -> Result<(), Reason> {
    if module.build_id.is_empty() {
        return if inode == module.inode && inode != 0 { Ok(()) } else { Err(Reason::FileReplaced) };
    }
    let file = object::File::parse(bytes).map_err(|_| Reason::Unreadable)?;
    let build_id = file.build_id().ok().flatten().unwrap_or_default();
    let same = build_id.len() * 2 == module.build_id.len()
        && build_id.iter().flat_map(|byte| [byte >> 4, byte & 15]).zip(module.build_id.chars()).all(
            |(digit, expected)| expected.to_digit(16).is_some_and(|expected| expected == u32::from(digit)),
        );
    if same { Ok(()) } else { Err(Reason::BuildIdDiffers) }
}

/// The address, as the file counts them, of the byte at `file_offset`: what symbols and debug info are written in.
/// `None` when no executable segment holds that byte, as in the padding at the ends of a mapping.
pub(crate) fn address_of(file: &object::File<'_>, file_offset: u64) -> Option<u64> {
    file.segments().find_map(|segment| {
        let executable = match segment.flags() {
            SegmentFlags::Elf { p_flags, .. } => p_flags.0 & elf::PF_X.0 != 0,
            _ => true,
        };
        let (start, size) = segment.file_range();
        let inside = file_offset.checked_sub(start)?;
        (executable && inside < size).then(|| segment.address().checked_add(inside))?
    })
}

fn reason(error: &io::Error) -> Reason {
    match error.kind() {
        io::ErrorKind::NotFound => Reason::FileMissing,
        io::ErrorKind::PermissionDenied => Reason::NoPermission,
        _ => Reason::Unreadable,
    }
}

#[cfg(unix)]
fn inode(about: &fs::Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::ino(about)
}

#[cfg(not(unix))]
fn inode(_about: &fs::Metadata) -> u64 {
    0
}
