//! A plan as a file: text, a line for each thing, so that a few KB can be read by people and by `diff`.
//!
//! ```text
//! flamewatch plan 1
//! build 5f3c…                        the program's build id
//! head 0                             the address of the file's first byte, once it is loaded where it was linked for
//! file src/orders.rs
//! type 472 8 shop::orders::place::{async fn}        size, alignment, name
//! variants 464 1                     where the number is that tells its arms, and how wide it is
//! arm 3 0 41 16:8                    its number, file and line; at byte 16 there is one of type 8
//! type 64 8 tokio::sync::batch_semaphore::Acquire
//! poll 37510 1                       the function at this address polls a future of type 1
//! table 9e030 6                      this is the table of functions of a `dyn Future` of type 6
//! lost 1 0 0                         damaged units, units whose .dwo was not found, types left out: only if there are any
//! end 9                              how many lines there are before this one
//! ```

use std::io::{BufRead, Write};
use std::sync::Arc;

use super::{Arm, Plan, Shape, Type, TypeId};
use crate::{Error, ErrorKind};

const FIRST: &str = "flamewatch plan 1";

/// The longest line: a name is cut at 4 KiB.
const MAX_LINE: usize = 64 << 10;

/// The most lines; a plan has about ten for each type.
const MAX_LINES: usize = 2_000_000;

/// Writes `plan`.
pub(super) fn write(plan: &Plan, out: &mut impl Write) -> std::io::Result<()> {
    let mut lines = 0_u64;
    let mut line = |text: String| {
        lines += 1;
        writeln!(out, "{}", text.replace('\n', " "))
    };
    line(FIRST.to_owned())?;
    line(format!("build {}", hex(&plan.build_id)))?;
    line(format!("head {:x}", plan.head))?;
    for file in plan.files.iter().skip(1) {
        line(format!("file {file}"))?;
    }
    for of in &plan.types {
        line(format!("type {} {} {}", of.size, of.align, of.name))?;
        match &of.shape {
            Shape::Leaf => {}
            Shape::Pointer(to) => line(format!("pointer {to}"))?,
            Shape::Dyn { data, table } => line(format!("dyn {data} {table}"))?,
            Shape::Fields(fields) => line(format!("fields{}", listed(fields)))?,
            Shape::Variants { tag: (at, width), arms } => {
                line(format!("variants {at} {width}"))?;
                for arm in arms {
                    let number = arm.number.map_or_else(|| "-".to_owned(), |number| number.to_string());
                    line(format!("arm {number} {} {}{}", arm.file, arm.line, listed(&arm.fields)))?;
                }
            }
        }
    }
    for (address, id) in &plan.polls {
        line(format!("poll {address:x} {id}"))?;
    }
    for (address, id) in &plan.tables {
        line(format!("table {address:x} {id}"))?;
    }
    let lost = [plan.damaged, plan.missing_splits, plan.omitted];
    if lost != [0; 3] {
        line(format!("lost {} {} {}", lost[0], lost[1], lost[2]))?;
    }
    writeln!(out, "end {lines}")
}

fn listed(fields: &[(u64, TypeId)]) -> String {
    fields.iter().map(|(at, id)| format!(" {at}:{id}")).collect()
}

/// Reads a plan.
pub(super) fn read(input: impl BufRead) -> Result<Plan, Error> {
    let mut plan = Plan { files: vec![Arc::from("")], ..Plan::default() };
    let mut lines = 0_u64;
    let mut ended = false;
    for line in bounded(input) {
        let line = line?;
        if ended {
            return Err(damaged("the plan is damaged: there is more behind its end"));
        }
        let (word, rest) = line.split_once(' ').unwrap_or((&line, ""));
        if lines == 0 {
            if line != FIRST {
                return Err(Error::new(
                    ErrorKind::Invalid,
                    "it is no plan, or one of another version of flamewatch",
                ));
            }
        } else if word == "end" {
            ended = rest.parse() == Ok(lines);
            if !ended {
                return Err(damaged("the plan is damaged: lines are missing"));
            }
        } else {
            take(&mut plan, word, rest)
                .ok_or_else(|| damaged("the plan is damaged: a line makes no sense"))?;
        }
        lines += 1;
    }
    if !ended {
        return Err(damaged("the plan is damaged: it is cut short"));
    }
    if all_ids(&plan).all(|id| (id as usize) < plan.types.len()) {
        Ok(plan)
    } else {
        Err(damaged("the plan is damaged: a type is missing"))
    }
}

const fn damaged(why: &'static str) -> Error {
    Error::new(ErrorKind::Invalid, why)
}

/// Lines of at most [`MAX_LINE`] bytes, [`MAX_LINES`] of them.
fn bounded(mut input: impl BufRead) -> impl Iterator<Item = Result<String, Error>> {
    let mut left = MAX_LINES;
    std::iter::from_fn(move || {
        left = left.checked_sub(1)?;
        let mut line = Vec::new();
        let read = std::io::Read::take(&mut input, MAX_LINE as u64).read_until(b'\n', &mut line);
        match read {
            Ok(0) => None,
            Ok(_) if line.pop() == Some(b'\n') => {
                Some(String::from_utf8(line).map_err(|_| damaged("the plan is damaged: it is no text")))
            }
            Ok(_) => Some(Err(damaged("the plan is damaged: it is cut short"))),
            Err(error) => Some(Err(Error::new(ErrorKind::Io, "cannot read the plan").because(error))),
        }
    })
}

