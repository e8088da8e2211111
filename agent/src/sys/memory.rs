//! The memory of this process, read through the kernel: an address where nothing is mapped is an answer, not a fault, and
//! what others write meanwhile is at worst a wrong number, never a data race of ours.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::ptr;

use super::trial;

/// The most pieces of one system call.
const BATCH: usize = 64;

/// The most bytes between two pieces that are read as one: to copy them costs less than to look up one more stretch.
const GAP: usize = 1_024;

/// How large a page is at least: what is behind its end may not be mapped.
pub(crate) const PAGE: u64 = 4_096;

/// A stretch of memory that somebody wants to see.
#[derive(Debug)]
pub(crate) struct Piece<'b> {
    /// Where it begins.
    pub(crate) at: u64,
    /// Where its bytes go, as many as there is room for.
    pub(crate) bytes: &'b mut [u8],
    /// True when all of them were read.
    pub(crate) read: bool,
}

/// Who reads.
#[derive(Debug)]
pub(crate) enum Reader {
    /// process_vm_readv(2): 0.4 µs for a piece, 0.15 µs for each of many.
    Call,
    /// `/proc/self/mem`, where a filter of system calls forbids the other: 0.4 µs for each piece.
    File(File),
}

impl Reader {
    /// The way that works here.
    ///
    /// # Errors
    /// Why neither does.
    pub(crate) fn open() -> io::Result<Self> {
        let sample = 0x666c_616d_6577_6174_u64;
        let at = ptr::from_ref(&sample) as u64;
        let works = |reader: &Self| {
            let mut bytes = [0; 8];
            let mut pieces = [Piece::new(at, &mut bytes)];
            reader.read(&mut pieces);
            u64::from_ne_bytes(bytes) == sample
        };
        let call = Self::Call;
        let mut refused = io::Error::from_raw_os_error(libc::EPERM);
        if trial::is_survived(trial::Call::ReadMemory) {
            if works(&call) {
                return Ok(call);
            }
            refused = io::Error::last_os_error();
        }
        let file = Self::File(File::open("/proc/self/mem")?);
        if works(&file) { Ok(file) } else { Err(refused) }
    }

    /// Reads all of `pieces`, and marks those that were.
    pub(crate) fn read(&self, pieces: &mut [Piece<'_>]) {
        match self {
            Self::Call => pieces.chunks_mut(BATCH).for_each(by_call),
            Self::File(file) => {
                for piece in pieces {
                    piece.read = file.read_exact_at(piece.bytes, piece.at).is_ok();
                }
            }
        }
    }
}

impl<'b> Piece<'b> {
    pub(crate) fn new(at: u64, bytes: &'b mut [u8]) -> Self {
        Self { at, bytes, read: false }
    }

