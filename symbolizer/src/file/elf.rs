//! The tables at the head of an ELF file: segments, sections, build id, and where its debug info went.
//! Knows where everything is and reads none of it. Little-endian files only, of 32 and 64 bits.

use object::elf::{self, FileHeader32, FileHeader64};
use object::read::elf::{CompressionHeader, FileHeader, ProgramHeader, SectionHeader};
use object::{CompressedFileRange, CompressionFormat, Endianness, FileKind};

use crate::file::bytes::{Bytes, Headers, Readable};

/// `.debug_info` compressed as GNU tools did before ELF had a flag for it: "ZLIB", then the size.
const GNU_COMPRESSED: u64 = 12;

/// An ELF file's tables.
#[derive(Debug, Default)]
pub(crate) struct Elf {
    pub(crate) is_64: bool,
    pub(crate) segments: Vec<Load>,
    pub(crate) sections: Vec<SectionRange>,
    pub(crate) build_id: Vec<u8>,
    /// The name in `.gnu_debuglink`, and the checksum of the file it names.
    pub(crate) debuglink: Option<(Vec<u8>, u32)>,
    /// The path in `.gnu_debugaltlink`, and the build id of the file it names.
    pub(crate) altlink: Option<(Vec<u8>, Vec<u8>)>,
}

/// A loaded segment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    pub(crate) address: u64,
    pub(crate) offset: u64,
    pub(crate) file_size: u64,
    pub(crate) executable: bool,
}

/// Where a section's bytes are.
#[derive(Clone, Debug)]
pub(crate) struct SectionRange {
    pub(crate) name: String,
    pub(crate) address: u64,
    pub(crate) memory_size: u64,
    pub(crate) offset: u64,
    /// 0 for a section that takes no room in the file.
    pub(crate) size: u64,
    pub(crate) executable: bool,
    /// How it is compressed, if it is; the offset and size above are then those of the compressed bytes.
    pub(crate) compression: Option<CompressedFileRange>,
}

impl Elf {
    /// `None` for what is no ELF file we can read.
    pub(crate) fn parse(bytes: &Bytes) -> Option<Self> {
        bytes.with_headers(|headers| match FileKind::parse(headers).ok()? {
            FileKind::Elf64 => parse::<FileHeader64<Endianness>>(headers, true),
            FileKind::Elf32 => parse::<FileHeader32<Endianness>>(headers, false),
            _ => None,
        })
    }

    pub(crate) fn section(&self, name: &str) -> Option<&SectionRange> {
        self.sections.iter().find(|section| section.name == name)
    }

    /// The debug section `.debug_<name>`, also under the name it has when compressed in the old way.
    pub(crate) fn debug_section(&self, name: &str) -> Option<&SectionRange> {
        let holds = |section: &&SectionRange, prefix: &str| {
            section.size > 0 && section.name.strip_prefix(prefix) == Some(name)
        };
        let sections = || self.sections.iter();
        sections()
            .find(|section| holds(section, ".debug_"))
            .or_else(|| sections().find(|section| holds(section, ".zdebug_")))
    }

    /// The address, as the file counts them, of the byte at `file_offset`: what symbols and debug info are written
    /// in. `None` when no executable segment holds that byte, as in the padding at the ends of a mapping.
    pub(crate) fn address_of(&self, file_offset: u64) -> Option<u64> {
        self.segments.iter().find_map(|segment| {
            let inside = file_offset.checked_sub(segment.offset)?;
            (segment.executable && inside < segment.file_size).then(|| segment.address.checked_add(inside))?
        })
    }
}

