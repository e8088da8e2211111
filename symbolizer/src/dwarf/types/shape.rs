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
                None => Shape::Fields(fields(table, number, id)),
            }
        }
        _ => Shape::Leaf,
    };
    Type { name: String::new(), size: node.size, align: node.align, shape }
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
        members.find(|(_, child)| text(sections, unit, child) == wanted).and_then(|(_, child)| child.at)
    };
    let is_future = name.contains("dyn ") && name.contains(FUTURE);
    match (is_future, member(sections, "pointer"), member(sections, "vtable")) {
        (true, Some(data), Some(table)) => Shape::Dyn { data, table },
        _ => Shape::Leaf,
    }
}

/// The fields of a structure that may lead to a future.
fn fields(table: &Table, number: u32, id: &mut impl FnMut(u64) -> Option<TypeId>) -> Vec<(u64, TypeId)> {
    let members =
        table.children(number).filter(|(_, child)| child.tag == constants::DW_TAG_member).take(MAX_FIELDS);
    let places = members.filter_map(|(_, member)| Some((member.at.unwrap_or(0), member.of_type?)));
    // Types that no entry describes here (numbers, unions, arrays) lead nowhere, those of other units may.
    places.filter_map(|(at, of_type)| Some((at, id(of_type)?))).collect()
}

fn variants(
    table: &Table,
    sections: &mut Sections,
    unit: &Unit,
    part: u32,
    node: &Node,
    id: &mut impl FnMut(u64) -> Option<TypeId>,
) -> Shape {
    let Some((_, tag)) = node.other.and_then(|tag| table.at(tag)) else { return Shape::Leaf };
    let is_async = text(sections, unit, tag) == STATE;
    let Some(width) = u8::try_from(tag.align.max(1)).ok().filter(|width| *width <= 8) else {
        return Shape::Leaf;
    };
    let mut arms = Vec::new();
    for (variant, of_variant) in
        table.children(part).filter(|(_, child)| child.tag == constants::DW_TAG_variant).take(MAX_ARMS)
    {
        let Some((_, member)) =
            table.children(variant).find(|(_, child)| child.tag == constants::DW_TAG_member)
        else {
            continue;
        };
        let Some((body, _)) = member.of_type.and_then(|of_type| table.at(of_type)) else { continue };
        let at = member.at.unwrap_or(0);
        let fields =
            if is_async { awaited(table, sections, unit, body, id) } else { fields(table, body, id) };
        let fields = fields.into_iter().map(|(field, of_type)| (at + field, of_type)).collect();
        let (file, line) = if is_async { (member.file, member.line) } else { (0, 0) };
        arms.push(Arm { number: of_variant.at, file, line, fields });
    }
    Shape::Variants { tag: (tag.at.unwrap_or(0), width), arms }
}

/// The future that is waited for in one state of an `async` body.
fn awaited(
    table: &Table,
    sections: &mut Sections,
    unit: &Unit,
    body: u32,
    id: &mut impl FnMut(u64) -> Option<TypeId>,
) -> Vec<(u64, TypeId)> {
    let mut members = table.children(body).filter(|(_, child)| child.tag == constants::DW_TAG_member);
    let awaited = members.find(|(_, child)| text(sections, unit, child) == AWAITED);
    let place = awaited.and_then(|(_, member)| Some((member.at.unwrap_or(0), id(member.of_type?)?)));
    place.into_iter().collect()
}