    const fn end(&self) -> u64 {
        self.at.saturating_add(self.bytes.len() as u64)
    }
}

/// The kernel stops at the first piece that it cannot read: that one is asked for alone, and then the rest.
fn by_call(pieces: &mut [Piece<'_>]) {
    let mut in_order: Vec<&mut Piece<'_>> = pieces.iter_mut().collect();
    in_order.sort_unstable_by_key(|piece| piece.at);
    let mut rest = in_order.as_mut_slice();
    while !rest.is_empty() {
        let asked = rest.len().min(BATCH);
        let mut done = transfer(rest.get_mut(..asked).unwrap_or_default());
        if done < asked {
            transfer(rest.get_mut(done..=done).unwrap_or_default());
            done += 1;
        }
        rest = rest.get_mut(done..).unwrap_or_default();
    }
}

/// Reads `pieces`, which are in order and at most [`BATCH`], up to the first that cannot be read: how many were. Those that
/// are near each other are one stretch for the kernel, which looks up each stretch on its own.
fn transfer(pieces: &mut [&mut Piece<'_>]) -> usize {
    let mut unwanted = [0_u8; GAP];
    let mut local = Vec::with_capacity(2 * pieces.len());
    let mut remote: Vec<libc::iovec> = Vec::with_capacity(pieces.len());
    let mut end = 0;
    for piece in pieces.iter_mut() {
        let length = piece.bytes.len();
        match remote.last_mut().zip(gap(end, piece)) {
            Some((stretch, gap)) => {
                local.push(libc::iovec { iov_base: unwanted.as_mut_ptr().cast(), iov_len: gap });
                stretch.iov_len += gap + length;
            }
            None => remote.push(libc::iovec {
                iov_base: ptr::with_exposed_provenance_mut(usize::try_from(piece.at).unwrap_or(0)),
                iov_len: length,
            }),
        }
        local.push(libc::iovec { iov_base: piece.bytes.as_mut_ptr().cast(), iov_len: length });
        end = piece.end();
    }
    let process = libc::pid_t::try_from(std::process::id()).unwrap_or(0);
    // SAFETY: process_vm_readv(2) writes into the local pieces alone, which are the buffers that are borrowed mutably here,
    // and `unwanted`, at most `GAP` bytes at a time; both lists are as long as is said. The addresses of the remote ones it
    // checks itself, and what cannot be read ends the transfer.
    let read = unsafe {
        libc::process_vm_readv(
            process,
            local.as_ptr(),
            local.len() as libc::c_ulong,
            remote.as_ptr(),
            remote.len() as libc::c_ulong,
            0,
        )
    };
    mark(pieces, usize::try_from(read).unwrap_or(0))
}

/// Marks those of `pieces` that are within the first `read` bytes, gaps counted: how many.
fn mark(pieces: &mut [&mut Piece<'_>], read: usize) -> usize {
    let (mut left, mut end, mut done) = (read, 0, 0);
    for piece in pieces {
        let gap = gap(end, piece).unwrap_or(0);
        let Some(behind) = left.checked_sub(gap + piece.bytes.len()) else { break };
        (left, end) = (behind, piece.end());
        piece.read = true;
        done += 1;
    }
    done
}

/// How far `piece` is behind `end`, where the one before it ends, if they are near enough for one stretch.
fn gap(end: u64, piece: &Piece<'_>) -> Option<usize> {
    let gap = usize::try_from(piece.at.checked_sub(end)?).ok()?;
    // No page is touched that nobody asked for: it may not be there.
    let next_page = end.checked_sub(1)? / PAGE + 1;
    (gap <= GAP && piece.at / PAGE <= next_page).then_some(gap)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn readers() -> [Reader; 2] {
        [Reader::Call, Reader::File(File::open("/proc/self/mem").expect("our own memory"))]
    }

    #[test]
    fn what_is_there_is_read_and_what_is_not_is_passed_over() {
        assert!(matches!(Reader::open(), Ok(Reader::Call)));
        let words: Vec<u64> = (0..200).map(|word| word * 3).collect();
        for reader in readers() {
            let mut bytes = [[0; 8]; 200];
            let mut pieces: Vec<_> = words
                .iter()
                .zip(&mut bytes)
                .map(|(word, bytes)| Piece::new(ptr::from_ref(word) as u64, bytes))
                .collect();
            for bad in [0, 3, 4, 63, 64, 130, 199] {
                pieces[bad].at = 16;
            }
            reader.read(&mut pieces);
            let read: Vec<bool> = pieces.iter().map(|piece| piece.read).collect();
            for (place, word) in words.iter().enumerate() {
                let good = ![0, 3, 4, 63, 64, 130, 199].contains(&place);
                assert_eq!(read[place], good, "{place} by {reader:?}");
                assert!(!good || u64::from_ne_bytes(bytes[place]) == *word, "{place} by {reader:?}");
            }
        }
    }
    const ONE: usize = 4_096;

    /// Three pages, of which the middle one cannot be read.
    fn pages() -> &'static mut [u8] {
        let length = 3 * ONE;
        // SAFETY: a new mapping of our own, which is never given back.
        let pages = unsafe {
            let at = libc::mmap(
                ptr::null_mut(),
                length,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            );
            assert_ne!(at, libc::MAP_FAILED);
            std::slice::from_raw_parts_mut(at.cast::<u8>(), length)
        };
        (0_u8..=250).cycle().zip(&mut *pages).for_each(|(value, byte)| *byte = value);
        // SAFETY: the middle of that mapping; nobody reads it from here on but the kernel, which refuses.
        let refused = unsafe { libc::mprotect(pages[ONE..].as_mut_ptr().cast(), ONE, libc::PROT_NONE) };
        assert_eq!(refused, 0);
        pages
    }

    /// Numbers below `most`, as good as random: a linear congruential generator with the constants of Knuth's MMIX.
    fn below(most: u64, state: &mut u64) -> u64 {
        *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (*state >> 33) % most
    }

    #[test]
    fn pieces_near_each_other_are_read_as_each_alone() {
        let pages = pages().as_ptr() as u64;
        let held = PAGE..2 * PAGE;
        let mut seed = 7;
        for round in 0..1_000 {
            let count = 1 + below(150, &mut seed);
            let asked = (0..count).map(|_| {
                let at = below(3 * PAGE, &mut seed);
                (at, below(600, &mut seed).min(3 * PAGE - at))
            });
            let asked: Vec<(u64, u64)> = asked.collect();
            for reader in readers() {
                let mut bytes: Vec<Vec<u8>> =
                    asked.iter().map(|(_, length)| vec![0; usize::try_from(*length).unwrap_or(0)]).collect();
                let pieces = asked.iter().zip(&mut bytes);
                let mut pieces: Vec<_> =
                    pieces.map(|((at, _), bytes)| Piece::new(pages + at, bytes)).collect();
                reader.read(&mut pieces);
                let read: Vec<bool> = pieces.iter().map(|piece| piece.read).collect();
                for (((at, length), read), bytes) in asked.iter().zip(read).zip(&bytes) {
                    let end = at + length;
                    let outside = *length == 0 || end <= held.start || *at >= held.end;
                    // The file has what no thread may read.
                    let can = outside || matches!(reader, Reader::File(_));
                    let right = (*at..end).map(|at| u8::try_from(at % 251).unwrap_or(0));
                    assert!(*length == 0 || read == can, "{round}: {at} {length} by {reader:?}");
                    assert!(!can || right.eq(bytes.iter().copied()), "{round}: {at} {length} by {reader:?}");
                }
            }
        }
    }
}
