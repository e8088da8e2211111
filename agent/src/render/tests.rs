//! Every form against a golden file. `BLESS=1 cargo test` rewrites them; review the difference like code.

use std::path::PathBuf;
use std::time::{Duration, UNIX_EPOCH};

use super::*;
use crate::Unit;
use crate::profile::{Addr, Frame, Function, Mapping, ValueType};

const EVERY: i64 = 524_288;

fn function(name: &str, system_name: &str, place: (&str, u32), address: u64, inlined: bool) -> Frame {
    let mut function = Function::new(name, place.0, place.1);
    function.system_name = system_name.to_owned();
    (function.address, function.inlined) = (address, inlined);
    Frame::named(function)
}

fn insert(inlined_into: u64) -> [Frame; 2] {
    [
        function(
            "<shop::Cart<T> as core::ops::Add>::add",
            "_ZN4shop4Cart",
            ("src/cart.rs", 7),
            inlined_into,
            true,
        ),
        function(
            "shop::orders::insert",
            "_ZN4shop6orders6insert",
            ("src/orders.rs", 88),
            inlined_into,
            false,
        ),
    ]
}

/// A heap of a small shop: inlined frames, an allocator leaf, a label, an address without a name, a spawn site.
pub(super) fn heap() -> Profile {
    let values = ["alloc_objects", "alloc_space", "inuse_objects", "inuse_space"];
    let unit = |name: &str| if name.ends_with("space") { Unit::Bytes } else { Unit::Count };
    let mut profile = Profile::new("heap", values.map(|name| ValueType::new(name, unit(name))));
    profile.began = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    profile.period = Some((ValueType::new("space", Unit::Bytes), EVERY.unsigned_abs()));
    profile.losses.unresolved = 1;
    profile.losses.dropped = 2;
    profile.comments.push("service shop, version 1.4.2".to_owned());
    for (start, path, build_id) in [(0x7f00_0000, "/lib/libc.so.6", "c0ffee"), (0x1000, "/srv/shop", "5407")]
    {
        let (end, path, build_id) = (start + 0x10_0000, path.to_owned(), build_id.to_owned());
        profile.mappings.push(Mapping { start, end, file_offset: 0x1000, path, build_id });
    }
    let malloc = function("_rjem_malloc", "", ("", 0), 0x1010, false);
    let main = function("shop::main", "_ZN4shop4main", ("src/main.rs", 3), 0x2000, false);
    let route = Frame::label("route", "POST /orders");
    let spawned = Frame::named(Function::new("spawned at src/mail.rs:5", "src/mail.rs", 5));
    let weights = |samples: i64| [samples * 40, samples * EVERY * 2, samples * 20, samples * EVERY];
    let orders = [std::slice::from_ref(&malloc), &insert(0x1400)[..], &[main.clone(), route]].concat();
    profile.add(orders, &weights(300), 300);
    profile.add([&insert(0x1900)[..], std::slice::from_ref(&main)].concat(), &weights(90), 90);
    profile.add([malloc.clone(), Frame::Address(Addr::Return(0x7f00_1235)), main], &weights(7), 7);
    profile.add([malloc, spawned], &weights(2), 2);
    profile
}

/// The heap ten seconds later: orders grew, the spawn site's is gone.
pub(super) fn delta() -> Profile {
    let before = heap();
    let mut after = before.rebuilt(|stack| stack.frames().cloned().collect());
    for stack in before.iter() {
        let (sign, samples) = if stack.samples() > 99 { (1, 300) } else { (-1, 0) };
        let change: Vec<i64> = stack.values().iter().map(|value| value * sign).collect();
        if stack.samples() > 99 || stack.samples() == 2 {
            after.add(stack.frames().cloned(), &change, samples);
        }
    }
    after.began = before.began + Duration::from_secs(10);
    after.since(&before)
}

#[track_caller]
fn check(profile: &Profile, format: Format, options: &Options, name: &str) {
    let mut bytes = Vec::new();
    format.render(profile, options, &mut bytes).expect("rendering into memory");
    golden(name, &String::from_utf8(bytes).expect("a text format"));
}

#[track_caller]
pub(super) fn golden(name: &str, actual: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../fixtures/data/render").join(name);
    if std::env::var_os("BLESS").is_some() {
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder for golden files");
        std::fs::write(&path, actual).expect("a writable golden file");
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(actual, expected, "{name} changed; BLESS=1 cargo test rewrites it");
}

#[test]
fn golden_files() {
    let (heap, delta, plain) = (heap(), delta(), Options::default());
    check(&heap, Format::Text, &plain, "heap.txt");
    check(
        &heap,
        Format::Text,
        &Options { raw: true, value: Some(0), ..Options::default() },
        "heap-raw-objects.txt",
    );
    check(&heap, Format::Folded, &plain, "heap.folded");
    check(&heap, Format::Json, &plain, "heap.json");
    check(&delta, Format::Text, &plain, "heap-delta.txt");
    check(&delta, Format::Folded, &plain, "heap-delta.folded");
    let omitted = omitted(&delta, &plain);
    assert_eq!((omitted.stacks, omitted.value), (1, -2 * EVERY));
}

#[cfg(feature = "flamegraph")]
#[test]
fn golden_drawings() {
    let titled = Options { title: Some("shop <prod>".to_owned()), ..Options::default() };
    check(&heap(), Format::Svg, &titled, "heap.svg");
    check(&delta(), Format::Svg, &Options::default(), "heap-delta.svg");
    check(&heap().since(&heap()), Format::Svg, &titled, "empty.svg");
}

#[cfg(feature = "flamegraph")]
#[test]
fn names_cannot_break_out_of_a_drawing() {
    let mut profile = Profile::new("<script>alert(1)</script>", [ValueType::new("n", Unit::Count)]);
    let script = "\"]]><script>alert(1)</script>&amp;";
    profile.add([Frame::named(Function::new(script, "", 0)), Frame::label("thread", script)], &[1], 1);
    let mut bytes = Vec::new();
    Format::Svg.render(&profile, &Options::default(), &mut bytes).expect("a drawing");
    let text = String::from_utf8(bytes).expect("text");
    assert!(!text.contains("<script>alert"), "{text}");
    assert!(text.contains("&lt;script&gt;alert"));
}

#[cfg(not(feature = "flamegraph"))]
#[test]
fn a_build_without_drawings_says_which_feature_it_lacks() {
    for format in [Format::Svg, Format::Png] {
        let error = format.render(&heap(), &Options::default(), &mut Vec::new()).expect_err("no drawing");
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.to_string().contains("`flamegraph`"), "{error}");
    }
}

#[test]
fn every_format_has_a_name_of_its_own() {
    for format in Format::ALL {
        assert_eq!(Format::from_name(format.name()), Some(format));
    }
    assert_eq!(Format::from_name("gif"), None);
}

#[test]
fn a_full_disk_is_an_error_not_a_panic() {
    struct Full;
    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("disk full"))
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let forms = Format::ALL.into_iter().filter(|format| *format != Format::Svg && *format != Format::Png);
    for format in forms.chain(cfg!(feature = "flamegraph").then_some(Format::Png)) {
        let error = format.render(&heap(), &Options::default(), &mut Full).expect_err("a full disk");
        assert_eq!(error.kind(), ErrorKind::Io, "{error:#}");
    }
}
