//! Where one task waits: from its future down to the one that nobody awaits for, by the plan of the program's futures.
//! What is read may change meanwhile, so it is read twice, and counts when both times say the same.

use std::cell::Cell;
use std::sync::Arc;

use flamewatch_symbolizer::plan::{Arm, Plan, Shape, Type, TypeId};

use super::view::Memory;

/// The longest chain of types that is followed; `async` bodies are every second or third of them.
const MAX_STEPS: usize = 256;

/// The most types that are looked at for one chain, in all branches together. A plan is a file that anybody may have written,
/// and its types may lead to themselves.
const MAX_LOOKS: usize = 4_096;

/// The most branches of one type that are tried: futures that are joined or selected from.
const MAX_BRANCHES: usize = 16;

/// The states of an `async` body before it suspends for the first time, by rustc's numbering.
const RETURNED: u64 = 1;
const PANICKED: u64 = 2;

/// How the name of the type begins in which [`spawn`](crate::spawn()) wraps futures.
pub(crate) const OURS: &str = "flamewatch::spawn::task::Task<";

/// How the names begin of what is around every spawned future where tokio has its feature `tracing`, the outermost first.
const WRAPPERS: [&str; 3] = [
    "tracing::instrument::Instrumented<",
    "core::mem::manually_drop::ManuallyDrop<",
    "core::mem::maybe_dangling::MaybeDangling<",
];

/// The most of them that are looked through: tokio's, and those of a service that names its tasks by spans.
const MAX_WRAPPED: usize = 24;

/// How the name of a pointer begins behind which nothing moves.
const PIN: &str = "core::pin::Pin<";

/// How the name of a box begins, into which tokio puts what is large.
const BOX: &str = "core::pin::Pin<alloc::boxed::Box<";

/// And of one that says nothing of what is in it.
pub(crate) const BOXED: &str = "core::pin::Pin<alloc::boxed::Box<(dyn ";

/// One future of a chain: its type and which of its arms it is in, [`NO_ARM`] for a type that has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Step {
    pub(crate) of_type: TypeId,
    pub(crate) arm: u32,
}

pub(crate) const NO_ARM: u32 = u32::MAX;

/// How far a chain is followed.
#[derive(Clone, Copy)]
struct Left<'c> {
    depth: usize,
    looks: &'c Cell<usize>,
}

impl Left<'_> {
    /// One type deeper.
    fn less(self) -> Option<Self> {
        self.looks.set(self.looks.get().checked_sub(1)?);
        Some(Self { depth: self.depth.checked_sub(1)?, ..self })
    }
}

/// How a look at a future ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// At a future whose inside nobody knows, or that has not begun.
    Waits,
    /// It is over, and waits for nobody.
    Over,
    /// What is there cannot be: it changed meanwhile, or the plan is not of this program.
    Torn,
}

/// A program's plan, and where the program is.
#[derive(Clone, Debug)]
pub(crate) struct Placed {
    pub(crate) plan: Arc<Plan>,
    /// What is added to the addresses of its file.
    pub(crate) base: u64,
}

impl Placed {
    /// The type of the futures that this table of functions is for.
    pub(super) fn future(&self, functions: &[u64]) -> Option<TypeId> {
        functions.iter().find_map(|function| self.plan.polls.get(&function.wrapping_sub(self.base)).copied())
    }

    /// What was spawned as a future of this type, and how many bytes behind its beginning: tokio's feature `tracing` wraps
    /// each one, and services do.
    pub(super) fn spawned(&self, of_type: TypeId) -> (u64, TypeId) {
        self.through(of_type, |of| WRAPPERS.iter().any(|name| of.name.starts_with(name)))
    }

