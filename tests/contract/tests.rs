//! The rules themselves: a sound profile that they let pass, and for each of them one that it refuses.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

use flate2::Compression;
use flate2::write::GzEncoder;
use prost::Message as _;

use super::*;
use proto::{Function, Label, Line, Location, Mapping, Profile, Sample, ValueType};

/// The index of `text`, which is added where it is new.
fn string(profile: &mut Profile, text: &str) -> i64 {
    let table = &mut profile.string_table;
    let index = table.iter().position(|other| other == text).unwrap_or_else(|| {
        table.push(text.to_owned());
        table.len() - 1
    });
    i64::try_from(index).expect("a small table")
}

fn value(profile: &mut Profile, name: &str, unit: &str) -> ValueType {
    ValueType { name: string(profile, name), unit: string(profile, unit) }
}

fn comment(profile: &mut Profile, text: &str) {
    let index = string(profile, text);
    profile.comment.push(index);
}

fn forget(profile: &mut Profile, comment: usize) {
    profile.comment.remove(comment);
}

/// Adds a function, a location with it alone, and a sample there.
fn add(profile: &mut Profile, name: &str, system_name: &str, address: u64) {
    let [name, system_name, filename] = [name, system_name, "src/shop.rs"].map(|text| string(profile, text));
    let id = profile.function.len() as u64 + 1;
    profile.function.push(Function { id, name, system_name, filename, start_line: 0 });
    let line = vec![Line { function_id: id, line: 7, column: 0 }];
    let mapping_id = u64::from((0x1000..0x9000).contains(&address));
    profile.location.push(Location { id, mapping_id, address, line, is_folded: false });
    profile.sample.push(Sample { location_id: vec![id], value: vec![9, 900, 1, 100], label: Vec::new() });
}

/// What an agent says of a heap.
fn sound() -> (Profile, Terms) {
    let mut profile = Profile::default();
    profile.string_table.push(String::new());
    for (name, unit) in [
        ("alloc_objects", "count"),
        ("alloc_space", "bytes"),
        ("inuse_objects", "count"),
        ("inuse_space", "bytes"),
    ] {
        let value = value(&mut profile, name, unit);
        profile.sample_type.push(value);
    }
    profile.period_type = Some(value(&mut profile, "space", "bytes"));
    profile.period = 524_288;
    profile.default_sample_type = string(&mut profile, "inuse_space");
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock");
    profile.time_nanos = i64::try_from(now.as_nanos()).expect("this century");
    for text in [
        "shop 1.4.2 (1f3a9c2), process 4711, up 3h 12m 5s",
        "sampled: 1 object in 512 KiB",
        "losses: nothing known to be lost",
        "trigger: asked for",
    ] {
        comment(&mut profile, text);
    }
    let [filename, build_id] = ["/srv/shop", "5407c0ffee5407c0"].map(|text| string(&mut profile, text));
    profile.mapping.push(Mapping {
        id: 1,
        memory_start: 0x1000,
        memory_limit: 0x9000,
        file_offset: 0x1000,
        filename,
        build_id,
        has_functions: true,
        has_filenames: true,
        has_line_numbers: true,
        has_inline_frames: false,
    });
    add(&mut profile, "<shop::Cart<T> as core::ops::Add>::add", "_ZN4shop3addE", 0x1400);
    add(&mut profile, "shop::remember", "_ZN4shop8rememberE", 0x1500);
    let [key, text] = ["route", "/feed"].map(|text| string(&mut profile, text));
    profile.sample[0].label.push(Label { key, text, number: 0, number_unit: 0 });
    (profile, Terms { span: Span::Moment, ..Terms::kept("heap") })
}

fn zipped(raw: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(raw).and_then(|()| gzip.finish()).expect("memory takes everything")
}

type Change = fn(&mut Profile, &mut Terms);

