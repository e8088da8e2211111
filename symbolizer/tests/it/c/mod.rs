//! C programs and libraries, compiled where and as a test wants them.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use flamewatch_symbolizer::ModuleMap;

/// A program that has run: where its functions were, and what was mapped.
pub(crate) struct Ran {
    pub(crate) places: HashMap<String, u64>,
    pub(crate) map: ModuleMap,
}

impl Ran {
    #[track_caller]
    pub(crate) fn place(&self, name: &str) -> u64 {
        *self.places.get(name).unwrap_or_else(|| panic!("the program tells no {name}"))
    }
}

/// Compiles `program.c` as `name` with `flags`.
pub(crate) fn program(name: &str, flags: &[&str]) -> PathBuf {
    let output = scratch(name);
    compile(&source("program.c"), &output, flags);
    output
}

/// Compiles a library as `name` whose one function is called `function`.
pub(crate) fn library(name: &str, function: &str, flags: &[&str]) -> PathBuf {
    let code = scratch(&format!("{name}.c"));
    std::fs::write(&code, format!("int {function}(int number) {{ return number * 3; }}\n"))
        .expect("a source");
    let output = scratch(name);
    compile(&code, &output, &[&["-shared", "-fPIC", "-g"], flags].concat());
    output
}

/// Runs `program`, which prints `name address` lines and then its `/proc/self/maps`.
pub(crate) fn run(program: &Path) -> Ran {
    let output = Command::new(program).output().expect("the program runs");
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let places = text.lines().filter_map(|line| {
        let (name, address) = line.split_once(" 0x")?;
        Some((name.to_owned(), u64::from_str_radix(address, 16).ok()?))
    });
    Ran { places: places.collect(), map: ModuleMap::from_proc_maps(&text) }
}

/// Runs `strip` on `file`.
pub(crate) fn strip(file: &Path, flag: &str) {
    let status = Command::new("strip").arg(flag).arg(file).status().expect("strip runs");
    assert!(status.success());
}

/// A path of this test's own, in cargo's directory for such things.
pub(crate) fn scratch(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}

fn compile(source: &Path, output: &Path, flags: &[&str]) {
    // A file of an earlier run may still be mapped, or be the one this test replaces.
    let _ = std::fs::remove_file(output);
    let output =
        Command::new("gcc").args(flags).arg("-o").arg(output).arg(source).output().expect("gcc runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/c").join(name)
}
