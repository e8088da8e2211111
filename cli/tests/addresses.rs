//! Plain addresses of a file, of a process that runs, and of one whose map was saved.

use std::fs;

use crate::run::{address_of, build_id, compiled, folder, own_path, symbolize, tool};

#[inline(never)]
fn landmark(value: u64) -> u64 {
    std::hint::black_box(value) + 1
}

fn here() -> u64 {
    landmark as fn(u64) -> u64 as usize as u64
}

const SOURCE: &str = "\
volatile unsigned long total;
static inline __attribute__((always_inline)) void inner(void) { total += 3; }
__attribute__((noinline)) void outer(void) {
    inner();
}
int main(void) { outer(); return 0; }
";

#[test]
fn of_this_process() {
    let (pid, address) = (std::process::id().to_string(), format!("{:#x}", here()));
    let ran = symbolize(&["--pid", &pid, &address], b"");
    let (line, expected) = (ran.text(), format!("{address}: cli::addresses::landmark at "));
    assert!(line.starts_with(&expected) && line.contains("cli/tests/addresses.rs:"), "{line}");
    assert_eq!(line.lines().count(), 1);
}

#[test]
fn of_a_saved_map_from_standard_input() {
    let maps = folder("saved_map").join("maps");
    fs::copy("/proc/self/maps", &maps).expect("a copy");
    let input = format!("# two, and a comment\n{:x}\n\n{:#x}\n", here(), here());
    let ran = symbolize(&["--maps", maps.to_str().expect("UTF-8")], input.as_bytes());
    assert_eq!(ran.text().matches("cli::addresses::landmark at ").count(), 2);
}

#[test]
fn of_a_file_with_what_is_inlined() {
    let program = compiled(&folder("of_a_file"), "inlined", SOURCE, &[]);
    let address = format!("{:#x}", address_of(&program, "outer"));
    let ran = symbolize(&["--binary", &program, &address], b"");
    let source = format!("{program}.c");
    let expected = format!("{address}: inner at {source}:2\n (inlined by) outer at {source}:4\n");
    assert_eq!(ran.text(), expected);

    let ran = symbolize(&["--binary", &program, "--json", &address], b"");
    let object: serde_json::Value = serde_json::from_str(ran.text()).expect("JSON");
    assert_eq!(object["address"], address.as_str());
    let frame = |index: usize| {
        let frame = &object["frames"][index];
        (frame["function"].as_str(), frame["line"].as_u64(), frame["inlined"].as_bool())
    };
    assert_eq!(frame(0), (Some("inner"), Some(2), Some(true)));
    assert_eq!(frame(1), (Some("outer"), Some(4), Some(false)));
}

#[test]
fn of_a_stripped_file_whose_debug_info_lies_elsewhere() {
    let folder = folder("stripped");
    let program = compiled(&folder, "whole", SOURCE, &[]);
    let address = format!("{:#x}", address_of(&program, "outer"));
    let (stripped, debug) = (format!("{program}.stripped"), format!("{program}.debug"));
    tool("strip", &["-o", &stripped, &program]);
    tool("objcopy", &["--only-keep-debug", &program, &debug]);
    let build_id = build_id(&program);

    let ran =
        symbolize(&["--binary", &stripped, "--debug-dir", folder.to_str().expect("UTF-8"), &address], b"");
    let by_id = folder.join(".build-id").join(&build_id[..2]).join(format!("{}.debug", &build_id[2..]));
    for expected in
        ["1 address without a name: the file is stripped", &build_id, by_id.to_str().expect("UTF-8")]
    {
        assert!(ran.err.contains(expected), "{expected}: {}", ran.err);
    }

    fs::create_dir_all(by_id.parent().expect("a folder")).expect("a folder");
    fs::rename(debug, by_id).expect("the same file system");
    let ran =
        symbolize(&["--binary", &stripped, "--debug-dir", folder.to_str().expect("UTF-8"), &address], b"");
    assert_eq!(ran.text().lines().count(), 2, "{}", ran.text());
    assert!(ran.text().starts_with(&format!("{address}: inner at ")), "{}", ran.text());
}

#[test]
fn a_return_address_belongs_to_the_function_before() {
    let program = compiled(&folder("return_address"), "returns", SOURCE, &[]);
    let address = format!("{:#x}", address_of(&program, "main"));
    let at = |options: &[&str]| {
        let ran = symbolize(&[options, &["--binary", &program, &address]].concat(), b"");
        String::from_utf8(ran.out).expect("UTF-8")
    };
    assert!(at(&[]).contains(": main at "), "{}", at(&[]));
    assert!(!at(&["--return-addresses"]).contains(": main at "), "{}", at(&["--return-addresses"]));
}

#[test]
fn what_has_no_name_is_a_place_and_a_warning() {
    let ran = symbolize(&["--binary", &own_path(), "0x7fffffffffff"], b"");
    assert_eq!((ran.status, &*ran.out), (0, &b"0x7fffffffffff: 0x7fffffffffff at ??:0\n"[..]));
    assert!(ran.err.starts_with("warning: 1 of 1 addresses have no name\n"), "{}", ran.err);
    let ran = symbolize(&["--quiet", "--binary", &own_path(), "0x7fffffffffff"], b"");
    assert_eq!((ran.status, &*ran.err), (0, ""));
}
