//! The contract of the readers, and the way there and back.

use std::cell::Cell;
use std::collections::BTreeMap;

use proptest::prelude::*;

use super::super::tests::{golden, heap};
use super::*;
use crate::profile::{Addr, Mapping};
use crate::{ErrorKind, Unit};

/// What must survive the way there and back: each stack in words, and its values.
fn told(profile: &Profile) -> BTreeMap<String, Vec<i64>> {
    let frame = |frame: &Frame| match frame {
        Frame::Address(address) => format!("{:#x}", address.lookup()),
        other => format!("{other:?}"),
    };
    profile
        .iter()
        .map(|stack| (stack.frames().map(frame).collect::<Vec<_>>().join("\n"), stack.values().to_vec()))
        .collect()
}

fn bytes(profile: &Profile) -> Vec<u8> {
    let mut bytes = Vec::new();
    write(profile, false, &mut bytes).expect("memory takes everything");
    bytes
}

fn back(profile: &Profile) -> Profile {
    decode(&bytes(profile)).expect("our own bytes")
}

/// A function with its inlined callees, a spawn site, or a bare address.
fn frames() -> impl Strategy<Value = Vec<Frame>> {
    let chain =
        (1_u64..9, prop::collection::vec((0_usize..5, 0_u32..3), 1..4)).prop_map(|(address, lines)| {
            let last = lines.len() - 1;
            let frame = |(index, (name, line)): (usize, (usize, u32))| {
                let mut function =
                    Function::new(format!("<f{name} as T>::call"), ["", "a.rs"][name % 2], line);
                function.system_name = ["", "_ZN1f"][usize::from(name > 2)].to_owned();
                (function.address, function.inlined) = (address * 256, index != last);
                Frame::named(function)
            };
            lines.into_iter().enumerate().map(frame).collect()
        });
    let site = (0_u32..4).prop_map(|line| vec![Frame::named(Function::new("spawned", "b.rs", line))]);
    let bare = (0_u64..4).prop_map(|address| vec![Frame::Address(Addr::Return(4096 + address))]);
    prop_oneof![4 => chain, 1 => site, 1 => bare]
}

fn profiles() -> impl Strategy<Value = Profile> {
    let labels = (prop::option::of(0_u8..3), prop::option::of(0_u8..3));
    let stack = (prop::collection::vec(frames(), 1..6), labels, any::<[i64; 2]>(), 0_u64..9);
    let head =
        (prop::collection::vec("[a-z é<>]{1,12}", 0..4), prop::option::of(1_u64..1 << 40), any::<[u32; 4]>());
    (prop::collection::vec(stack, 0..24), head).prop_map(|(stacks, (comments, period, [a, b, c, lasted]))| {
        let values =
            [ValueType::new("inuse_objects", Unit::Count), ValueType::new("inuse_space", Unit::Bytes)];
        let mut profile = Profile::new("heap", values);
        profile.began = UNIX_EPOCH + std::time::Duration::from_micros(a.into());
        profile.lasted = (lasted > 0).then(|| std::time::Duration::from_millis(lasted.into()));
        profile.period = period.map(|every| (ValueType::new("space", Unit::Bytes), every));
        (profile.losses.dropped, profile.losses.truncated) = (b.into(), c.into());
        (profile.comments, profile.default_value) = (comments, usize::from(a % 2 == 0));
        let path = "/srv/shop".to_owned();
        profile.mappings =
            vec![Mapping { start: 256, end: 1024, file_offset: 0, path, build_id: "ab".to_owned() }];
        for (frames, (thread, route), values, samples) in stacks {
            let label = |key: &'static str, value: Option<u8>| {
                value.map(|value| Frame::label(key, value.to_string()))
            };
            let labels = label("thread", thread).into_iter().chain(label("route", route));
            profile.add(frames.into_iter().flatten().chain(labels), &values, samples);
        }
        profile
    })
}

thread_local! {
    static FOREIGN: Cell<bool> = const { Cell::new(false) };
}

/// Does `work`, which writes profiles that somebody else broke: what it writes need not be sound.
pub(crate) fn of_foreign<T>(work: impl FnOnce() -> T) -> T {
    FOREIGN.set(true);
    let done = work();
    FOREIGN.set(false);
    done
}

