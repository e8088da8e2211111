//! One program whose addresses are known from its source, in every form that debug info comes in. Here are the forms
//! that have it inside the program; below, those that have it elsewhere, and those that have a part of it.

mod part;
mod split;
mod stripped;

use flamewatch_symbolizer::{Source, Symbolizer};

use crate::truth::{Form, Told};

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

/// Before there was a standard for it, a section said so by its name.
#[test]
fn compressed_the_old_way() {
    let form = Form::copy("zlib-gnu");
    form.each("objcopy", "--compress-debug-sections=zlib-gnu {}");
    check_has(&form, "truth", ".zdebug_info", true);
    check_all(&form);
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
