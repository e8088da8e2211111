//! Files that change under a running process, and addresses that are none.

use flamewatch_symbolizer::{Addr, Frame, ModuleMap, Reason, Symbolizer};

use crate::{c, sys};

fn frame(address: u64) -> (Frame, Option<Reason>) {
    let map = ModuleMap::current().expect("a map");
    let resolved = Symbolizer::default().resolve(&map, &[Addr::Pc(address)]);
    (resolved.frames(0)[0].clone(), resolved.report().modules[0].reason)
}

/// Loads a library, replaces its file by another build, and asks for a name before and after.
#[track_caller]
fn check_replaced(name: &str, flags: &[&str], expected: Reason) {
    let path = c::library(name, "right", flags);
    let address = sys::load(&path, "right");
    let (before, reason) = frame(address);
    assert_eq!((&*before.name, before.line, reason), ("right", 1, None));

    let other = c::library(&format!("other-{name}"), "wrong", flags);
    std::fs::rename(other, &path).expect("replaced");
    let (after, reason) = frame(address);
    assert!(after.name.starts_with(&format!("{name}+0x")), "never a name of another build: {after:?}");
    assert_eq!((after.is_named(), reason), (false, Some(expected)));
}

#[test]
fn a_replaced_library_is_known_by_its_build_id() {
    check_replaced("libbuild-id.so", &["-Wl,--build-id"], Reason::BuildIdDiffers);
}

#[test]
fn a_replaced_library_without_build_id_is_known_by_its_inode() {
    check_replaced("libinode.so", &["-Wl,--build-id=none"], Reason::FileReplaced);
}

#[test]
fn a_library_moved_into_place_again_is_used() {
    let path = c::library("libmoved.so", "moved", &["-Wl,--build-id"]);
    let address = sys::load(&path, "moved");
    let copy = c::scratch("libmoved-copy.so");
    std::fs::copy(&path, &copy).expect("copied");
    std::fs::rename(copy, &path).expect("moved");
    assert_eq!(&*frame(address).0.name, "moved", "another inode, but the same build");
}

#[test]
fn the_kernels_own_library_has_names() {
    let map = ModuleMap::current().expect("a map");
    let Some(vdso) = map.modules().iter().find(|module| module.path == "[vdso]") else { return };
    let segment = vdso.segments[0];
    let step = (segment.end - segment.start) / 256;
    let addresses: Vec<_> = (0..256).map(|index| Addr::Pc(segment.start + index * step)).collect();
    let resolved = Symbolizer::default().resolve(&map, &addresses);
    assert!(
        resolved.iter().any(|frames| frames[0].name.contains("clock_gettime")),
        "{:?}",
        resolved.iter().map(|frames| &*frames[0].name).collect::<Vec<_>>()
    );
}

/// Numbers without a pattern, the same in every run (xorshift64).
fn numbers(count: usize) -> Vec<u64> {
    let next = |state: &u64| {
        let mut state = *state;
        state ^= state << 13;
        state ^= state >> 7;
        Some(state ^ (state << 17))
    };
    std::iter::successors(Some(0x9e37_79b9_7f4a_7c15), next).take(count).collect()
}

#[test]
fn garbage_is_answered_and_never_panics() {
    let map = ModuleMap::current().expect("a map");
    let numbers = numbers(3000);
    let mut addresses: Vec<Addr> = Vec::new();
    for (index, module) in map.modules().iter().enumerate() {
        for segment in &module.segments {
            let edges =
                [segment.start, segment.end, segment.start.wrapping_sub(1), segment.end.wrapping_add(1)];
            addresses.extend(edges.into_iter().flat_map(|edge| [Addr::Pc(edge), Addr::Return(edge)]));
            let inside = numbers.iter().skip(index).step_by(20);
            let size = segment.end - segment.start;
            addresses.extend(inside.map(|number| Addr::Return(segment.start + number % size)));
        }
    }
    addresses.extend(numbers.iter().map(|number| Addr::Pc(*number)));
    addresses.extend([0, 1, u64::MAX, u64::MAX - 1, 1 << 47].map(Addr::Return));

    let resolved = Symbolizer::default().resolve(&map, &addresses);
    assert_eq!(resolved.len(), addresses.len());
    for (frames, address) in resolved.iter().zip(&addresses) {
        let (last, inner) = frames.split_last().expect("every address is answered");
        assert!(!last.inlined && inner.iter().all(|frame| frame.inlined), "{address:?}: {frames:?}");
        assert!(
            frames.iter().all(|frame| !frame.name.is_empty() && frame.name != frame.mangled),
            "{frames:?}"
        );
        assert_eq!(map.lookup(address.lookup()).is_none(), last.name.starts_with("0x"), "{last:?}");
    }
    let mut distinct: Vec<u64> = addresses.iter().map(|address| address.lookup()).collect();
    distinct.sort_unstable();
    distinct.dedup();
    assert_eq!(resolved.report().named() + resolved.report().unnamed(), distinct.len());
}

#[test]
fn damaged_files_cost_names_and_nothing_else() {
    let whole =
        std::fs::read(c::program("undamaged", &["-g", "-O1", "-Wl,--build-id=none"])).expect("a file");
    let damaged = c::scratch("damaged");
    let mut named = 0;
    for (round, chunk) in numbers(60 * 24).chunks(24).enumerate() {
        let mut bytes = whole.clone();
        for number in chunk {
            // The headers stay in most rounds, so that what lies behind them is read at all.
            let from = if round % 6 == 0 { 0 } else { 4096 };
            let at = from + usize::try_from(*number).expect("64 bits") % (bytes.len() - from);
            bytes[at] = number.to_le_bytes()[7];
        }
        std::fs::write(&damaged, bytes).expect("written");
        let inode = std::os::unix::fs::MetadataExt::ino(&std::fs::metadata(&damaged).expect("there"));
        let path = damaged.display();
        let map = ModuleMap::from_proc_maps(&format!("1000000-2000000 r-xp 00000000 00:00 {inode} {path}"));
        let addresses: Vec<Addr> =
            (0..0x4000).step_by(3).map(|offset| Addr::Pc(0x100_0000 + offset)).collect();
        let resolved = Symbolizer::default().resolve(&map, &addresses);
        assert_eq!(resolved.report().named() + resolved.report().unnamed(), addresses.len());
        named += resolved.report().named();
    }
    assert!(named > 0, "some of what is left has names");
}
