//! Memory as those who read tokio's tasks see it: words at addresses. The tests put a false one in its place.

use std::cell::Cell;

use crate::sys::memory::{Piece, Reader};

/// Whose memory is read.
pub(super) trait Memory {
    /// Reads all of `pieces`, and marks those that were.
    fn read(&self, pieces: &mut [Piece<'_>]);

    /// `N` words from `at` on.
    fn words<const N: usize>(&self, at: u64) -> Option<[u64; N]> {
        let mut words = [0; N];
        self.fill(at, &mut words).then_some(words)
    }

    /// One word.
    fn word(&self, at: u64) -> Option<u64> {
        self.number(at, 8)
    }

    /// The number that the `width` bytes at `at` are, at most eight.
    fn number(&self, at: u64, width: usize) -> Option<u64> {
        let mut word = [0; 8];
        let mut pieces = [Piece::new(at, word.get_mut(..width)?)];
        self.read(&mut pieces);
        let [Piece { read, .. }] = pieces;
        read.then(|| u64::from_le_bytes(word))
    }

    /// As many words from `at` on as there are, at most `most`, to the end of the last mapped stretch of 512 bytes.
    fn words_from(&self, at: u64, most: usize) -> Vec<u64> {
        const STRETCH: usize = 64;
        let mut words = Vec::new();
        while words.len() < most {
            let mut stretch = [0; STRETCH];
            if !self.fill(at.wrapping_add(words.len() as u64 * 8), &mut stretch) {
                break;
            }
            words.extend(stretch);
        }
        words.truncate(most);
        words
    }

    /// Fills `words`; false when they cannot be read.
    fn fill(&self, at: u64, words: &mut [u64]) -> bool {
        let mut bytes = vec![0; words.len() * 8];
        let mut pieces = [Piece::new(at, &mut bytes)];
        self.read(&mut pieces);
        let [Piece { read, .. }] = pieces;
        for (word, bytes) in words.iter_mut().zip(bytes.chunks_exact(8)) {
            *word = word_of(bytes);
        }
        read
    }
}

impl Memory for Reader {
    fn read(&self, pieces: &mut [Piece<'_>]) {
        Reader::read(self, pieces);
    }
}

/// The word at the beginning of `bytes`; 0 when they are fewer than eight.
pub(super) fn word_of(bytes: &[u8]) -> u64 {
    bytes.first_chunk().map_or(0, |word| u64::from_ne_bytes(*word))
}

/// The word `at` bytes into `bytes`.
pub(super) fn word_at(bytes: &[u8], at: usize) -> u64 {
    word_of(bytes.get(at..).unwrap_or_default())
}

/// A stretch of memory as it was at one moment, and the rest as it is.
pub(super) struct Copied<'m, M> {
    at: u64,
    bytes: &'m [u8],
    rest: &'m M,
    left: Cell<bool>,
    /// What was last read of the rest, and where: what is behind a pointer is looked at in several places.
    near: Cell<Option<(u64, [u8; NEAR])>>,
}

/// How much of the rest is read at once: it costs what eight bytes cost.
const NEAR: usize = 256;

impl<'m, M> Copied<'m, M> {
    /// `bytes` were read at `at`.
    pub(super) fn new(at: u64, bytes: &'m [u8], rest: &'m M) -> Self {
        Self { at, bytes, rest, left: Cell::new(false), near: Cell::new(None) }
    }

    /// True when more was asked for than the copy has.
    pub(super) fn was_left(&self) -> bool {
        self.left.get()
    }
}

impl<M: Memory> Memory for Copied<'_, M> {
    fn read(&self, pieces: &mut [Piece<'_>]) {
        for piece in pieces {
            if take(piece, self.at, self.bytes) {
                continue;
            }
            self.left.set(true);
            if self.near.get().is_some_and(|(at, bytes)| take(piece, at, &bytes)) {
                continue;
            }
            let mut bytes = [0; NEAR];
            let mut near = [Piece::new(piece.at, &mut bytes)];
            self.rest.read(&mut near);
            let [Piece { read, .. }] = near;
            if read {
                self.near.set(Some((piece.at, bytes)));
            }
            // It may be so near the end of what is mapped that less can be read than was tried.
            if !(read && take(piece, piece.at, &bytes)) {
                self.rest.read(std::slice::from_mut(piece));
            }
        }
    }
}

/// Fills `piece` from `bytes`, which were read at `at`, when it is among them.
fn take(piece: &mut Piece<'_>, at: u64, bytes: &[u8]) -> bool {
    let inside = piece.at.checked_sub(at).and_then(|from| {
        let from = usize::try_from(from).ok()?;
        bytes.get(from..from.checked_add(piece.bytes.len())?)
    });
    if let Some(inside) = inside {
        piece.bytes.copy_from_slice(inside);
        piece.read = true;
    }
    inside.is_some()
}
