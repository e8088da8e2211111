//! Every task of a tokio runtime, also of those that libraries spawned, read from tokio's own lists: no cfg, no wrapper,
//! no pause. The layout is learned from probes when it is first needed (`probe`, `layout`), a runtime's lists are found and
//! proved once (`list`), and `visit` goes through them. Anything that is not exactly as it must be is a [`Refusal`].
//!
//! Memory is read through the kernel alone: a task that ends meanwhile is a wrong answer that is noticed, not a fault.

mod image;
mod layout;
mod list;
mod probe;
mod refusal;
mod state;
mod view;
mod visit;

use std::collections::HashMap;
use std::fs;
use std::thread;

use tokio::runtime::{Handle, Id};

use image::Image;
use layout::Layout;
use list::Lists;
use probe::Bench;
use visit::Types;

use crate::sys::memory::Reader;

pub(crate) use refusal::Refusal;
pub(crate) use state::{Doing, State};
pub(crate) use visit::{Course, Task};

/// Who knows where tokio keeps its tasks.
#[derive(Debug)]
pub(crate) struct Walker {
    memory: Reader,
    image: Image,
    layout: Layout,
    types: Types,
    lists: HashMap<Id, Lists>,
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
        let memory = Reader::open().map_err(|error| Refusal::memory(&error))?;
        let bench = Bench::new()?;
        let image = Image::parse(&fs::read_to_string("/proc/self/maps").map_err(|error| Refusal::memory(&error))?);
        let handles: Vec<_> = bench.runtimes.iter().map(|runtime| probe::handle_words(&memory, runtime.handle())).collect();
        let layout = Layout::learn(&memory, &image, &bench.facts, &handles)?;
        Ok(Self { memory, image, layout, types: Types::default(), lists: HashMap::new() })
    }

    /// Tells `each` of every task of a runtime, at most `most`.
    ///
    /// # Errors
    /// The runtime's lists were not found.
    pub(crate) fn walk(&mut self, runtime: &Handle, most: u64, each: impl FnMut(Task)) -> Result<Course, Refusal> {
        let lists = match self.lists.get(&runtime.id()) {
            Some(known) => *known,
            None => {
                let found = Lists::find(&self.memory, &self.layout, runtime)?;
                self.lists.insert(runtime.id(), found);
                found
            }
        };
        Ok(visit::visit(&self.memory, &self.image, &self.layout, &mut self.types, &lists, most, each))
    }
}
