//! jemalloc's own heap profile, `heap_v2`, as text: parsed into a [`Profile`]. Pure, and never fails: what makes no
//! sense is left out and counted. The fallback where the hooks are missing, and the oracle of their tests.
//!
//! ```text
//! heap_v2/524288                            one sample in so many bytes
//!   t*: 3: 1576960 [0: 0]                   all threads: objects: bytes [ever, with prof_accum]
//!   t0: 3: 1576960 [0: 0] main              one thread
//! @ 0x5581 0x5590 0x7f02                    a stack, innermost first, all return addresses
//!   t*: 2: 1048576 [0: 0]
//!   t0: 2: 1048576 [0: 0]
//!
//! MAPPED_LIBRARIES:
//! ```

use crate::profile::{Addr, Frame, Profile, Unit, ValueType};

/// The profile in the text of a dump: `inuse_objects` and `inuse_space`, frames not named yet.
///
/// jemalloc biases the printed numbers so that `1 / (1 - exp(-(bytes / objects) / rate))` undoes it per stack. For
/// objects whose size is no size class of 5.3.0 the result is up to 15 % too high, since 5.3.1 corrects with the
/// wrong size.
#[must_use]
pub fn parse(text: &[u8]) -> Profile {
    let values = [ValueType::new("inuse_objects", Unit::Count), ValueType::new("inuse_space", Unit::Bytes)];
    let mut profile = Profile::new("heap", values);
    let mut lines = text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    let Some(rate) = lines.next().and_then(rate) else {
        profile.comments.push("not a heap_v2 dump".to_owned());
        return profile;
    };
    profile.period = Some((ValueType::new("space", Unit::Bytes), rate));
    let mut stack: Option<Vec<Frame>> = None;
    for line in lines {
        if line == b"MAPPED_LIBRARIES:" {
            break;
        } else if let Some(addresses) = line.strip_prefix(b"@") {
            stack = frames(addresses);
            profile.losses.dropped += u64::from(stack.is_none());
        } else if let (Some(counts), Some(frames)) = (line.strip_prefix(b"t*:"), stack.take()) {
            match counted(counts) {
                Some((0, _)) => {} // only with prof_accum: nothing there is live
                Some((objects, bytes)) => add(&mut profile, frames, objects, bytes, rate),
                None => profile.losses.dropped += 1,
            }
        }
    }
    profile
}

fn rate(line: &[u8]) -> Option<u64> {
    number(line.strip_prefix(b"heap_v2/")?).filter(|rate| *rate > 0)
}

fn frames(addresses: &[u8]) -> Option<Vec<Frame>> {
    let words = addresses.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    words.map(|word| address(word).map(|address| Frame::Address(Addr::Return(address)))).collect()
}

fn add(profile: &mut Profile, frames: Vec<Frame>, objects: u64, bytes: u64, rate: u64) {
    let scale = scale(objects, bytes, rate);
    profile.add(frames, &[whole(objects as f64 * scale), whole(bytes as f64 * scale)], objects);
}

/// What jeprof multiplies by. At a rate of one byte everything was sampled and nothing is biased.
fn scale(objects: u64, bytes: u64, rate: u64) -> f64 {
    let size = bytes as f64 / objects as f64;
    let probability = -(-size / rate as f64).exp_m1();
    if rate <= 1 || probability <= 0.0 { 1.0 } else { 1.0 / probability }
}

/// `objects` and `bytes` of ` 2: 1048576 [0: 0]`.
fn counted(counts: &[u8]) -> Option<(u64, u64)> {
    let mut parts = counts.split(|byte| matches!(byte, b':' | b'[' | b' ')).filter(|part| !part.is_empty());
    Some((number(parts.next()?)?, number(parts.next()?)?))
}

fn number(digits: &[u8]) -> Option<u64> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

fn address(word: &[u8]) -> Option<u64> {
    u64::from_str_radix(std::str::from_utf8(word.strip_prefix(b"0x")?).ok()?, 16).ok()
}

#[allow(clippy::cast_possible_truncation, reason = "the cast saturates")]
fn whole(value: f64) -> i64 {
    value.round() as i64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{Strategy, any, prop_assert, prop_oneof, proptest};

    use super::*;

    const DUMP: &[u8] = include_bytes!("../../../../fixtures/data/heap_v2.txt");
    const ACCUMULATED: &[u8] = include_bytes!("../../../../fixtures/data/heap_v2_accum.txt");

    fn rows(profile: &Profile) -> Vec<(usize, i64, i64, u64)> {
        profile
            .iter()
            .map(|stack| (stack.frames().count(), stack.value(0), stack.value(1), stack.samples()))
            .collect()
    }

    #[test]
    fn a_dump() {
        let profile = parse(DUMP);
        assert_eq!(profile.period, Some((ValueType::new("space", Unit::Bytes), 524_288)));
        // 3 objects of 1 KiB at 1/513 each; 2 of 1 MiB at 1/1.157.
        assert_eq!(rows(&profile), [(3, 1538, 1_574_400, 3), (2, 2, 2_425_393, 2)]);
        assert_eq!(profile.losses.summary(), "nothing known to be lost");
        let first = profile.frames().next().expect("a frame");
        assert_eq!(*first, Frame::Address(Addr::Return(0x5581_4d70_a1b2)));
    }

    #[test]
    fn a_dump_with_prof_accum_shows_what_is_live() {
        assert_eq!(rows(&parse(ACCUMULATED)), [(2, 1, 4_194_307, 1)]);
    }

    #[test]
    fn what_makes_no_sense_is_counted() {
        let profile = parse(
            b"heap_v2/1\n t*: 1: 8 [0: 0]\n@ 0x1 pc\n t*: 1: 8\n@ 0x1\n t*: many: 8\n@ 0x2\n t*: 1: 8\n",
        );
        assert_eq!((rows(&profile), profile.losses.dropped), (vec![(1, 1, 8, 1)], 2));
        for text in [&b""[..], b"heap_v2/0\n", b"heap_v1/8", b"\xff\xfe", b"heap_v2/-1"] {
            assert_eq!(parse(text).comments, ["not a heap_v2 dump"]);
        }
    }

    fn lines() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            any::<Vec<u8>>(),
            "@( 0x[0-9a-f]{1,20}){0,5}".prop_map(String::into_bytes),
            " *t[*0-9]: [0-9]{1,25}: [0-9]{0,25} \\[[0-9]{1,4}: [0-9]\\]".prop_map(String::into_bytes),
        ]
    }

    proptest! {
        #[test]
        fn never_panics_and_is_never_negative(rate in any::<u64>(), lines in proptest::collection::vec(lines(), 0..20)) {
            let text = [format!("heap_v2/{rate}").into_bytes(), lines.join(&b'\n')].join(&b'\n');
            let profile = parse(&text);
            prop_assert!(profile.iter().all(|stack| stack.value(0) >= 0 && stack.value(1) >= 0));
        }

        #[test]
        fn what_was_sampled_is_scaled_up(objects in 1_u64..1000, size in 8_u64..(1 << 24), lg_rate in 0_u32..24) {
            let rate = 1_u64 << lg_rate;
            let text = format!("heap_v2/{rate}\n@ 0x1\n  t*: {objects}: {} [0: 0]\n", objects * size);
            let profile = parse(text.as_bytes());
            prop_assert!(profile.total(0) >= i64::try_from(objects)?);
            let wrong = profile.total(1) as f64 / profile.total(0) as f64 / size as f64 - 1.0;
            prop_assert!(wrong.abs() < 0.5 / profile.total(0) as f64 + 1e-6, "mean size off by {wrong}");
        }
    }
}
