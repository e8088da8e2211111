//! Every task of a tokio runtime, also of those that libraries spawned, read from tokio's own lists: no cfg, no wrapper,
//! no pause. The layout is learned from probes when it is first needed (`probe`, `layout`), a runtime's lists are found and
//! proved once (`list`), and `visit` goes through them. Anything that is not exactly as it must be is a [`Refusal`].
//!
//! Memory is read through the kernel alone: a task that ends meanwhile is a wrong answer that is noticed, not a fault.

mod awaits;
mod follow;
mod image;
mod layout;
mod list;
mod probe;
mod program;
mod reading;
mod refusal;
mod state;
mod view;
mod visit;

use std::collections::HashMap;
use std::fs;
use std::sync::Arc;
use std::thread;

use tokio::runtime::Handle;

use awaits::NO_ARM;
pub(crate) use flamewatch_symbolizer::plan::{Plan, TypeId};
use follow::Follower;
use image::Image;
use layout::Layout;
use probe::Bench;
use view::Memory as _;
use visit::{Look, Types};

use crate::sys;
use crate::sys::memory::Reader;

pub(crate) use awaits::{BOXED, OURS, Placed, Step, bare};
pub(crate) use list::Lists;
pub(crate) use program::Places;
pub(crate) use reading::{Account, MAX_WALKED, Reading, Told};
pub(crate) use refusal::Refusal;
pub(crate) use state::State;
pub(crate) use visit::{Course, Task};

/// Who knows where tokio keeps its tasks.
#[derive(Debug)]
pub(crate) struct Walker {
    memory: Reader,
    image: Image,
    layout: Layout,
    types: Types,
    plan: Option<Placed>,
    futures: HashMap<u64, Option<Future>>,
}

/// The futures of one table of functions.
#[derive(Clone, Copy, Debug)]
struct Future {
    of_type: TypeId,
    /// Where the future is in a task, when its inside is known, and where the tag that says that the task still has it.
    tag: Option<u64>,
    at: Option<u64>,
    /// Where in a task the address is that says what is in its box, when its future is one that does not say it.
    boxed: Option<u64>,
    is_ours: bool,
    /// Where the ticket of a task of ours is in it, when that is known.
    ticket: Option<u64>,
}

/// Who spawned a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whose {
    /// Some library, or the service by tokio's own means.
    Others,
    /// [`spawn`](crate::spawn()), and the address of its slot; 0 where that is not known.
    Ours(u64),
    /// The program has no plan that would say it.
    Unknown,
}

/// One task, and what it waits for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen<'c> {
    pub(crate) task: Task,
    /// From its future down to the one that waits for nobody. Its future alone when its inside is not known, and nothing
    /// when not even its name is.
    pub(crate) chain: &'c [Step],
    /// The type of its future; where that is a box, of what is in it, when that can be told.
    pub(crate) of_type: Option<TypeId>,
    /// What that is called.
    pub(crate) name: Option<&'c str>,
    /// The first of the functions that tokio has for tasks of this type, which stands for it where it has no name.
    pub(crate) function: u64,
    pub(crate) whose: Whose,
    /// It changed while it was read, so that the chain is its future alone.
    pub(crate) torn: bool,
}

impl Walker {
    /// Learns tokio's layout, in about a millisecond, on a thread of its own.
    ///
    /// # Errors
    /// Why this tokio is not understood.
    pub(crate) fn calibrate() -> Result<Self, Refusal> {
        let learning = thread::Builder::new().name("flamewatch-probe".to_owned()).spawn(Self::learn);
        let learned = learning.map_err(|error| Refusal::Probes(error.to_string()))?.join();
        learned.unwrap_or_else(|_| Err(Refusal::Probes("the thread that should panicked".to_owned())))
    }

    fn learn() -> Result<Self, Refusal> {
        sys::thread::withdraw();
        let memory = Reader::open().map_err(|error| Refusal::memory(&error))?;
        let bench = Bench::new()?;
        let image =
            Image::parse(&fs::read_to_string("/proc/self/maps").map_err(|error| Refusal::memory(&error))?);
        let handles: Vec<_> =
            bench.runtimes.iter().map(|runtime| probe::handle_words(&memory, runtime.handle())).collect();
        let layout = Layout::learn(&memory, &image, &bench.facts, &handles)?;
        Ok(Self { memory, image, layout, types: Types::default(), plan: None, futures: HashMap::new() })
    }

    /// From now on tells what tasks wait for, by the plan of this program.
    pub(crate) fn follow(&mut self, plan: Placed) {
        self.plan = Some(plan);
        self.futures.clear();
    }

    /// The plan by which it tells what tasks wait for.
    pub(crate) fn plan(&self) -> Option<Arc<Plan>> {
        self.plan.as_ref().map(|placed| placed.plan.clone())
    }

    /// Finds a runtime's lists, which stay where they are for as long as somebody holds `runtime`.
    ///
    /// # Errors
    /// They were not found.
    pub(crate) fn find(&self, runtime: &Handle) -> Result<Lists, Refusal> {
        Lists::find(&self.memory, &self.layout, runtime)
    }

