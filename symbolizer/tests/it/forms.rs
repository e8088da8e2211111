//! One program whose addresses are known from its source, in every form that debug info comes in.
//! First the forms that hold all of it, which must give all of it; then what can give a part only.

use std::path::PathBuf;

use flamewatch_symbolizer::{Source, Symbolizer};

use crate::debug_dir::{place_of, with_debug_dir};
use crate::truth::{Call, FILES, Form, Told};

/// Every name, line and chain of every point.
#[track_caller]
fn check_all(form: &Form) {
    check_all_with(&form.run(), &Symbolizer::default());
}

#[track_caller]
fn check_all_with(told: &Told, symbolizer: &Symbolizer) {
    let score = told.score(symbolizer);
    let right = [score.full, score.short, score.line, score.chain, score.outermost];
    assert_eq!(right, [told.points.len(); 5], "{score}");
}

#[track_caller]
fn check_has(form: &Form, file: &str, section: &str, has: bool) {
    let sections = form.sections(file);
    assert_eq!(sections.contains(section), has, "{section} in {file}:\n{sections}");
}

#[test]
fn full() {
    check_all(&Form::copy("full"));
}

#[test]
fn limited() {
    check_all(&Form::compile("limited", "-C debuginfo=1", "-g -gdwarf-4"));
}

#[test]
fn mangled_the_new_way() {
    check_all(&Form::compile("v0", "-C debuginfo=2 -C symbol-mangling-version=v0", "-g"));
}

#[test]
fn mangled_the_old_way() {
    let form =
        Form::compile("legacy", "-C debuginfo=2 -C symbol-mangling-version=legacy -Zunstable-options", "-g");
    check_all(&form);
}

#[test]
fn optimized_across_crates() {
    check_all(&Form::compile("lto", "-C debuginfo=2 -C lto=fat -C codegen-units=1", "-g -gdwarf-4"));
}

#[test]
fn not_optimized() {
    check_all(&Form::compile("debug", "-C debuginfo=2 -C opt-level=0", "-g -gdwarf-4"));
}

#[test]
fn dwarf_5() {
    check_all(&Form::compile("dwarf-5", "-C debuginfo=2 -C dwarf-version=5", "-g -gdwarf-5"));
}

#[test]
fn compressed_with_zlib() {
    check_compressed("zlib");
}

#[test]
fn compressed_with_zstd() {
    check_compressed("zstd");
}

#[track_caller]
fn check_compressed(how: &str) {
    let form = Form::copy(how);
    form.each("objcopy", &format!("--compress-debug-sections={how} {{}}"));
    let info = form.tool("readelf", "-tW truth");
    assert!(info.to_lowercase().contains(how), "{info}");
    check_all(&form);
}

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

/// Moves the debug info and the symbols of both files into `<file>.debug`.
#[track_caller]
fn split_off(form: &Form) {
    form.each("objcopy", "--only-keep-debug {} {}.debug");
    form.each("strip", "--strip-all {}");
    FILES.iter().for_each(|file| check_has(form, file, ".debug_info", false));
}

#[test]
fn stripped_with_a_link_to_the_file_beside_it() {
    let form = linked("debuglink");
    check_all(&form);
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

#[test]
fn at_a_fixed_address() {
    let form = Form::program("no-pie", "-C debuginfo=2 -C relocation-model=static", "-g -gdwarf-4");
    assert!(form.tool("readelf", "-hW truth").contains("EXEC"), "it is at a fixed address");
    check_all(&form.with_library("-C debuginfo=2"));
}

#[test]
fn linked_statically() {
    for (name, model) in [("static-pie", "pie"), ("static", "static")] {
        let flags = format!("-C debuginfo=2 -C target-feature=+crt-static -C relocation-model={model}");
        let form = Form::program(name, &flags, "-g -gdwarf-4");
        let interpreter = form.tool("readelf", "-lW truth").contains("INTERP");
        assert!(!interpreter, "{name} is static");
        check_all(&form);
    }
}

/// Debug info without linker names: the inlined functions have short names only, all else is there.
#[test]
fn line_tables_only() {
    let told = Form::compile("line-tables", "-C debuginfo=line-tables-only", "-g -gdwarf-4").run();
    let score = told.score(&Symbolizer::default());
    let right = [score.short, score.line, score.chain, score.outermost];
    assert_eq!(right, [told.points.len(); 4], "{score}");
}

#[test]
fn symbols_only() {
    let form = Form::copy("symbols");
    form.each("strip", "--strip-debug {}");
    check_outermost(&form, &Symbolizer::default(), Source::Symtab);
}

/// Fedora's way: the symbols of functions, compressed inside the stripped file.
#[test]
fn symbols_in_a_section() {
    let form = Form::copy("mini-debug-info");
    form.each("objcopy", "--strip-debug --remove-section=.comment {} {}.mini");
    form.each("strip", "--strip-all {}");
    form.each("xz", "--keep {}.mini");
    form.each("objcopy", "--add-section=.gnu_debugdata={}.mini.xz {}");
    form.each("rm", "{}.mini {}.mini.xz");
    FILES.iter().for_each(|file| check_has(&form, file, ".symtab", false));
    check_outermost(&form, &Symbolizer::default(), Source::Symtab);
}

/// One frame a point: the right name of the function that was compiled, and no line.
#[track_caller]
fn check_outermost(form: &Form, symbolizer: &Symbolizer, source: Source) {
    let told = form.run();
    let score = told.score(symbolizer);
    assert_eq!(score.outermost, told.points.len(), "{score}");
    for frames in told.resolve(symbolizer).iter() {
        let [frame] = frames else { panic!("{frames:?}") };
        assert_eq!((frame.line, &*frame.file, frame.inlined, frame.source), (0, "", false, source));
    }
}

#[test]
fn stripped_of_everything() {
    let form = Form::copy("stripped");
    form.each("strip", "--strip-all {}");
    check_placed(&form.run(), &Symbolizer::default());
}

/// One frame a point: which byte of which file it is.
#[track_caller]
fn check_placed(told: &Told, symbolizer: &Symbolizer) {
    let resolved = told.resolve(symbolizer);
    for (point, frames) in told.points.iter().zip(resolved.iter()) {
        let (module, segment) = told.map.lookup(point.address.lookup()).expect("mapped");
        let place = format!("{}+{:#x}", module.name(), segment.offset_of(point.address.lookup()));
        let shown: Vec<_> = frames.iter().map(|frame| (&*frame.name, frame.source)).collect();
        assert_eq!(shown, [(&*place, Source::ModuleOffset)], "{}", point.name);
    }
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
    let told = form.run();
    let score = told.score(&Symbolizer::default());
    assert_eq!(score.outermost, told.points.len(), "the symbols are right: {score}");
    for (point, frames) in told.points.iter().zip(told.resolve(&Symbolizer::default()).iter()) {
        for frame in frames.iter().filter(|frame| frame.line > 0) {
            let place = |call: &Call| frame.file.ends_with(&call.file) && frame.line == call.line;
            assert!(point.chain.iter().any(place), "{}: {frames:#?}", point.name);
        }
    }
}
