//! Indexes of real files: stripped, they are answered for as before; damaged, nothing wrong is said.

use std::fs;
use std::path::{Path, PathBuf};

use flamewatch_symbolizer::{Addr, ErrorKind, Frame, Module, ModuleMap, Reason, Segment, Symbolizer, index};
use object::{Object, ObjectSegment, SegmentFlags, elf};

use crate::c;

/// An empty folder for the test called `name`.
fn folder(name: &str) -> PathBuf {
    let folder = c::scratch("indexes").join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).expect("a folder");
    folder
}

/// The file at `path` as it would be mapped at the addresses it counts in.
fn map(path: &Path) -> ModuleMap {
    let bytes = fs::read(path).expect("a file");
    let file = object::File::parse(&*bytes).expect("an object file");
    let mut module = Module::default();
    module.path = path.to_str().expect("UTF-8").to_owned();
    let build_id = file.build_id().expect("notes").expect("a build id");
    module.build_id = build_id.iter().map(|byte| format!("{byte:02x}")).collect();
    for of in file.segments() {
        if let SegmentFlags::Elf { p_flags, .. } = of.flags()
            && p_flags.0 & elf::PF_X.0 != 0
        {
            let mut segment = Segment::default();
            (segment.start, segment.end) = (of.address(), of.address() + of.size());
            segment.file_offset = of.file_range().0;
            module.segments.push(segment);
        }
    }
    ModuleMap::from(vec![module])
}

fn addresses(map: &ModuleMap, step: usize) -> Vec<Addr> {
    let segments = map.modules()[0].segments.iter();
    segments.flat_map(|segment| (segment.start..segment.end).step_by(step).map(Addr::Pc)).collect()
}

fn answers(map: &ModuleMap, addresses: &[Addr], builder: flamewatch_symbolizer::Builder) -> Answers {
    let resolved = builder.cache_budget(0).build().resolve(map, addresses);
    (resolved.iter().map(<[Frame]>::to_vec).collect(), resolved.report().modules[0].reason)
}

type Answers = (Vec<Vec<Frame>>, Option<Reason>);

fn indexed(path: &Path) -> PathBuf {
    let beside = PathBuf::from(format!("{}.fwi", path.display()));
    let mut file = fs::File::create(&beside).expect("a file");
    let stats = index::write(path, &mut file).expect("an index");
    assert_eq!((stats.damaged, stats.missing_splits), (0, 0));
    assert_eq!(stats.bytes, fs::metadata(&beside).expect("a file").len());
    beside
}

/// Every `step`th address of the file at `path` has the same frames from its debug info as from the index when all
/// that is stripped.
#[track_caller]
fn check_same(path: &Path, step: usize) {
    let map = map(path);
    let addresses = addresses(&map, step);
    let (full, reason) = answers(&map, &addresses, Symbolizer::builder());
    assert_eq!(reason, None);
    assert!(full.iter().any(|frames| frames.len() > 1), "something is inlined");
    indexed(path);
    c::strip(path, "--strip-all");
    let (stripped, reason) = answers(&map, &addresses, Symbolizer::builder());
    assert_eq!(reason, None);
    for ((address, full), stripped) in addresses.iter().zip(&full).zip(&stripped) {
        assert_eq!(stripped, full, "{address:x?}");
    }
}

fn copied(name: &str, file: &Path) -> PathBuf {
    let copy = folder(name).join("program");
    fs::copy(file, &copy).expect("copied");
    copy
}

#[test]
fn a_stripped_program_in_c_is_answered_for_as_before() {
    for (name, flags) in [
        ("index-pie", &["-g", "-O2", "-pie"][..]),
        ("index-static", &["-g", "-O1", "-static", "-gdwarf-4"]),
        ("index-sections", &["-g", "-O1", "-ffunction-sections", "-Wl,--gc-sections", "-gz=zlib"]),
        ("index-split", &["-g", "-O1", "-gsplit-dwarf"]),
    ] {
        check_same(&copied(name, &c::program(name, &[flags, &["-Wl,--build-id"]].concat())), 1);
    }
}

#[test]
fn this_program_stripped_is_answered_for_as_before() {
    check_same(&copied("own", &std::env::current_exe().expect("a path")), 211);
}

#[test]
fn an_index_in_a_debug_directory_is_found_by_its_build_id() {
    let program = copied("by-id", &c::program("index-by-id", &["-g", "-O1", "-Wl,--build-id"]));
    let map = map(&program);
    let addresses = addresses(&map, 1);
    let (full, _) = answers(&map, &addresses, Symbolizer::builder());
    let (first, rest) = map.modules()[0].build_id.split_at(2);
    let debug = folder("by-id-debug");
    let place = debug.join(".build-id").join(first);
    fs::create_dir_all(&place).expect("a folder");
    fs::rename(indexed(&program), place.join(format!("{rest}.fwi"))).expect("moved");
    c::strip(&program, "--strip-all");
    assert_eq!(answers(&map, &addresses, Symbolizer::builder()).1, Some(Reason::Stripped));
    let found = answers(&map, &addresses, Symbolizer::builder().debug_dir(&debug));
    assert_eq!(found, (full, None));
}

