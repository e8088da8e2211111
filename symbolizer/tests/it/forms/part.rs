//! Forms that hold a part of what is to be known, and must give that part.

use flamewatch_symbolizer::{Source, Symbolizer};

use super::{check_has, check_placed};
use crate::truth::{FILES, Form};

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
    form.each("objcopy", "--only-keep-debug {} {}.mini");
    form.each("strip", "--strip-debug --remove-section=.comment {}.mini");
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
