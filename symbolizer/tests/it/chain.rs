//! Inline chains, lines and names of this very program, where the source says what is right.

use std::hint::black_box;

use flamewatch_symbolizer::{Addr, Frame, ModuleMap, Resolved, Source, Symbolizer};

use crate::sys;

/// What a function saw: the return addresses from its own place outwards, and the line it stands on.
type Seen = (Vec<u64>, u32);

#[inline(always)]
fn leaf() -> Seen {
    (sys::return_addresses(), line!())
}

#[inline(always)]
fn middle() -> (Seen, u32) {
    (leaf(), line!())
}

#[inline(never)]
fn physical() -> ((Seen, u32), u32) {
    (middle(), line!())
}

#[inline(never)]
fn generic<T: Default>(run: &dyn Fn(T) -> Vec<u64>) -> Vec<u64> {
    // Not its last act, so that it is not left by a jump.
    black_box(run(T::default()))
}

fn resolve(addresses: &[Addr]) -> Resolved {
    Symbolizer::default().resolve(&ModuleMap::current().expect("a map"), addresses)
}

/// The first function of each return address that `stack` begins with, outermost of its address.
fn names(stack: &[u64]) -> Vec<String> {
    let addresses: Vec<Addr> = stack.iter().map(|address| Addr::Return(*address)).collect();
    let resolved = resolve(&addresses);
    resolved.iter().filter_map(|frames| frames.last()).map(|frame| frame.name.to_string()).collect()
}

#[track_caller]
fn check(frame: &Frame, name: &str, line: u32, inlined: bool) {
    assert!(frame.name.ends_with(name), "{frame:?} is not {name}");
    assert_eq!((frame.line, frame.inlined), (line, inlined), "{frame:?}");
    assert!(frame.file.ends_with("tests/it/chain.rs"), "{frame:?}");
    assert_eq!(frame.source, Source::Dwarf);
    assert!(frame.mangled.starts_with("_R") || frame.mangled.starts_with("_ZN"), "{frame:?}");
}

#[test]
fn a_chain_of_inlined_functions_is_innermost_first() {
    let (((stack, leaf), middle), physical) = physical();
    let resolved = resolve(&[Addr::Return(stack[0])]);
    let frames = resolved.frames(0);
    assert_eq!(frames.len(), 3, "{frames:#?}");
    check(&frames[0], "chain::leaf", leaf, true);
    check(&frames[1], "chain::middle", middle, true);
    check(&frames[2], "chain::physical", physical, false);
    assert_eq!((resolved.report().named(), resolved.report().unnamed()), (1, 0));
}

#[test]
fn closures_and_generics_have_readable_names() {
    let stack = generic::<u16>(black_box(&|_| black_box(sys::return_addresses())));
    let names = names(&stack[..2]);
    assert!(names[0].contains("closures_and_generics_have_readable_names"), "{names:?}");
    assert!(names[0].contains("closure"), "{names:?}");
    assert!(names[1].contains("chain::generic"), "{names:?}");
    assert!(names.iter().all(|name| !name.contains("::h") && !name.contains("_ZN")), "{names:?}");
}

#[test]
fn the_whole_stack_has_names_but_for_stripped_libraries() {
    let stack = sys::return_addresses();
    let addresses: Vec<Addr> = stack.iter().map(|address| Addr::Return(*address)).collect();
    let resolved = resolve(&addresses);
    assert_eq!(resolved.len(), stack.len());
    for module in &resolved.report().modules {
        let ours = module.path == std::env::current_exe().expect("a path").to_str().expect("UTF-8");
        assert!(!ours || (module.unnamed == 0 && module.reason.is_none()), "{module:?}");
    }
    assert!(resolved.report().named() >= 5);
    assert!(resolved.iter().all(|frames| !frames.is_empty()));
}

#[test]
fn an_address_asked_twice_is_answered_twice_and_looked_up_once() {
    let here = physical as fn() -> ((Seen, u32), u32) as usize as u64;
    let resolved = resolve(&[Addr::Pc(here), Addr::Return(here + 1), Addr::Pc(here)]);
    assert_eq!((resolved.len(), resolved.report().named()), (3, 1));
    assert_eq!(resolved.frames(0), resolved.frames(1));
    assert_eq!(resolved.frames(0), resolved.frames(2));
    assert!(resolved.frames(3).is_empty());
}

#[test]
fn a_symbolizer_and_its_answers_cross_threads() {
    fn crosses<T: Send + Sync>() {}
    crosses::<(Symbolizer, ModuleMap, Resolved)>();
    let symbolizer = Symbolizer::builder().memory_budget(1 << 30).build();
    let map = ModuleMap::current().expect("a map");
    let here = leaf as fn() -> Seen as usize as u64;
    let resolved = std::thread::spawn(move || symbolizer.resolve(&map, &[Addr::Pc(here)])).join();
    let resolved = resolved.expect("no panic");
    assert!(resolved.frames(0).last().is_some_and(|frame| frame.name.ends_with("chain::leaf")));
}
