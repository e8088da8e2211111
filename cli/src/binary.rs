//! What an object file says of itself: its build id, its inode, and where its code is. Reads no names.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use flamewatch_symbolizer::{Module, Segment};
use object::read::{ReadCache, ReadRef};
use object::{Object as _, ObjectSegment as _, SegmentFlags, elf};

/// An executable or library on disk.
#[derive(Debug)]
pub(crate) struct Binary {
    /// In hex, empty when it has none.
    pub(crate) build_id: String,
    pub(crate) inode: u64,
    /// It has debug info or a table of symbols: it was not stripped.
    pub(crate) has_names: bool,
    /// Its executable segments, at the addresses that the file itself counts in.
    pub(crate) segments: Vec<Segment>,
}

impl Binary {
    /// Looks at the file at `path`. Reads its headers only.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        // Looked at before it is opened: opening a pipe would wait for its other end.
        let about = fs::metadata(path)?;
        if !about.is_file() {
            return Err(io::Error::other("it is not a file"));
        }
        let cache = ReadCache::new(File::open(path)?);
        let file = object::File::parse(&cache).map_err(|_| io::Error::other("it is not an object file"))?;
        let build_id = file.build_id().ok().flatten().unwrap_or_default();
        let build_id = build_id.iter().map(|byte| format!("{byte:02x}")).collect();
        let has_names = [".debug_info", ".zdebug_info", ".symtab"]
            .iter()
            .any(|name| file.section_by_name(name).is_some());
        Ok(Self { build_id, inode: inode(&about), has_names, segments: segments(&file) })
    }

    /// True when the code itself is in the file: not for a `.debug` file that was split off.
    pub(crate) fn has_code(&self) -> bool {
        self.segments.iter().any(|segment| segment.start < segment.end)
    }

    /// The file as a module at its own addresses.
    pub(crate) fn module(self, path: &str) -> Module {
        let mut module = Module::default();
        path.clone_into(&mut module.path);
        (module.build_id, module.inode, module.segments) = (self.build_id, self.inode, self.segments);
        module
    }
}

fn segments<'data>(file: &object::File<'data, impl ReadRef<'data>>) -> Vec<Segment> {
    let executable = file.segments().filter(|segment| match segment.flags() {
        SegmentFlags::Elf { p_flags, .. } => p_flags.0 & elf::PF_X.0 != 0,
        _ => true,
    });
    executable
        .map(|of| {
            let (file_offset, size) = of.file_range();
            let mut segment = Segment::default();
            (segment.start, segment.end) = (of.address(), of.address().saturating_add(size));
            segment.file_offset = file_offset;
            segment
        })
        .collect()
}

#[cfg(unix)]
fn inode(about: &fs::Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::ino(about)
}

#[cfg(not(unix))]
fn inode(_about: &fs::Metadata) -> u64 {
    0
}