    /// Where in a future of this type, if it is a box that says nothing of what is in it, the address of the table is by
    /// which [`inside`](Self::inside) tells.
    pub(super) fn boxed(&self, of_type: TypeId) -> Option<u64> {
        self.plan.types.get(of_type as usize).filter(|of| of.name.starts_with(BOXED))?;
        let (at, inner) = self.through(of_type, |_| true);
        match self.plan.types.get(inner as usize)?.shape {
            Shape::Dyn { table, .. } => Some(at.wrapping_add(table)),
            _ => None,
        }
    }

    /// The type of the future in a box with this table of functions.
    pub(super) fn inside(&self, table: u64) -> Option<TypeId> {
        self.plan.tables.get(&table.wrapping_sub(self.base)).map(|of| self.spawned(*of).1)
    }

    /// The type within those that hold one future each and that `is` says yes to, and where it begins.
    fn through(&self, of_type: TypeId, is: impl Fn(&Type) -> bool) -> (u64, TypeId) {
        let (mut at, mut inner) = (0_u64, of_type);
        for _ in 0..MAX_WRAPPED {
            let of = self.plan.types.get(inner as usize).filter(|of| is(of));
            let Some((offset, to)) = of.and_then(|of| only_field(&of.shape)) else { break };
            (at, inner) = (at.wrapping_add(offset), to);
        }
        (at, inner)
    }

    /// How large the futures of this type are and how they are aligned; `None` when their inside is not known.
    pub(super) fn room(&self, of_type: TypeId) -> Option<(u64, u64)> {
        self.plan
            .types
            .get(of_type as usize)
            .map(|of| (u64::from(of.size), u64::from(of.align)))
            .filter(|(_, align)| align.is_power_of_two())
    }

    /// What futures of this type are called.
    pub(super) fn name(&self, of_type: TypeId) -> Option<&str> {
        self.plan.types.get(of_type as usize).map(|of| bare(&of.name))
    }

    /// True for what [`spawn`](crate::spawn()) wraps futures in, also where its inside is not known and the name alone says it.
    pub(super) fn is_ours(&self, of_type: TypeId) -> bool {
        let name = self.name(of_type).unwrap_or_default();
        name.strip_prefix(BOX).unwrap_or(name).starts_with(OURS)
    }

    /// Where in such a future its ticket is: the last word of it, unless the service's own asks for a greater alignment.
    pub(super) fn ticket(&self, of_type: TypeId) -> Option<u64> {
        let of =
            self.plan.types.get(of_type as usize).filter(|of| of.name.starts_with(OURS) && of.align == 8)?;
        u64::from(of.size).checked_sub(8)
    }

    /// Fills `chain` with what the future at `at` waits for, outermost first. False when that could not be told: what is
    /// there then is as far as it went.
    pub(super) fn chain(
        &self,
        memory: &impl Memory,
        at: u64,
        of_type: TypeId,
        chain: &mut Vec<Step>,
    ) -> bool {
        chain.clear();
        self.follow(memory, at, of_type, chain, Left { depth: MAX_STEPS, looks: &Cell::new(MAX_LOOKS) })
            != End::Torn
    }

    fn follow(
        &self,
        memory: &impl Memory,
        at: u64,
        of_type: TypeId,
        chain: &mut Vec<Step>,
        left: Left<'_>,
    ) -> End {
        let Some((of, left)) = self.plan.types.get(of_type as usize).zip(left.less()) else {
            return End::Torn;
        };
        match &of.shape {
            Shape::Leaf => {
                chain.push(Step { of_type, arm: NO_ARM });
                End::Waits
            }
            Shape::Pointer(to) => match memory.word(at) {
                Some(there) if there != 0 => self.follow(memory, there, *to, chain, left),
                _ => End::Torn,
            },
            Shape::Dyn { data, table } => self.follow_dyn(
                memory,
                (at.wrapping_add(*data), at.wrapping_add(*table)),
                of_type,
                chain,
                left,
            ),
            Shape::Fields(fields) => self.fields(memory, at, fields, chain, left),
            Shape::Branches(fields) => self.branches(memory, at, fields, chain, left),
            Shape::Variants { tag, arms } => {
                let Some(number) = memory.number(at.wrapping_add(tag.0), tag.1.into()) else {
                    return End::Torn;
                };
                let arm = arms.iter().position(|arm| arm.number == Some(number));
                let arm = arm.or_else(|| arms.iter().position(|arm| arm.number.is_none()));
                match arm.and_then(|place| Some((place, arms.get(place)?))) {
                    Some((place, arm)) if arm.line != 0 => {
                        if matches!(number, RETURNED | PANICKED) {
                            return End::Over;
                        }
                        chain.push(Step { of_type, arm: u32::try_from(place).unwrap_or(NO_ARM) });
                        self.awaited(memory, at, arm, chain, left)
                    }
                    Some((_, arm)) => self.fields(memory, at, &arm.fields, chain, left),
                    None => End::Torn,
                }
            }
        }
    }

