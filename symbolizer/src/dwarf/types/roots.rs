//! Where to begin: the type that each of tokio's polling functions is for, and the tables of functions of `dyn Future`.

use gimli::{DwTag, constants};

use super::super::sections::{Sections, StringOffsets};
use super::super::unit::Unit;
use super::node::{self, Node, Part};
use super::parameter::first_parameter;

/// What the debug info calls a table of functions of a `dyn Future`.
const TABLE: &str = " as core::future::future::Future>::{vtable}";

/// A beginning.
#[derive(Clone, Debug)]
pub(super) enum Root {
    /// The function at this address of the file polls a future of this type.
    Poll { at: u64, of_type: u64 },
    /// The same, where the debug info has functions and lines alone: the type's name is in the function's.
    Named { at: u64, name: String },
    /// The table at this address is described by this type, which says what it is for.
    Table { at: u64, of_type: u64 },
}

/// Adds those of `unit` to `roots`. `None` when the unit is damaged.
pub(super) fn roots(
    sections: &mut Sections,
    unit: &Unit,
    window: usize,
    polls: &[u64],
    roots: &mut Vec<Root>,
) -> Option<()> {
    // The polling function whose children are next: its first type parameter is the future.
    let mut inside: Option<(u32, u64)> = None;
    node::each(sections, unit, Part::Whole(window), is_wanted, |sections, node| {
        if inside.is_some_and(|(depth, _)| node.depth <= depth) {
            inside = None;
        }
        match node.tag {
            constants::DW_TAG_subprogram => {
                if let Some(at) = node.at.filter(|at| polls.binary_search(at).is_ok()) {
                    inside = Some((node.depth, at));
                    let name =
                        node.name.and_then(|name| sections.text(name, &[], unit.strings)).unwrap_or_default();
                    if let Some(name) = first_parameter(&name) {
                        roots.push(Root::Named { at, name: name.to_owned() });
                    }
                }
            }
            constants::DW_TAG_template_type_parameter => {
                if let Some((depth, at)) = inside
                    && node.depth == depth + 1
                    && let Some(of_type) = node.of_type
                {
                    roots.push(Root::Poll { at, of_type });
                    inside = None;
                }
            }
            _ => {
                if let (Some(at), Some(of_type)) = (node.at, node.of_type)
                    && is_table(sections, unit.strings, &node)
                {
                    roots.push(Root::Table { at, of_type });
                }
            }
        }
        Some(())
    })
}

fn is_wanted(tag: DwTag) -> bool {
    matches!(
        tag,
        constants::DW_TAG_subprogram | constants::DW_TAG_template_type_parameter | constants::DW_TAG_variable
    )
}

fn is_table(sections: &mut Sections, strings: StringOffsets, node: &Node) -> bool {
    // Tables stand at the top of their unit.
    node.depth == 1
        && node
            .name
            .is_some_and(|name| sections.text(name, &[], strings).is_some_and(|name| name.ends_with(TABLE)))
}
