//! Collapsed stacks, as flame graph tools and [`crate::folded`] write them, into a profile:
//!
//! ```text
//! main;work;malloc 4096        the outermost function first, and at the end how much
//! ```

use std::collections::HashMap;

use crate::failure::Failure;
use crate::profile::Profile;
use crate::proto;
use crate::tables::{Function, Tables};

/// Reads lines of stacks. A line that is none is an error that names it: half a profile would be taken for a whole one.
pub(crate) fn read(bytes: &[u8]) -> Result<Profile, Failure> {
    let text = String::from_utf8_lossy(bytes);
    let mut profile = Profile::default();
    let message = &mut profile.message;
    let mut tables = Tables::of(message);
    let [name, unit] = ["samples", "count"].map(|text| tables.string(message, text));
    message.sample_type = vec![proto::ValueType { name, unit }];
    let mut known: HashMap<&str, u64> = HashMap::new();
    for (number, line) in (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty()) {
        let (stack, value) = stack(line).ok_or_else(|| {
            Failure::new(format!("line {number} is no collapsed stack: a stack, a space and a whole number"))
        })?;
        let mut locations: Vec<u64> = Vec::new();
        for name in stack.split(';') {
            let id = *known.entry(name).or_insert_with(|| location(message, &mut tables, name));
            locations.push(id);
        }
        locations.reverse();
        message.sample.push(proto::Sample { location_id: locations, value: vec![value], label: Vec::new() });
    }
    Ok(profile)
}

/// True for a line of collapsed stacks.
pub(crate) fn is_stack(line: &str) -> bool {
    stack(line).is_some()
}

/// The stack and how much. Names have spaces in them, so the number is what follows the last one.
fn stack(line: &str) -> Option<(&str, i64)> {
    let (stack, value) = line.trim_end().rsplit_once(' ')?;
    let stack = stack.trim_end();
    let value = value.parse().ok().filter(|value: &i64| *value >= 0)?;
    (!stack.is_empty()).then_some((stack, value))
}

fn location(message: &mut proto::Profile, tables: &mut Tables, name: &str) -> u64 {
    let function_id = tables.function(message, Function { name, system_name: "", file: "" });
    let (id, is_new) = tables.location(message, 0, 0, name);
    if let Some(location) = message.location.last_mut().filter(|_| is_new) {
        location.line.push(proto::Line { function_id, ..proto::Line::default() });
    }
    id
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::folded;
    use crate::stacks::Stacks;

    #[test]
    fn what_was_written_is_read_again() {
        let text = "main;<a as B<c d>>::f;malloc 4096\nmain;work 7\nmain;work;work 1\n";
        let profile = read(text.as_bytes()).expect("stacks");
        assert_eq!(folded::write(&Stacks::of(&profile), None).expect("lines"), text);
        assert_eq!(profile.message.location.len(), 4, "each function once");
    }

    #[test]
    fn a_line_that_is_no_stack_is_named() {
        for (text, line) in [("main 1\nmain;work\n", 2), ("a 1\n\nb -1", 3), (" 1\n", 1), ("a 1.5", 1)] {
            let failure = read(text.as_bytes()).expect_err(text).to_string();
            assert!(failure.starts_with(&format!("line {line} is no collapsed stack")), "{failure}");
        }
        assert!(is_stack("main 1") && !is_stack("main") && !is_stack("0x1000"));
    }
}
