//! What a deployment does to a process that still runs: its executable and its libraries are replaced or written
//! over, and libraries come and go.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};

use flamewatch_symbolizer::{Addr, ModuleMap, Reason};

use crate::{c, child, sys};

#[test]
fn a_deleted_executable_still_has_its_names() {
    const TEST: &str = "deploy::a_deleted_executable_still_has_its_names";
    if child::is_for(TEST) {
        fs::remove_file(std::env::current_exe().expect("a path")).expect("deleted");
        return child::check_own_chain();
    }
    let copy = child::Copy::of_this_program(TEST);
    copy.check(&mut copy.command());
    assert!(!copy.program.exists(), "it was deleted while it ran");
}

#[test]
fn a_replaced_executable_still_has_its_names() {
    const TEST: &str = "deploy::a_replaced_executable_still_has_its_names";
    if child::is_for(TEST) {
        let own = std::env::current_exe().expect("a path");
        fs::rename(c::program("deployed-next", &["-g"]), &own).expect("replaced");
        return child::check_own_chain();
    }
    let copy = child::Copy::of_this_program(TEST);
    copy.check(&mut copy.command());
    let own = fs::read(std::env::current_exe().expect("a path")).expect("a file");
    assert!(own != fs::read(&copy.program).expect("a file"), "it was replaced while it ran");
}

/// Without start files the library has nothing to run when the process ends, which would not survive this.
const WITHOUT_START: &[&str] = &["-Wl,--build-id", "-nostartfiles"];

#[test]
fn a_library_written_over_in_place_never_has_a_wrong_name() {
    const TEST: &str = "deploy::a_library_written_over_in_place_never_has_a_wrong_name";
    if !child::is_for(TEST) {
        let copy = child::Copy::of_this_program(TEST);
        return copy.check(&mut copy.command());
    }
    let path = c::library("libover.so", "right", WITHOUT_START);
    let address = sys::load(&path, "right");
    let map = ModuleMap::current().expect("a map");
    assert_eq!((&*child::frame(&map, address).0.name, child::frame(&map, address).1), ("right", None));

    let other = fs::read(c::library("libover-other.so", "wrong", WITHOUT_START)).expect("a file");
    fs::write(&path, &other).expect("written over");
    child::check_placed(&map, address, &path);
    for length in [other.len() / 2, 100, 0] {
        fs::File::options()
            .write(true)
            .open(&path)
            .and_then(|file| file.set_len(length as u64))
            .expect("cut");
        child::check_placed(&map, address, &path);
    }
}

/// The loader's own copy of the program headers is gone when the file is cut: to look there would be a bus error.
#[test]
fn a_map_is_taken_while_a_library_is_cut_short() {
    const TEST: &str = "deploy::a_map_is_taken_while_a_library_is_cut_short";
    if !child::is_for(TEST) {
        let copy = child::Copy::of_this_program(TEST);
        return copy.check(&mut copy.command());
    }
    let path = c::library("libcut.so", "right", WITHOUT_START);
    let address = sys::load(&path, "right");
    fs::write(&path, []).expect("cut");
    let map = ModuleMap::current().expect("a map");
    child::check_placed(&map, address, &path);
    child::check_chain(&map, child::outer());
}

#[test]
fn a_library_that_is_being_written_over_is_survived() {
    const TEST: &str = "deploy::a_library_that_is_being_written_over_is_survived";
    if !child::is_for(TEST) {
        let copy = child::Copy::of_this_program(TEST);
        return copy.check(&mut copy.command());
    }
    let path = c::library("libwriting.so", "right", WITHOUT_START);
    let address = sys::load(&path, "right");
    let map = ModuleMap::current().expect("a map");
    let whole = fs::read(&path).expect("a file");
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                fs::write(&path, &whole).expect("written over");
            }
        });
        for _ in 0..3000 {
            let (frame, _) = child::frame(&map, address);
            assert!(&*frame.name == "right" || frame.name.starts_with("libwriting.so+0x"), "{frame:?}");
        }
        done.store(true, Ordering::Relaxed);
    });
    assert_eq!(&*child::frame(&map, address).0.name, "right", "it is whole again");
}

#[test]
fn a_library_that_was_closed_is_in_the_older_map_only() {
    let path = c::library("libclosed.so", "closed_function", &["-Wl,--build-id"]);
    let (address, library) = sys::open(&path, "closed_function");
    let before = ModuleMap::current().expect("a map");
    sys::close(library);
    let after = ModuleMap::current().expect("a map");
    assert!(after.modules().iter().all(|module| module.path != path.to_str().expect("UTF-8")));
    assert_eq!(&*child::frame(&before, address).0.name, "closed_function", "its file is still there");

    // Another one, often at the same address: an answer is of its map and never remembered from another.
    let next = c::library("libopened.so", "opened_function", &["-Wl,--build-id"]);
    let opened = sys::load(&next, "opened_function");
    let later = ModuleMap::current().expect("a map");
    assert_eq!(&*child::frame(&later, opened).0.name, "opened_function");
    assert_eq!(&*child::frame(&before, address).0.name, "closed_function");
    let (frame, reason) = child::frame(&before, 1);
    assert_eq!((&*frame.name, reason), ("0x1", Some(Reason::NoModule)));
}

#[test]
fn equal_offsets_in_two_libraries_are_two_functions() {
    let names = ["first_function", "other_function"];
    let addresses = names.map(|name| {
        let path = c::library(&format!("lib{name}.so"), name, &["-Wl,--build-id"]);
        sys::load(&path, name)
    });
    let map = ModuleMap::current().expect("a map");
    let offsets = addresses.map(|address| map.lookup(address).expect("mapped").1.offset_of(address));
    assert_eq!(offsets[0], offsets[1], "they are laid out alike");
    let symbolizer = flamewatch_symbolizer::Symbolizer::default();
    let resolved = symbolizer.resolve(&map, &addresses.map(Addr::Pc));
    let found: Vec<&str> = resolved.iter().map(|frames| &*frames[0].name).collect();
    assert_eq!(found, names);
}
