//! One profile before the rules, and what a rule is.

use crate::proto::{Function, Location, Profile, Sample};
use crate::terms::{Origin, Terms};

/// A rule: what it is called, whom it binds, and what is wrong with a profile that breaks it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rule {
    pub(crate) name: &'static str,
    pub(crate) binds: Origin,
    pub(crate) broken: fn(&Case<'_>) -> Vec<String>,
}

impl Rule {
    /// One that every profile keeps.
    pub(crate) const fn all(name: &'static str, broken: fn(&Case<'_>) -> Vec<String>) -> Self {
        Self { name, binds: Origin::Test, broken }
    }

    /// One that only makes sense for a real process.
    pub(crate) const fn agents(name: &'static str, broken: fn(&Case<'_>) -> Vec<String>) -> Self {
        Self { name, binds: Origin::Agent, broken }
    }

    pub(crate) fn applies(&self, terms: &Terms) -> bool {
        self.binds <= terms.origin
    }
}

/// A profile that is judged.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Case<'c> {
    /// As it came.
    pub(crate) bytes: &'c [u8],
    /// Unzipped.
    pub(crate) raw: &'c [u8],
    pub(crate) profile: &'c Profile,
    pub(crate) terms: &'c Terms,
}

impl<'c> Case<'c> {
    /// The string at `index`. The first rules see to it that there is one.
    pub(crate) fn text(&self, index: i64) -> &'c str {
        let found = usize::try_from(index).ok().and_then(|index| self.profile.string_table.get(index));
        found.map_or("", String::as_str)
    }

    /// The values of a sample, as `inuse_space/bytes`.
    pub(crate) fn values(&self) -> Vec<String> {
        let name =
            |value: &crate::proto::ValueType| format!("{}/{}", self.text(value.name), self.text(value.unit));
        self.profile.sample_type.iter().map(name).collect()
    }

    pub(crate) fn period_type(&self) -> Option<String> {
        let value = self.profile.period_type?;
        Some(format!("{}/{}", self.text(value.name), self.text(value.unit)))
    }

    pub(crate) fn comments(&self) -> impl Iterator<Item = &'c str> {
        self.profile.comment.iter().map(|index| self.text(*index))
    }

    pub(crate) fn location(&self, id: u64) -> Option<&'c Location> {
        self.profile.location.get(usize::try_from(id).ok()?.checked_sub(1)?)
    }

    pub(crate) fn function(&self, id: u64) -> Option<&'c Function> {
        self.profile.function.get(usize::try_from(id).ok()?.checked_sub(1)?)
    }

    /// The names of the functions in `sample`, the innermost first.
    pub(crate) fn names(&self, sample: &'c Sample) -> impl Iterator<Item = &'c str> {
        let locations = sample.location_id.iter().filter_map(|id| self.location(*id));
        let lines = locations.flat_map(|location| &location.line);
        lines.filter_map(|line| self.function(line.function_id)).map(|function| self.text(function.name))
    }

    /// The labels of `sample` as text, sorted.
    pub(crate) fn labels(&self, sample: &Sample) -> Vec<(&'c str, &'c str, i64)> {
        let label = |label: &crate::proto::Label| (self.text(label.key), self.text(label.text), label.number);
        let mut labels: Vec<_> = sample.label.iter().map(label).collect();
        labels.sort_unstable();
        labels
    }

    /// Every index of a string there is, and who has it.
    pub(crate) fn indices(&self) -> impl Iterator<Item = (&'static str, i64)> + 'c {
        let profile = self.profile;
        let values = profile.sample_type.iter().chain(&profile.period_type);
        let values = values.flat_map(|value| [("a value's name", value.name), ("a unit", value.unit)]);
        let labels = profile.sample.iter().flat_map(|sample| &sample.label).flat_map(|label| {
            [
                ("a label's key", label.key),
                ("a label's text", label.text),
                ("a label's unit", label.number_unit),
            ]
        });
        let mappings = profile
            .mapping
            .iter()
            .flat_map(|mapping| [("a mapping's file", mapping.filename), ("a build id", mapping.build_id)]);
        let functions = profile.function.iter().flat_map(|function| {
            [
                ("a name", function.name),
                ("a system name", function.system_name),
                ("a file", function.filename),
            ]
        });
        let comments = profile.comment.iter().map(|index| ("a comment", *index));
        let head = [
            ("drop_frames", profile.drop_frames),
            ("keep_frames", profile.keep_frames),
            ("the default value", profile.default_sample_type),
            ("the doc URL", profile.doc_url),
        ];
        values.chain(labels).chain(mappings).chain(functions).chain(comments).chain(head)
    }
}
