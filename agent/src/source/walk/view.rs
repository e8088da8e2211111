//! Memory as those who read tokio's tasks see it: words at addresses. The tests put a false one in its place.

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

/// Fills `piece` from `bytes`, which were read at `at`, when it is among them.
pub(super) fn take(piece: &mut Piece<'_>, at: u64, bytes: &[u8]) -> bool {
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
