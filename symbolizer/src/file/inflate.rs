//! A compressed section, unpacked into a file without a name, so that it weighs nothing in memory.
//! Streamed: whatever the section's size, the heap holds two buffers of 64 KiB and the decoder. That is 45 KiB for
//! zlib, 3.5 MiB for zstd with its default window of 2 MiB, and 12.5 MiB with the largest we take.
//! Knows nothing of what the section says.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;

use flate2::bufread::ZlibDecoder;
use object::{CompressedFileRange, CompressionFormat};
use ruzstd::decoding::errors::FrameDecoderError;
use ruzstd::decoding::{FrameDecoder, StreamingDecoder};

use crate::file::bytes::Bytes;
use crate::file::scratch::{self, Disk};

/// The largest section that is unpacked by default.
pub(crate) const DEFAULT_SECTION_BYTES: u64 = 4 << 30;

/// What unpacking leaves free on the disk by default.
pub(crate) const DEFAULT_SPARE_DISK: u64 = 256 << 20;

/// The largest zstd window that is accepted: what level 19, the highest ordinary one, asks for.
const MAX_WINDOW: u64 = 8 << 20;

/// How many bytes are read and written at a time.
const CHUNK: usize = 64 << 10;

/// The bounds of one unpacking.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// The largest unpacked section.
    pub(crate) section_bytes: u64,
    /// What must stay free on the disk.
    pub(crate) spare_disk: u64,
    /// The largest section that may be held in memory where there is no disk for it. Not the decoder.
    pub(crate) memory: u64,
}

/// Why a section was not unpacked.
#[derive(Debug)]
pub(crate) enum Failure {
    /// There is neither disk nor memory for it, or its decoder would take too much memory.
    OverBudget,
    /// Neither zlib nor zstd.
    Unknown,
    /// It is not what its header says.
    Damaged,
    /// The system refused.
    Io,
}

/// Unpacks `section` of `file` into the directory `dir`, or into memory when that is no disk.
pub(crate) fn inflate(
    file: &File,
    section: &CompressedFileRange,
    dir: &Path,
    limits: &Limits,
) -> Result<Bytes, Failure> {
    let mut sink = Sink::new(section.uncompressed_size, dir, limits)?;
    let packed = Packed { file, offset: section.offset, left: section.compressed_size };
    let mut packed = BufReader::with_capacity(CHUNK, packed);
    match section.format {
        CompressionFormat::None => sink.take(&mut packed)?,
        CompressionFormat::Zlib => zlib(&mut packed, &mut sink)?,
        CompressionFormat::Zstandard => zstd(&mut packed, &mut sink)?,
        _ => return Err(Failure::Unknown),
    }
    sink.finish()
}

/// A linker may pack the pieces of a section each for itself: so one stream after the other, until it is complete.
fn zlib(packed: &mut impl BufRead, sink: &mut Sink) -> Result<(), Failure> {
    while sink.wants_more(packed)? {
        sink.take(&mut ZlibDecoder::new(&mut *packed))?;
    }
    Ok(())
}

fn zstd(packed: &mut impl BufRead, sink: &mut Sink) -> Result<(), Failure> {
    let mut decoder = FrameDecoder::new();
    decoder.set_max_window_size(MAX_WINDOW);
    while sink.wants_more(packed)? {
        let frame = StreamingDecoder::new_with_decoder(&mut *packed, &mut decoder);
        sink.take(&mut frame.map_err(|error| match error {
            FrameDecoderError::WindowSizeTooBig { .. } => Failure::OverBudget,
            _ => Failure::Damaged,
        })?)?;
    }
    Ok(())
}

/// The packed bytes of a section.
pub(crate) struct Packed<'a> {
    pub(crate) file: &'a File,
    pub(crate) offset: u64,
    pub(crate) left: u64,
}

impl Read for Packed<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let Some(buffer) = buffer.get_mut(..wanted) else { return Ok(0) };
        let count = self.file.read_at(buffer, self.offset)?;
        self.offset = self.offset.saturating_add(count as u64);
        self.left = self.left.saturating_sub(count as u64);
        Ok(count)
    }
}

/// Takes the unpacked bytes, exactly as many as were announced.
struct Sink {
    place: Place,
    left: u64,
}

enum Place {
    Disk(Disk),
    Memory(Vec<u8>),
}

impl Sink {
    fn new(size: u64, dir: &Path, limits: &Limits) -> Result<Self, Failure> {
        if size > limits.section_bytes {
            return Err(Failure::OverBudget);
        }
        let place = match on_disk(size, dir, limits.spare_disk) {
            Some(disk) => Place::Disk(disk),
            None if size <= limits.memory => Place::Memory(in_memory(size)?),
            None => return Err(Failure::OverBudget),
        };
        Ok(Self { place, left: size })
    }

    /// True when bytes are missing and `packed` is not at its end.
    fn wants_more(&self, packed: &mut impl BufRead) -> Result<bool, Failure> {
        Ok(self.left > 0 && !packed.fill_buf().map_err(|_| Failure::Io)?.is_empty())
    }

    /// Reads one stream to its end, where its checksum is.
    fn take(&mut self, stream: &mut impl Read) -> Result<(), Failure> {
        let mut chunk = vec![0; CHUNK];
        loop {
            match stream.read(&mut chunk) {
                Ok(0) => return Ok(()),
                Ok(count) => self.write(chunk.get(..count).unwrap_or_default())?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Failure::reading(error)),
            }
        }
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.left = self.left.checked_sub(bytes.len() as u64).ok_or(Failure::Damaged)?;
        match &mut self.place {
            Place::Memory(memory) => memory.extend_from_slice(bytes),
            Place::Disk(disk) => disk.write_all(bytes).map_err(Failure::writing)?,
        }
        Ok(())
    }

    /// What it took, if that is all.
    fn finish(self) -> Result<Bytes, Failure> {
        match self.place {
            _ if self.left > 0 => Err(Failure::Damaged),
            Place::Disk(disk) => Ok(Bytes::File(disk.into_file())),
            Place::Memory(memory) => Ok(Bytes::Memory(memory)),
        }
    }
}

/// A file for `size` bytes, if the directory lies on a disk that has room for them.
fn on_disk(size: u64, dir: &Path, spare: u64) -> Option<Disk> {
    let disk = Disk::new(scratch::nameless(dir).ok()?, spare);
    disk.has_room(size).ok()?.then_some(disk)
}

fn in_memory(size: u64) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let size = usize::try_from(size).map_err(|_| Failure::OverBudget)?;
    bytes.try_reserve_exact(size).map_err(|_| Failure::OverBudget)?;
    Ok(bytes)
}

impl Failure {
    /// What a decoder's error means.
    pub(crate) fn reading(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::OutOfMemory => Self::OverBudget,
            // A decoder's own complaint carries no number of the system's.
            _ if error.raw_os_error().is_none() => Self::Damaged,
            _ => Self::Io,
        }
    }

    /// What the error of a file that is written means.
    pub(crate) fn writing(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::OverBudget,
            _ => Self::Io,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self { section_bytes: DEFAULT_SECTION_BYTES, spare_disk: DEFAULT_SPARE_DISK, memory: 0 }
    }
}

#[cfg(test)]
mod tests;
