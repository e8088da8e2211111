//! Hashes for these tables. Quick rather than safe from those who choose values in order to collide: the tables
//! bound what a collision can cost.

/// 2^64 divided by the golden ratio: neighbors land far apart.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

/// Of a text. The upper bits are the best.
#[inline]
pub(crate) fn text(text: &str) -> u64 {
    let (words, rest) = text.as_bytes().as_chunks::<8>();
    let hash = words.iter().fold(text.len() as u64, |hash, word| mix(hash, u64::from_le_bytes(*word)));
    mix(hash, rest.iter().fold(0, |word, byte| word << 8 | u64::from(*byte)))
}

/// Of several texts, in this order.
#[inline]
pub(crate) fn texts(texts: &[&str]) -> u64 {
    texts.iter().fold(0, |hash, one| mix(hash, text(one)))
}

/// Of four numbers.
#[inline]
pub(crate) fn set([a, b, c, d]: [u32; 4]) -> u64 {
    mix(mix(0, u64::from(a) << 32 | u64::from(b)), u64::from(c) << 32 | u64::from(d))
}

/// Of any count of numbers.
#[cfg(feature = "cpu")]
pub(crate) fn words(words: &[u64]) -> u64 {
    words.iter().fold(words.len() as u64, |hash, word| mix(hash, *word))
}

/// The shift brings down what the multiplication has mixed: without it the low bits of a word would never be touched
/// by those above them.
const fn mix(hash: u64, word: u64) -> u64 {
    let mixed = (hash.rotate_left(5) ^ word).wrapping_mul(SPREAD);
    (mixed ^ (mixed >> 32)).wrapping_mul(SPREAD)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn what_differs_little_lands_apart() {
        let names = (0..1_000).map(|n| text(&format!("GET /orders/{n}/lines")));
        let sets = (0..1_000).map(|n| set([n, n / 7, 0, n % 3]));
        let buckets: HashSet<u64> = names.chain(sets).map(|hash| hash >> 44).collect();
        assert!(buckets.len() > 1_990, "{} of 2,000", buckets.len());
        assert_ne!(text(""), text("\0"));
    }
}
