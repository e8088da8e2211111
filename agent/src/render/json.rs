//! The whole profile as JSON, for programs that speak no protobuf. No stack is left out and no value scaled.
//!
//! ```json
//! { "kind": "heap", "values": [{"name": "inuse_space", "unit": "bytes"}], "default_value": 0,
//!   "began": "2026-03-01T14:02:59Z", "lasted_seconds": null,
//!   "period": {"name": "space", "unit": "bytes", "every": 524288},
//!   "losses": {"dropped": 0, "truncated": 0, "unresolved": 0, "coverage": null}, "comments": ["service shop"],
//!   "stacks": [{"values": [4096], "samples": 1, "frames": [
//!     {"name": "shop::insert", "system_name": "_ZN…", "file": "src/a.rs", "line": 7, "address": "0x1f", "inlined": false},
//!     {"address": "0x2f"}, {"label": "route", "value": "/feed"}]}] }
//! ```
//! Frames are innermost first. Addresses are text, because JSON's numbers end at 2^53.

use std::io::{self, Write};

use serde::Serialize;
use serde::ser::{SerializeSeq, Serializer};

use crate::moment;
use crate::profile::{Frame, Losses, Profile, Stack, ValueType};

pub(super) fn write(profile: &Profile, out: &mut dyn Write) -> io::Result<()> {
    let document = Document {
        kind: profile.kind(),
        values: profile.values().iter().map(Value::of).collect(),
        default_value: profile.default_value,
        began: moment::readable(profile.began),
        lasted_seconds: profile.lasted.map(|lasted| lasted.as_secs_f64()),
        period: profile
            .period
            .as_ref()
            .map(|(value, every)| Period { value: Value::of(value), every: *every }),
        losses: Missing::of(&profile.losses),
        comments: &profile.comments,
        stacks: Stacks(profile),
    };
    serde_json::to_writer(&mut *out, &document)?;
    out.write_all(b"\n")
}

#[derive(Serialize)]
struct Document<'p> {
    kind: &'p str,
    values: Vec<Value<'p>>,
    default_value: usize,
    began: String,
    lasted_seconds: Option<f64>,
    period: Option<Period<'p>>,
    losses: Missing,
    comments: &'p [String],
    stacks: Stacks<'p>,
}

#[derive(Serialize)]
struct Value<'p> {
    name: &'p str,
    unit: &'static str,
}

#[derive(Serialize)]
struct Period<'p> {
    #[serde(flatten)]
    value: Value<'p>,
    every: u64,
}

#[derive(Serialize)]
struct Missing {
    dropped: u64,
    truncated: u64,
    incomplete: u64,
    unresolved: u64,
    coverage: Option<f64>,
}

#[derive(Serialize)]
struct Row<'p> {
    frames: Vec<Line<'p>>,
    values: &'p [i64],
    samples: u64,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Line<'p> {
    Function { name: &'p str, system_name: &'p str, file: &'p str, line: u32, address: String, inlined: bool },
    Address { address: String },
    Label { label: &'p str, value: &'p str },
}

/// Written stack by stack, so that the document never stands in memory twice.
struct Stacks<'p>(&'p Profile);

impl Serialize for Stacks<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(self.0.len()))?;
        self.0.iter().try_for_each(|stack| list.serialize_element(&Row::of(&stack)))?;
        list.end()
    }
}

impl<'p> Row<'p> {
    fn of(stack: &Stack<'p>) -> Self {
        let frames = stack.frames().map(Line::of).collect();
        Self { frames, values: stack.values(), samples: stack.samples() }
    }
}

impl<'p> Line<'p> {
    fn of(frame: &'p Frame) -> Self {
        match frame {
            Frame::Address(address) => Self::Address { address: format!("{:#x}", address.raw()) },
            Frame::Label { key, value } => Self::Label { label: key, value },
            Frame::Named(function) => Self::Function {
                name: &function.name,
                system_name: &function.system_name,
                file: &function.file,
                line: function.line,
                address: format!("{:#x}", function.address),
                inlined: function.inlined,
            },
        }
    }
}

impl<'p> Value<'p> {
    fn of(value: &'p ValueType) -> Self {
        Self { name: value.name(), unit: value.unit().as_str() }
    }
}

impl Missing {
    const fn of(losses: &Losses) -> Self {
        let Losses { dropped, truncated, incomplete, unresolved, coverage } = *losses;
        Self { dropped, truncated, incomplete, unresolved, coverage }
    }
}
