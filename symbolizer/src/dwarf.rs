//! Functions, lines and inlined frames from the debug info: the one file that knows `addr2line`.

use std::borrow::Cow;

use addr2line::Context;
use gimli::{DwarfSections, EndianSlice, RunTimeEndian, SectionId};
use object::{Object, ObjectSection};

/// A frame as the debug info has it.
#[derive(Clone, Debug, Default)]
pub(crate) struct DebugFrame {
    /// The linker's name, else the source's, else nothing.
    pub(crate) name: Option<String>,
    pub(crate) file: String,
    pub(crate) line: u32,
    pub(crate) column: u32,
}

/// The frames at each of `wanted` (addresses of the file), innermost first; none where the debug info has nothing.
/// What is damaged costs the addresses it describes and no others. All state is gone when this returns.
pub(crate) fn frames(file: &object::File<'_>, wanted: &[u64]) -> Vec<Vec<DebugFrame>> {
    let sections = DwarfSections::load(|id: SectionId| Ok::<_, gimli::Error>(section(file, id)));
    let endian = if file.is_little_endian() { RunTimeEndian::Little } else { RunTimeEndian::Big };
    let context = sections.map(|sections| {
        let dwarf = sections.borrow(|bytes| EndianSlice::new(bytes, endian));
        let context = Context::from_dwarf(dwarf).ok();
        wanted.iter().map(|address| at(context.as_ref(), *address)).collect()
    });
    context.unwrap_or_else(|_| vec![Vec::new(); wanted.len()])
}

/// How many bytes of debug info `file` has, uncompressed; reading it costs about half of that again.
pub(crate) fn debug_bytes(file: &object::File<'_>) -> u64 {
    let debug = file.sections().filter(|section| {
        section.name().is_ok_and(|name| name.starts_with(".debug_") || name.starts_with(".zdebug_"))
    });
    debug
        .filter_map(|section| section.compressed_data().ok())
        .fold(0, |sum: u64, data| sum.saturating_add(data.uncompressed_size))
}

fn section<'file>(file: &object::File<'file>, id: SectionId) -> Cow<'file, [u8]> {
    let section = file.section_by_name(id.name());
    section.and_then(|section| section.uncompressed_data().ok()).unwrap_or_default()
}

type Reader<'sections> = EndianSlice<'sections, RunTimeEndian>;

fn at(context: Option<&Context<Reader<'_>>>, address: u64) -> Vec<DebugFrame> {
    let mut frames = Vec::new();
    let found = context.and_then(|context| context.find_frames(address).skip_all_loads().ok());
    let Some(mut found) = found else { return frames };
    while let Ok(Some(frame)) = found.next() {
        let name = frame.function.as_ref().and_then(|function| function.raw_name().ok());
        let location = frame.location.as_ref();
        frames.push(DebugFrame {
            name: name.map(Cow::into_owned).filter(|name| !name.is_empty()),
            file: location.and_then(|location| location.file).unwrap_or_default().to_owned(),
            line: location.and_then(|location| location.line).unwrap_or_default(),
            column: location.and_then(|location| location.column).unwrap_or_default(),
        });
    }
    frames
}
