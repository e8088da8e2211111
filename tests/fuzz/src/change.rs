//! Changes inputs at random, in the ways that break readers: bits, lengths, repetitions, numbers at their bounds.

/// The most changes at once.
const MOST: u64 = 6;

/// Numbers that readers get wrong, as text.
const NUMBERS: [&str; 10] = [
    "0",
    "-1",
    "1e308",
    "255",
    "65536",
    "4294967296",
    "9223372036854775807",
    "18446744073709551615",
    "18446744073709551616",
    "0x7fffffffffffffff",
];

/// Numbers that look random: SplitMix64.
#[derive(Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Below `limit`; 0 where there is nothing.
    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(limit.max(1)).unwrap_or(1)).unwrap_or(0)
    }

    /// A byte; any of the 256.
    fn byte(&mut self) -> u8 {
        self.next().to_le_bytes()[0]
    }

    fn range(&mut self, length: usize) -> std::ops::Range<usize> {
        let start = self.below(length + 1);
        let most = if self.below(4) == 0 { length } else { 16 };
        start..(start + self.below(most + 1)).min(length)
    }

    /// One of `inputs`, changed, of at most `longest` bytes.
    pub(crate) fn changed(&mut self, inputs: &[Vec<u8>], words: &[&str], longest: usize) -> Vec<u8> {
        let mut input = inputs.get(self.below(inputs.len())).cloned().unwrap_or_default();
        for _ in 0..=self.next() % MOST {
            self.change(&mut input, inputs, words);
        }
        input.truncate(longest);
        input
    }

    fn change(&mut self, input: &mut Vec<u8>, inputs: &[Vec<u8>], words: &[&str]) {
        let (at, range) = (self.below(input.len() + 1), self.range(input.len()));
        match self.below(11) {
            0 => {
                let bit = 1 << self.below(8);
                if let Some(byte) = input.get_mut(at) {
                    *byte ^= bit;
                }
            }
            1 => {
                let new = [self.byte(), 0, 0xff, 0x80, b'\n', b' '];
                let new = new[self.below(new.len())];
                if let Some(byte) = input.get_mut(at) {
                    *byte = new;
                }
            }
            2 => drop(input.drain(range)),
            3 => {
                let copy = input[range].to_vec();
                let times = 1 << self.below(9);
                // Bounded, before it is cut to what is wanted.
                if copy.len() * times < 1 << 20 {
                    input.splice(at..at, copy.repeat(times));
                }
            }
            4 => input.truncate(at),
            5 | 6 if !words.is_empty() => {
                let word = words[self.below(words.len())].bytes();
                input.splice(at..at, word);
            }
            7 => {
                let number = NUMBERS[self.below(NUMBERS.len())].bytes();
                let end = input[at..].iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
                input.splice(at..at + end, number);
            }
            8 => {
                let other = &inputs[self.below(inputs.len())];
                let range = self.range(other.len());
                input.splice(at..at, other[range].iter().copied());
            }
            9 => {
                // A length, as profile.proto has them.
                let long = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
                let from = self.below(long.len());
                input.splice(at..at, long[from..].iter().copied());
            }
            _ => {
                let new: Vec<u8> = (0..self.below(9)).map(|_| self.byte()).collect();
                input.splice(range, new);
            }
        }
    }
}
