//! All types of one unit, as they stand there, by the place of their entries.

use gimli::{DwTag, constants};
use rustc_hash::FxHashMap;

use super::super::sections::Sections;
use super::super::unit::Unit;
use super::node::{self, Node};

/// The most entries of one unit that are held, of 112 bytes and 20 for finding them: 40 MB.
const MAX_NODES: usize = 300_000;

/// The types of a unit.
#[derive(Debug, Default)]
pub(super) struct Table {
    nodes: Vec<Node>,
    /// Of each node the one that it stands in.
    parents: Vec<u32>,
    by_offset: FxHashMap<u64, u32>,
}

impl Table {
    /// Reads `unit`; `None` when it is damaged or has too many.
    pub(super) fn read(sections: &mut Sections, unit: &Unit, window: usize) -> Option<Self> {
        let mut table = Self::default();
        let mut above: Vec<(u32, u32)> = Vec::new();
        node::each(sections, unit, window, is_wanted, |_, node| {
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

    /// The names of the namespaces and types around the node `number`, and its own.
    pub(super) fn path(&self, sections: &mut Sections, unit: &Unit, number: u32) -> String {
        let mut parts = Vec::new();
        let mut next = number;
        while let Some(node) = self.nodes.get(next as usize) {
            if let Some(name) = node.name.and_then(|name| sections.text(name, &[], unit.strings)) {
                parts.push(name);
            }
            next = self.parents.get(next as usize).copied().unwrap_or(u32::MAX);
        }
        parts.reverse();
        parts.join("::")
    }
}

fn is_type(tag: DwTag) -> bool {
    matches!(tag, constants::DW_TAG_structure_type | constants::DW_TAG_pointer_type)
}

fn is_wanted(tag: DwTag) -> bool {
    is_type(tag)
        || matches!(
            tag,
            constants::DW_TAG_namespace
                | constants::DW_TAG_member
                | constants::DW_TAG_variant_part
                | constants::DW_TAG_variant
        )
}