    /// What an `async` body waits for; when that is over, the body is about to go on, and waits where it is.
    fn awaited(
        &self,
        memory: &impl Memory,
        at: u64,
        arm: &Arm,
        chain: &mut Vec<Step>,
        left: Left<'_>,
    ) -> End {
        match arm.fields.first() {
            Some((field, to)) => match self.follow(memory, at.wrapping_add(*field), *to, chain, left) {
                End::Torn => End::Torn,
                End::Over | End::Waits => End::Waits,
            },
            None => End::Waits,
        }
    }

    /// The first of several futures that is not over; they are polled in turn, and a chain is one of them. One that holds no
    /// other may wait itself, as a connection without a request does.
    fn branches(
        &self,
        memory: &impl Memory,
        at: u64,
        branches: &[(u64, TypeId)],
        chain: &mut Vec<Step>,
        left: Left<'_>,
    ) -> End {
        for branch in branches.iter().take(MAX_BRANCHES) {
            match self.fields(memory, at, std::slice::from_ref(branch), chain, left) {
                End::Over if self.tells_its_end(branch.1) => {}
                End::Over => {
                    chain.push(Step { of_type: branch.1, arm: NO_ARM });
                    return End::Waits;
                }
                end => return end,
            }
        }
        End::Over
    }

    /// Whether it is the end of this future that nothing in it waits: so it is when it holds an `async` body and nothing else,
    /// or is one of several itself, as `join!` keeps what is over.
    fn tells_its_end(&self, of_type: TypeId) -> bool {
        let (mut of_type, mut is_inside) = (of_type, false);
        for _ in 0..MAX_WRAPPED {
            let Some(of) = self.plan.types.get(of_type as usize) else { return true };
            of_type = match (&of.shape, only_field(&of.shape)) {
                (Shape::Pointer(to), _) => *to,
                (_, Some((_, to))) => {
                    is_inside |= !of.name.starts_with(PIN);
                    to
                }
                (Shape::Variants { arms, .. }, _) => {
                    return !is_inside || arms.iter().any(|arm| arm.line != 0);
                }
                _ => return false,
            };
        }
        true
    }

    /// The first of several that is not over.
    fn fields(
        &self,
        memory: &impl Memory,
        at: u64,
        fields: &[(u64, TypeId)],
        chain: &mut Vec<Step>,
        left: Left<'_>,
    ) -> End {
        let before = chain.len();
        for (field, to) in fields.iter().take(MAX_BRANCHES) {
            match self.follow(memory, at.wrapping_add(*field), *to, chain, left) {
                End::Over => chain.truncate(before),
                end => return end,
            }
        }
        End::Over
    }

    fn follow_dyn(
        &self,
        memory: &impl Memory,
        (data, table): (u64, u64),
        of_type: TypeId,
        chain: &mut Vec<Step>,
        left: Left<'_>,
    ) -> End {
        let (Some(data), Some(table)) = (memory.word(data), memory.word(table)) else { return End::Torn };
        match self.plan.tables.get(&table.wrapping_sub(self.base)) {
            Some(to) if data != 0 => self.follow(memory, data, *to, chain, left),
            Some(_) => End::Torn,
            None => {
                chain.push(Step { of_type, arm: NO_ARM });
                End::Waits
            }
        }
    }
}

