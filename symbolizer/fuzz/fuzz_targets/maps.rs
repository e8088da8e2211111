//! Any text as what a process has mapped, or as a heap dump: the map holds together, and is what it was when it is
//! written down and read.
#![no_main]

use flamewatch_symbolizer::{Module, ModuleMap};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    let map = ModuleMap::from_proc_maps(&text);
    for module in map.modules() {
        assert!(!module.segments.is_empty(), "{module:?}");
        assert!(module.segments.iter().all(|segment| segment.start < segment.end), "{module:?}");
    }
    for address in map.modules().iter().flat_map(|module| &module.segments).map(|segment| segment.start) {
        if let Some((_, segment)) = map.lookup(address) {
            assert!(segment.contains(address));
        }
    }
    let again = ModuleMap::from(Vec::<Module>::from(map.clone()));
    assert_eq!(again.modules(), map.modules());
    let _ = ModuleMap::from_heap_dump(&text);
});
