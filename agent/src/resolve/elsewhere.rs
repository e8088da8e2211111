//! Addresses of another run of the same program: where its code stands in this one. By build id and place in the file,
//! since the system loads a program somewhere else each time; code that is not mapped here as well gets no name at all.

use std::path::Path;

use flamewatch_symbolizer::{Addr, ModuleMap};

use crate::profile::{Frame, Function, Mapping, Profile};

/// `profile`, which brings the mappings of its own process along, with addresses of ours.
pub(super) fn moved_here(profile: &Profile, map: &ModuleMap) -> Profile {
    let mut moved = profile.map_frames(|frame| vec![frame_here(frame, &profile.mappings, map)]);
    // They are of the other process; naming adds those of ours.
    moved.mappings.clear();
    moved
}

fn frame_here(frame: &Frame, mappings: &[Mapping], map: &ModuleMap) -> Frame {
    let Frame::Address(address) = frame else { return frame.clone() };
    let place = address.lookup();
    let Some(mapping) = mappings.iter().find(|mapping| (mapping.start..mapping.end).contains(&place)) else {
        return Frame::named(Function::new(format!("{:#x}", address.raw()), "", 0));
    };
    let offset = address.raw().wrapping_sub(mapping.start).wrapping_add(mapping.file_offset);
    let here =
        address_here(mapping, place.wrapping_sub(mapping.start).wrapping_add(mapping.file_offset), map);
    match here {
        // A return address may stand one byte past its segment; the distance is what was looked up.
        Some(here) => Frame::Address(match address {
            Addr::Return(_) => Addr::Return(here.wrapping_add(address.raw().wrapping_sub(place))),
            _ => Addr::Pc(here),
        }),
        None => {
            let file = Path::new(&mapping.path).file_name().unwrap_or_default().to_string_lossy();
            Frame::named(Function::new(format!("{file}+{offset:#x}"), "", 0))
        }
    }
}

/// Where the byte at `offset` of the file of `mapping` stands in this process.
fn address_here(mapping: &Mapping, offset: u64, map: &ModuleMap) -> Option<u64> {
    let same = |build_id: &str| !build_id.is_empty() && build_id == mapping.build_id;
    let modules = map.modules().iter().filter(|module| same(&module.build_id));
    modules.flat_map(|module| &module.segments).find_map(|segment| {
        let into = offset.checked_sub(segment.file_offset)?;
        let here = segment.start.checked_add(into)?;
        (here < segment.end).then_some(here)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Unit;
    use crate::profile::ValueType;

    #[inline(never)]
    fn checkout(items: u64) -> u64 {
        items + 1
    }

    /// A run that was loaded 64 KiB further up, and one of another build.
    #[test]
    fn the_same_code_is_found_and_other_code_is_not() {
        let map = ModuleMap::current().expect("/proc");
        let here = checkout as fn(u64) -> u64 as usize as u64;
        let mut profile = Profile::new("heap", [ValueType::new("space", Unit::Bytes)]);
        profile.add([Frame::Address(Addr::Pc(here + 0x1_0000))], &[1], 1);
        profile.mappings = super::super::mappings(&map);
        for mapping in &mut profile.mappings {
            (mapping.start, mapping.end) = (mapping.start + 0x1_0000, mapping.end + 0x1_0000);
        }
        let moved = moved_here(&profile, &map);
        assert_eq!(moved.frames().collect::<Vec<_>>(), [&Frame::Address(Addr::Pc(here))]);
        profile.mappings.iter_mut().for_each(|mapping| mapping.build_id = "another".to_owned());
        let other = moved_here(&profile, &map);
        let shown: Vec<_> = other.frames().map(Frame::show).collect();
        assert!(shown[0].starts_with("flamewatch-") && shown[0].contains("+0x"), "{shown:?}");
    }
}
