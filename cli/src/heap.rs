//! jemalloc's `heap_v2` dumps, as text, into a profile of what is in use. Lines that make no sense are left out.
//!
//! ```text
//! heap_v2/524288                            one sample in so many bytes
//! @ 0x5581 0x5590 0x7f02                    a stack, innermost first, all return addresses
//!   t*: 2: 1048576 [0: 0]                   all threads: objects: bytes
//! MAPPED_LIBRARIES:                         /proc/self/maps
//! ```

use std::collections::HashMap;

use flamewatch_symbolizer::{Addr, ModuleMap};

use crate::failure::Failure;
use crate::profile::Profile;
use crate::proto;
use crate::tables::Tables;

/// Reads a dump. Objects and bytes are scaled up by the chance that they were sampled, as jeprof does.
pub(crate) fn read(bytes: &[u8]) -> Result<Profile, Failure> {
    let text = String::from_utf8_lossy(bytes);
    let rate = text.lines().next().and_then(rate).ok_or_else(|| Failure::new("it is not a heap_v2 dump"))?;
    let map = ModuleMap::from_heap_dump(&text).map_err(|error| {
        Failure::new(format!("{error} (it was cut short, or written by a process that cannot read /proc)"))
    })?;
    let mut reader = Reader::new(&map, rate);
    reader.stacks(&text);
    Ok(reader.profile)
}

struct Reader {
    profile: Profile,
    tables: Tables,
    /// The location of each address that was met.
    known: HashMap<u64, u64>,
    rate: f64,
}

impl Reader {
    fn new(map: &ModuleMap, rate: f64) -> Self {
        let mut profile = Profile::default();
        let mut tables = Tables::of(&mut profile.message);
        let message = &mut profile.message;
        let mut value = |name, unit| proto::ValueType {
            name: tables.string(message, name),
            unit: tables.string(message, unit),
        };
        let values = [value("inuse_objects", "count"), value("inuse_space", "bytes")];
        let period_type = value("space", "bytes");
        message.sample_type = values.to_vec();
        message.period_type = Some(period_type);
        message.period = whole(rate);
        message.default_sample_type = tables.string(message, "inuse_space");
        for module in map.modules() {
            for segment in &module.segments {
                let filename = tables.string(message, &module.path);
                message.mapping.push(proto::Mapping {
                    id: message.mapping.len() as u64 + 1,
                    memory_start: segment.start,
                    memory_limit: segment.end,
                    file_offset: segment.file_offset,
                    filename,
                    ..proto::Mapping::default()
                });
                let mut part = module.clone();
                part.segments = vec![*segment];
                profile.modules.push(part);
            }
        }
        Self { profile, tables, known: HashMap::new(), rate }
    }

    fn stacks(&mut self, text: &str) {
        let mut stack: Option<&str> = None;
        for line in text.lines().map(str::trim).take_while(|line| *line != "MAPPED_LIBRARIES:") {
            if let Some(addresses) = line.strip_prefix('@') {
                stack = Some(addresses);
            } else if let (Some(counts), Some(addresses)) = (line.strip_prefix("t*:"), stack)
                && let Some((objects, bytes)) = counted(counts)
            {
                stack = None;
                self.add(addresses, objects, bytes);
            }
        }
    }

    fn add(&mut self, addresses: &str, objects: f64, bytes: f64) {
        let Some(addresses) = addresses.split_whitespace().map(address).collect::<Option<Vec<_>>>() else {
            return;
        };
        // Only with prof_accum: nothing there is live.
        if objects < 1.0 {
            return;
        }
        let location_id = addresses.into_iter().map(|address| self.location(address)).collect();
        let scale = scale(objects, bytes, self.rate);
        let value = vec![whole(objects * scale), whole(bytes * scale)];
        self.profile.message.sample.push(proto::Sample { location_id, value, label: Vec::new() });
    }

    fn location(&mut self, address: Addr) -> u64 {
        let address = address.lookup();
        if let Some(id) = self.known.get(&address) {
            return *id;
        }
        let holds =
            |mapping: &proto::Mapping| (mapping.memory_start..mapping.memory_limit).contains(&address);
        let message = &mut self.profile.message;
        let mapping = message.mapping.iter().find(|mapping| holds(mapping)).map_or(0, |mapping| mapping.id);
        let (id, _) = self.tables.location(message, mapping, address, "");
        self.known.insert(address, id);
        id
    }
}

fn rate(line: &str) -> Option<f64> {
    line.strip_prefix("heap_v2/")?.trim().parse::<u64>().ok().filter(|rate| *rate > 0).map(|rate| rate as f64)
}

fn address(word: &str) -> Option<Addr> {
    u64::from_str_radix(word.strip_prefix("0x")?, 16).ok().map(Addr::Return)
}

/// Objects and bytes of ` 2: 1048576 [0: 0]`.
fn counted(counts: &str) -> Option<(f64, f64)> {
    let mut parts = counts.split([':', '[', ' ']).filter(|part| !part.is_empty());
    let mut number = || Some(parts.next()?.parse::<u64>().ok()? as f64);
    Some((number()?, number()?))
}

/// What jeprof multiplies by. At a rate of one byte everything was sampled.
fn scale(objects: f64, bytes: f64, rate: f64) -> f64 {
    let probability = -(-(bytes / objects) / rate).exp_m1();
    if rate <= 1.0 || probability <= 0.0 { 1.0 } else { 1.0 / probability }
}

#[allow(clippy::cast_possible_truncation, reason = "the cast saturates")]
fn whole(value: f64) -> i64 {
    value.round() as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &str) -> Vec<(usize, Vec<i64>)> {
        let profile = read(text.as_bytes()).expect("a dump");
        profile.message.sample.into_iter().map(|sample| (sample.location_id.len(), sample.value)).collect()
    }

    #[test]
    fn stacks_are_scaled_and_lie_in_mappings() {
        let text = include_str!("../../fixtures/data/heap_v2.txt");
        // 3 objects of 1 KiB at 1/513 each; 2 of 1 MiB at 1/1.157.
        assert_eq!(rows(text), [(3, vec![1538, 1_574_400]), (2, vec![2, 2_425_393])]);
        let profile = read(text.as_bytes()).expect("a dump");
        let places: Vec<_> =
            profile.message.location.iter().map(|location| (location.mapping_id, location.address)).collect();
        // The byte before each return address.
        assert_eq!(
            places,
            [(1, 0x5581_4d70_a1b1), (1, 0x5581_4d70_a3c3), (2, 0x7f02_1122_3343), (1, 0x5581_4d70_ffed)]
        );
        assert_eq!((&*profile.modules[0].path, profile.modules[0].inode), ("/srv/shop/shop", 1310));
    }

    #[test]
    fn what_makes_no_sense_is_left_out() {
        let text = "heap_v2/1\n t*: 1: 8 [0: 0]\n@ 0x1 pc\n t*: 1: 8\n@ 0x1\n t*: many: 8\n@ 0x2\n t*: 1: 8\n@ 0x3\n t*: 0: 0 [2: 8]\nMAPPED_LIBRARIES:\n";
        assert_eq!(rows(text), [(1, vec![1, 8])]);
        for text in ["heap_v2/0\nMAPPED_LIBRARIES:\n", "heap_v2/8\n@ 0x1\n t*: 1: 8\n", "heap_v2/-1"] {
            assert!(read(text.as_bytes()).is_err(), "{text}");
        }
    }
}