/// The one field of a structure that has no other.
fn only_field(shape: &Shape) -> Option<(u64, TypeId)> {
    match shape {
        Shape::Fields(fields) => <[_; 1]>::try_from(fields.as_slice()).ok().map(|[field]| field),
        _ => None,
    }
}

/// The name of what was spawned, of the name of what was made of it.
pub(crate) fn bare(name: &str) -> &str {
    let mut name = name;
    let within = |name| WRAPPERS.iter().find_map(|around| str::strip_prefix(name, around)?.strip_suffix('>'));
    while let Some(inside) = within(name) {
        name = inside;
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::memory::Piece;

    /// Zeros everywhere.
    struct Zeros;

    impl Memory for Zeros {
        fn read(&self, pieces: &mut [Piece<'_>]) {
            for piece in pieces {
                piece.bytes.fill(0);
                piece.read = true;
            }
        }
    }

    #[test]
    fn a_plan_that_leads_to_itself_comes_to_an_end() {
        let of = |name: &str, shape| Type { name: name.to_owned(), size: 8, align: 8, shape };
        let arm = |line| Arm { number: Some(0), line, fields: vec![(0, 0), (8, 0)], ..Arm::default() };
        let shapes = [
            Shape::Fields(vec![(0, 0); 20]),
            Shape::Fields(vec![(0, 0)]),
            Shape::Branches(vec![(0, 0); 20]),
            Shape::Variants { tag: (0, 1), arms: vec![arm(0)] },
            Shape::Variants { tag: (0, 1), arms: vec![arm(7)] },
            Shape::Pointer(0),
            Shape::Dyn { data: 0, table: 8 },
            Shape::Fields(vec![(u64::MAX, 9)]),
        ];
        let names = ["Loop", WRAPPERS[0], PIN, BOXED];
        for (shape, name) in shapes.iter().flat_map(|shape| names.map(|name| (shape, name))) {
            let mut plan = Plan::default();
            plan.types.push(of(name, shape.clone()));
            plan.tables.insert(0, 0);
            let placed = Placed { plan: Arc::new(plan), base: 0 };
            let mut chain = Vec::new();
            assert!(!placed.chain(&Zeros, 64, 0, &mut chain), "{placed:?}");
            assert!(chain.len() <= MAX_STEPS);
            assert!(placed.inside(0).is_some());
        }
    }

    #[test]
    fn the_name_says_whose_a_task_is_also_where_its_inside_is_not_known() {
        #[track_caller]
        fn check(name: &str, shown: &str, is_ours: bool) {
            let mut plan = Plan::default();
            plan.types.push(Type { name: name.to_owned(), ..Type::default() });
            let placed = Placed { plan: Arc::new(plan), base: 0 };
            assert_eq!((placed.name(0), placed.is_ours(0)), (Some(shown), is_ours));
        }
        let wrapped = "core::mem::manually_drop::ManuallyDrop<flamewatch::spawn::task::Task<shop::Nap>>";
        let boxed = "core::pin::Pin<alloc::boxed::Box<flamewatch::spawn::task::Task<shop::Nap>, Global>>";
        check(
            &format!("tracing::instrument::Instrumented<{wrapped}>"),
            "flamewatch::spawn::task::Task<shop::Nap>",
            true,
        );
        check(boxed, boxed, true);
        check("flamewatch::spawn::task::Task<shop::Nap>", "flamewatch::spawn::task::Task<shop::Nap>", true);
        check("tracing::instrument::Instrumented<shop::Nap>", "shop::Nap", false);
        check("tracing::instrument::Instrumented<", "tracing::instrument::Instrumented<", false);
    }
}