    /// Tells `each` of every task of `lists`, at most `most`, and of what it waits for.
    pub(crate) fn walk(&mut self, lists: &Lists, most: u64, each: impl FnMut(Seen<'_>)) -> Course {
        self.read(lists, most, true, each)
    }

    /// The same without what they wait for: all chains are empty.
    pub(crate) fn list(&mut self, lists: &Lists, most: u64, each: impl FnMut(Seen<'_>)) -> Course {
        self.read(lists, most, false, each)
    }

    fn read(&mut self, lists: &Lists, most: u64, chains: bool, mut each: impl FnMut(Seen<'_>)) -> Course {
        let Self { memory, image, layout, types, plan, futures } = self;
        let mut follower = Follower::default();
        let (mut torn, mut probes) = (0, 0);
        let course = visit::visit(memory, image, layout, types, lists, most, |types, looks| {
            follower.clear();
            let mut future = |look: &Look<'_>| {
                *futures.entry(look.task.vtable).or_insert_with(|| {
                    let placed = plan.as_ref()?;
                    let whole = placed.future(types.functions(look.task.vtable))?;
                    let places = layout
                        .future
                        .zip(placed.room(whole))
                        .and_then(|(future, (size, align))| future.at(look.table, size, align));
                    let (inside, of_type) = placed.spawned(whole);
                    let (tag, at) = places.map(|(tag, at)| (tag, at.wrapping_add(inside))).unzip();
                    let is_ours = placed.is_ours(of_type);
                    let ticket = at.zip(placed.ticket(of_type)).map(|(at, ticket)| at.wrapping_add(ticket));
                    let boxed = at.zip(placed.boxed(of_type)).map(|(at, table)| at.wrapping_add(table));
                    Some(Future { of_type, tag, at, boxed, is_ours, ticket })
                })
            };
            if let Some(placed) = plan.as_ref().filter(|_| chains) {
                looks.iter().for_each(|look| follower.add(look, future(look)));
                follower.follow(memory, layout, placed);
            }
            for (place, look) in looks.iter().enumerate() {
                if lists.is_probe(look.task.id) {
                    probes += 1;
                    continue;
                }
                let future = future(look);
                let of_type =
                    future.zip(plan.as_ref()).map(|(future, placed)| future.spawned(look, memory, placed));
                let alone = of_type.map(|of_type| Step { of_type, arm: NO_ARM });
                let (chain, is_torn) = match alone.as_ref().filter(|_| chains).map(std::slice::from_ref) {
                    Some(alone) => follower.told(place, alone).map_or((alone, true), |chain| (chain, false)),
                    None => (&[][..], false),
                };
                torn += u64::from(is_torn);
                each(Seen {
                    task: look.task,
                    chain,
                    of_type,
                    name: plan.as_ref().zip(of_type).and_then(|(placed, of_type)| placed.name(of_type)),
                    function: types.functions(look.task.vtable).first().copied().unwrap_or(0),
                    whose: future.map_or(Whose::Unknown, |future| future.whose(look, memory)),
                    torn: is_torn,
                });
            }
        });
        Course { torn, tasks: course.tasks - probes, ..course }
    }

    /// What a task waits for that was seen before, if it still does: two looks must say the same.
    pub(crate) fn chain(&self, task: &Task) -> Option<(Arc<Plan>, TypeId, Vec<Step>)> {
        let placed = self.plan.as_ref()?;
        let future = self.futures.get(&task.vtable).copied().flatten()?;
        let table = self.types.table(task.vtable)?;
        let state = State::new(self.memory.word(task.header.wrapping_add(self.layout.state as u64))?);
        let mut follower = Follower::default();
        let look = Look { task: Task { state, ..*task }, table, bytes: &[] };
        follower.add(&look, Some(future));
        follower.follow(&self.memory, &self.layout, placed);
        let of_type = future.spawned(&look, &self.memory, placed);
        let alone = [Step { of_type, arm: NO_ARM }];
        let chain = follower.told(0, &alone)?;
        self.is_there(task).then(|| (placed.plan.clone(), of_type, chain.to_vec()))
    }

    /// Whether the task that was seen before is still there, and nobody is left to wake it but `ours` of us who hold it.
    pub(crate) fn is_forgotten(&self, task: &Task, ours: u64) -> bool {
        let state = self.memory.word(task.header.wrapping_add(self.layout.state as u64)).map(State::new);
        state.is_some_and(|state| state.is_forgotten(ours)) && self.is_there(task)
    }

    fn is_there(&self, task: &Task) -> bool {
        let word = |offset: u64| self.memory.word(task.header.wrapping_add(offset));
        let id = self.types.table(task.vtable).and_then(|table| word(table.id));
        word(self.layout.vtable as u64) == Some(task.vtable) && id == Some(task.id)
    }
}

impl Future {
    /// The type of what was spawned: what is in a box tells more than the box.
    fn spawned(self, look: &Look<'_>, memory: &Reader, placed: &Placed) -> TypeId {
        let inside = self.boxed.and_then(|table| placed.inside(look.word(memory, table)?));
        inside.unwrap_or(self.of_type)
    }

    fn whose(self, look: &Look<'_>, memory: &Reader) -> Whose {
        if !self.is_ours {
            return Whose::Others;
        }
        Whose::Ours(self.ticket.and_then(|ticket| look.word(memory, ticket)).unwrap_or(0))
    }
}

/// An offset in a task; one that is none is beyond all bytes.
fn to_length(offset: u64) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX)
}
