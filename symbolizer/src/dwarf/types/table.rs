//! One type and what stands in its entry, and the paths of types.

use gimli::{DwTag, constants};
use rustc_hash::FxHashMap;

use super::super::form::Text;
use super::super::sections::Sections;
use super::super::unit::Unit;
use super::impls::Impls;
use super::node::{self, Node, Part};

/// The most entries in one that are held, of 112 bytes and 20 for finding them: 13 MB. The body of an `async fn` has one for
/// each variable that it keeps in each of its states.
const MAX_NODES: usize = 100_000;

/// A type.
#[derive(Debug, Default)]
pub(super) struct Table {
    nodes: Vec<Node>,
    /// Of each node the one that it stands in.
    parents: Vec<u32>,
    by_offset: FxHashMap<u64, u32>,
}

impl Table {
    /// Reads the type at `offset`; `None` when it is damaged or there is too much in it.
    pub(super) fn read(sections: &mut Sections, unit: &Unit, offset: u64) -> Option<Self> {
        let mut table = Self::default();
        let mut above: Vec<(u32, u32)> = Vec::new();
        node::each(sections, unit, Part::Entry(offset), is_wanted, |_, node| {
            while above.last().is_some_and(|(depth, _)| *depth >= node.depth) {
                above.pop();
            }
            let number = u32::try_from(table.nodes.len()).ok().filter(|_| table.nodes.len() < MAX_NODES)?;
            table.parents.push(above.last().map_or(u32::MAX, |(_, number)| *number));
            above.push((node.depth, number));
            if is_type(node.tag) || node.tag == constants::DW_TAG_member {
                table.by_offset.insert(node.offset, number);
            }
            table.nodes.push(node);
            Some(())
        })?;
        Some(table)
    }

    /// The node at `offset`, and its number.
    pub(super) fn at(&self, offset: u64) -> Option<(u32, &Node)> {
        let number = *self.by_offset.get(&offset)?;
        Some((number, self.nodes.get(number as usize)?))
    }

    /// The type that the table of functions described at `offset` is for, if it describes one.
    pub(super) fn is_for(&self, offset: u64) -> Option<u64> {
        let (_, node) = self.at(offset)?;
        node.other.filter(|_| node.tag == constants::DW_TAG_structure_type)
    }

    /// What stands directly in the node `number`.
    pub(super) fn children(&self, number: u32) -> impl Iterator<Item = (u32, &Node)> {
        let depth = self.nodes.get(number as usize).map_or(u32::MAX, |node| node.depth);
        let behind = self.nodes.iter().zip(0_u32..).skip(number as usize + 1);
        let inside = behind.take_while(move |(node, _)| node.depth > depth);
        inside
            .filter(move |(_, child)| self.parents.get(*child as usize) == Some(&number))
            .map(|(node, child)| (child, node))
    }
}

/// Hands the path of each of the types at `wanted` (in order) to `note`, with its place among them, and has `impls` learn.
/// `None` when the unit is damaged.
pub(super) fn names(
    sections: &mut Sections,
    unit: &Unit,
    window: usize,
    wanted: &[u64],
    impls: &mut Impls,
    note: &mut dyn FnMut(usize, String),
) -> Option<()> {
    // Of what stands around the entry in hand the depth, the name, and whether an `impl` is among it.
    let mut above: Vec<(u32, Option<Text>, bool)> = Vec::new();
    node::each(sections, unit, Part::Whole(window), has_path, |sections, node| {
        while above.last().is_some_and(|(depth, ..)| *depth >= node.depth) {
            above.pop();
        }
        let mut text = |name: Option<Text>| name.and_then(|name| sections.text(name, &[], unit.strings));
        let mut path = |above: &[(u32, Option<Text>, bool)]| -> Vec<String> {
            let around = above.iter().map(|(_, name, _)| *name);
            around.chain([node.name]).filter_map(&mut text).collect()
        };
        let mut in_impl = above.last().is_some_and(|(.., in_impl)| *in_impl);
        match node.tag {
            constants::DW_TAG_subprogram if in_impl && node.linkage_name.is_some() => {
                let path = path(&above);
                impls.learn(&path, &text(node.linkage_name).unwrap_or_default());
            }
            constants::DW_TAG_namespace if !in_impl => {
                in_impl = text(node.name).is_some_and(|name| Impls::is_one(&name));
            }
            // A pointer is called by what it points to, wherever its entry stands.
            tag => {
                if let Ok(found) = wanted.binary_search(&node.offset) {
                    let path = path(if tag == constants::DW_TAG_pointer_type { &[] } else { &above });
                    note(found, path.join("::"));
                }
            }
        }
        above.push((node.depth, node.name, in_impl));
        Some(())
    })
}

fn has_path(tag: DwTag) -> bool {
    is_type(tag)
        || matches!(
            tag,
            constants::DW_TAG_namespace
                | constants::DW_TAG_subprogram
                | constants::DW_TAG_union_type
                | constants::DW_TAG_enumeration_type
        )
}

fn is_type(tag: DwTag) -> bool {
    matches!(tag, constants::DW_TAG_structure_type | constants::DW_TAG_pointer_type)
}

fn is_wanted(tag: DwTag) -> bool {
    is_type(tag)
        || matches!(
            tag,
            constants::DW_TAG_member | constants::DW_TAG_variant_part | constants::DW_TAG_variant
        )
}
