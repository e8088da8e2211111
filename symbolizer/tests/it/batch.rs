//! Many addresses of this very program at once: the same answers whatever the window, from memory as from the file,
//! and as another reader of the same debug info gives them.

use std::fs;
use std::path::PathBuf;

use addr2line::Loader;
use flamewatch_symbolizer::{Addr, Frame, ModuleMap, Reason, Resolved, Source, Symbolizer};
use object::{Object, ObjectSegment, SegmentFlags};

/// Every 997th byte of this program's code; not all begin an instruction, which is nothing to a symbolizer.
fn everywhere(map: &ModuleMap) -> Vec<Addr> {
    let (_, segment) =
        map.lookup(everywhere as fn(&ModuleMap) -> Vec<Addr> as usize as u64).expect("our own code");
    (segment.start..segment.end).step_by(997).map(Addr::Pc).collect()
}

fn frames(resolved: &Resolved) -> Vec<Vec<Frame>> {
    resolved.iter().map(<[Frame]>::to_vec).collect()
}

#[test]
fn a_small_window_gives_the_same_answers() {
    let map = ModuleMap::current().expect("a map");
    let addresses = everywhere(&map);
    let whole = Symbolizer::default().resolve(&map, &addresses);
    let pieces = Symbolizer::builder().window(0).build().resolve(&map, &addresses);
    assert!(whole.report().named() > addresses.len() / 2, "{:?}", whole.report());
    assert!(whole.iter().any(|frames| frames.len() > 3), "something is inlined");
    assert_eq!(frames(&pieces), frames(&whole));
}

#[test]
fn what_is_remembered_is_the_answer_again() {
    let map = ModuleMap::current().expect("a map");
    let addresses = everywhere(&map);
    let symbolizer = Symbolizer::default();
    let first = symbolizer.resolve(&map, &addresses);
    assert_eq!(symbolizer.cache_stats().used, 0);
    let second = symbolizer.resolve(&map, &addresses);
    assert_eq!(symbolizer.cache_stats().used, addresses.len() as u64);
    assert_eq!(frames(&second), frames(&first));
    assert_eq!(format!("{:?}", second.report()), format!("{:?}", first.report()));
}

/// The next process of the same build reads no debug info for what is kept.
#[test]
fn what_is_kept_on_disk_is_the_answer_again() {
    let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("kept-{}", std::process::id()));
    let map = ModuleMap::current().expect("a map");
    let addresses = everywhere(&map);
    let builder = Symbolizer::builder().cache_budget(64 << 20).cache_dir(&dir);
    let (first, second) = (builder.clone().build(), builder.build());
    let found = first.resolve(&map, &addresses);
    let again = second.resolve(&map, &addresses);
    assert_eq!(frames(&again), frames(&found));
    let from_disk = usize::try_from(second.cache_stats().used).expect("few");
    assert!(from_disk > addresses.len() / 2, "{:?}", second.cache_stats());
    assert_eq!((first.cache_stats().used, first.cache_stats().unkept), (0, 0));
    fs::remove_dir_all(&dir).expect("ours");
    fs::write(&dir, "no directory").expect("written");
    let blocked = Symbolizer::builder().cache_dir(&dir).build();
    assert_eq!(frames(&blocked.resolve(&map, &addresses)), frames(&found));
    assert!(blocked.cache_stats().unkept > 0, "{:?}", blocked.cache_stats());
    fs::remove_file(&dir).expect("ours");
}

/// addr2line is another reading of the same standard, by other people.
#[test]
fn chains_files_and_lines_are_those_that_addr2line_finds() {
    let map = ModuleMap::current().expect("a map");
    let addresses = everywhere(&map);
    let resolved = Symbolizer::default().resolve(&map, &addresses);
    let loader = Loader::new("/proc/self/exe").expect("our own file");
    // The file counts addresses from 0 where the loader put its first byte.
    let base = map.lookup(addresses[0].raw()).expect("our own code").0.segments[0];
    let shift = loader_shift(base.start, base.file_offset);
    let mut compared = 0;
    for (address, ours) in addresses.iter().zip(resolved.iter()) {
        let mut theirs = Vec::new();
        let mut found = loader.find_frames(address.raw() - shift).expect("readable");
        while let Some(frame) = found.next().expect("readable") {
            let place = frame
                .location
                .map(|location| (location.file.unwrap_or("").to_owned(), location.line.unwrap_or(0)));
            theirs.push(place.unwrap_or_default());
        }
        if theirs.is_empty() {
            continue;
        }
        let ours: Vec<_> = ours.iter().map(|frame| (frame.file.to_string(), frame.line)).collect();
        assert_eq!(ours, theirs, "{address:x?} {:x} in the file", address.raw() - shift);
        compared += 1;
    }
    assert!(compared > addresses.len() / 2, "{compared} of {}", addresses.len());
}

/// What the loader added to the file's addresses, from where it put the page that is at `file_offset`.
fn loader_shift(start: u64, file_offset: u64) -> u64 {
    let bytes = fs::read("/proc/self/exe").expect("our own file");
    let file = object::File::parse(&*bytes).expect("our own file");
    let page = |address: u64| address & !0xfff;
    let code = file.segments().find(|segment| {
        let executable = matches!(segment.flags(), SegmentFlags::Elf { p_flags, .. } if p_flags.0 & 1 != 0);
        executable && page(segment.file_range().0) == file_offset
    });
    start - page(code.expect("the segment is in the file").address())
}

#[test]
fn code_compiled_at_run_time_is_named_from_its_map() {
    let path = format!("/tmp/perf-{}.map", std::process::id());
    fs::write(&path, "10000 100 LazyCompile:~checkout /srv/shop.js:12\n").expect("a map");
    let map = ModuleMap::current().expect("a map");
    let resolved = Symbolizer::default().resolve(&map, &[Addr::Pc(0x10010), Addr::Pc(0x20000)]);
    fs::remove_file(&path).expect("ours");
    let [compiled, nothing] = [&resolved.frames(0)[0], &resolved.frames(1)[0]];
    assert_eq!(
        (&*compiled.name, compiled.source),
        ("LazyCompile:~checkout /srv/shop.js:12", Source::PerfMap)
    );
    assert_eq!((&*nothing.name, nothing.source), ("0x20000", Source::ModuleOffset));
    assert_eq!((resolved.report().named(), resolved.report().unnamed()), (1, 1));
    assert_eq!(resolved.report().modules[0].reason, Some(Reason::NoModule));
}
