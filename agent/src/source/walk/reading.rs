//! The one reader of this process's tasks: calibrated when somebody asks for the first time, with the lists of the runtimes
//! that it knows, and the plan of the program.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use flamewatch_symbolizer::plan::Plan;
use tokio::runtime::Handle;

use super::program::{Places, Program};
use super::{Course, Lists, Refusal, Seen, Step, Task, TypeId, Walker};
use crate::spawn::Runtime;
use crate::sys;

/// The most tasks that one walk tells of. Listing a million takes about a second of CPU time.
pub(crate) const MAX_WALKED: u64 = 1_000_000;

/// How long the plan is waited for. Most are there in a fifth of a second.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long after the first look the second one is: what was under way between two threads has arrived.
const SECOND_LOOK: Duration = Duration::from_millis(50);

/// Who reads the tasks; one walk at a time.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    places: Places,
    reader: Mutex<Option<Result<Reader, Refusal>>>,
    is_prepared: AtomicBool,
}

#[derive(Debug)]
struct Reader {
    walker: Walker,
    program: Program,
    /// Where the plan comes from, until it has.
    coming: Option<Receiver<Program>>,
    known: Vec<Known>,
}

/// A runtime and where its lists are: there for as long as the handle is held.
#[derive(Debug)]
struct Known {
    handle: Handle,
    lists: Result<Lists, Refusal>,
}

/// A task, and the place of its runtime among those that were asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Told<'w> {
    pub(crate) runtime: usize,
    pub(crate) seen: Seen<'w>,
}

/// How a walk through all runtimes went.
#[derive(Clone, Debug, Default)]
pub(crate) struct Account {
    pub(crate) course: Course,
    pub(crate) took: Duration,
    /// Runtimes whose tasks were not read, by their place, and why.
    pub(crate) refused: Vec<(usize, Refusal)>,
    /// Where the plan is from, or why there is none.
    pub(crate) remarks: Vec<String>,
    /// By which the chains are to be read.
    pub(crate) plan: Option<Arc<Plan>>,
    /// True when there were more than [`MAX_WALKED`].
    pub(crate) is_cut: bool,
}

impl Reading {
    /// Who looks for the program's plan in `places`.
    pub(crate) fn new(places: Places) -> Self {
        Self { places, ..Self::default() }
    }

    /// Has everything that takes a while done on a thread behind the service's, before somebody asks in a hurry. Does nothing
    /// the second time.
    pub(crate) fn prepare(self: &Arc<Self>) {
        if self.is_prepared.swap(true, Ordering::Relaxed) {
            return;
        }
        let ours = self.clone();
        let body = move || {
            sys::thread::withdraw();
            let mut reader = ours.reader.lock().unwrap_or_else(PoisonError::into_inner);
            let _ready = reader.get_or_insert_with(|| Reader::new(&ours.places));
        };
        // Without it whoever asks first does the same.
        let _ = thread::Builder::new().name("flamewatch-plan".to_owned()).spawn(body);
    }