#[test]
fn an_index_of_another_build_is_not_used() {
    let flags = ["-g", "-O1", "-Wl,--build-id"];
    let program = copied("another", &c::program("index-another", &flags));
    let other = copied("other", &c::program("index-other", &[&flags[..], &["-DOTHER", "-O2"]].concat()));
    let map = map(&program);
    let addresses = addresses(&map, 1);
    c::strip(&program, "--strip-all");
    let without = answers(&map, &addresses, Symbolizer::builder());
    assert_eq!(without.1, Some(Reason::Stripped));
    fs::rename(indexed(&other), PathBuf::from(format!("{}.fwi", program.display()))).expect("moved");
    assert_eq!(answers(&map, &addresses, Symbolizer::builder()), without);
}

/// Whatever is done to an index, an address has the right frames, those the stripped file gives, or the right ones
/// with a name or a file missing.
#[test]
fn a_damaged_index_says_nothing_wrong() {
    let program = c::program("index-damaged", &["-g", "-O1", "-static", "-Wl,--build-id"]);
    let program = copied("damaged", &program);
    let map = map(&program);
    let addresses = addresses(&map, 4001);
    let (right, _) = answers(&map, &addresses, Symbolizer::builder());
    let index = indexed(&program);
    c::strip(&program, "--strip-all");
    let bytes = fs::read(&index).expect("an index");
    let (whole, reason) = answers(&map, &addresses, Symbolizer::builder());
    assert_eq!((&whole, reason), (&right, None));
    fs::remove_file(&index).expect("removed");
    let (bare, _) = answers(&map, &addresses, Symbolizer::builder());
    let mut lost = 0;
    let mut check = |bytes: &[u8], what: String| {
        fs::write(&index, bytes).expect("written");
        let (found, reason) = answers(&map, &addresses, Symbolizer::builder());
        for ((found, right), bare) in found.iter().zip(&right).zip(&bare) {
            let is_part = || {
                found.len() == right.len()
                    && found.iter().zip(right).all(|(found, right)| {
                        (found.name == right.name || !found.is_named())
                            && (found.file == right.file || found.file.is_empty())
                            && found.line == right.line
                    })
            };
            assert!(found == bare || is_part(), "{what}: {found:?} instead of {right:?}");
        }
        if found != right {
            assert!(matches!(reason, Some(Reason::Damaged | Reason::Stripped)), "{what}: {reason:?}");
            lost += 1;
        }
    };
    let step = bytes.len() / 150 + 1;
    for at in (0..100).chain((100..bytes.len()).step_by(step)) {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1 << (at % 8);
        check(&flipped, format!("bit {} of byte {at}", at % 8));
        check(&bytes[..at], format!("the first {at} bytes"));
    }
    check(&[bytes.as_slice(), &[0; 1000]].concat(), "more behind it".to_owned());
    assert!(lost > 200, "{lost} of the damages were felt");
}

#[test]
fn what_has_no_debug_info_or_no_build_id_has_no_index() {
    let refused = |name: &str, flags: &[&str], expected: &str| {
        let error = index::write(&c::program(name, flags), &mut Vec::new()).expect_err("no index");
        assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::Invalid, expected));
    };
    refused("index-plain", &["-s", "-Wl,--build-id"], "the file has no debug info");
    let no_id = "the file has no build id by which to find its index";
    refused("index-no-id", &["-g", "-Wl,--build-id=none"], no_id);
    let error = index::write(Path::new("/nowhere"), &mut Vec::new()).expect_err("no file");
    assert_eq!(error.kind(), ErrorKind::Io);
}

/// An index whose table is damaged would be told of, if it were asked.
#[test]
fn debug_info_comes_before_an_index() {
    let program = copied("order", &c::program("index-order", &["-g", "-O1", "-Wl,--build-id"]));
    let map = map(&program);
    let addresses = addresses(&map, 1);
    let (full, _) = answers(&map, &addresses, Symbolizer::builder());
    let index = indexed(&program);
    let mut bytes = fs::read(&index).expect("an index");
    // The header has 100 bytes.
    bytes[100] ^= 1;
    fs::write(&index, bytes).expect("written");
    assert_eq!(answers(&map, &addresses, Symbolizer::builder()), (full.clone(), None), "its own");

    let (first, rest) = map.modules()[0].build_id.split_at(2);
    let debug = folder("order-debug");
    let place = debug.join(".build-id").join(first);
    fs::create_dir_all(&place).expect("a folder");
    fs::copy(&program, place.join(format!("{rest}.debug"))).expect("copied");
    c::strip(&program, "--strip-all");
    let separate = answers(&map, &addresses, Symbolizer::builder().debug_dir(&debug));
    assert_eq!(separate, (full, None), "a separate file's");
    assert_eq!(answers(&map, &addresses, Symbolizer::builder()).1, Some(Reason::Damaged), "the index");
}
