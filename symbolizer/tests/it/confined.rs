//! A process that may not do much: not root, nowhere to write, no `/proc`.

use std::os::unix::process::CommandExt;
use std::process::Command;

use flamewatch_symbolizer::{Addr, ErrorKind, ModuleMap, Reason};

use crate::{child, tool};

/// `nobody`, wherever there are users.
const NOBODY: u32 = 65534;

/// The command runs as nobody, or as whoever this is already, unless that is root.
fn unprivileged(command: &mut Command) -> &mut Command {
    if tool::run(Command::new("id").arg("-u")).trim() == "0" {
        command.uid(NOBODY).gid(NOBODY);
    }
    command.current_dir("/")
}

#[test]
fn a_process_that_is_not_root_has_its_names() {
    const TEST: &str = "confined::a_process_that_is_not_root_has_its_names";
    if child::is_for(TEST) {
        assert_ne!(tool::run(Command::new("id").arg("-u")).trim(), "0");
        return child::check_own_chain();
    }
    let copy = child::Copy::for_everybody(TEST);
    copy.check(unprivileged(&mut copy.command()));
}

/// Sections have to be decompressed somewhere, and that place cannot be a file here.
#[test]
fn compressed_sections_need_no_place_to_write() {
    const TEST: &str = "confined::compressed_sections_need_no_place_to_write";
    if child::is_for(TEST) {
        let file = std::env::temp_dir().join("flamewatch-cannot-be-written");
        assert!(std::fs::write(&file, "").is_err(), "{} was written", file.display());
        return child::check_own_chain();
    }
    for how in ["zlib", "zstd"] {
        let copy = child::Copy::for_everybody(TEST);
        tool::run(Command::new("objcopy").arg(format!("--compress-debug-sections={how}")).arg(&copy.program));
        copy.allow(0o755);
        copy.check(unprivileged(copy.command().env("TMPDIR", "/proc")));
    }
}

/// Not only a `TMPDIR` that cannot be written, but nothing at all that can.
#[test]
fn compressed_sections_need_no_writable_file_system() {
    const TEST: &str = "confined::compressed_sections_need_no_writable_file_system";
    const READ_ONLY: &str = "
        for place in /tmp /var/tmp /dev/shm; do mount -t tmpfs -o ro none $place; done
        mount -o remount,bind,ro /";
    if child::is_for(TEST) {
        for place in ["/", "/tmp", "/var/tmp", "/dev/shm"] {
            let file = std::path::Path::new(place).join("flamewatch-cannot-be-written");
            assert!(std::fs::write(&file, "").is_err(), "{} was written", file.display());
        }
        return child::check_own_chain();
    }
    let copy = child::Copy::of_this_program(TEST);
    tool::run(Command::new("objcopy").arg("--compress-debug-sections=zlib").arg(&copy.program));
    if child::can_have_namespaces() {
        copy.check(&mut copy.command_in_namespace(READ_ONLY));
    } else {
        // The next best: see above.
        compressed_sections_need_no_place_to_write();
    }
}

/// Its user may run the program but not read it: the kernel maps it, and nobody names it.
#[test]
fn a_program_that_may_not_be_read_has_places() {
    const TEST: &str = "confined::a_program_that_may_not_be_read_has_places";
    if child::is_for(TEST) {
        let map = ModuleMap::current().expect("a map");
        let (frames, reason) = child::frames(&map, child::outer().0);
        let [frame] = &frames[..] else { panic!("{frames:?}") };
        assert_eq!((frame.is_named(), reason), (false, Some(Reason::NoPermission)), "{frame:?}");
        return;
    }
    let copy = child::Copy::for_everybody(TEST);
    copy.allow(0o111);
    copy.check(unprivileged(&mut copy.command()));
}

/// A map that was taken elsewhere, or before, is all that naming needs.
#[test]
fn without_proc_a_map_from_elsewhere_is_enough() {
    const TEST: &str = "confined::without_proc_a_map_from_elsewhere_is_enough";
    const MAP: &str = "FLAMEWATCH_TEST_MAP";
    const PLACE: &str = "FLAMEWATCH_TEST_PLACE";
    if child::is_for(TEST) {
        assert!(!std::path::Path::new("/proc/self").exists());
        let error = ModuleMap::current().expect_err("no map to be had");
        assert_eq!(error.kind(), ErrorKind::Io);
        assert!(format!("{error:#}").contains("cannot read /proc/self/maps"), "{error:#}");
        let text = std::env::var(MAP).expect("the parent's map");
        let map: ModuleMap = serde_json::from_str(&text).expect("a map");
        let place: (Addr, [u32; 2]) =
            serde_json::from_str(&std::env::var(PLACE).expect("the parent's place")).expect("a place");
        return child::check_chain(&map, place);
    }
    let map = ModuleMap::current().expect("a map");
    assert!(ModuleMap::from_proc_maps("").modules().is_empty());
    if !child::can_have_namespaces() {
        // What is left to see without: the map is a value, and names this program as one that is not its own.
        let text = serde_json::to_string(&map).expect("JSON");
        return child::check_chain(&serde_json::from_str(&text).expect("a map"), child::outer());
    }
    let copy = child::Copy::of_this_program(TEST);
    let mut command = copy.command_in_namespace("mount -t tmpfs none /proc");
    command.env(MAP, serde_json::to_string(&map).expect("JSON"));
    command.env(PLACE, serde_json::to_string(&child::outer()).expect("JSON"));
    copy.check(&mut command);
}
