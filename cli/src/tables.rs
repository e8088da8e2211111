//! Adds to a profile's tables: each string, function and location once, with ids that no other has.

use std::collections::HashMap;

use crate::proto;

/// What a profile's tables hold, by value.
#[derive(Debug, Default)]
pub(crate) struct Tables {
    strings: HashMap<String, i64>,
    functions: HashMap<[i64; 3], u64>,
    locations: HashMap<(u64, u64, i64), u64>,
    last_function: u64,
}

/// A function to be written: its name, the linker's name or nothing, its file or nothing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Function<'a> {
    pub(crate) name: &'a str,
    pub(crate) system_name: &'a str,
    pub(crate) file: &'a str,
}

impl Tables {
    /// The tables of `message`, which gets its empty string when it has no string yet.
    pub(crate) fn of(message: &mut proto::Profile) -> Self {
        if message.string_table.is_empty() {
            message.string_table.push(String::new());
        }
        let mut tables = Self::default();
        for (index, text) in (0..).zip(&message.string_table) {
            tables.strings.entry(text.clone()).or_insert(index);
        }
        for function in &message.function {
            let key = [function.name, function.system_name, function.filename];
            tables.functions.entry(key).or_insert(function.id);
            tables.last_function = tables.last_function.max(function.id);
        }
        tables
    }

    /// The index of `text`.
    pub(crate) fn string(&mut self, message: &mut proto::Profile, text: &str) -> i64 {
        if let Some(index) = self.strings.get(text) {
            return *index;
        }
        let index = i64::try_from(message.string_table.len()).unwrap_or(i64::MAX);
        message.string_table.push(text.to_owned());
        self.strings.insert(text.to_owned(), index);
        index
    }

    /// The id of `function`.
    pub(crate) fn function(&mut self, message: &mut proto::Profile, function: Function<'_>) -> u64 {
        let texts = [function.name, function.system_name, function.file];
        let key = texts.map(|text| self.string(message, text));
        *self.functions.entry(key).or_insert_with(|| {
            self.last_function = self.last_function.saturating_add(1);
            let [name, system_name, filename] = key;
            let id = self.last_function;
            message.function.push(proto::Function { id, name, system_name, filename, start_line: 0 });
            id
        })
    }

    /// The id of the location at `address` of a mapping, and whether it is new. `told` tells apart what has no
    /// address of its own.
    pub(crate) fn location(
        &mut self,
        message: &mut proto::Profile,
        mapping_id: u64,
        address: u64,
        told: &str,
    ) -> (u64, bool) {
        let key = (mapping_id, address, self.string(message, told));
        if let Some(id) = self.locations.get(&key) {
            return (*id, false);
        }
        let id = message.location.len() as u64 + 1;
        message.location.push(proto::Location { id, mapping_id, address, ..proto::Location::default() });
        self.locations.insert(key, id);
        (id, true)
    }
}
