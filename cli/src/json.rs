//! One JSON object a line: a stack with its values and labels, or an address with its frames.

use flamewatch_symbolizer::{Frame, Source};
use serde_json::{Map, Value, json};

use crate::profile::Profile;
use crate::proto;
use crate::stacks::{Shown, Stacks};

/// The stacks of a profile, frames innermost first.
pub(crate) fn stacks(stacks: &Stacks<'_>) -> String {
    let profile = stacks.profile();
    let line = |(frames, sample): (Vec<&Shown<'_>>, &proto::Sample)| {
        let frames: Vec<Value> = frames.into_iter().map(shown).collect();
        let values =
            json!({ "frames": frames, "labels": labels(profile, sample), "values": values(profile, sample) });
        format!("{values}\n")
    };
    stacks.iter().map(line).collect()
}

/// An address as it was given, and what stands there: nothing when it has no name.
pub(crate) fn address(address: u64, frames: &[Frame]) -> String {
    let frames: Vec<Value> = frames.iter().map(frame).collect();
    format!("{}\n", json!({ "address": format!("{address:#x}"), "frames": frames }))
}

fn frame(frame: &Frame) -> Value {
    let source = match frame.source {
        Source::Dwarf => "debug info",
        Source::Symtab => "symbol table",
        Source::Dynsym => "dynamic symbol table",
        _ => "none",
    };
    json!({
        "function": &*frame.name, "mangled": &*frame.mangled, "file": &*frame.file, "line": frame.line,
        "column": frame.column, "inlined": frame.inlined, "source": source,
    })
}

fn shown(frame: &Shown<'_>) -> Value {
    json!({
        "function": &*frame.name, "mangled": frame.mangled, "file": frame.file, "line": frame.line,
        "inlined": frame.inlined, "address": format!("{:#x}", frame.address),
    })
}

fn values(profile: &Profile, sample: &proto::Sample) -> Map<String, Value> {
    let names = profile.message.sample_type.iter().map(|value| profile.text(value.name).to_owned());
    names.zip(sample.value.iter().map(|value| json!(value))).collect()
}

fn labels(profile: &Profile, sample: &proto::Sample) -> Map<String, Value> {
    let value = |label: &proto::Label| {
        if label.text == 0 { json!(label.number) } else { json!(profile.text(label.text)) }
    };
    sample.label.iter().map(|label| (profile.text(label.key).to_owned(), value(label))).collect()
}
