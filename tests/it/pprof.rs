//! What `go tool pprof` makes of our profiles.

use std::path::PathBuf;

use flamewatch::Unit;
use flamewatch::profile::{Frame, Function, Mapping, Profile, ValueType};
use flamewatch::render::{Format, Options};

use crate::go;

const GENERIC: &str = "<shop::Cart<T> as core::ops::Add<U>>::add";
const MIB: i64 = 1 << 20;

/// A function at `address`, whose mangled name is made up from the address.
fn function(name: &str, line: u32, address: u64, inlined: bool) -> Frame {
    let mut function = Function::new(name, "src/shop.rs", line);
    function.system_name = format!("_ZN{address:x}E");
    (function.address, function.inlined) = (address, inlined);
    Frame::named(function)
}

/// A heap of 7 MiB: `carts` in a generic function inlined into `insert`, the rest at a spawn site without address.
fn heap(carts: i64, spawned: i64) -> Profile {
    let values = ["alloc_objects", "alloc_space", "inuse_objects", "inuse_space"];
    let unit = |name: &str| if name.ends_with("space") { Unit::Bytes } else { Unit::Count };
    let mut profile = Profile::new("heap", values.map(|name| ValueType::new(name, unit(name))));
    profile.period = Some((ValueType::new("space", Unit::Bytes), 524_288));
    profile.comments.push("service shop 1.4.2".to_owned());
    let mut mapping = Mapping::default();
    (mapping.start, mapping.end) = (0x1000, 0x9000);
    (mapping.path, mapping.build_id) = ("/srv/shop".to_owned(), "5407c0ffee".to_owned());
    profile.mappings.push(mapping);
    let main = function("shop::main", 3, 0x2000, false);
    let inlined = [function(GENERIC, 7, 0x1400, true), function("shop::insert<T>", 88, 0x1400, false), main];
    let route = Frame::label("route", "/feed");
    profile.add(inlined.into_iter().chain([route]), &[9 * carts, 9 * carts * MIB, carts, carts * MIB], 1);
    let site = Frame::named(Function::new("spawned at src/mail.rs:5", "src/mail.rs", 5));
    profile.add([site], &[3 * spawned, 3 * spawned * MIB, spawned, spawned * MIB], 1);
    profile
}

/// `profile` in a file for pprof.
fn file(name: &str, profile: &Profile) -> String {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.pb.gz"));
    let mut bytes = Vec::new();
    Format::Pprof.render(profile, &Options::default(), &mut bytes).expect("rendering into memory");
    std::fs::write(&path, bytes).expect("a writable folder");
    path.to_str().expect("a path in UTF-8").to_owned()
}

/// The line of a report that is about `name`, as its columns.
#[track_caller]
fn row(report: &str, name: &str) -> Vec<String> {
    let line = report.lines().find(|line| line.trim_end().trim_end_matches(" (inline)").ends_with(name));
    let line = line.unwrap_or_else(|| panic!("no {name} in\n{report}"));
    line.split_whitespace().map(str::to_owned).collect()
}

#[test]
fn names_mapping_inlined_frames_and_comments_arrive() {
    let path = file("whole", &heap(5, 2));
    for go in go() {
        let (top, warnings) = go.pprof(&["-top", &path]);
        assert!(top.contains("File: shop\n") && top.contains("Build ID: 5407c0ffee\n"), "{top}");
        assert!(top.contains("Type: inuse_space\n") && top.contains("service shop 1.4.2"), "{top}");
        assert_eq!(row(&top, GENERIC)[..2], ["5MB", "71.43%"], "{top}");
        assert_eq!(row(&top, "shop::insert<T>")[..5], ["0", "0%", "100%", "5MB", "71.43%"], "{top}");
        assert_eq!(row(&top, "spawned at src/mail.rs:5")[..2], ["2MB", "28.57%"], "{top}");
        assert!(warnings.is_empty(), "pprof had to warn: {warnings}");
        let (traces, _) = go.pprof(&["-traces", &path]);
        assert!(traces.contains("route:") && traces.contains("/feed"), "{traces}");
        let (lines, _) = go.pprof(&["-top", "-lines", &path]);
        assert!(lines.contains("src/shop.rs:88") && lines.contains("src/mail.rs:5"), "{lines}");
    }
}

#[test]
fn every_value_can_be_chosen_and_allocs_opens_with_its_own() {
    let mut allocs = heap(5, 2).with_kind("allocs");
    allocs.default_value = 1;
    let path = file("allocs", &allocs);
    for go in go() {
        assert!(go.pprof(&["-top", &path]).0.contains("Type: alloc_space\n"));
        let (objects, _) = go.pprof(&["-top", "-sample_index=alloc_objects", &path]);
        assert_eq!(row(&objects, GENERIC)[0], "45", "{objects}");
        let (focused, _) = go.pprof(&["-top", "-sample_index=inuse_space", "-tagfocus=route=/feed", &path]);
        assert!(row(&focused, GENERIC)[0] == "5MB" && !focused.contains("mail.rs"), "{focused}");
    }
}

#[test]
fn differences_keep_their_sign() {
    let (before, after) = (heap(5, 2), heap(9, 1));
    let (base, later, delta) =
        (file("base", &before), file("later", &after), file("delta", &after.since(&before)));
    let diff = format!("-diff_base={base}");
    for go in go() {
        for arguments in [&["-top", &diff, &later][..], &["-top", &delta]] {
            let (top, _) = go.pprof(arguments);
            assert_eq!(row(&top, GENERIC)[0], "4MB", "{top}");
            assert_eq!(row(&top, "spawned at src/mail.rs:5")[0], "-1MB", "{top}");
        }
    }
}

#[test]
fn an_empty_profile_is_a_profile() {
    let empty = heap(5, 2).since(&heap(5, 2));
    let path = file("empty", &empty);
    for go in go() {
        assert!(go.pprof(&["-top", &path]).0.contains("Type: inuse_space\n"));
    }
}
