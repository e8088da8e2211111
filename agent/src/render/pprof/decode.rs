//! Back from `profile.proto` to a profile: stored snapshots, and what other tools wrote.
//! The input is not trusted. Whatever it says, memory stays bounded and nothing panics.

use std::collections::HashMap;
use std::io::Read as _;
use std::time::{Duration, UNIX_EPOCH};

use flate2::read::MultiGzDecoder;
use prost::Message as _;

use super::{ERROR, LOSSES, proto};
use crate::profile::{Addr, Frame, Function, Losses, Mapping, Profile, ValueType};
use crate::{Error, ErrorKind, Unit};

/// The most bytes read, after decompression: four times what we write. The worst input (empty samples, two bytes
/// each) becomes 36 times as large in memory, 576 MB, before it is refused or kept.
const MAX_INPUT: usize = 16 << 20;

/// The deepest stack kept; the frames outside it are cut off and the stack is counted as truncated.
/// Times the most stacks of a profile and four bytes, 256 MB.
const MAX_DEPTH: usize = 1000;

/// The most bytes of names, counted once for each line that bears them.
const MAX_NAMES: usize = 64 << 20;

/// Reads a profile, gzipped or not.
///
/// What the format does not carry is made up for: the kind is told from the values' names, and the number of
/// samples behind a stack from its values and the period (too low for a delta, whose values cancel).
///
/// # Errors
/// `Invalid` when `bytes` is not a profile, contradicts itself, or is larger than 16 MiB unzipped.
pub fn decode(bytes: &[u8]) -> Result<Profile, Error> {
    let raw = inflate(bytes)?;
    let message =
        proto::Profile::decode(&*raw).map_err(|error| invalid("it is not a profile").because(error))?;
    let reader = Reader { message: &message, names: MAX_NAMES };
    reader.read()
}

fn inflate(bytes: &[u8]) -> Result<Vec<u8>, Error> {
    let mut raw = Vec::new();
    let limit = u64::try_from(MAX_INPUT).unwrap_or(u64::MAX).saturating_add(1);
    if bytes.starts_with(&[0x1f, 0x8b]) {
        let read = MultiGzDecoder::new(bytes).take(limit).read_to_end(&mut raw);
        read.map_err(|error| invalid("it is not whole").because(error))?;
    } else {
        raw.extend_from_slice(bytes.get(..=MAX_INPUT).unwrap_or(bytes));
    }
    match raw.len() {
        0 => Err(invalid("it is empty")),
        length if length > MAX_INPUT => Err(invalid("it is larger than 16 MiB")),
        _ => Ok(raw),
    }
}

fn invalid(why: &'static str) -> Error {
    Error::new(ErrorKind::Invalid, format!("cannot read the profile: {why}"))
}

struct Reader<'m> {
    message: &'m proto::Profile,
    /// How many bytes of names may still be copied.
    names: usize,
}

impl<'m> Reader<'m> {
    fn read(mut self) -> Result<Profile, Error> {
        let mut profile = self.head()?;
        let functions: HashMap<u64, &proto::Function> =
            self.message.function.iter().map(|function| (function.id, function)).collect();
        let mut locations: HashMap<u64, Vec<Frame>> = HashMap::new();
        for location in &self.message.location {
            locations.insert(location.id, self.frames(location, &functions)?);
        }
        for sample in &self.message.sample {
            self.sample(sample, &locations, &mut profile)?;
        }
        Ok(profile)
    }

    fn head(&self) -> Result<Profile, Error> {
        let message = self.message;
        let values =
            message.sample_type.iter().map(|value| self.value(*value)).collect::<Result<Vec<_>, _>>()?;
        let preferred = self.text(message.default_sample_type)?;
        let last = values.len().saturating_sub(1);
        let default = values.iter().position(|value| value.name() == preferred).unwrap_or(last);
        let mut profile = Profile::new(kind(&values, preferred), values);
        profile.default_value = default.min(profile.values().len().saturating_sub(1));
        profile.began = UNIX_EPOCH + Duration::from_nanos(u64::try_from(message.time_nanos).unwrap_or(0));
        profile.lasted =
            u64::try_from(message.duration_nanos).ok().filter(|nanos| *nanos > 0).map(Duration::from_nanos);
        profile.period = match (message.period_type, u64::try_from(message.period)) {
            (Some(value), Ok(every @ 1..)) => Some((self.value(value)?, every)),
            _ => None,
        };
        profile.mappings =
            message.mapping.iter().map(|mapping| self.mapping(mapping)).collect::<Result<_, _>>()?;
        for comment in &message.comment {
            match self.text(*comment)? {
                comment if comment.starts_with(ERROR) => {}
                comment => match comment.strip_prefix(LOSSES).and_then(losses) {
                    Some(losses) => profile.losses = losses,
                    None => profile.comments.push(comment.to_owned()),
                },
            }
        }
        Ok(profile)
    }

