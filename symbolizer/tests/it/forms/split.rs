//! Debug info that the linker never saw: in objects, or in a package of them.

use std::path::PathBuf;

use flamewatch_symbolizer::Symbolizer;

use super::check_all;
use crate::truth::{Call, FILES, Form, Told};

#[test]
fn in_a_package_beside_the_program() {
    check_package(4);
}

#[test]
fn in_a_package_of_dwarf_5() {
    check_package(5);
}

#[track_caller]
fn check_package(version: u32) {
    let form = split("packed", version);
    FILES.iter().for_each(|file| assert!(package(&form, file).exists(), "{file} has its package"));
    // What is left lying about would be found in the package's place.
    objects(&form).iter().for_each(|object| std::fs::remove_file(object).expect("removed"));
    check_all(&form);
}

#[test]
fn in_objects_where_they_were_compiled() {
    check_objects(4);
}

#[test]
fn in_objects_of_dwarf_5() {
    check_objects(5);
}

#[track_caller]
fn check_objects(version: u32) {
    let form = split("unpacked", version);
    assert!(objects(&form).len() > 2, "{:?}", objects(&form));
    check_all(&form);
}

#[track_caller]
fn split(how: &str, version: u32) -> Form {
    let rust = format!("-C debuginfo=2 -C split-debuginfo={how} -C dwarf-version={version}");
    let cpp = format!("-g -gsplit-dwarf -gdwarf-{version}");
    Form::compile(&format!("{how}-{version}"), &rust, &cpp)
}

/// As `rustc` calls it, and `dwp` and the debuggers: `truth.dwp`, but `libtruth.so.dwp`.
fn package(form: &Form, file: &str) -> PathBuf {
    let path = form.directory.join(format!("{file}.dwp"));
    if path.exists() { path } else { form.directory.join(file).with_extension("dwp") }
}

/// The `.dwo` files of a form.
fn objects(form: &Form) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(&form.directory).expect("a directory");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    paths.filter(|path| path.extension().is_some_and(|extension| extension == "dwo")).collect()
}

/// An object says which unit it belongs to. One of another build could only give wrong lines.
#[test]
fn objects_of_another_build_are_not_used() {
    let flags = "-C debuginfo=2 -C split-debuginfo=unpacked -C codegen-units=1";
    let form = Form::compile("another-object", flags, "-g -gdwarf-4");
    let other = Form::compile("another-objects", &format!("{flags} -C opt-level=1"), "-g -gdwarf-4");
    let (mut ours, mut theirs) = (objects(&form), objects(&other));
    ours.sort();
    theirs.sort();
    assert_eq!(ours.len(), theirs.len());
    for (ours, theirs) in ours.iter().zip(&theirs) {
        std::fs::copy(theirs, ours).expect("copied");
    }
    check_nothing_foreign(&form.run());
}

#[test]
fn a_package_of_another_build_is_not_used() {
    let flags = "-C debuginfo=2 -C split-debuginfo=packed -C codegen-units=1";
    let form = Form::compile("another-package", flags, "-g -gdwarf-4");
    let other = Form::compile("another-packages", &format!("{flags} -C opt-level=1"), "-g -gdwarf-4");
    for file in FILES {
        std::fs::copy(package(&other, file), package(&form, file)).expect("copied");
    }
    check_nothing_foreign(&form.run());
}

/// The compiled functions have their names, and no line is one that does not stand there.
#[track_caller]
fn check_nothing_foreign(told: &Told) {
    let score = told.score(&Symbolizer::default());
    assert_eq!(score.outermost, told.points.len(), "the symbols are right: {score}");
    for (point, frames) in told.points.iter().zip(told.resolve(&Symbolizer::default()).iter()) {
        for frame in frames.iter().filter(|frame| frame.line > 0) {
            let place = |call: &Call| frame.file.ends_with(&call.file) && frame.line == call.line;
            assert!(point.chain.iter().any(place), "{}: {frames:#?}", point.name);
        }
    }
}
