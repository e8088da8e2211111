//! Damage to a file: what kinds there are, and where they strike. The same number makes the same mutant.

use std::iter;
use std::ops::Range;

/// Bytes of an ELF file (64 bits, little-endian) and where its parts are.
#[derive(Clone)]
pub(crate) struct Elf {
    pub(crate) bytes: Vec<u8>,
    sections: Vec<Section>,
    headers: Range<usize>,
}

#[derive(Clone, Debug)]
struct Section {
    name: String,
    range: Range<usize>,
    compressed: bool,
}

impl Elf {
    pub(crate) fn parse(bytes: Vec<u8>) -> Self {
        let word = |at: usize, size: usize| {
            let mut word = [0; 8];
            word[..size].copy_from_slice(&bytes[at..at + size]);
            usize::try_from(u64::from_le_bytes(word)).expect("64 bits")
        };
        let (table, size, count) = (word(0x28, 8), word(0x3a, 2), word(0x3c, 2));
        let header = |index: usize| table + index * size;
        let range = |header: usize| word(header + 0x18, 8)..word(header + 0x18, 8) + word(header + 0x20, 8);
        let names = range(header(word(0x3e, 2))).start;
        let section = |index: usize| {
            let name = &bytes[names + word(header(index), 4)..];
            let name = name.split(|byte| *byte == 0).next().expect("a part");
            let is_in_file = word(header(index) + 4, 4) != NOBITS;
            is_in_file.then(|| Section {
                name: String::from_utf8(name.to_vec()).expect("UTF-8"),
                range: range(header(index)),
                compressed: word(header(index) + 8, 8) & COMPRESSED != 0,
            })
        };
        let sections = (1..count).filter_map(section).collect();
        Self { sections, headers: table..table + count * size, bytes }
    }

    /// The section called `name`.
    #[track_caller]
    pub(crate) fn section(&self, name: &str) -> Range<usize> {
        let found = self.sections.iter().find(|section| section.name == name);
        found.unwrap_or_else(|| panic!("no {name} among {:?}", self.sections)).range.clone()
    }

    /// The units of `.debug_info`, from behind the header of each.
    pub(crate) fn units(&self) -> Vec<Range<usize>> {
        let all = self.section(".debug_info");
        let mut units = Vec::new();
        let mut start = all.start;
        while start < all.end {
            let length = self.bytes[start..].first_chunk().map(|length| u32::from_le_bytes(*length));
            let end = start + 4 + usize::try_from(length.expect("four bytes")).expect("32 bits");
            units.push(start + UNIT_HEADER..end);
            start = end;
        }
        units
    }

    /// True when there is something for damage of `kind` to strike.
    pub(crate) fn can_have(&self, kind: Kind) -> bool {
        !self.targets(kind).is_empty()
    }

    /// The parts of the file whose damage is a matter of `kind`.
    fn targets(&self, kind: Kind) -> Vec<Range<usize>> {
        let filled = self.sections.iter().filter(|section| !section.range.is_empty());
        let named = |prefixes: &[&str]| {
            let is_one = |section: &&Section| prefixes.iter().any(|prefix| section.name.starts_with(prefix));
            filled.clone().filter(is_one).map(|section| section.range.clone()).collect()
        };
        match kind {
            Kind::Flips | Kind::Zeroes | Kind::Ones | Kind::Numbers => named(&[".debug_", ".gnu_debug"]),
            Kind::CompressionHeaders => {
                let compressed = filled.filter(|section| section.compressed);
                compressed
                    .map(|section| section.range.start..section.range.start + COMPRESSION_HEADER)
                    .collect()
            }
            Kind::SectionHeaders => vec![self.headers.clone()],
            Kind::Symbols => named(&[".symtab", ".strtab", ".dynsym", ".dynstr", ".note", ".shstrtab"]),
            Kind::FileHeaders => iter::once(0..FILE_HEADERS).collect(),
            Kind::Truncated => iter::once(0..self.bytes.len()).collect(),
        }
    }
}

