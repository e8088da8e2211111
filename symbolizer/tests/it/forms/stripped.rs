//! Programs stripped of their debug info, which stands in files of its own: found by a link, by the build id, or both.

use std::time::Duration;

use flamewatch_symbolizer::Symbolizer;

use super::{check_all, check_all_with, check_has, check_placed};
use crate::debug_dir::{place_of, with_debug_dir};
use crate::truth::{FILES, Form};

/// Moves the debug info and the symbols of both files into `<file>.debug`.
#[track_caller]
fn split_off(form: &Form) {
    form.each("objcopy", "--only-keep-debug {} {}.debug");
    form.each("strip", "--strip-all {}");
    FILES.iter().for_each(|file| check_has(form, file, ".debug_info", false));
}

#[test]
fn stripped_with_a_link_to_the_file_beside_it() {
    check_all(&linked("debuglink"));
}

#[test]
fn stripped_with_a_link_to_a_file_in_the_directory_for_such() {
    let form = linked("debuglink-below");
    std::fs::create_dir(form.directory.join(".debug")).expect("a directory");
    form.each("mv", "{}.debug .debug/");
    check_all(&form);
}

#[test]
fn stripped_with_a_link_to_a_file_in_the_debug_directory() {
    let form = linked("debuglink-elsewhere");
    let below = form.directory.join("debug-root").join(form.directory.strip_prefix("/").expect("absolute"));
    std::fs::create_dir_all(&below).expect("a directory");
    form.each("mv", &format!("{{}}.debug {}/", below.display()));
    // Without build ids, so that the link is the only way there.
    check_all_with(&form.run(), &with_debug_dir(&form.directory.join("debug-root")));
}

/// Stripped, linked by name and checksum, and without a build id.
#[track_caller]
fn linked(name: &str) -> Form {
    let form = Form::copy(name);
    form.each("objcopy", "--remove-section=.note.gnu.build-id {}");
    split_off(&form);
    form.each("objcopy", "--add-gnu-debuglink={}.debug {}");
    FILES.iter().for_each(|file| check_has(&form, file, ".gnu_debuglink", true));
    form
}

#[test]
fn stripped_with_a_build_id_only() {
    let form = Form::copy("build-id");
    split_off(&form);
    FILES.iter().for_each(|file| move_by_build_id(&form, file));
    check_all_with(&form.run(), &with_debug_dir(&form.directory.join("debug-root")));
}

/// Moves `<file>.debug` to `debug-root/.build-id/ab/cdef….debug`.
#[track_caller]
fn move_by_build_id(form: &Form, file: &str) {
    let place = place_of(&form.directory.join("debug-root"), &build_id(form, file));
    std::fs::rename(form.directory.join(format!("{file}.debug")), place).expect("moved");
}

#[track_caller]
fn build_id(form: &Form, file: &str) -> String {
    let notes = form.tool("readelf", &format!("-n {file}"));
    let id = notes.lines().find_map(|line| line.trim().strip_prefix("Build ID: "));
    id.unwrap_or_else(|| panic!("no build id in {notes}")).to_owned()
}

#[test]
fn what_two_files_share_moved_to_a_third() {
    let form = Form::copy("dwz");
    form.tool("dwz", "-m truth.alt -M truth.alt truth libtruth.so");
    FILES.iter().for_each(|file| check_has(&form, file, ".gnu_debugaltlink", true));
    check_all(&form);
}

#[test]
fn what_two_stripped_files_share_moved_to_a_third() {
    let form = Form::copy("dwz-stripped");
    form.tool("dwz", "-m truth.alt -M truth.alt truth libtruth.so");
    split_off(&form);
    FILES.iter().for_each(|file| move_by_build_id(&form, file));
    let place = place_of(&form.directory.join("debug-root"), &build_id(&form, "truth.alt"));
    std::fs::rename(form.directory.join("truth.alt"), place).expect("moved");
    check_all_with(&form.run(), &with_debug_dir(&form.directory.join("debug-root")));
}

/// A debug directory can hold what was built from other sources under the right name.
#[test]
fn debug_info_of_another_build_is_not_used() {
    let form = Form::copy("another-build-id");
    split_off(&form);
    let other = Form::compile("another-build", "-C debuginfo=2 -C opt-level=1", "-g");
    split_off(&other);
    for file in FILES {
        let debug = format!("{file}.debug");
        std::fs::copy(other.directory.join(&debug), form.directory.join(&debug)).expect("copied");
        move_by_build_id(&form, file);
    }
    check_placed(&form.run(), &with_debug_dir(&form.directory.join("debug-root")));
}

/// The link holds a checksum of the file it means.
#[test]
fn a_linked_file_with_another_checksum_is_not_used() {
    let form = linked("another-checksum");
    for file in FILES {
        let path = form.directory.join(format!("{file}.debug"));
        let mut bytes = std::fs::read(&path).expect("a file");
        bytes.push(0);
        std::fs::write(&path, bytes).expect("written");
    }
    check_placed(&form.run(), &Symbolizer::default());
}

/// Whoever opened the pipe would wait for somebody to write to it.
#[test]
fn a_link_to_a_pipe_is_not_followed() {
    let form = linked("pipe");
    form.each("rm", "{}.debug");
    form.each("mkfifo", "{}.debug");
    let told = form.run();
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let named = told.resolve(&Symbolizer::default()).report().named();
        sender.send(named)
    });
    let named = receiver.recv_timeout(Duration::from_secs(10)).expect("an answer, and no waiting");
    assert_eq!(named, 0);
}
