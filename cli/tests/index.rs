//! `flamewatch index`, then `strip`, then names as before.

use std::fs;
use std::process::{Command, Output};

use crate::run::{address_of, compiled, folder, symbolize, tool};

const SOURCE: &str = "\
__attribute__((always_inline)) static inline int leaf(int number) { return number * number + 3; }
__attribute__((noinline)) int outer(int number) { return leaf(number); }
int main(int count, char **words) { (void)words; return outer(count); }
";

fn index(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flamewatch"));
    command.arg("index").args(arguments).output().expect("the program ends")
}

fn message(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).expect("UTF-8")
}

#[test]
fn a_stripped_program_keeps_its_lines() {
    let program = compiled(&folder("index_strip"), "shop", SOURCE, &[]);
    let start = address_of(&program, "outer");
    let addresses: Vec<String> = (start..start + 8).map(|address| format!("{address:#x}")).collect();
    let mut arguments = vec!["--binary", &program];
    arguments.extend(addresses.iter().map(String::as_str));
    let before = symbolize(&arguments, b"").text().to_owned();
    assert!(before.contains("leaf") && before.contains("outer") && before.contains("shop.c:2"), "{before}");

    let ran = index(&[&program]);
    assert!(ran.status.success(), "{}", message(&ran));
    assert!(message(&ran).starts_with(&format!("{program}.fwi: ")), "{}", message(&ran));
    tool("strip", &["--strip-all", &program]);
    assert_eq!(symbolize(&arguments, b"").text(), before);
}

#[test]
fn what_has_no_debug_info_leaves_nothing_behind() {
    let folder = folder("index_bad");
    let program = compiled(&folder, "shop", SOURCE, &["-s"]);
    let output = folder.join("shop.index");
    let ran = index(&["--output", output.to_str().expect("UTF-8"), &program]);
    assert_eq!(ran.status.code(), Some(1));
    assert_eq!(message(&ran), format!("flamewatch: {program}: the file has no debug info\n"));
    let mut left: Vec<_> =
        fs::read_dir(&folder).expect("a folder").map(|file| file.expect("a file").file_name()).collect();
    left.sort();
    assert_eq!(left, ["shop", "shop.c"]);
}