/// Bytes as a build id is written, in lower case.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn parse<Header: FileHeader<Endian = Endianness>>(headers: Headers<'_>, is_64: bool) -> Option<Elf> {
    let header = Header::parse(headers).ok()?;
    let endian = header.endian().ok().filter(|endian| *endian == Endianness::Little)?;
    let programs = header.program_headers(endian, headers).unwrap_or_default();
    let segments =
        programs.iter().filter(|program| program.p_type(endian) == elf::PT_LOAD).map(|program| Load {
            address: program.p_vaddr(endian).into(),
            offset: program.p_offset(endian).into(),
            file_size: program.p_filesz(endian).into(),
            executable: program.p_flags(endian).0 & elf::PF_X.0 != 0,
        });
    let mut found = Elf { is_64, segments: segments.collect(), ..Elf::default() };
    // A file without its section table still has its segments and their notes.
    if let Ok(table) = header.sections(endian, headers) {
        for section in table.iter() {
            let name = table.section_name(endian, section).unwrap_or_default();
            found.sections.push(range(section, endian, headers, &String::from_utf8_lossy(name)));
            found.note_links(section, endian, headers, name);
            if found.build_id.is_empty()
                && let Ok(Some(notes)) = section.notes(endian, headers)
            {
                found.build_id = build_id(notes, endian);
            }
        }
    }
    for program in programs {
        if found.build_id.is_empty()
            && let Ok(Some(notes)) = program.notes(endian, headers)
        {
            found.build_id = build_id(notes, endian);
        }
    }
    Some(found)
}

impl Elf {
    fn note_links<'bytes, Section: SectionHeader<Endian = Endianness>>(
        &mut self,
        section: &Section,
        endian: Endianness,
        headers: impl Readable<'bytes>,
        name: &[u8],
    ) {
        if name != b".gnu_debuglink" && name != b".gnu_debugaltlink" {
            return;
        }
        let Ok(data) = section.data(endian, headers) else { return };
        let Some(end) = data.iter().position(|byte| *byte == 0) else { return };
        let (file, rest) = data.split_at(end);
        if name == b".gnu_debugaltlink" {
            self.altlink = Some((file.to_vec(), rest.get(1..).unwrap_or_default().to_vec()));
        } else if let Some(checksum) = rest.last_chunk() {
            self.debuglink = Some((file.to_vec(), u32::from_le_bytes(*checksum)));
        }
    }
}

impl SectionRange {
    const fn compressed(&self, format: CompressionFormat, size: u64) -> CompressedFileRange {
        let (offset, compressed_size) = (self.offset, self.size);
        CompressedFileRange { format, offset, compressed_size, uncompressed_size: size }
    }
}

fn range<'bytes, Section: SectionHeader<Endian = Endianness>>(
    section: &Section,
    endian: Endianness,
    headers: impl Readable<'bytes>,
    name: &str,
) -> SectionRange {
    let (offset, size) = section.file_range(endian).unwrap_or_default();
    let mut range = SectionRange {
        name: name.to_owned(),
        address: section.sh_addr(endian).into(),
        memory_size: section.sh_size(endian).into(),
        offset,
        size,
        executable: section.sh_flags(endian).0 & elf::SHF_EXECINSTR.0 != 0,
        compression: None,
    };
    match section.compression(endian, headers) {
        Ok(Some((header, offset, compressed))) => {
            let format = match header.ch_type(endian) {
                elf::ELFCOMPRESS_ZLIB => CompressionFormat::Zlib,
                elf::ELFCOMPRESS_ZSTD => CompressionFormat::Zstandard,
                _ => CompressionFormat::Unknown,
            };
            (range.offset, range.size) = (offset, compressed);
            range.compression = Some(range.compressed(format, header.ch_size(endian).into()));
        }
        Ok(None) if name.starts_with(".zdebug_") => range.compression = gnu_compression(&mut range, headers),
        Ok(None) => {}
        Err(_) => range.size = 0,
    }
    range
}

/// Steps over the head that GNU tools put before a compressed section, and says what it announces.
fn gnu_compression<'bytes>(
    range: &mut SectionRange,
    headers: impl Readable<'bytes>,
) -> Option<CompressedFileRange> {
    let head = headers.read_bytes_at(range.offset, GNU_COMPRESSED).ok()?;
    let size = head.strip_prefix(b"ZLIB")?.first_chunk()?;
    range.offset += GNU_COMPRESSED;
    range.size = range.size.saturating_sub(GNU_COMPRESSED);
    Some(range.compressed(CompressionFormat::Zlib, u64::from_be_bytes(*size)))
}

fn build_id<Header: FileHeader<Endian = Endianness>>(
    mut notes: object::read::elf::NoteIterator<'_, Header>,
    endian: Endianness,
) -> Vec<u8> {
    while let Ok(Some(note)) = notes.next() {
        if note.name() == elf::ELF_NOTE_GNU && note.n_type(endian) == elf::NT_GNU_BUILD_ID {
            return note.desc().to_vec();
        }
    }
    Vec::new()
}
