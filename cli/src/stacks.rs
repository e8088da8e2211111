//! The stacks of a profile as text shows them: functions in order, and a place where there is no function.

use std::borrow::Cow;
use std::collections::HashMap;

use crate::failure::Failure;
use crate::profile::Profile;
use crate::proto;

/// A profile to be shown.
#[derive(Debug)]
pub(crate) struct Stacks<'p> {
    profile: &'p Profile,
    /// The functions at each location, innermost first.
    locations: HashMap<u64, Vec<Shown<'p>>>,
}

/// One function of a stack.
#[derive(Clone, Debug)]
pub(crate) struct Shown<'p> {
    /// The function, or `libfoo.so+0x1234` or `0x7f…`.
    pub(crate) name: Cow<'p, str>,
    pub(crate) mangled: &'p str,
    pub(crate) file: &'p str,
    pub(crate) line: i64,
    /// The next function is the one this was inlined into.
    pub(crate) inlined: bool,
    pub(crate) address: u64,
    /// The path of the file that the code is in; empty when it is in none.
    pub(crate) module: &'p str,
}

impl<'p> Stacks<'p> {
    pub(crate) fn of(profile: &'p Profile) -> Self {
        let message = &profile.message;
        let functions: HashMap<u64, &proto::Function> =
            message.function.iter().map(|function| (function.id, function)).collect();
        let mappings: HashMap<u64, &proto::Mapping> =
            message.mapping.iter().map(|mapping| (mapping.id, mapping)).collect();
        let show = |location: &proto::Location| {
            let mapping = mappings.get(&location.mapping_id).copied();
            (location.id, shown(profile, location, &functions, mapping))
        };
        Self { profile, locations: message.location.iter().map(show).collect() }
    }

    /// The stacks, and their values and labels.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Vec<&Shown<'p>>, &'p proto::Sample)> {
        self.profile.message.sample.iter().map(|sample| {
            let locations = sample.location_id.iter().filter_map(|id| self.locations.get(id));
            (locations.flatten().collect(), sample)
        })
    }

    /// The profile that is shown.
    pub(crate) const fn profile(&self) -> &'p Profile {
        self.profile
    }

    /// The position and the unit of the value called `name`; of the profile's own default without a name.
    pub(crate) fn value(&self, name: Option<&str>) -> Result<(usize, &'p str), Failure> {
        let profile = self.profile;
        let values = &profile.message.sample_type;
        let preferred = name.unwrap_or_else(|| profile.text(profile.message.default_sample_type));
        let found = values.iter().position(|value| profile.text(value.name) == preferred);
        let last = values.len().saturating_sub(1);
        let Some(index) = found.or_else(|| name.is_none().then_some(last)) else {
            let names: Vec<_> = values.iter().map(|value| profile.text(value.name)).collect();
            let there = names.join(", ");
            return Err(Failure::usage(format!("--value {preferred}: there is no such value, only {there}")));
        };
        Ok((index, values.get(index).map_or("", |value| profile.text(value.unit))))
    }
}

/// What to call each location of `profile` that has no line, by position: for readers who know no files.
pub(crate) fn places(profile: &Profile) -> Vec<(usize, String)> {
    let mappings: HashMap<u64, &proto::Mapping> =
        profile.message.mapping.iter().map(|mapping| (mapping.id, mapping)).collect();
    let without =
        profile.message.location.iter().enumerate().filter(|(_, location)| location.line.is_empty());
    let called = |location: &proto::Location| {
        place(profile, mappings.get(&location.mapping_id).copied(), location.address)
    };
    without.map(|(index, location)| (index, called(location))).collect()
}

fn shown<'p>(
    profile: &'p Profile,
    location: &proto::Location,
    functions: &HashMap<u64, &proto::Function>,
    mapping: Option<&proto::Mapping>,
) -> Vec<Shown<'p>> {
    let address = location.address;
    let place = || place(profile, mapping, address);
    let module = mapping.map_or("", |mapping| profile.text(mapping.filename));
    if location.line.is_empty() {
        let name = Cow::Owned(place());
        return vec![Shown { name, mangled: "", file: "", line: 0, inlined: false, address, module }];
    }
    let last = location.line.len() - 1;
    let of_line = |(index, line): (usize, &proto::Line)| {
        let function = functions.get(&line.function_id).copied();
        let text = |field: fn(&proto::Function) -> i64| {
            function.map_or("", |function| profile.text(field(function)))
        };
        let [name, mangled] = [text(|function| function.name), text(|function| function.system_name)];
        let name = match [name, mangled].into_iter().find(|name| !name.is_empty()) {
            Some(name) => Cow::Borrowed(name),
            None => Cow::Owned(place()),
        };
        let file = text(|function| function.filename);
        Shown { name, mangled, file, line: line.line, inlined: index != last, address, module }
    };
    location.line.iter().enumerate().map(of_line).collect()
}

/// What to call an address without a name: which byte of which file it is.
fn place(profile: &Profile, mapping: Option<&proto::Mapping>, address: u64) -> String {
    let inside = mapping.filter(|mapping| (mapping.memory_start..mapping.memory_limit).contains(&address));
    match inside.map(|mapping| (profile.text(mapping.filename), mapping)) {
        Some((path, mapping)) if !path.is_empty() => {
            let offset = (address - mapping.memory_start).wrapping_add(mapping.file_offset);
            format!("{}+{offset:#x}", path.rsplit('/').next().unwrap_or(path))
        }
        _ => format!("{address:#x}"),
    }
}