    fn sample(
        &self,
        sample: &proto::Sample,
        locations: &HashMap<u64, Vec<Frame>>,
        profile: &mut Profile,
    ) -> Result<(), Error> {
        if sample.value.len() != self.message.sample_type.len() {
            return Err(invalid("a sample has not as many values as the profile"));
        }
        let mut frames = Vec::new();
        for id in &sample.location_id {
            let location =
                locations.get(id).ok_or_else(|| invalid("a sample is at a location that is not there"))?;
            let room = MAX_DEPTH.saturating_sub(frames.len());
            frames.extend(location.iter().take(room).cloned());
            if room == 0 {
                profile.losses.truncated = profile.losses.truncated.saturating_add(1);
                break;
            }
        }
        for label in sample.label.iter().take(MAX_DEPTH) {
            frames.push(Frame::label(self.text(label.key)?.to_owned(), self.label(*label)?));
        }
        let samples = samples(profile, &sample.value);
        profile.add(frames, &sample.value, samples);
        Ok(())
    }

    fn frames(
        &mut self,
        location: &proto::Location,
        functions: &HashMap<u64, &proto::Function>,
    ) -> Result<Vec<Frame>, Error> {
        if location.line.is_empty() {
            return Ok(vec![Frame::Address(Addr::Pc(location.address))]);
        }
        let last = location.line.len().saturating_sub(1);
        let lines = location.line.iter().take(MAX_DEPTH).enumerate();
        lines
            .map(|(index, line)| {
                let function = functions.get(&line.function_id).copied();
                let function =
                    function.ok_or_else(|| invalid("a location is in a function that is not there"))?;
                let (name, file) = (self.name(function.name)?, self.name(function.filename)?);
                Ok(Frame::named(Function {
                    system_name: self.name(function.system_name)?,
                    address: location.address,
                    inlined: index != last,
                    ..Function::new(name, file, u32::try_from(line.line).unwrap_or(0))
                }))
            })
            .collect()
    }

    fn mapping(&self, mapping: &proto::Mapping) -> Result<Mapping, Error> {
        Ok(Mapping {
            start: mapping.memory_start,
            end: mapping.memory_limit,
            file_offset: mapping.file_offset,
            path: self.text(mapping.filename)?.to_owned(),
            build_id: self.text(mapping.build_id)?.to_owned(),
        })
    }

    fn label(&self, label: proto::Label) -> Result<String, Error> {
        match label.text {
            0 => Ok(format!("{} {}", label.number, self.text(label.number_unit)?).trim_end().to_owned()),
            text => self.text(text).map(str::to_owned),
        }
    }

    fn value(&self, value: proto::ValueType) -> Result<ValueType, Error> {
        Ok(ValueType::new(self.text(value.name)?.to_owned(), Unit::from_name(self.text(value.unit)?)))
    }

    fn name(&mut self, index: i64) -> Result<String, Error> {
        let name = self.text(index)?;
        self.names = self.names.checked_sub(name.len()).ok_or_else(|| invalid("its names are too long"))?;
        Ok(name.to_owned())
    }

    fn text(&self, index: i64) -> Result<&'m str, Error> {
        let text = usize::try_from(index).ok().and_then(|index| self.message.string_table.get(index));
        match (text, index) {
            (Some(text), _) => Ok(text),
            (None, 0) => Ok(""),
            (None, _) => Err(invalid("it names a string that is not there")),
        }
    }
}

/// The kind that goes with the values, as Go's own endpoints pair them.
fn kind(values: &[ValueType], preferred: &str) -> String {
    let has = |name: &str| values.iter().any(|value| value.name() == name);
    match () {
        () if has("cpu") => "profile".to_owned(),
        () if preferred == "alloc_space" => "allocs".to_owned(),
        () if has("inuse_space") => "heap".to_owned(),
        () => values.first().map_or("profile", ValueType::name).to_owned(),
    }
}

/// How many samples a stack's values came from. A CPU profile counts them. Of memory, each object was sampled with
/// the chance `1 - exp(-size / period)`, and the values are already scaled up by it.
fn samples(profile: &Profile, values: &[i64]) -> u64 {
    let value = |index: usize| values.get(index).map_or(0.0, |value| (*value as f64).abs());
    if let Some(counted) = profile.value_index("samples") {
        return rounded(value(counted));
    }
    let Some((_, period)) = profile.period.as_ref().filter(|(value, _)| value.unit() == Unit::Bytes) else {
        return 0;
    };
    let family =
        profile.values().get(profile.default_value).and_then(|value| value.name().strip_suffix("_space"));
    let Some(family) = family else { return 0 };
    let pair =
        (profile.value_index(&format!("{family}_objects")), profile.value_index(&format!("{family}_space")));
    let (Some(objects), Some(space)) = pair else { return 0 };
    let (objects, space) = (value(objects), value(space));
    if objects == 0.0 {
        0
    } else {
        rounded(objects * (1.0 - (-space / objects / *period as f64).exp())).max(1)
    }
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a float saturates, and is not negative"
)]
fn rounded(number: f64) -> u64 {
    number.round() as u64
}

/// Reads [`Losses::summary`] back.
fn losses(summary: &str) -> Option<Losses> {
    let mut losses = Losses::default();
    for part in summary.split(", ") {
        let mut words = part.split(' ');
        match (words.next()?, words.next()?, words.next()?) {
            ("nothing", "known", "to") => {}
            ("dropped", count, "samples") => losses.dropped = count.parse().ok()?,
            (count, "samples", "cut") => losses.truncated = count.parse().ok()?,
            (count, "samples", "without") => losses.incomplete = count.parse().ok()?,
            (count, "addresses", "without") => losses.unresolved = count.parse().ok()?,
            ("coverage", percent, "%") => losses.coverage = Some(percent.parse::<f64>().ok()? / 100.0),
            _ => return None,
        }
    }
    Some(losses)
}
