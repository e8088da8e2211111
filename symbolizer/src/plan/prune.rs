//! What was found in debug info without what leads to no future.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::{Arm, Shape, Type, TypeId};
use crate::dwarf::types::Found;

/// What is left, numbered anew.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) types: Vec<Type>,
    pub(super) polls: BTreeMap<u64, TypeId>,
    pub(super) tables: BTreeMap<u64, TypeId>,
    /// Of each type the number that it had.
    pub(super) order: Vec<TypeId>,
}

/// Those types of `found` that somebody who evaluates the plan can come to.
pub(super) fn pruned(found: &Found) -> Kept {
    let leads = leading(&found.types);
    let borrowed = found.types.iter().filter_map(|of| match of.shape {
        Shape::Pointer(to) => Some(to),
        _ => None,
    });
    let mut keep = Keep {
        types: &found.types,
        leads: &leads,
        borrowed: borrowed.collect(),
        new: HashMap::new(),
        order: Vec::new(),
    };
    let polls = found.polls.iter().map(|(at, id)| (*at, keep.number(*id))).collect();
    let tables = found.tables.iter().map(|(at, id)| (*at, keep.number(*id))).collect();
    let mut types = Vec::new();
    while let Some(id) = keep.order.get(types.len()).copied() {
        types.push(keep.described(id));
    }
    Kept { types, polls, tables, order: keep.order }
}

/// Which types lead to an `async` body or a `dyn Future`, itself included.
fn leading(types: &[Type]) -> Vec<bool> {
    let mut leads: Vec<bool> = types.iter().map(|of| is_end(&of.shape)).collect();
    loop {
        let before = leads.iter().filter(|leads| **leads).count();
        for (number, of) in types.iter().enumerate() {
            let any = |fields: &[(u64, TypeId)]| {
                fields.iter().any(|(_, id)| leads.get(*id as usize) == Some(&true))
            };
            let now = match &of.shape {
                Shape::Fields(fields) | Shape::Branches(fields) => any(fields),
                Shape::Variants { arms, .. } => arms.iter().any(|arm| any(&arm.fields)),
                Shape::Pointer(to) => leads.get(*to as usize) == Some(&true),
                Shape::Leaf | Shape::Dyn { .. } => false,
            };
            if let Some(place) = leads.get_mut(number) {
                *place |= now;
            }
        }
        if leads.iter().filter(|leads| **leads).count() == before {
            return leads;
        }
    }
}

fn is_end(shape: &Shape) -> bool {
    match shape {
        Shape::Dyn { .. } => true,
        Shape::Variants { arms, .. } => arms.iter().any(|arm| arm.line != 0),
        _ => false,
    }
}

struct Keep<'f> {
    types: &'f [Type],
    leads: &'f [bool],
    /// What pointers point to.
    borrowed: HashSet<TypeId>,
    new: HashMap<TypeId, TypeId>,
    order: Vec<TypeId>,
}

impl Keep<'_> {
    fn number(&mut self, id: TypeId) -> TypeId {
        if let Some(known) = self.new.get(&id) {
            return *known;
        }
        let number = TypeId::try_from(self.order.len()).unwrap_or(TypeId::MAX);
        self.new.insert(id, number);
        self.order.push(id);
        number
    }

    fn described(&mut self, id: TypeId) -> Type {
        let Some(of) = self.types.get(id as usize) else { return Type::default() };
        let leads = |id: &TypeId| self.leads.get(*id as usize) == Some(&true);
        let mut shape = match (&of.shape, leads(&id)) {
            (shape, true) => shape.clone(),
            (_, false) => Shape::Leaf,
        };
        // What `select!` and `join!` have, they have put into a tuple and borrow it. Of any other nobody knows whether what is in
        // it is polled.
        if let Shape::Branches(fields) = &mut shape
            && !self.borrowed.contains(&id)
        {
            shape = Shape::Fields(std::mem::take(fields));
        }
        match &mut shape {
            Shape::Fields(fields) | Shape::Branches(fields) => fields.retain(|(_, id)| leads(id)),
            Shape::Variants { arms, .. } => {
                // What an `async` body waits for is told even when nothing is known of its inside.
                arms.iter_mut()
                    .filter(|arm| arm.line == 0)
                    .for_each(|arm| arm.fields.retain(|(_, id)| leads(id)));
            }
            _ => {}
        }
        match &mut shape {
            Shape::Fields(fields) | Shape::Branches(fields) => {
                fields.iter_mut().for_each(|(_, id)| *id = self.number(*id));
            }
            Shape::Variants { arms, .. } => {
                let all = arms.iter_mut().flat_map(|arm: &mut Arm| &mut arm.fields);
                all.for_each(|(_, id)| *id = self.number(*id));
            }
            Shape::Pointer(to) => *to = self.number(*to),
            Shape::Leaf | Shape::Dyn { .. } => {}
        }
        Type { name: of.name.clone(), size: of.size, align: of.align, shape }
    }
}