/// A way to break each rule.
const BREAKS: &[(&str, Change)] = &[
    ("go/first-string", |profile, _| profile.string_table[0] = "first".to_owned()),
    ("go/strings", |profile, _| profile.comment.push(99)),
    ("go/strings", |profile, _| profile.comment.push(-1)),
    ("go/sample-types", |profile, _| profile.sample_type.clear()),
    ("go/values", |profile, _| profile.sample[1].value.truncate(3)),
    ("go/locations", |profile, _| profile.sample[1].location_id.push(9)),
    ("go/ids", |profile, _| profile.function[1].id = 1),
    ("go/empty-label", |profile, _| profile.sample[0].label[0].text = 0),
    ("go/main-first", |profile, _| {
        let library = Mapping {
            id: 1,
            memory_start: 0x10_000,
            memory_limit: 0x20_000,
            filename: string(profile, "/lib/libc.so.6"),
            ..profile.mapping[0].clone()
        };
        profile.mapping[0].id = 2;
        profile.mapping.insert(0, library);
        profile.location.iter_mut().for_each(|place| place.mapping_id = 2);
    }),
    ("parca/sequential", |profile, _| {
        profile.location[1].id = 7;
        profile.sample[1].location_id[0] = 7;
    }),
    ("parca/mapping-range", |profile, _| profile.location[1].mapping_id = 2),
    ("parca/function-range", |profile, _| profile.location[1].line[0].function_id = 0),
    ("parca/label-key", |profile, _| profile.sample[0].label[0].key = 0),
    ("parca/executable-info", |profile, _| comment(profile, "executableInfo=2;0x0;0x0")),
    ("pyroscope/size", |profile, _| {
        for number in 0..100 {
            comment(profile, &format!("{number:0>50000}"));
        }
    }),
    ("pyroscope/samples", |profile, _| profile.sample = vec![profile.sample[0].clone(); 16_001]),
    ("pyroscope/labels", |profile, _| profile.sample[0].label = vec![profile.sample[0].label[0]; 101]),
    ("pyroscope/depth", |profile, _| profile.sample[0].location_id = vec![1; 1_001]),
    ("pyroscope/strings", |profile, _| comment(profile, &"x".repeat(65_536))),
    ("pyroscope/type-name", |profile, _| profile.sample_type[0].name = string(profile, "alloc-objects")),
    ("pyroscope/time", |profile, _| profile.time_nanos = 0),
    ("alloy/one-stack-per-addresses", |profile, _| {
        profile.location[1].address = 0x1400;
        profile.sample[0].label.clear();
    }),
    ("ours/known-fields", |_, _| {}),
    ("ours/strings-once", |profile, _| profile.string_table.push("/srv/shop".to_owned())),
    ("ours/strings-used", |profile, _| profile.string_table.push("a password".to_owned())),
    ("ours/all-used", |profile, _| drop(profile.sample.pop())),
    ("ours/label-one-meaning", |profile, _| profile.sample[0].label[0].number = 3),
    ("ours/label-key-once", |profile, _| {
        let label = profile.sample[0].label[0];
        profile.sample[0].label.push(label);
    }),
    ("ours/stack-once", |profile, _| {
        let sample = profile.sample[0].clone();
        profile.sample.push(sample);
    }),
    ("ours/no-empty-stack", |profile, _| {
        profile.sample.push(Sample { location_id: Vec::new(), ..profile.sample[0].clone() })
    }),
    ("ours/other-is-told", |profile, _| add(profile, "(other)", "", 0)),
    ("ours/no-negative", |profile, _| profile.sample[0].value[0] = -1),
    ("ours/no-zero", |profile, _| profile.sample[0].value = vec![0; 4]),
    ("ours/mapping-range", |profile, _| profile.mapping[0].memory_limit = 0),
    ("ours/mapping-flags", |profile, _| profile.mapping[0].has_functions = false),
    ("ours/mapping-flags", |profile, _| profile.location[0].line.clear()),
    ("ours/mapping-flags", |profile, _| profile.mapping[0].has_inline_frames = true),
    ("ours/mapping-flags", |profile, _| profile.location[0].line[0].line = 0),
    ("ours/address-in-mapping", |profile, _| profile.location[0].address = 0x9000),
    ("ours/address-in-mapping", |profile, _| profile.location[0].mapping_id = 0),
    ("ours/segment-once", |profile, _| {
        let again =
            Mapping { id: 2, memory_start: 0x10_000, memory_limit: 0x20_000, ..profile.mapping[0].clone() };
        profile.mapping.push(again);
    }),
    ("ours/build-id", |profile, _| profile.mapping[0].build_id = 0),
    ("ours/program-is-mapped", |profile, _| {
        profile.mapping.clear();
        profile.location.iter_mut().for_each(|place| place.mapping_id = 0);
    }),
    ("ours/named", |profile, _| profile.function[0].name = 0),
    ("ours/system-name", |profile, _| profile.function[0].system_name = profile.function[0].name),
    ("ours/mangled", |profile, _| profile.function[0].system_name = string(profile, "shop::add<T>")),
    ("ours/no-hash", |profile, _| profile.function[0].name = string(profile, "shop::add::h0123456789abcdef")),
    ("ours/one-line-names", |profile, _| profile.function[0].name = string(profile, "shop::add\nroot")),
    ("ours/real-addresses", |profile, _| {
        profile.location[0].address = 0;
        profile.location[0].mapping_id = 0;
    }),
    ("ours/leaf", |profile, _| {
        add(profile, "_rjem_malloc", "", 0x1700);
        profile.sample.pop();
        profile.sample[0].location_id.insert(0, 3);
    }),
    ("ours/no-profiler", |profile, _| {
        add(profile, "flamewatch::sys::prof_hooks::on_alloc", "_ZN2onE", 0x1600)
    }),
    ("ours/kind-known", |_, terms| terms.kind = Some("heapp".to_owned())),
    ("ours/kind-values", |profile, _| profile.sample_type.swap(0, 1)),
    ("ours/kind-default", |_, terms| terms.kind = Some("allocs".to_owned())),
    ("ours/kind-default", |profile, terms| {
        profile.default_sample_type = string(profile, "rss");
        terms.kind = None;
    }),
    ("ours/kind-period", |profile, _| profile.period = 0),
    ("ours/kind-period", |profile, _| profile.period_type = None),
    ("ours/duration", |profile, _| profile.duration_nanos = 5),
    ("ours/duration", |_, terms| terms.span = Span::Delta(Some(2))),
    ("ours/remark-identity", |profile, _| forget(profile, 0)),
    ("ours/remark-rate", |profile, _| forget(profile, 1)),
    ("ours/remark-losses", |profile, _| forget(profile, 2)),
    ("ours/remark-trigger", |profile, _| forget(profile, 3)),
    ("ours/remark-trigger", |_, terms| terms.trigger = Some("rss.share high".to_owned())),
    ("ours/remarks-once", |profile, _| profile.comment.push(profile.comment[1])),
];

