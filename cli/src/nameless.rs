//! Which locations of a profile have no function, and where they are. flamewatch and others write `libfoo.so+0x1234`
//! or the address itself where they know no name: that is a place, and no function.

use std::collections::HashMap;

use crate::naming::Place;
use crate::profile::Profile;
use crate::proto;

/// The locations without a function, by position, and where they are. What lies in no file but has a name in the
/// input needs no other.
pub(crate) fn find(profile: &Profile) -> Vec<(usize, Place)> {
    let functions = profile.message.function.iter().map(|function| (function.id, function)).collect();
    let mut nameless = Vec::new();
    for (index, location) in profile.message.location.iter().enumerate() {
        if location.mapping_id == 0 && profile.printed.contains_key(&location.id) {
            continue;
        }
        let module = mapping(&profile.message, location);
        let mapping = module.and_then(|module| profile.message.mapping.get(module));
        if let Some(address) = unnamed(profile, location, mapping, &functions) {
            nameless.push((index, Place { module, address }));
        }
    }
    nameless
}

/// The address to look up when nothing at `location` is a function.
fn unnamed(
    profile: &Profile,
    location: &proto::Location,
    mapping: Option<&proto::Mapping>,
    functions: &HashMap<u64, &proto::Function>,
) -> Option<u64> {
    let mut names = location.line.iter().filter_map(|line| functions.get(&line.function_id));
    let (first, second) =
        (names.find(|function| function.name != 0 || function.system_name != 0), names.next());
    match (first, second) {
        (None, _) => Some(location.address),
        (Some(function), None) if function.filename == 0 => {
            let name = profile.text(if function.name == 0 { function.system_name } else { function.name });
            let path = mapping.map_or("", |mapping| profile.text(mapping.filename));
            match mapping {
                // The byte in the name is the one to look up: the address may be a return address.
                Some(mapping) if offset(name, path).is_some() => {
                    let inside = offset(name, path)?.checked_sub(mapping.file_offset)?;
                    mapping.memory_start.checked_add(inside)
                }
                _ => hex(name).map(|_| location.address),
            }
        }
        _ => None,
    }
}

/// The offset in `libfoo.so+0x1234`, for the file at `path`.
fn offset(name: &str, path: &str) -> Option<u64> {
    let (file, offset) = name.rsplit_once('+')?;
    let last = path.rsplit('/').next().unwrap_or(path);
    hex(offset).filter(|_| file == last || file == path)
}

fn hex(text: &str) -> Option<u64> {
    u64::from_str_radix(text.strip_prefix("0x")?, 16).ok()
}

/// The mapping that a location names, else the one that holds its address, by position.
fn mapping(message: &proto::Profile, location: &proto::Location) -> Option<usize> {
    let named = |mapping: &proto::Mapping| mapping.id == location.mapping_id;
    let holds =
        |mapping: &proto::Mapping| (mapping.memory_start..mapping.memory_limit).contains(&location.address);
    // Ids count from 1 in nearly every profile.
    let guess = usize::try_from(location.mapping_id.wrapping_sub(1)).ok();
    let guess = guess.filter(|guess| message.mapping.get(*guess).is_some_and(named));
    match location.mapping_id {
        0 => message.mapping.iter().position(holds),
        _ => guess.or_else(|| message.mapping.iter().position(named)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(name: &str, file: &str, expected: Option<u64>) {
        let mut profile = Profile::default();
        profile.message.string_table = ["", name, file, "/lib/libfoo.so"].map(str::to_owned).to_vec();
        profile.message.mapping.push(proto::Mapping {
            id: 1,
            memory_start: 0x7000,
            memory_limit: 0x9000,
            file_offset: 0x1000,
            filename: 3,
            ..Default::default()
        });
        let filename = i64::from(!file.is_empty()) * 2;
        profile.message.function.push(proto::Function { id: 1, name: 1, filename, ..Default::default() });
        let line = vec![proto::Line { function_id: 1, ..Default::default() }];
        let location = proto::Location { id: 1, mapping_id: 1, address: 0x7235, line, ..Default::default() };
        profile.message.location.push(location);
        let found: Vec<u64> = find(&profile).into_iter().map(|(_, place)| place.address).collect();
        assert_eq!(found, Vec::from_iter(expected), "{name}");
    }

    #[test]
    fn a_place_is_no_function() {
        check("libfoo.so+0x1234", "", Some(0x7234));
        check("0x7235", "", Some(0x7235));
        check("orders::remember", "", None);
        check("libbar.so+0x1234", "", None);
        check("libfoo.so+0x1234", "foo.c", None);
        check("libfoo.so+0x12", "", None);
    }
}
