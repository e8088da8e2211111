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
//! type 960 8 (shop::orders::place::{async fn}, shop::orders::cancel::{async fn})
//! branches 0:0 472:9                 futures that are polled in turn; `fields` is what may lead to one
//! poll 37510 1                       the function at this address polls a future of type 1
//! table 9e030 6                      this is the table of functions of a `dyn Future` of type 6
//! lost 1 0 0                         damaged units, units whose .dwo was not found, types left out: only if there are any
//! end 9                              how many lines there are before this one
//! ```

use std::io::{BufRead, Write};
use std::sync::Arc;

use super::{Arm, Plan, Shape, Type, TypeId};
use crate::file::elf::hex;
use crate::{Error, ErrorKind};

const FIRST: &str = "flamewatch plan 1";

/// The longest file, in bytes. A service of 90 MB has 130 KB.
const MAX_BYTES: u64 = 16 << 20;

/// The longest line, in bytes: a name has 4 KiB, and a type at most 64 fields.
const MAX_LINE: u64 = 8 << 10;

/// The most lines; a plan has about ten for each type. What each becomes takes 100 bytes at most: 30 MB.
const MAX_LINES: u64 = 300_000;

/// The most places of types in types, of 16 bytes: 16 MB.
const MAX_FIELDS: usize = 1_000_000;

/// Places in a type, and how it is aligned, are below this: nothing that is larger is a future.
const MAX_PLACE: u64 = 1 << 30;

const DAMAGED: &str = "the plan is damaged: a line makes no sense";
const CUT: &str = "the plan is damaged: it is cut short";
const TOO_LONG: &str = "the plan is too long to be one";

/// Writes `plan`.
pub(super) fn write(plan: &Plan, out: &mut impl Write) -> std::io::Result<()> {
    let (mut lines, mut bytes) = (0_u64, 0_u64);
    let mut line = |text: String| {
        let text = text.replace(char::is_control, " ");
        lines += 1;
        bytes += text.len() as u64 + 1;
        if bytes > MAX_BYTES - MAX_LINE || lines >= MAX_LINES - 1 {
            return Err(std::io::Error::other("the plan would be too long to be read"));
        }
        writeln!(out, "{text}")
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
            Shape::Branches(fields) => line(format!("branches{}", listed(fields)))?,
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
    let mut room = MAX_FIELDS;
    let mut ended = false;
    for (line, number) in bounded(input).zip(0_u64..) {
        let line = line?;
        if ended {
            return Err(damaged("the plan is damaged: there is more behind its end"));
        }
        let (word, rest) = line.split_once(' ').unwrap_or((&line, ""));
        if number == 0 {
            if line != FIRST {
                return Err(damaged("it is no plan, or one of another version of flamewatch"));
            }
        } else if word == "end" {
            ended = rest.parse() == Ok(number);
            if !ended {
                return Err(damaged("the plan is damaged: lines are missing"));
            }
        } else {
            take(&mut plan, word, rest, &mut room).ok_or_else(|| damaged(DAMAGED))?;
        }
    }
    if !ended {
        return Err(damaged(CUT));
    }
    let files = |arm: &Arm| (arm.file as usize) < plan.files.len();
    if !all_ids(&plan).all(|id| (id as usize) < plan.types.len()) {
        return Err(damaged("the plan is damaged: a type is missing"));
    }
    if !plan.types.iter().flat_map(arms).all(files) {
        return Err(damaged("the plan is damaged: a file is missing"));
    }
    Ok(plan)
}

const fn damaged(why: &'static str) -> Error {
    Error::new(ErrorKind::Invalid, why)
}

/// Lines of at most [`MAX_LINE`] bytes, [`MAX_LINES`] of them and [`MAX_BYTES`] in all.
fn bounded(input: impl BufRead) -> impl Iterator<Item = Result<String, Error>> {
    let mut input = std::io::Read::take(input, MAX_BYTES);
    let mut lines = 0;
    std::iter::from_fn(move || {
        let mut line = Vec::new();
        let read = std::io::Read::take(&mut input, MAX_LINE).read_until(b'\n', &mut line);
        lines += 1;
        match read {
            Ok(0) if input.limit() > 0 => None,
            Ok(_) if lines > MAX_LINES || input.limit() == 0 => Some(Err(damaged(TOO_LONG))),
            Ok(_) if line.pop() == Some(b'\n') => {
                Some(String::from_utf8(line).map_err(|_| damaged("the plan is damaged: it is no text")))
            }
            Ok(_) => Some(Err(damaged(CUT))),
            Err(error) => Some(Err(Error::new(ErrorKind::Io, "cannot read the plan").because(error))),
        }
    })
}

/// Takes one line; of `room` what it has of fields.
fn take(plan: &mut Plan, word: &str, rest: &str, room: &mut usize) -> Option<()> {
    if rest.contains(char::is_control) {
        return None;
    }
    let mut parts = rest.split(' ');
    let mut last = |shape| -> Option<()> {
        let of: &mut Type = plan.types.last_mut()?;
        matches!(of.shape, Shape::Leaf).then(|| of.shape = shape)
    };
    match word {
        "build" if plan.build_id.is_empty() => plan.build_id = bytes(rest)?,
        "head" => plan.head = u64::from_str_radix(rest, 16).ok()?,
        "file" => plan.files.push(Arc::from(rest)),
        "type" => {
            let (size, rest) = rest.split_once(' ')?;
            let (align, name) = rest.split_once(' ')?;
            let (size, align): (u32, u32) = (size.parse().ok()?, align.parse().ok()?);
            let is_one = (align == 0 || align.is_power_of_two()) && u64::from(align) < MAX_PLACE;
            let of = Type { name: name.to_owned(), size, align, shape: Shape::Leaf };
            is_one.then(|| plan.types.push(of))?;
        }
        "pointer" => last(Shape::Pointer(rest.parse().ok()?))?,
        "dyn" => last(Shape::Dyn { data: place(parts.next()?)?, table: place(parts.next()?)? })?,
        "fields" => last(Shape::Fields(fields(parts, room)?))?,
        "branches" => last(Shape::Branches(fields(parts, room)?))?,
        "variants" => {
            let tag = (place(parts.next()?)?, parts.next()?.parse().ok().filter(is_width)?);
            last(Shape::Variants { tag, arms: Vec::new() })?;
        }
        "arm" => {
            let number = parts.next()?;
            let number = if number == "-" { None } else { Some(number.parse().ok()?) };
            let (file, line) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
            let Shape::Variants { arms, .. } = &mut plan.types.last_mut()?.shape else { return None };
            arms.push(Arm { number, file, line, fields: fields(parts, room)? });
        }
        "poll" | "table" => {
            let (at, id) = (u64::from_str_radix(parts.next()?, 16).ok()?, parts.next()?.parse().ok()?);
            let of = if word == "poll" { &mut plan.polls } else { &mut plan.tables };
            of.insert(at, id);
        }
        "lost" => {
            let mut number = || parts.next().and_then(|number| number.parse().ok());
            (plan.damaged, plan.missing_splits, plan.omitted) = (number()?, number()?, number()?);
        }
        _ => return None,
    }
    Some(())
}

fn place(text: &str) -> Option<u64> {
    text.parse().ok().filter(|place| *place < MAX_PLACE)
}

/// True for how wide a number in memory may be, in bytes.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "it is used as a filter")]
const fn is_width(width: &u8) -> bool {
    matches!(*width, 1 | 2 | 4 | 8)
}

fn fields<'l>(parts: impl Iterator<Item = &'l str>, room: &mut usize) -> Option<Vec<(u64, TypeId)>> {
    let mut field = |part: &str| {
        *room = room.checked_sub(1)?;
        let (at, id) = part.split_once(':')?;
        Some((place(at)?, id.parse().ok()?))
    };
    parts.filter(|part| !part.is_empty()).map(&mut field).collect()
}