/// The message, and behind it, for the rule that nothing else can break, field 111, which is nobody's.
fn written(rule: &str, profile: &Profile) -> Vec<u8> {
    let mut raw = profile.encode_to_vec();
    if rule == "ours/known-fields" {
        raw.extend([0xf8, 0x06, 0x01]);
    }
    zipped(&raw)
}

#[test]
fn what_is_sound_passes() {
    let (profile, terms) = sound();
    let bytes = zipped(&profile.encode_to_vec());
    assert_eq!(complaints(&bytes, &terms), Vec::<String>::new());
    check("a sound profile", &bytes, &Terms::made());
}

#[test]
fn each_rule_refuses_what_breaks_it() {
    for (number, (rule, change)) in BREAKS.iter().enumerate() {
        let (mut profile, mut terms) = sound();
        change(&mut profile, &mut terms);
        let found = complaints(&written(rule, &profile), &terms);
        assert!(
            found.iter().any(|line| line.starts_with(&format!("{rule}: "))),
            "{number}, {rule}: {found:#?}"
        );
    }
}

#[test]
fn no_rule_is_without_a_break() {
    let broken: BTreeSet<&str> = BREAKS.iter().map(|(rule, _)| *rule).collect();
    let rules = [go::RULES, parca::RULES, pyroscope::RULES, alloy::RULES, &ours::rules()].concat();
    // This one is for what is no gzip at all, which `unzipped` refuses before.
    let missing: Vec<&str> = rules
        .iter()
        .map(|rule| rule.name)
        .filter(|name| !broken.contains(name) && *name != "alloy/binary")
        .collect();
    assert_eq!(missing, Vec::<&str>::new());
}

#[test]
fn bytes_that_are_no_profile_are_refused() {
    let (profile, terms) = sound();
    let raw = profile.encode_to_vec();
    let whole = zipped(&raw);
    let mut foreign = raw.clone();
    let at = raw.windows(4).position(|bytes| bytes == b"/srv").expect("a path");
    foreign[at] = 0xff;
    for (bytes, rule) in [
        (raw.clone(), "wire/gzip"),
        (Vec::new(), "wire/gzip"),
        (b"<!doctype html>".to_vec(), "wire/gzip"),
        (whole[..whole.len() - 9].to_vec(), "wire/gzip"),
        ([&*whole, b"more"].concat(), "wire/gzip"),
        ([&*whole, &*whole].concat(), "wire/gzip"),
        (zipped(&whole), "wire/protobuf"),
        (zipped(&raw[..raw.len() / 2]), "wire/protobuf"),
        (zipped(&foreign), "wire/protobuf"),
    ] {
        let found = complaints(&bytes, &terms);
        assert!(found.len() == 1 && found[0].starts_with(rule), "{rule}: {found:?}");
    }
}

