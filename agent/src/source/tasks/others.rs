//! The tasks that nobody told us of, one by one: those with the least numbers, which are the oldest.

use std::collections::BinaryHeap;

use crate::profile::{Addr, Frame};
use crate::source::walk::{Reading, Refusal, Task, Whose};
use crate::spawn::Runtime;

use super::future_frames;

/// What can be told of single tasks that are not of [`spawn`](crate::spawn()).
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Others {
    /// The oldest first.
    pub(crate) tasks: Vec<OtherTask>,
    /// How many more there are.
    pub(crate) further: u64,
    /// Why some or all are missing.
    pub(crate) remarks: Vec<String>,
}

/// One task.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct OtherTask {
    /// Tokio's number of it.
    pub(crate) id: u64,
    /// `waiting`, `scheduled`, `running`, `complete` or `never-wakes`.
    pub(crate) state: &'static str,
    /// It changed while it was read, so that its frames are its type alone.
    pub(crate) torn: bool,
    pub(crate) runtime: String,
    /// What it waits for, innermost first. The type may be an address, where it has no name.
    pub(crate) frames: Vec<Frame>,
}

/// A task that is greater the higher its number is.
struct Kept(Task, OtherTask);

impl Others {
    /// At most `most` of the tasks of `runtimes`.
    pub(crate) fn read(reading: &Reading, runtimes: &[Runtime], most: usize) -> Result<Self, Refusal> {
        let mut oldest: BinaryHeap<Kept> = BinaryHeap::new();
        let mut all = 0;
        // The plan by which chains are read is known when the walk is over, so they are kept as they are till then.
        let mut chains = std::collections::HashMap::new();
        let account = reading.walk(runtimes, |told| {
            let seen = told.seen;
            if matches!(seen.whose, Whose::Ours(_)) {
                return;
            }
            all += 1;
            if oldest.len() >= most {
                match oldest.peek() {
                    Some(youngest) if seen.task.id < youngest.0.id => {
                        if let Some(Kept(task, _)) = oldest.pop() {
                            chains.remove(&task.id);
                        }
                    }
                    _ => return,
                }
            }
            let runtime =
                runtimes.get(told.runtime).map_or_else(String::new, |runtime| runtime.name.to_string());
            let state = seen.task.state.doing().name();
            let task = OtherTask { id: seen.task.id, state, torn: seen.torn, runtime, frames: Vec::new() };
            chains.insert(seen.task.id, (seen.of_type, seen.function, seen.chain.to_vec()));
            oldest.push(Kept(seen.task, task));
        })?;
        let mut tasks = oldest.into_sorted_vec();
        let forgotten: Vec<(Task, u64)> = tasks
            .iter()
            .filter(|Kept(task, _)| task.state.is_forgotten(0))
            .map(|Kept(task, _)| (*task, 0))
            .collect();
        let twice = reading.second_look(&forgotten);
        let dead: std::collections::HashSet<u64> =
            forgotten.iter().zip(twice).filter(|(_, twice)| *twice).map(|((task, _), _)| task.id).collect();
        for Kept(task, told) in &mut tasks {
            if dead.contains(&task.id) {
                told.state = super::NEVER_WAKES;
            }
            if let Some((of_type, function, chain)) = chains.remove(&task.id) {
                told.frames = match account.plan.as_ref().zip(of_type) {
                    Some((plan, of_type)) => future_frames(plan, of_type, &chain),
                    None => vec![Frame::Address(Addr::Pc(function))],
                };
            }
        }
        let further = (all as u64).saturating_sub(tasks.len() as u64);
        Ok(Self {
            tasks: tasks.into_iter().map(|Kept(_, told)| told).collect(),
            further,
            remarks: account.remarks,
        })
    }
}

impl PartialEq for Kept {
    fn eq(&self, other: &Self) -> bool {
        self.0.id == other.0.id
    }
}

impl Eq for Kept {}

impl PartialOrd for Kept {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Kept {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.id.cmp(&other.0.id)
    }
}
