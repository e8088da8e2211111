//! A profile on its way through the program: `profile.proto` as the one form of all inputs that have stacks, and
//! beside it what that form has no room for.

use std::collections::{HashMap, HashSet};
use std::io::Write as _;

use flamewatch_symbolizer::{Module, Segment};
use flate2::Compression;
use flate2::write::GzEncoder;
use prost::Message as _;
use prost::encoding::decode_varint;

use crate::failure::Failure;
use crate::proto;

/// The most memory that a profile may take when it is read, by the estimate of `cost`: 1 GiB. An empty sample is two
/// bytes long and takes some hundred, so that the size of the input alone bounds nothing.
const MAX_COST: usize = 1 << 30;

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
        if cost(bytes).is_some_and(|cost| cost > MAX_COST) {
            let most = MAX_COST >> 20;
            return Err(Failure::new(format!(
                "it would take more than {most} MiB of memory, the most it may"
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

/// About how many bytes the message takes in memory; `None` when it is none. Cheap, and before any is spent: a hundred
/// for an entry and its tables, forty for what is in samples and locations, eight for each number packed there.
fn cost(mut bytes: &[u8]) -> Option<usize> {
    let mut cost = 0_usize;
    while !bytes.is_empty() {
        let (number, content) = field(&mut bytes)?;
        cost = cost.saturating_add(100 + content.len());
        let mut inside = if matches!(number, 2 | 4) { content } else { &[] };
        while !inside.is_empty() {
            let (_, content) = field(&mut inside)?;
            cost = cost.saturating_add(40 + content.len().saturating_mul(8));
        }
    }
    Some(cost)
}

/// Takes one field off `bytes`: its number, and its content unless it is a number.
fn field<'b>(bytes: &mut &'b [u8]) -> Option<(u64, &'b [u8])> {
    let tag = decode_varint(bytes).ok()?;
    let length = match tag & 7 {
        0 => decode_varint(bytes).ok().map(|_| 0)?,
        1 => 8,
        2 => usize::try_from(decode_varint(bytes).ok()?).ok()?,
        5 => 4,
        _ => return None,
    };
    let (content, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some((tag >> 3, content))
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
    fn memory_is_estimated_before_it_is_spent() {
        assert_eq!(cost(b"\x12\x00\x12\x00"), Some(200));
        // A sample with three numbers, packed; a string of two bytes.
        assert_eq!(cost(b"\x12\x05\x0a\x03\x01\x02\x03\x32\x02ab"), Some(100 + 5 + 40 + 24 + 100 + 2));
        assert_eq!(cost(b"\x12\x09"), None);
        let bomb = b"\x12\x00".repeat(MAX_COST / 100 + 1);
        let failure = Profile::decode(&bomb).expect_err("too many");
        assert!(failure.to_string().contains("memory"), "{failure}");
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