fn take(plan: &mut Plan, word: &str, rest: &str) -> Option<()> {
    let mut parts = rest.split(' ');
    match word {
        "build" => plan.build_id = bytes(rest)?,
        "head" => plan.head = u64::from_str_radix(rest, 16).ok()?,
        "file" => plan.files.push(Arc::from(rest)),
        "type" => {
            let (size, rest) = rest.split_once(' ')?;
            let (align, name) = rest.split_once(' ')?;
            let (size, align) = (size.parse().ok()?, align.parse().ok()?);
            plan.types.push(Type { name: name.to_owned(), size, align, shape: Shape::Leaf });
        }
        "pointer" => plan.types.last_mut()?.shape = Shape::Pointer(rest.parse().ok()?),
        "dyn" => {
            let (data, table) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
            plan.types.last_mut()?.shape = Shape::Dyn { data, table };
        }
        "fields" => plan.types.last_mut()?.shape = Shape::Fields(fields(parts)?),
        "variants" => {
            let (at, width) =
                (parts.next()?.parse().ok()?, parts.next()?.parse().ok().filter(|width| *width <= 8)?);
            plan.types.last_mut()?.shape = Shape::Variants { tag: (at, width), arms: Vec::new() };
        }
        "arm" => {
            let number = parts.next()?;
            let number = if number == "-" { None } else { Some(number.parse().ok()?) };
            let (file, line) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
            let Shape::Variants { arms, .. } = &mut plan.types.last_mut()?.shape else { return None };
            arms.push(Arm { number, file, line, fields: fields(parts)? });
        }
        "poll" | "table" => {
            let (at, id) = (u64::from_str_radix(parts.next()?, 16).ok()?, parts.next()?.parse().ok()?);
            if word == "poll" {
                plan.polls.insert(at, id)
            } else {
                plan.tables.insert(at, id)
            };
        }
        "lost" => {
            let mut number = || parts.next().and_then(|number| number.parse().ok());
            (plan.damaged, plan.missing_splits, plan.omitted) = (number()?, number()?, number()?);
        }
        _ => return None,
    }
    Some(())
}

fn fields<'l>(parts: impl Iterator<Item = &'l str>) -> Option<Vec<(u64, TypeId)>> {
    let field =
        |part: &str| part.split_once(':').and_then(|(at, id)| Some((at.parse().ok()?, id.parse().ok()?)));
    parts.filter(|part| !part.is_empty()).map(field).collect()
}

/// Every type that something in the plan refers to.
fn all_ids(plan: &Plan) -> impl Iterator<Item = TypeId> {
    let of_shape = |of: &Type| -> Vec<TypeId> {
        match &of.shape {
            Shape::Leaf | Shape::Dyn { .. } => Vec::new(),
            Shape::Pointer(to) => vec![*to],
            Shape::Fields(fields) => fields.iter().map(|(_, id)| *id).collect(),
            Shape::Variants { arms, .. } => {
                arms.iter().flat_map(|arm| &arm.fields).map(|(_, id)| *id).collect()
            }
        }
    };
    plan.types
        .iter()
        .flat_map(of_shape)
        .chain(plan.polls.values().copied())
        .chain(plan.tables.values().copied())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn bytes(text: &str) -> Option<Vec<u8>> {
    let pair = |at: usize| u8::from_str_radix(text.get(at..at + 2)?, 16).ok();
    (text.len() % 2 == 0).then(|| (0..text.len()).step_by(2).map(pair).collect())?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> Plan {
        let arm = |number, line, fields| Arm { number, file: 1, line, fields };
        let of = |name: &str, shape| Type { name: name.to_owned(), size: 24, align: 8, shape };
        Plan {
            build_id: vec![0, 171, 255],
            head: 0x40_0000,
            types: vec![
                of(
                    "shop::place::{async fn}",
                    Shape::Variants {
                        tag: (16, 1),
                        arms: vec![arm(Some(3), 41, vec![(8, 1)]), arm(None, 0, vec![])],
                    },
                ),
                of("Pin<Box<dyn Future>>", Shape::Fields(vec![(0, 2), (8, 3)])),
                of("Box<dyn Future>", Shape::Dyn { data: 0, table: 8 }),
                of("&mut Sleep", Shape::Pointer(4)),
                of("Sleep", Shape::Leaf),
            ],
            files: vec![Arc::from(""), Arc::from("src/with a blank.rs")],
            polls: [(0x1000, 0)].into(),
            tables: [(0x2000, 4)].into(),
            damaged: 1,
            missing_splits: 2,
            omitted: 3,
        }
    }

    fn text() -> String {
        let mut out = Vec::new();
        write(&plan(), &mut out).expect("into memory");
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn what_is_written_is_read() {
        let again = read(text().as_bytes()).expect("a plan");
        assert_eq!(format!("{again:?}"), format!("{:?}", plan()));
    }

    #[test]
    fn a_plan_that_is_cut_anywhere_is_refused() {
        let text = text();
        for end in 0..text.len() {
            assert!(read(&text.as_bytes()[..end]).is_err(), "{}", &text[..end]);
        }
    }

    #[test]
    fn a_plan_that_was_changed_is_refused_or_says_something_else() {
        let check = |from: &str, to: &str| {
            let changed = text().replace(from, to);
            assert_ne!(changed, text(), "{from}");
            assert!(read(changed.as_bytes()).is_err(), "{from} to {to}");
        };
        check("plan 1", "plan 2");
        check("pointer 4", "pointer 5");
        check("pointer 4", "pointer x");
        check("variants 16 1", "variants 16 9");
        check("type 24 8 Sleep\n", "");
        check("end", "what");
    }
}
