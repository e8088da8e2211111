//! Input that makes no sense, and command lines that do not: a sentence, a status, and nothing written.

use std::fs;
use std::io::{self, Read, Write as _};

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::run::{folder, symbolize};

fn zipped(mut bytes: impl Read) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    io::copy(&mut bytes, &mut gzip).expect("memory");
    gzip.finish().expect("memory")
}

/// Bytes without a pattern, the same each time.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 7_u64;
    let mut byte = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state.to_le_bytes()[7]
    };
    (0..length).map(|_| byte()).collect()
}

#[track_caller]
fn check(name: &str, input: &[u8], expected: &str) {
    let output = folder(&format!("bad_{name}")).join("out");
    let ran = symbolize(&["--output", output.to_str().expect("UTF-8")], input);
    assert_eq!((ran.status, ran.out.len()), (1, 0), "{name}: {}", ran.err);
    assert!(
        ran.err.starts_with("flamewatch: standard input: ") && ran.err.contains(expected),
        "{name}: {}",
        ran.err
    );
    assert_eq!(ran.err.lines().count(), 1, "{name}: {}", ran.err);
    assert!(!output.exists(), "{name}");
}

#[test]
fn inputs() {
    check("empty", b"", "it is empty");
    check("blank", b" \n\n", "it is empty");
    check("noise", &noise(10_007), "not a pprof profile");
    check("letter", b"Dear diary,\ntoday I was read by a profiler.\n", "neither a pprof profile");
    check("cut", &zipped(&noise(10_007)[..])[..5_000], "damaged or cut short");
    check("zipped_noise", &zipped(&noise(10_007)[..]), "not a pprof profile");
    check("zipped_nothing", &zipped(&b""[..]), "it is empty");
    check(
        "cut_dump",
        b"heap_v2/524288\n  t*: 1: 8 [0: 0]\n@ 0x1\n  t*: 1: 8 [0: 0]\n",
        "which libraries were mapped",
    );
    check("dump_of_nothing", b"heap_v2/0\n", "not a heap_v2 dump");
}

#[test]
fn a_bomb_is_not_unzipped() {
    check("bomb", &zipped(io::repeat(0).take((256 << 20) + 1)), "larger than 256 MiB");
    let samples = b"\x12\x00".repeat(11 << 20);
    check("samples", &zipped(&samples[..]), "MiB of memory, the most it may");
}

#[test]
fn nothing_is_written_when_one_of_two_inputs_is_bad() {
    let folder = folder("one_bad");
    let (good, bad) = (folder.join("good"), folder.join("bad"));
    fs::write(&good, "\t 1135 [unknown] ([unknown])\n\n").expect("a file");
    fs::File::create(&bad).expect("a file").write_all(&noise(100)).expect("room");
    let [good, bad] = [&good, &bad].map(|path| path.to_str().expect("UTF-8"));
    assert_eq!(symbolize(&[good], b"").status, 0);
    let ran = symbolize(&[good, bad], b"");
    assert_eq!((ran.status, ran.out.len()), (1, 0));
    assert!(ran.err.contains(bad), "{}", ran.err);
}

#[test]
fn files_that_cannot_be_read() {
    for (path, expected) in [("/nonexistent/dump", "No such file"), ("/", "it is a directory")] {
        let ran = symbolize(&[path], b"");
        assert_eq!(ran.status, 1);
        assert!(ran.err.contains(path) && ran.err.contains(expected), "{}", ran.err);
    }
    let ran = symbolize(&["--output", "/nonexistent/out", "--format", "perf"], b"\t 1 f ([kernel])\n");
    assert_eq!(ran.status, 1);
    assert!(ran.err.contains("cannot write /nonexistent/out"), "{}", ran.err);
}

#[test]
fn command_lines() {
    for arguments in [
        &["--nonsense"][..],
        &["--format", "elf"],
        &["0x10"],
        &["--debug-dir", "/nonexistent", "0x10"],
        &["--binary", "/nonexistent", "0x10"],
        &["--pid", "many", "0x10"],
        &["--pid", "1", "--maps", "x", "0x10"],
        &["--json", "--to", "top"],
        &["--binary", "/proc/self/exe", "--to", "top", "0x10"],
    ] {
        let ran = symbolize(arguments, b"");
        assert_eq!((ran.status, ran.out.len()), (2, 0), "{arguments:?}: {}", ran.err);
        assert!(ran.err.contains("--help"), "{arguments:?}: {}", ran.err);
    }
}

#[test]
fn help_has_what_is_needed() {
    let ran = symbolize(&["--help"], b"");
    for expected in ["Examples:", "Exit status:", "--debug-dir", "--trust-paths", "heap_v2", "perf script"] {
        assert!(ran.text().contains(expected), "{expected}");
    }
}
