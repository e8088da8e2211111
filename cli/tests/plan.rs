//! `flamewatch plan`, on what has none; those that have one are in the symbolizer's tests.

use std::fs;
use std::path::Path;

use crate::run::{Ran, compiled, flamewatch, folder, own_path};

const SOURCE: &str = "int main(void) { return 0; }\n";

fn plan(arguments: &[&str]) -> Ran {
    flamewatch("plan", arguments, b"")
}

#[track_caller]
fn check_refused(folder: &Path, program: &str, expected: &str) {
    let ran = plan(&[program]);
    assert_eq!((ran.status, ran.err), (1, format!("flamewatch: {program}: {expected}\n")));
    let mut left = fs::read_dir(folder).expect("a folder").map(|file| file.expect("a file").path());
    assert!(!left.any(|path| path.extension().is_some_and(|of| of == "plan")), "left behind");
}

#[test]
fn what_has_no_tasks_has_no_plan_and_is_told_why() {
    let folder = folder("without_tasks");
    let no_tasks = "there is no task of tokio's in the file";
    check_refused(&folder, &compiled(&folder, "shop", SOURCE, &[]), no_tasks);
    let stripped = "the file is stripped, and its debug info is nowhere: make the plan before it is stripped";
    check_refused(&folder, &compiled(&folder, "stripped", SOURCE, &["-s"]), stripped);
    let no_id = "the file has no build id by which to find its plan: link it with -C link-arg=-Wl,--build-id";
    check_refused(&folder, &compiled(&folder, "no_id", SOURCE, &["-Wl,--build-id=none"]), no_id);
    check_refused(&folder, "/nowhere/shop", "the file is gone");
    let text = folder.join("shop.c");
    check_refused(&folder, text.to_str().expect("UTF-8"), "the file is not a readable object file");
}

#[test]
fn a_place_is_named_once() {
    let ran = plan(&["--into", "a", "-o", "b", &own_path()]);
    assert_eq!(ran.status, 2, "{}", ran.err);
}
