//! A profile on its way through the program: `profile.proto` as the one form of all inputs that have stacks, and
//! beside it what that form has no room for.

use std::collections::{HashMap, HashSet};
use std::io::Write as _;

use flamewatch_symbolizer::{Module, Segment};
use flate2::Compression;
use flate2::write::GzEncoder;
use prost::Message as _;

use crate::failure::Failure;
use crate::proto;

/// The most samples, locations, functions and strings together: 4 Mi. The smallest is two bytes long and takes some
/// hundred in memory, so that no input makes more than 400 MiB of them.
const MAX_ENTRIES: usize = 4 << 20;

/// Stacks, and the files that their addresses lie in.
#[derive(Debug, Default)]
pub(crate) struct Profile {
    pub(crate) message: proto::Profile,
    /// The file of each mapping, in the order of the mappings.
    pub(crate) modules: Vec<Module>,
    /// The names that the input itself has for locations without lines, by location, innermost first: good enough
    /// where we know none.
    pub(crate) printed: HashMap<u64, Vec<String>>,
}

impl Profile {
    /// Reads `profile.proto`.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Failure> {
        let invalid = |why: &str| Failure::new(format!("it is not a pprof profile: {why}"));
        if entries(bytes).is_some_and(|entries| entries > MAX_ENTRIES) {
            return Err(Failure::new(format!(
                "it has more than {MAX_ENTRIES} entries, the most that are read"
            )));
        }
        let message = proto::Profile::decode(bytes).map_err(|error| invalid(&error.to_string()))?;
        check(&message).map_err(invalid)?;
        let modules = message.mapping.iter().map(|mapping| module(&message, mapping)).collect();
        Ok(Self { message, modules, printed: HashMap::new() })
    }

    /// Writes gzipped `profile.proto`.
    pub(crate) fn encode(&self) -> std::io::Result<Vec<u8>> {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
        gzip.write_all(&self.message.encode_to_vec())?;
        gzip.finish()
    }

    /// The text with this index, empty when there is none.
    pub(crate) fn text(&self, index: i64) -> &str {
        text(&self.message, index)
    }
}

fn text(message: &proto::Profile, index: i64) -> &str {
    usize::try_from(index).ok().and_then(|index| message.string_table.get(index)).map_or("", String::as_str)
}

fn module(message: &proto::Profile, mapping: &proto::Mapping) -> Module {
    let mut segment = Segment::default();
    (segment.start, segment.end) = (mapping.memory_start, mapping.memory_limit);
    segment.file_offset = mapping.file_offset;
    let mut module = Module::default();
    module.path = text(message, mapping.filename).to_owned();
    module.build_id = text(message, mapping.build_id).to_lowercase();
    module.segments = vec![segment];
    module
}

/// What every reader takes for granted of a profile.
fn check(message: &proto::Profile) -> Result<(), &'static str> {
    if message.sample_type.is_empty() {
        return Err("it does not say what it counts");
    }
    if message.string_table.first().is_none_or(|text| !text.is_empty()) {
        return Err("its first string is not empty");
    }
    let locations: HashSet<u64> = message.location.iter().map(|location| location.id).collect();
    if locations.len() != message.location.len() {
        return Err("two locations have the same id");
    }
    for sample in &message.sample {
        if sample.value.len() != message.sample_type.len() {
            return Err("a sample has not as many values as the profile");
        }
        if sample.location_id.iter().any(|id| !locations.contains(id)) {
            return Err("a sample is at a location that is not there");
        }
    }
    Ok(())
}

/// How many fields the message has at its outermost level; `None` when it is not one. Cheap, and before any memory
/// is spent on them.
fn entries(mut bytes: &[u8]) -> Option<usize> {
    let mut entries = 0_usize;
    while !bytes.is_empty() {
        let tag = prost::encoding::decode_varint(&mut bytes).ok()?;
        let length = match tag & 7 {
            0 => prost::encoding::decode_varint(&mut bytes).ok().map(|_| 0)?,
            1 => 8,
            2 => usize::try_from(prost::encoding::decode_varint(&mut bytes).ok()?).ok()?,
            5 => 4,
            _ => return None,
        };
        bytes = bytes.get(length..)?;
        entries += 1;
    }
    Some(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn valid() -> proto::Profile {
        proto::Profile {
            sample_type: vec![proto::ValueType { name: 1, unit: 2 }],
            sample: vec![proto::Sample { location_id: vec![7], value: vec![1], label: Vec::new() }],
            location: vec![proto::Location { id: 7, address: 0x10, ..proto::Location::default() }],
            string_table: ["", "space", "bytes"].map(str::to_owned).to_vec(),
            ..proto::Profile::default()
        }
    }

    #[track_caller]
    fn refused(spoil: impl FnOnce(&mut proto::Profile), why: &str) {
        let mut message = valid();
        spoil(&mut message);
        let failure = Profile::decode(&message.encode_to_vec()).expect_err("it is spoiled");
        assert!(failure.to_string().contains(why), "{failure}");
    }

    #[test]
    fn what_contradicts_itself_is_refused() {
        assert!(Profile::decode(&valid().encode_to_vec()).is_ok());
        refused(|message| message.sample_type.clear(), "what it counts");
        refused(|message| message.string_table.clear(), "first string");
        refused(|message| message.sample[0].value.push(2), "as many values");
        refused(|message| message.sample[0].location_id.push(8), "not there");
        refused(|message| message.location.push(message.location[0].clone()), "the same id");
    }

    #[test]
    fn entries_are_counted_before_they_are_read() {
        assert_eq!(entries(&valid().encode_to_vec()), Some(6));
        assert_eq!(entries(b"\x12\x00\x12\x00"), Some(2));
        assert_eq!(entries(b"\x12\x09"), None);
        let bomb = b"\x12\x00".repeat(MAX_ENTRIES + 1);
        let failure = Profile::decode(&bomb).expect_err("too many");
        assert!(failure.to_string().contains("entries"), "{failure}");
    }

    #[test]
    fn what_is_read_is_written_again() {
        let profile = Profile::decode(&valid().encode_to_vec()).expect("valid");
        let mut bytes = Vec::new();
        let zipped = profile.encode().expect("memory does not fail");
        std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&*zipped), &mut bytes).expect("gzip");
        assert_eq!(bytes, valid().encode_to_vec());
    }
}
