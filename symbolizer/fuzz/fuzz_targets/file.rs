//! Any bytes as a mapped file: every address is answered, by a chain that ends in a function that is not inlined.
#![no_main]

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::LazyLock;

use flamewatch_symbolizer::{Addr, ModuleMap, Symbolizer};
use libfuzzer_sys::{Corpus, fuzz_target};

/// Where the code of the file is said to be mapped.
const BASE: u64 = 0x1000_0000;
/// How much of it: more than the seeds have.
const SIZE: u64 = 0x2000;

/// In memory where there is such a place: it is written once for each input.
static FILE: LazyLock<PathBuf> = LazyLock::new(|| {
    let memory = PathBuf::from("/dev/shm");
    let directory = if memory.is_dir() { memory } else { std::env::temp_dir() };
    directory.join(format!("flamewatch-fuzz-{}", std::process::id()))
});

fuzz_target!(|bytes: &[u8]| -> Corpus {
    if bytes.len() < 64 {
        return Corpus::Reject;
    }
    fs::write(&*FILE, bytes).expect("written");
    let inode = fs::metadata(&*FILE).expect("there").ino();
    let line = format!("{BASE:x}-{:x} r-xp 0 00:00 {inode} {}", BASE + SIZE, FILE.display());
    let addresses: Vec<Addr> = (0..SIZE).step_by(40).map(|offset| Addr::Pc(BASE + offset)).collect();
    let resolved = Symbolizer::default().resolve(&ModuleMap::from_proc_maps(&line), &addresses);
    assert_eq!(resolved.len(), addresses.len());
    for frames in resolved.iter() {
        let (last, inner) = frames.split_last().expect("an answer");
        assert!(!last.inlined && inner.iter().all(|frame| frame.inlined && !frame.name.is_empty()));
    }
    assert_eq!(resolved.report().named() + resolved.report().unnamed(), addresses.len());
    Corpus::Keep
});
