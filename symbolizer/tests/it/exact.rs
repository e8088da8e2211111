//! C programs in the forms that files come in: debug info, symbols only, stripped, fixed address, compressed.

use std::path::Path;

use flamewatch_symbolizer::{Addr, Frame, Reason, Resolved, Source, Symbolizer};

use crate::c::{self, Ran};

#[track_caller]
fn frames(ran: &Ran, address: Addr) -> (Vec<Frame>, Option<Reason>) {
    let resolved: Resolved = Symbolizer::default().resolve(&ran.map, &[address]);
    (resolved.frames(0).to_vec(), resolved.report().modules[0].reason)
}

#[track_caller]
fn name(ran: &Ran, address: Addr) -> (String, Source) {
    let (frames, _) = frames(ran, address);
    let outermost = frames.last().expect("a frame");
    assert!(outermost.mangled.is_empty(), "a C function has one name only: {outermost:?}");
    (outermost.name.to_string(), outermost.source)
}

/// The place in `inlined` inlined into `outer`, and both their lines.
#[track_caller]
fn check_chain(program: &Path) {
    let ran = c::run(program);
    let (frames, reason) = frames(&ran, Addr::Return(ran.place("place")));
    let shown: Vec<_> = frames.iter().map(|frame| (&*frame.name, frame.line, frame.inlined)).collect();
    assert_eq!(shown, [("inlined", 9, true), ("outer", 13, false)], "{}", program.display());
    assert!(frames.iter().all(|frame| frame.file.ends_with("tests/it/c/program.c")));
    assert_eq!(reason, None);
}

#[test]
fn a_program_at_any_address_and_one_at_a_fixed_address() {
    check_chain(&c::program("pie", &["-g", "-O1", "-pie"]));
    check_chain(&c::program("no-pie", &["-g", "-O1", "-no-pie"]));
    check_chain(&c::program("static", &["-g", "-O1", "-static"]));
    check_chain(&c::program("static-pie", &["-g", "-O1", "-static-pie"]));
}

#[test]
fn older_and_newer_and_compressed_debug_info() {
    check_chain(&c::program("dwarf4", &["-g", "-O1", "-gdwarf-4"]));
    check_chain(&c::program("dwarf5", &["-g", "-O1", "-gdwarf-5"]));
    check_chain(&c::program("zlib", &["-g", "-O1", "-gz=zlib"]));
}

#[test]
fn symbols_alone_name_the_compiled_function() {
    let program = c::program("symbols", &["-g", "-O1"]);
    c::strip(&program, "--strip-debug");
    let ran = c::run(&program);
    let (frames, reason) = frames(&ran, Addr::Return(ran.place("place")));
    let shown: Vec<_> = frames.iter().map(|frame| (&*frame.name, frame.line, frame.source)).collect();
    assert_eq!(shown, [("outer", 0, Source::Symtab)]);
    assert_eq!(reason, Some(Reason::NoDebugInfo));
}

#[test]
fn a_stripped_program_keeps_what_it_exports() {
    let program = c::program("stripped", &["-g", "-O1", "-rdynamic"]);
    c::strip(&program, "--strip-all");
    let ran = c::run(&program);
    assert_eq!(name(&ran, Addr::Pc(ran.place("exported"))), ("exported".to_owned(), Source::Dynsym));

    let outer = ran.place("outer");
    let (frames, reason) = frames(&ran, Addr::Pc(outer));
    let (_, segment) = ran.map.lookup(outer).expect("mapped");
    let place = format!("stripped+{:#x}", segment.offset_of(outer));
    assert_eq!((frames.len(), &*frames[0].name, frames[0].source), (1, &*place, Source::ModuleOffset));
    assert_eq!(reason, Some(Reason::Stripped));
}

#[test]
fn a_return_address_belongs_to_the_call_before_it() {
    let ran = c::run(&c::program("boundary", &["-g", "-O1"]));
    let boundary = ran.place("second");
    assert_eq!(boundary, ran.place("first") + 1, "the functions touch");
    assert_eq!(name(&ran, Addr::Pc(boundary)), ("second".to_owned(), Source::Symtab));
    assert_eq!(name(&ran, Addr::Return(boundary)), ("first".to_owned(), Source::Symtab));
}

#[test]
fn a_label_names_what_follows_it_and_a_sized_function_ends_where_it_ends() {
    let ran = c::run(&c::program("labels", &["-O1"]));
    assert_eq!(name(&ran, Addr::Pc(ran.place("label") + 1)).0, "label");
    let (after, source) = name(&ran, Addr::Pc(ran.place("second") + 2));
    assert_eq!(source, Source::ModuleOffset, "two bytes behind `second` belong to nobody, not to {after}");
}

#[test]
fn a_file_built_anew_is_not_the_one_that_ran() {
    let program = c::program("rebuilt", &["-g", "-O1"]);
    let ran = c::run(&program);
    assert_eq!(name(&ran, Addr::Pc(ran.place("main"))).0, "main");
    let other = c::program("rebuilt-other", &["-g", "-O0"]);
    std::fs::rename(other, &program).expect("replaced");
    let (frames, reason) = frames(&ran, Addr::Pc(ran.place("main")));
    assert!(frames[0].name.starts_with("rebuilt+0x"), "{frames:?}");
    assert_eq!(reason, Some(Reason::FileReplaced));
    std::fs::remove_file(&program).expect("removed");
    let (_, reason) = self::frames(&ran, Addr::Pc(ran.place("main")));
    assert_eq!(reason, Some(Reason::FileMissing));
}
