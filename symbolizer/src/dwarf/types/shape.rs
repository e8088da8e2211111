//! What one type's entry says of the futures in it. The names are those that rustc writes: `__awaitee` is the future that
//! an `async` body waits for, `__state` where it is.

use gimli::constants;

use super::super::sections::Sections;
use super::super::unit::Unit;
use super::node::Node;
use super::table::Table;
use super::{Arm, Shape, Type, TypeId};

const AWAITED: &str = "__awaitee";
const STATE: &str = "__state";
const FUTURE: &str = "core::future::future::Future";

/// Pointers that own what is behind them, or borrow it alone: a future that is polled is behind one of these.
const POINTERS: [&str; 2] = ["alloc::boxed::Box<", "&mut "];

/// The most fields of a type that are looked at.
const MAX_FIELDS: usize = 64;

/// The most variants of one; an `async` body has as many as it has awaits.
const MAX_ARMS: usize = 4096;

/// Places in a type are below this: nothing that is larger is a future.
const MAX_PLACE: u64 = 1 << 30;

/// Describes the type at `offset`, but for its name; `id` numbers the types that it leads to.
pub(super) fn of(
    table: &Table,
    sections: &mut Sections,
    unit: &Unit,
    offset: u64,
    id: &mut impl FnMut(u64) -> Option<TypeId>,
) -> Type {
    let Some((number, node)) = table.at(offset) else { return Type::default() };
    let name = text(sections, unit, node);
    let shape = match node.tag {
        constants::DW_TAG_pointer_type if is_pointer(&name) => {
            node.of_type.and_then(id).map_or(Shape::Leaf, Shape::Pointer)
        }
        constants::DW_TAG_structure_type if is_pointer(&name) => fat(table, sections, unit, number, &name),
        constants::DW_TAG_structure_type => {
            let part = table.children(number).find(|(_, child)| child.tag == constants::DW_TAG_variant_part);
            match part {
                Some((part, node)) => variants(table, sections, unit, part, node, id),
                None if name.starts_with('(') => Shape::Branches(fields(table, 0, number, id)),
                None => Shape::Fields(fields(table, 0, number, id)),
            }
        }
        _ => Shape::Leaf,
    };
    let align =
        if node.align.is_power_of_two() && u64::from(node.align) < MAX_PLACE { node.align } else { 0 };
    Type { name: String::new(), size: node.size, align, shape }
}

/// Where `member` is in what is at `around`.
fn place(around: u64, member: &Node) -> Option<u64> {
    around.checked_add(member.at.unwrap_or(0)).filter(|place| *place < MAX_PLACE)
}

fn text(sections: &mut Sections, unit: &Unit, node: &Node) -> String {
    node.name.and_then(|name| sections.text(name, &[], unit.strings)).unwrap_or_default()
}

fn is_pointer(name: &str) -> bool {
    POINTERS.iter().any(|pointer| name.starts_with(pointer))
}

/// A pointer with its table of functions, if it is one to a future.
fn fat(table: &Table, sections: &mut Sections, unit: &Unit, number: u32, name: &str) -> Shape {
    let member = |sections: &mut Sections, wanted: &str| {
        let mut members = table.children(number).filter(|(_, child)| child.tag == constants::DW_TAG_member);
        let found = members.find(|(_, child)| text(sections, unit, child) == wanted);
        found.and_then(|(_, child)| place(0, child))
    };
    let is_future = name.contains("dyn ") && name.contains(FUTURE);
    match (is_future, member(sections, "pointer"), member(sections, "vtable")) {
        (true, Some(data), Some(table)) => Shape::Dyn { data, table },
        _ => Shape::Leaf,
    }
}

/// The fields of a structure at `around` that may lead to a future.
fn fields(
    table: &Table,
    around: u64,
    number: u32,
    id: &mut impl FnMut(u64) -> Option<TypeId>,
) -> Vec<(u64, TypeId)> {
    let members =
        table.children(number).filter(|(_, child)| child.tag == constants::DW_TAG_member).take(MAX_FIELDS);
    // Types that no entry describes here (numbers, unions, arrays) lead nowhere, those of other units may.
    members.filter_map(|(_, member)| Some((place(around, member)?, id(member.of_type?)?))).collect()
}

fn variants(
    table: &Table,
    sections: &mut Sections,
    unit: &Unit,
    part: u32,
    node: &Node,
    id: &mut impl FnMut(u64) -> Option<TypeId>,
) -> Shape {
    let Some((_, tag)) = node.other.and_then(|tag| table.at(tag)) else {
        // An enum of one variant has no number.
        return match bodies(table, part).next() {
            Some((_, at, body)) => Shape::Fields(fields(table, at, body, id)),
            None => Shape::Leaf,
        };
    };
    let is_async = text(sections, unit, tag) == STATE;
    let width = u8::try_from(tag.align.max(1)).ok().filter(|width| matches!(width, 1 | 2 | 4 | 8));
    let (Some(width), Some(tag)) = (width, place(0, tag)) else { return Shape::Leaf };
    let mut arms = Vec::new();
    for (variant, at, body) in bodies(table, part) {
        let fields = if is_async {
            awaited(table, sections, unit, (at, body), id)
        } else {
            fields(table, at, body, id)
        };
        let (file, line) = if is_async { (variant.file, variant.line) } else { (0, 0) };
        arms.push(Arm { number: variant.number, file, line, fields });
    }
    // What a macro of elsewhere awaits is told by the line where the body begins, which is its line before it is polled.
    let begins = arms.iter().find(|arm| arm.number == Some(0)).map(|arm| (arm.file, arm.line));
    if let Some((file, line)) = begins.filter(|_| is_async) {
        arms.iter_mut().filter(|arm| arm.file != file).for_each(|arm| (arm.file, arm.line) = (file, line));
    }
    Shape::Variants { tag: (tag, width), arms }
}

/// A variant: its number, and where it is in the source.
struct Variant {
    number: Option<u64>,
    file: u32,
    line: u32,
}

/// The variants of `part`, each with the place and the number of the structure that has its fields.
fn bodies(table: &Table, part: u32) -> impl Iterator<Item = (Variant, u64, u32)> {
    let variants =
        table.children(part).filter(|(_, child)| child.tag == constants::DW_TAG_variant).take(MAX_ARMS);
    variants.filter_map(|(variant, of_variant)| {
        let mut members = table.children(variant).filter(|(_, child)| child.tag == constants::DW_TAG_member);
        let (_, member) = members.next()?;
        let (body, _) = member.of_type.and_then(|of_type| table.at(of_type))?;
        Some((
            Variant { number: of_variant.at, file: member.file, line: member.line },
            place(0, member)?,
            body,
        ))
    })
}

/// The future that is waited for in one state, of which `body` at `around` has the fields, of an `async` body.
fn awaited(
    table: &Table,
    sections: &mut Sections,
    unit: &Unit,
    (around, body): (u64, u32),
    id: &mut impl FnMut(u64) -> Option<TypeId>,
) -> Vec<(u64, TypeId)> {
    let mut members = table.children(body).filter(|(_, child)| child.tag == constants::DW_TAG_member);
    let awaited = members.find(|(_, child)| text(sections, unit, child) == AWAITED);
    let place = awaited.and_then(|(_, member)| Some((place(around, member)?, id(member.of_type?)?)));
    place.into_iter().collect()
}
