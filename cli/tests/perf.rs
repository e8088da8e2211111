//! The text of `perf script`, with addresses of this test program in the form in which perf writes them.

use crate::run::{own_offset, own_path, symbolize};

#[inline(never)]
fn landmark(value: u64) -> u64 {
    std::hint::black_box(value) + 3
}

fn here() -> u64 {
    landmark as fn(u64) -> u64 as usize as u64
}

/// A sample as perf 6 writes it: a leaf, a caller, the kernel's part left out.
fn sample(symbol: &str) -> String {
    let (offset, path) = (own_offset(here()), own_path());
    format!(
        "shop 32292 12531.972321:   10101010 cpu-clock:u: \n\t{offset:16x} {symbol}+0x0 ({path})\n\t{:16x} {symbol}+0x1 ({path})\n\n",
        offset + 1
    )
}

#[test]
fn stacks_are_named_and_counted() {
    let text = sample("cli::perf::landmark").repeat(2) + &sample("[unknown]");
    let ran = symbolize(&["-"], text.as_bytes());
    assert_eq!(ran.text(), "shop;cli::perf::landmark;cli::perf::landmark 3\n");
}

#[test]
fn a_sample_without_a_stack_needs_the_map_of_its_process() {
    let map = flamewatch_symbolizer::ModuleMap::current().expect("a map");
    let (module, segment) = map.lookup(here()).expect("our own module");
    let path = own_path();
    let event = format!(
        "shop 1 2.3: PERF_RECORD_MMAP2 1/1: [{:#x}({:#x}) @ {:#x} fe:00 {} 0]: r-xp {path}\n",
        segment.start,
        segment.end - segment.start,
        segment.file_offset,
        module.inode
    );
    let line = format!("shop 1 2.4:          1 cpu-clock:u:  {:16x} [unknown] ({path})\n", here());
    let ran = symbolize(&[], format!("{event}{line}").as_bytes());
    assert_eq!(ran.text(), "shop;cli::perf::landmark 1\n");
    // Another inode: another file. perf's own name, or none, is what is left.
    let event = event.replace(&format!(" {} 0]", module.inode), " 1 0]");
    let ran = symbolize(&[], format!("{event}{line}").as_bytes());
    assert!(!String::from_utf8_lossy(&ran.out).contains("landmark"));
    assert!(ran.err.contains("was replaced"), "{}", ran.err);
}

#[test]
fn a_file_that_contradicts_perf_is_not_believed() {
    let ran = symbolize(&[], sample("orders::remember").as_bytes());
    assert_eq!((ran.status, &*ran.out), (0, &b"shop;orders::remember;orders::remember 1\n"[..]));
    assert!(ran.err.contains("its names contradict those in the input"), "{}", ran.err);
}

#[test]
fn functions_of_the_kernel_keep_their_names() {
    let text = "\tffffffff81000010 entry_SYSCALL_64+0x10 ([kernel.kallsyms])\n\tffffffff82000020 [unknown] ([unknown])\n";
    let ran = symbolize(&["--format", "perf"], text.as_bytes());
    assert_eq!(ran.text(), "[unknown];entry_SYSCALL_64 1\n");
}