    /// Tells `each` of every task of `runtimes`. Takes a few milliseconds when it is the first time, and two seconds at most
    /// where the program's plan is not there yet; then between half a microsecond and two a task, by how deep what it waits for
    /// lies. Stops nobody, whatever they do.
    ///
    /// # Errors
    /// Why no task of any runtime can be read.
    pub(crate) fn walk(
        &self,
        runtimes: &[Runtime],
        each: impl FnMut(Told<'_>) + Send,
    ) -> Result<Account, Refusal> {
        self.read(runtimes, true, each)
    }

    /// The same without what they wait for: all chains are empty.
    ///
    /// # Errors
    /// Why no task of any runtime can be read.
    pub(crate) fn list(
        &self,
        runtimes: &[Runtime],
        each: impl FnMut(Told<'_>) + Send,
    ) -> Result<Account, Refusal> {
        self.read(runtimes, false, each)
    }

    /// What a task waits for that was seen before: the plan, the type of its future and the chain.
    pub(crate) fn chain(&self, task: &Task) -> Option<(Arc<Plan>, TypeId, Vec<Step>)> {
        let reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        reader.as_ref()?.as_ref().ok()?.walker.chain(task)
    }

    /// Whether tasks can be read, and with what they wait for; where the plan is from, or why there is none.
    ///
    /// # Errors
    /// Why no task can be read.
    pub(crate) fn examine(&self) -> Result<(bool, String), Refusal> {
        let mut reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        let reader = reader
            .get_or_insert_with(|| Reader::new(&self.places))
            .as_mut()
            .map_err(|refusal| refusal.clone())?;
        reader.expect_plan(true);
        let whole = reader.program.has_insides();
        Ok((whole, reader.remarks().join("; ")))
    }

    fn read(
        &self,
        runtimes: &[Runtime],
        chains: bool,
        mut each: impl FnMut(Told<'_>) + Send,
    ) -> Result<Account, Refusal> {
        let mut reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        let reader = reader
            .get_or_insert_with(|| Reader::new(&self.places))
            .as_mut()
            .map_err(|refusal| refusal.clone())?;
        reader.expect_plan(chains);
        let begun = Instant::now();
        let mut account =
            Account { remarks: reader.remarks(), plan: reader.walker.plan(), ..Account::default() };
        sys::thread::behind("flamewatch-walk", || {
            for (place, runtime) in runtimes.iter().enumerate() {
                match reader.lists(&runtime.handle) {
                    Ok(lists) => {
                        let left = MAX_WALKED.saturating_sub(account.course.tasks);
                        let tell = |seen: Seen<'_>| each(Told { runtime: place, seen });
                        let course = if chains {
                            reader.walker.walk(&lists, left, tell)
                        } else {
                            reader.walker.list(&lists, left, tell)
                        };
                        account.is_cut |= course.tasks >= left;
                        account.course += course;
                    }
                    Err(refusal) => account.refused.push((place, refusal)),
                }
            }
        });
        account.took = begun.elapsed();
        Ok(account)
    }

    /// A moment later: which of `tasks` are still there and have nobody who could wake them but those of us that hold them,
    /// so many each.
    pub(crate) fn second_look(&self, tasks: &[(Task, u64)]) -> Vec<bool> {
        if tasks.is_empty() {
            return Vec::new();
        }
        thread::sleep(SECOND_LOOK);
        let reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(Ok(reader)) = reader.as_ref() else { return vec![false; tasks.len()] };
        tasks.iter().map(|(task, ours)| reader.walker.is_forgotten(task, *ours)).collect()
    }
}

impl Reader {
    fn new(places: &Places) -> Result<Self, Refusal> {
        let walker = Walker::calibrate()?;
        Ok(Self { walker, program: Program::default(), coming: coming(places.clone()), known: Vec::new() })
    }

    /// Takes the plan if it has come. Who wants chains waits for it a little.
    fn expect_plan(&mut self, chains: bool) {
        let Some(coming) = &self.coming else { return };
        let program = match coming.recv_timeout(if chains { PATIENCE } else { Duration::ZERO }) {
            Ok(program) => program,
            Err(mpsc::RecvTimeoutError::Timeout) => return,
            Err(mpsc::RecvTimeoutError::Disconnected) => {
                Program::without("no await stacks: the program's plan cannot be made")
            }
        };
        self.coming = None;
        if let Some(placed) = &program.placed {
            self.walker.follow(placed.clone());
        }
        self.program = program;
    }

    /// Where the plan is from, or why there is none.
    fn remarks(&self) -> Vec<String> {
        if self.coming.is_some() {
            return vec![
                "the plan of the program's futures is still being made; ask again in a moment".to_owned(),
            ];
        }
        self.program.remarks.clone()
    }

    fn lists(&mut self, runtime: &Handle) -> Result<Lists, Refusal> {
        if let Some(known) = self.known.iter().find(|known| known.handle.id() == runtime.id()) {
            return known.lists.clone();
        }
        let lists = self.walker.find(runtime);
        if self.known.len() < crate::spawn::MAX_RUNTIMES + 1 {
            self.known.push(Known { handle: runtime.clone(), lists: lists.clone() });
        }
        lists
    }
}

/// Has the plan found on a thread of its own, behind the service's: where it must be made that can take a while.
fn coming(places: Places) -> Option<Receiver<Program>> {
    let (send, receive) = mpsc::channel();
    let body = move || {
        sys::thread::withdraw();
        sys::thread::step_back();
        let program = Program::find(&places);
        sys::thread::give_back();
        let _ = send.send(program);
    };
    // Without the thread the channel is closed, which says enough.
    let _ = thread::Builder::new().name("flamewatch-plan".to_owned()).spawn(body);
    Some(receive)
}