#[test]
fn what_a_target_asks_for() {
    let terms = |target: &str| {
        Terms::asked(target).map(|terms| (terms.kind.unwrap_or_default(), terms.span, terms.raw))
    };
    let kind = |kind: &str, span, raw| Some((kind.to_owned(), span, raw));
    assert_eq!(terms("/debug/pprof/heap"), kind("heap", Span::Moment, false));
    assert_eq!(terms("/debug/pprof/allocs?seconds=3&raw=1"), kind("allocs", Span::Delta(Some(3)), true));
    assert_eq!(terms("/debug/pprof/heap?base=7-1"), kind("heap", Span::Delta(None), false));
    assert_eq!(terms("/debug/pprof/profile"), kind("profile", Span::Window(None), false));
    assert_eq!(terms("/debug/fgprof?seconds=2"), kind("fgprof", Span::Window(Some(2)), false));
    assert_eq!(terms("/debug/snapshots/7-1?format=pprof"), kind("", Span::Unknown, false));
    for other in [
        "/debug/pprof/",
        "/debug/pprof/cmdline",
        "/debug/pprof/heap?debug=1",
        "/debug/snapshots",
        "/debug/",
        "/metrics",
    ] {
        assert_eq!(terms(other), None, "{other}");
    }
}

const HEAD: [(&str, &str); 8] = [
    ("x-content-type-options", "nosniff"),
    ("cache-control", "no-store"),
    ("cross-origin-resource-policy", "same-origin"),
    ("referrer-policy", "no-referrer"),
    ("content-security-policy", "default-src 'none'"),
    ("content-type", "application/octet-stream"),
    ("content-disposition", "attachment; filename=\"heap\""),
    ("content-length", "LENGTH"),
];

/// What is held against an answer with `changed` headers instead of the right ones; an empty one is left out.
fn answered(target: &str, status: u16, body: &[u8], changed: &[(&str, &str)]) -> Vec<String> {
    let kept = HEAD.iter().filter(|(name, _)| changed.iter().all(|(other, _)| other != name)).chain(changed);
    let headers: Vec<(String, String)> = kept
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| ((*name).to_owned(), value.replace("LENGTH", &body.len().to_string())))
        .collect();
    Answer { target, status, headers: &headers, body }.complaints(Origin::Agent)
}

#[test]
fn heads_are_held_to_the_contract() {
    let (profile, _) = sound();
    let heap = zipped(&profile.encode_to_vec());
    let of_heap = |changed: &[(&str, &str)]| answered("/debug/pprof/heap", 200, &heap, changed);
    let refused =
        [("content-type", "text/plain; charset=utf-8"), ("x-go-pprof", "1"), ("content-disposition", "")];
    let of_refusal = |status: u16, body: &[u8], changed: &[(&str, &str)]| {
        let right = refused.iter().filter(|(name, _)| changed.iter().all(|(other, _)| other != name));
        answered("/debug/pprof/heapp", status, body, &right.chain(changed).copied().collect::<Vec<_>>())
    };
    assert_eq!(of_heap(&[]), Vec::<String>::new());
    assert_eq!(of_refusal(404, b"Unknown profile\n", &[]), Vec::<String>::new());
    #[track_caller]
    fn check(found: &[String], rule: &str) {
        assert!(found.iter().any(|line| line.starts_with(rule)), "{rule}: {found:?}");
    }
    for (header, value) in [
        ("x-content-type-options", ""),
        ("cache-control", ""),
        ("cross-origin-resource-policy", ""),
        ("referrer-policy", ""),
        ("content-security-policy", ""),
        ("content-type", "application/x-protobuf"),
        ("content-disposition", "attachment; filename=\"heap-delta\""),
        ("content-disposition", ""),
        ("content-length", "3"),
        ("content-length", ""),
        ("content-encoding", "gzip"),
        ("access-control-allow-origin", "*"),
        ("x-go-pprof", "1"),
    ] {
        check(&of_heap(&[(header, value)]), &format!("http/{header}: "));
    }
    check(&answered("/debug/pprof/heap?seconds=1", 200, &heap, &[]), "ours/duration: ");
    check(&answered("/debug/pprof/allocs", 200, &heap, &[]), "ours/kind-default: ");
    check(&answered("/debug/", 200, b"a page", &[]), "http/content-disposition: ");
    check(&of_refusal(404, b"Unknown profile\n", &[("x-go-pprof", "")]), "http/x-go-pprof: ");
    check(&of_refusal(404, b"Unknown profile\n", &[("content-type", "text/html")]), "http/content-type: ");
    check(&of_refusal(404, b"", &[]), "http/refusal: ");
    check(&of_refusal(401, b"who is it?\n", &[]), "http/www-authenticate: ");
    check(&of_refusal(429, b"too many\n", &[]), "http/retry-after: ");
}