const NOBITS: usize = 8;
const COMPRESSED: usize = 1 << 11;
/// The header of a compressed section, and that of the compressed stream behind it.
const COMPRESSION_HEADER: usize = 24 + 8;
/// The longest header of a unit.
const UNIT_HEADER: usize = 24;
/// The file's header and a program header or two.
const FILE_HEADERS: usize = 0x40 + 4 * 0x38;

/// A kind of damage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Single bytes of debug sections.
    Flips,
    /// Runs of zeroes in debug sections.
    Zeroes,
    /// Runs of 0xff in debug sections.
    Ones,
    /// Numbers at the edges of what four or eight bytes hold, in debug sections.
    Numbers,
    /// What compressed sections say of themselves.
    CompressionHeaders,
    /// The section headers.
    SectionHeaders,
    /// Symbols, their names, and notes.
    Symbols,
    /// The file header and the first program headers.
    FileHeaders,
    /// The end of the file.
    Truncated,
}

pub(crate) const KINDS: [Kind; 9] = [
    Kind::Flips,
    Kind::Zeroes,
    Kind::Ones,
    Kind::Numbers,
    Kind::CompressionHeaders,
    Kind::SectionHeaders,
    Kind::Symbols,
    Kind::FileHeaders,
    Kind::Truncated,
];

const EDGES: [u64; 8] = [0, 1, 0x7fff_ffff, 0x8000_0000, 0xffff_fff0, 0xffff_ffff, 1 << 40, u64::MAX - 7];

/// The bytes of `elf` with damage of `kind`.
pub(crate) fn mutant(elf: &Elf, kind: Kind, numbers: &mut Numbers) -> Vec<u8> {
    let mut bytes = elf.bytes.clone();
    let targets = elf.targets(kind);
    if kind == Kind::Truncated {
        bytes.truncate(numbers.below(bytes.len()));
        return bytes;
    }
    for _ in 0..1 + numbers.below(8) {
        let target = targets[numbers.below(targets.len())].clone();
        damage(&mut bytes[target], kind, numbers);
    }
    bytes
}

/// `elf` with one to eight bytes in `target` changed.
pub(crate) fn struck(elf: &Elf, target: Range<usize>, numbers: &mut Numbers) -> Vec<u8> {
    let mut bytes = elf.bytes.clone();
    for _ in 0..1 + numbers.below(8) {
        damage(&mut bytes[target.clone()], Kind::Flips, numbers);
    }
    bytes
}

fn damage(bytes: &mut [u8], kind: Kind, numbers: &mut Numbers) {
    let at = numbers.below(bytes.len());
    let run = |numbers: &mut Numbers| at..bytes.len().min(at + 1 + numbers.below(64));
    // A number as often as a byte: most of a header are numbers.
    let kind = match kind {
        Kind::CompressionHeaders | Kind::SectionHeaders if numbers.below(2) == 0 => Kind::Numbers,
        other => other,
    };
    match kind {
        Kind::Zeroes => {
            let run = run(numbers);
            bytes[run].fill(0);
        }
        Kind::Ones => {
            let run = run(numbers);
            bytes[run].fill(0xff);
        }
        Kind::Numbers => {
            let edge: [u8; 8] = EDGES[numbers.below(EDGES.len())].to_le_bytes();
            // Aligned as often as not: section and unit headers begin with such numbers.
            let at = if numbers.below(2) == 0 { at - at % 8 } else { at };
            let size = if numbers.below(2) == 0 { 4 } else { 8 };
            bytes.iter_mut().skip(at).take(size).zip(edge).for_each(|(byte, edge)| *byte = edge);
        }
        _ => bytes[at] ^= u8::try_from(1 + numbers.below(255)).expect("a byte"),
    }
}

/// Numbers without a pattern, the same in every run (xorshift64).
pub(crate) struct Numbers(u64);

impl Numbers {
    pub(crate) fn from_seed(seed: u64) -> Self {
        Self(seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 11).expect("64 bits") % limit
    }
}