/// Holds what is written in any test of this crate to the contract of its readers.
#[track_caller]
pub(super) fn sound(raw: &[u8], owners: bool) {
    if FOREIGN.get() {
        return;
    }
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    let zipped = gzip.write_all(raw).and_then(|()| gzip.finish()).expect("memory takes everything");
    let terms = flamewatch_contract::Terms { owners, ..flamewatch_contract::Terms::made() };
    flamewatch_contract::check("what a test has written", &zipped, &terms);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn there_and_back(profile in profiles()) {
        let again = back(&profile);
        prop_assert_eq!(told(&again), told(&profile));
        prop_assert_eq!(again.values(), profile.values());
        prop_assert_eq!(&again.comments, &profile.comments);
        prop_assert_eq!((&again.period, again.default_value), (&profile.period, profile.default_value));
        prop_assert_eq!((again.began, again.lasted), (profile.began, profile.lasted));
        prop_assert_eq!((&again.losses, &again.mappings), (&profile.losses, &profile.mappings));
        prop_assert_eq!(again.kind(), "heap");
    }

    #[test]
    fn what_is_written_is_sound(profile in profiles()) {
        let message = encode(&profile, false);
        sound(&message.encode_to_vec(), false);
        let counted = Writer::new(&profile, false);
        prop_assert!(counted.tables.size() > 0);
    }

    #[test]
    fn no_input_is_too_bad(profile in profiles(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut raw = encode(&profile, false).encode_to_vec();
        let at = at.index(raw.len());
        raw[at] = byte;
        let _ = decode(&raw);
        let _ = decode(&raw[..at]);
        let zipped = bytes(&profile);
        let _ = decode(&zipped[..at.min(zipped.len())]);
    }
}

#[test]
fn golden_message() {
    let message = encode(&super::super::shown::of(&heap(), false), false);
    sound(&message.encode_to_vec(), false);
    golden("heap.pprof.txt", &format!("{message:#?}\n"));
}

/// What our viewer is told beside what everybody is told: whose code a function is, and its short name.
#[test]
fn owners_are_said_to_who_asks_and_change_nothing_else() {
    let mut profile = Profile::new("any", [ValueType::new("n", Unit::Count)]);
    let frames = [("alloc::vec::Vec<T,A>::push", ""), ("shop::orders::place::{async fn}", "src/orders.rs")];
    profile.add(frames.map(|(name, file)| Frame::named(Function::new(name, file, 1))), &[1], 1);
    let message = encode(&profile, true);
    sound(&message.encode_to_vec(), true);
    let text = |index: i64| message.string_table[usize::try_from(index).expect("an index")].as_str();
    let said: Vec<_> =
        message.function.iter().map(|function| (function.owner, text(function.short_name))).collect();
    assert_eq!(said, [(4, "Vec::push"), (1, "orders::place")]);
    assert_eq!(told(&decode(&message.encode_to_vec()).expect("our own bytes")), told(&profile));
    assert!(
        encode(&profile, false)
            .function
            .iter()
            .all(|function| (function.owner, function.short_name) == (0, 0))
    );
}

/// And how sure each value is: the number of samples, and the variances where they do not follow from it.
#[test]
fn the_samples_behind_a_stack_are_said_to_who_asks() {
    let mut profile = Profile::new("any", [ValueType::new("n", Unit::Count)]);
    let frame = |name: &str| [Frame::named(Function::new(name, "src/a.rs", 1))];
    profile.add(frame("equal"), &[100], 4);
    profile.add(frame("unequal"), &[30], 1);
    profile.add(frame("unequal"), &[10], 1);
    profile.add(frame("counted"), &[7], 0);
    let told: Vec<_> = encode(&profile, true)
        .sample
        .iter()
        .map(|sample| (sample.samples, sample.variance.clone()))
        .collect();
    assert_eq!(told, [(4, vec![]), (2, vec![1_000.0]), (0, vec![])]);
    assert!(
        encode(&profile, false).sample.iter().all(|sample| sample.samples == 0 && sample.variance.is_empty())
    );
}

#[test]
fn the_main_executable_comes_first() {
    let again = back(&heap());
    let names: Vec<_> = again.mappings.iter().map(|mapping| &*mapping.path).collect();
    assert_eq!(names, ["/srv/shop", "/lib/libc.so.6"]);
    let named: Vec<_> = encode(&heap(), false).mapping.iter().map(|mapping| mapping.has_functions).collect();
    assert_eq!(named, [true, false]);
}

#[test]
fn a_key_counts_once_and_the_innermost_counts() {
    let mut profile = Profile::new("any", [ValueType::new("n", Unit::Count)]);
    let leaf = Frame::named(Function::new("leaf", "", 0));
    let labels = [("route", "/inner"), ("", "no key"), ("empty", ""), ("route", "/outer")];
    profile.add([leaf].into_iter().chain(labels.map(|(key, value)| Frame::label(key, value))), &[1], 1);
    sound(&encode(&profile, false).encode_to_vec(), false);
    let labels: Vec<_> = back(&profile).frames().skip(1).map(|frame| frame.show().into_owned()).collect();
    assert_eq!(labels, ["route=/inner"]);
}

/// `count` stacks of weights 1, 2, 3, each with a name of `length` bytes.
fn large(count: i64, length: usize) -> Profile {
    let mut profile =
        Profile::new("any", [ValueType::new("n", Unit::Count), ValueType::new("twice", Unit::Count)]);
    for weight in 1..=count {
        let name = format!("{weight:0>8}{}", "x".repeat(length - 8));
        profile.add([Frame::named(Function::new(name, "", 0))], &[weight, weight * 2], 1);
    }
    profile
}

#[track_caller]
fn check_bounded(profile: &Profile, kept: std::ops::RangeInclusive<usize>) {
    let message = encode(profile, false);
    sound(&message.encode_to_vec(), false);
    let again = back(profile);
    assert!(kept.contains(&again.len()), "{} stacks kept", again.len());
    assert_eq!((again.total(0), again.total(1)), (profile.total(0), profile.total(1)), "no weight is lost");
    let merged = profile.len() - (again.len() - 1);
    assert!(again.comments[0].starts_with(&format!("the {merged} smallest of {} stacks", profile.len())));
    let other = again.iter().last().expect("a last stack");
    assert_eq!(other.frames().map(Frame::show).collect::<Vec<_>>(), [OTHER]);
    let merged = merged as i64;
    assert_eq!(other.value(0), merged * (merged + 1) / 2, "the smallest are merged");
}

#[test]
fn past_the_bounds_the_smallest_are_merged_and_counted() {
    check_bounded(&large(20_000, 8), MAX_SAMPLES..=MAX_SAMPLES);
    check_bounded(&large(6_000, 1000), 3_900..=4_200);
    // Read back, and written with more to say of each function than there is room for.
    let again = back(&large(6_000, 1000));
    let message = encode(&again, true);
    sound(&message.encode_to_vec(), true);
    assert!(message.sample.len() < again.len(), "{} of {} stacks", message.sample.len(), again.len());
    assert_eq!(back(&large(16_000, 8)).len(), 16_000);
}

#[test]
fn samples_are_estimated_from_what_they_weigh() {
    let again = back(&heap());
    let samples: Vec<_> = again.iter().map(|stack| stack.samples()).collect();
    // 300 samples of 512 KiB each stand for 20 objects a sample, of 26 KiB: 1 - exp(-0.05) of 6,000 is 293.
    assert_eq!(samples, [293, 88, 7, 2]);
}

#[track_caller]
fn check_bad(bytes: &[u8], why: &str) {
    let error = decode(bytes).expect_err(why);
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(format!("{error:#}").contains(why), "{error:#}");
}

#[test]
fn bad_input_is_named() {
    check_bad(b"", "empty");
    check_bad(b"<!doctype html>", "not a profile");
    let whole = bytes(&heap());
    check_bad(&whole[..whole.len() / 2], "not whole");
    check_bad(&vec![0; MAX_BYTES * 4 + 1], "larger than 16 MiB");
    let change = |change: fn(&mut proto::Profile)| {
        let mut message = encode(&heap(), false);
        change(&mut message);
        message.encode_to_vec()
    };
    check_bad(&change(|message| message.comment.push(9999)), "a string that is not there");
    check_bad(&change(|message| message.comment.push(-1)), "a string that is not there");
    check_bad(&change(|message| message.sample[0].location_id.push(9999)), "a location that is not there");
    check_bad(&change(|message| message.function.clear()), "a function that is not there");
    check_bad(&change(|message| message.sample[0].value.clear()), "not as many values");
}

#[test]
fn a_name_borne_by_many_lines_cannot_fill_the_memory() {
    let mut message = encode(&large(1, 65_535), false);
    let line = message.location[0].line[0];
    message.location = (1..999)
        .map(|id| proto::Location { id, line: vec![line; 4], ..proto::Location::default() })
        .collect();
    check_bad(&message.encode_to_vec(), "names are too long");
}