fn arms(of: &Type) -> &[Arm] {
    if let Shape::Variants { arms, .. } = &of.shape { arms } else { &[] }
}

/// Every type that something in the plan refers to.
fn all_ids(plan: &Plan) -> impl Iterator<Item = TypeId> {
    let of_shape = |of: &Type| -> Vec<TypeId> {
        match &of.shape {
            Shape::Leaf | Shape::Dyn { .. } => Vec::new(),
            Shape::Pointer(to) => vec![*to],
            Shape::Fields(fields) | Shape::Branches(fields) => fields.iter().map(|(_, id)| *id).collect(),
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

fn bytes(text: &str) -> Option<Vec<u8>> {
    let pair = |at: usize| u8::from_str_radix(text.get(at..at + 2)?, 16).ok();
    text.len().is_multiple_of(2).then(|| (0..text.len()).step_by(2).map(pair).collect())?
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
                of("(&mut Sleep, Pin<Box<dyn Future>>)", Shape::Branches(vec![(16, 3), (0, 1)])),
            ],
            files: vec![Arc::from(""), Arc::from("src/with a blank.rs")],
            polls: [(0x1000, 0), (0x1010, 5)].into(),
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
        check("pointer 4", "pointer 6");
        check("branches 16:3 0:1", "branches 16:3 0:6");
        check("pointer 4", "pointer x");
        check("variants 16 1", "variants 16 9");
        check("variants 16 1", "variants 16 0");
        check("variants 16 1", "variants 18446744073709551615 1");
        check("8:1", "4611686018427387904:1");
        check("arm 3 1 41", "arm 3 2 41");
        check("type 24 8 Sleep", "type 24 7 Sleep");
        check("type 24 8 Sleep", "type 24 8 Sle\u{7}ep");
        check("pointer 4", "pointer 4\npointer 4");
        check("type 24 8 Sleep\n", "");
        check("end", "what");
    }

    #[test]
    fn what_is_too_long_is_refused_before_it_is_held() {
        let check = |more: String| {
            let error = read(text().replace("end", &format!("{more}end")).as_bytes()).expect_err("too long");
            assert!([TOO_LONG, CUT, DAMAGED].contains(&&*error.to_string()), "{error}");
        };
        check("file \n".repeat(300_000));
        check(format!("type 1 1 {}\n", "x".repeat(9_000)));
        check(format!("type 1 1 {}\n", "x".repeat(4_000)).repeat(5_000));
        check(format!("type 8 8 a\nfields{}\n", " 0:1".repeat(2_000)).repeat(600));
    }

    #[test]
    fn what_could_not_be_read_is_not_written() {
        let many = Plan { files: vec![Arc::from("x"); 400_000], ..plan() };
        assert!(write(&many, &mut std::io::sink()).is_err());
        let most = Plan { files: vec![Arc::from("x"); 299_000], ..plan() };
        let mut out = Vec::new();
        write(&most, &mut out).expect("into memory");
        assert_eq!(read(&*out).expect("a plan").files.len(), 299_000);
    }
}
