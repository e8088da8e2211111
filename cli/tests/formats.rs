//! Every command that shows stacks reads every form of them, and tells them apart by content.

use std::fs;
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use crate::run::{Ran, flamewatch, folder};

/// A heap of 3 MiB in two places, as each format has it. What cannot be named keeps its address.
fn files(folder: &Path, mib: u64) -> [String; 3] {
    let bytes = mib << 20;
    let dump = format!(
        "heap_v2/524288\n  t*: 2: {bytes} [0: 0]\n@ 0x1010 0x1020\n  t*: 2: {bytes} [0: 0]\n\nMAPPED_LIBRARIES:\n\
         00001000-00002000 r-xp 00000000 00:00 0 /nowhere/shop\n"
    );
    let folded = format!("main;fill {bytes}\nmain;idle 4096\n");
    let path = |name: &str| folder.join(name).to_str().expect("UTF-8").to_owned();
    let [heap, stacks, pprof] = [format!("{mib}.heap"), format!("{mib}.folded"), format!("{mib}.pb.gz")];
    let [heap, stacks, pprof] = [path(&heap), path(&stacks), path(&pprof)];
    // As many minutes apart as there are MiB: the clock of files does not tell two that are written in the same moment.
    let time = UNIX_EPOCH + Duration::from_secs(1_700_000_000 + 60 * mib);
    fs::write(&heap, dump).expect("written");
    fs::write(&stacks, folded).expect("written");
    let written = flamewatch("symbolize", &["-q", "--to", "pprof", &heap, "-o", &pprof], b"");
    assert_eq!(written.status, 0, "{}", written.err);
    for path in [&heap, &stacks, &pprof] {
        let file = fs::File::options().write(true).open(path).expect("a file");
        file.set_modified(time).expect("a time");
    }
    [pprof, heap, stacks]
}

#[track_caller]
fn well(ran: &Ran) -> String {
    assert_eq!(ran.status, 0, "{}", ran.err);
    String::from_utf8_lossy(&ran.out).into_owned()
}

#[test]
fn pprof_heap_v2_and_folded_are_read_by_all() {
    let folder = folder("formats");
    let (before, after) = (files(&folder, 3), files(&folder, 8));
    for (before, after) in before.iter().zip(&after) {
        let name = if before.ends_with("folded") { "fill" } else { "shop+0xf" };
        let top = well(&flamewatch("top", &["-q", before], b""));
        assert!(top.contains(name), "{before}: {top}");
        let flame = well(&flamewatch("flame", &["-q", before], b""));
        assert!(flame.starts_with("<?xml") && flame.contains(name), "{before}");
        let diff = well(&flamewatch("diff", &["-q", before, after], b""));
        assert!(diff.starts_with("what ") && diff.contains(name), "{before}: {diff}");
        let folded = well(&flamewatch("symbolize", &["-q", "--to", "folded", before], b""));
        assert!(folded.lines().any(|line| line.contains(name)), "{before}: {folded}");
        // The same through a pipe, where no name says what it is.
        let piped = well(&flamewatch("top", &["-q", "-"], &fs::read(before).expect("a file")));
        assert_eq!(piped, top, "{before}");
        let leaks = flamewatch("leaks", &["-q", "--json", before, after], b"");
        assert!(leaks.status <= 1, "{before}: {}", leaks.err);
        assert!(String::from_utf8_lossy(&leaks.out).contains("\"places\""), "{before}: {}", leaks.err);
    }
}
