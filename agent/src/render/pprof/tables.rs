//! The tables that a `profile.proto` is made of, filled while samples are written, and how large they have become.

use indexmap::IndexSet;
use prost::Message as _;

use super::proto;
use crate::profile::{Function, Mapping, Owner};
use crate::render::plain::plain;

/// The longest string written, in bytes: Pyroscope refuses a longer one.
const MAX_STRING: usize = 65_535;

/// Strings, functions, locations and mappings. Ids count from 1 without gaps, as Parca demands.
#[derive(Debug)]
pub(super) struct Tables {
    strings: IndexSet<String>,
    functions: IndexSet<Named>,
    locations: IndexSet<Place>,
    mappings: Vec<Mapping>,
    size: usize,
    /// Whether functions say whose they are and what they are called in short.
    owners: bool,
}

/// A state to go back to when a stack turns out not to fit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark {
    strings: usize,
    functions: usize,
    locations: usize,
    size: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Named {
    name: i64,
    system_name: i64,
    filename: i64,
    owner: u32,
    short_name: i64,
}

impl Named {
    fn message(self, id: u64) -> proto::Function {
        let Self { name, system_name, filename, owner, short_name } = self;
        proto::Function { id, name, system_name, filename, owner, short_name }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Place {
    address: u64,
    lines: Vec<proto::Line>,
}

impl Tables {
    /// Tables over `mappings`, the main executable's first.
    pub(super) fn new(mappings: &[Mapping], owners: bool) -> Self {
        let mut mappings = mappings.to_vec();
        let main = mappings.iter().find(|mapping| is_executable(&mapping.path)).map(|main| main.path.clone());
        mappings.sort_by_key(|mapping| Some(&mapping.path) != main.as_ref());
        let (functions, locations) = (IndexSet::new(), IndexSet::new());
        let mut tables = Self { strings: IndexSet::new(), functions, locations, mappings, size: 0, owners };
        tables.string("");
        for mapping in tables.mappings.clone() {
            let [path, build_id] = [&mapping.path, &mapping.build_id].map(|text| tables.string(text));
            tables.size += field(tables.mapping(u64::MAX, &mapping, path, build_id).encoded_len());
        }
        tables
    }

    /// The bytes that the tables take when they are written.
    pub(super) const fn size(&self) -> usize {
        self.size
    }

    pub(super) fn mark(&self) -> Mark {
        let (strings, functions, locations) =
            (self.strings.len(), self.functions.len(), self.locations.len());
        Mark { strings, functions, locations, size: self.size }
    }

    pub(super) fn go_back(&mut self, mark: Mark) {
        self.strings.truncate(mark.strings);
        self.functions.truncate(mark.functions);
        self.locations.truncate(mark.locations);
        self.size = mark.size;
    }

    /// The index of `text`.
    pub(super) fn string(&mut self, text: &str) -> i64 {
        let text = clamped(text);
        let index = self.strings.get_index_of(text).unwrap_or_else(|| {
            self.size += field(text.len());
            self.strings.insert_full(text.to_owned()).0
        });
        i64::try_from(index).unwrap_or(i64::MAX)
    }

    /// The line of `function` that its frame stands at.
    pub(super) fn line(&mut self, function: &Function) -> proto::Line {
        let system_name = if function.system_name == function.name { "" } else { &function.system_name };
        let [name, system_name, filename] =
            [&function.name, system_name, &function.file].map(|text| self.string(text));
        let (owner, short_name) = if self.owners {
            let short = flamewatch_symbolizer::name::short(&function.name);
            (number(function.owner), self.string(&plain(&short)))
        } else {
            (0, 0)
        };
        let named = Named { name, system_name, filename, owner, short_name };
        let (index, new) = self.functions.insert_full(named);
        let id = id(index);
        if new {
            self.size += field(named.message(id).encoded_len());
        }
        proto::Line { function_id: id, line: i64::from(function.line) }
    }

    /// The id of the location at `address` with `lines`, innermost first. Without an address, lines tell it apart.
    pub(super) fn location(&mut self, address: u64, lines: Vec<proto::Line>) -> u64 {
        let (index, new) = self.locations.insert_full(Place { address, lines });
        let id = id(index);
        if let Some(place) = self.locations.get_index(index).filter(|_| new) {
            self.size += field(self.message(id, place).encoded_len());
        }
        id
    }

    /// Moves everything into `profile`.
    pub(super) fn fill(self, profile: &mut proto::Profile) {
        profile.location = self.places().map(|(id, place)| self.message(id, place)).collect();
        profile.mapping = (1..)
            .zip(&self.mappings)
            .map(|(id, mapping)| {
                let find =
                    |text: &String| self.strings.get_index_of(text).and_then(|index| index.try_into().ok());
                let [path, build_id] = [&mapping.path, &mapping.build_id].map(|text| find(text).unwrap_or(0));
                self.mapping(id, mapping, path, build_id)
            })
            .collect();
        profile.function = (1..).zip(&self.functions).map(|(id, named)| named.message(id)).collect();
        profile.string_table = self.strings.into_iter().collect();
    }

    fn places(&self) -> impl Iterator<Item = (u64, &Place)> {
        (1..).zip(&self.locations)
    }

    fn message(&self, id: u64, place: &Place) -> proto::Location {
        let mapping_id = self.mapping_of(place.address);
        proto::Location { id, mapping_id, address: place.address, line: place.lines.clone() }
    }

    fn mapping_of(&self, address: u64) -> u64 {
        let holds = |mapping: &Mapping| (mapping.start..mapping.end).contains(&address);
        self.mappings.iter().position(holds).map_or(0, id)
    }

    /// Says of a mapping only what is true of every location in it: a reader that believes `has_functions` asks
    /// nobody for names, and one that does not asks again for names it has.
    fn mapping(&self, id: u64, mapping: &Mapping, filename: i64, build_id: i64) -> proto::Mapping {
        let inside =
            || self.locations.iter().filter(|place| (mapping.start..mapping.end).contains(&place.address));
        let functions = inside().all(|place| !place.lines.is_empty());
        let lines = || inside().flat_map(|place| &place.lines);
        proto::Mapping {
            id,
            memory_start: mapping.start,
            memory_limit: mapping.end,
            file_offset: mapping.file_offset,
            filename,
            build_id,
            has_functions: functions,
            has_filenames: functions && lines().all(|line| self.has_file(*line)),
            has_line_numbers: functions && lines().all(|line| line.line != 0),
            has_inline_frames: inside().any(|place| place.lines.len() > 1),
        }
    }

    fn has_file(&self, line: proto::Line) -> bool {
        let index = usize::try_from(line.function_id).unwrap_or(0).wrapping_sub(1);
        self.functions.get_index(index).is_some_and(|named| named.filename != 0)
    }
}

/// How `owner` is written; the viewer has the same list.
pub(crate) const fn number(owner: Owner) -> u32 {
    match owner {
        Owner::User => 1,
        Owner::Dependency => 2,
        Owner::Runtime => 3,
        Owner::Std => 4,
        Owner::Allocator => 5,
        Owner::System => 6,
        Owner::Flamewatch => 7,
        _ => 0,
    }
}

/// The bytes of a field of `length` bytes inside the profile: every field number used is below 16, so one byte.
pub(super) fn field(length: usize) -> usize {
    1 + prost::length_delimiter_len(length) + length
}

fn clamped(text: &str) -> &str {
    match text.len() {
        0..=MAX_STRING => text,
        _ => (0..=MAX_STRING).rev().find_map(|end| text.get(..end)).unwrap_or(""),
    }
}

fn id(index: usize) -> u64 {
    u64::try_from(index).map_or(u64::MAX, |index| index.saturating_add(1))
}

/// `go tool pprof` takes the first mapping for the main executable; libraries and `[vdso]` are not it.
fn is_executable(path: &str) -> bool {
    !path.is_empty() && !path.starts_with('[') && !path.contains(".so.") && !path.ends_with(".so")
}
