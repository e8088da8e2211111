//! Tasks of our own in runtimes of our own, of which everything is known: where they are, what they are, in which state.
//! The runtimes have no threads and no drivers, and live while the layout is learned. Nothing is spawned into the service.

use std::cell::RefCell;
use std::future::Future;
use std::mem::{align_of, size_of};
use std::pin::Pin;
use std::ptr;
use std::task::{Context, Poll, Waker};

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::JoinHandle;

use super::refusal::Refusal;
use super::state::{Doing, State};
use super::view::Memory;
use crate::sys::memory::Reader;

/// How many words of a task's beginning are looked at.
pub(super) const HEADER: usize = 12;

/// How many runtimes there are: what differs between two is the runtime's.
pub(super) const RUNTIMES: usize = 2;

/// What is known of one task.
#[derive(Clone, Debug)]
pub(super) struct Fact {
    /// Which of the runtimes it is in, and which type of future it is.
    pub(super) runtime: usize,
    pub(super) kind: usize,
    pub(super) size: u64,
    pub(super) align: u64,
    /// Its id, where its header is and where its future.
    pub(super) id: u64,
    pub(super) header: u64,
    pub(super) future: u64,
    /// The beginning of its header while it was polled.
    pub(super) polled: [u64; HEADER],
    /// The words that its state must be, during the poll and now.
    pub(super) state_polled: u64,
    pub(super) state: u64,
}

/// The probes, for as long as it lives.
#[derive(Debug)]
pub(super) struct Bench {
    pub(super) runtimes: Vec<Runtime>,
    /// In the order in which they were spawned.
    pub(super) facts: Vec<Fact>,
    _kept: Vec<(Option<JoinHandle<()>>, Option<Waker>)>,
}

/// What a probe is left in.
#[derive(Clone, Copy)]
enum Role {
    /// Idle; its join handle is kept.
    Idle,
    /// Idle; its waker is kept, too.
    Kept,
    /// Idle; nobody holds it but the list.
    Loose,
    /// Woken, and not polled yet.
    Woken,
}

/// A future that waits for ever, as large and as aligned as `P`.
struct Probe<P> {
    kind: u16,
    _pad: P,
}

#[derive(Clone, Copy)]
#[repr(align(16))]
struct Align16;
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Align64;

/// What a probe tells when it is polled.
struct Told {
    kind: usize,
    id: u64,
    header: u64,
    future: u64,
    size: u64,
    align: u64,
    polled: [u64; HEADER],
    waker: Waker,
}

thread_local! {
    static TOLD: RefCell<Vec<Told>> = const { RefCell::new(Vec::new()) };
}

impl Bench {
    /// Spawns all probes and polls each once. Blocks for about a millisecond, on a thread that is in no runtime.
    pub(super) fn new() -> Result<Self, Refusal> {
        let mut bench = Self { runtimes: Vec::new(), facts: Vec::new(), _kept: Vec::new() };
        for number in 0..RUNTIMES {
            let runtime =
                Builder::new_current_thread().build().map_err(|error| Refusal::Probes(error.to_string()))?;
            bench.fill(number, &runtime);
            bench.runtimes.push(runtime);
        }
        Ok(bench)
    }

    fn fill(&mut self, number: usize, runtime: &Runtime) {
        TOLD.take();
        let mut handles = runtime.block_on(async {
            let handles: Vec<_> =
                ROLES.iter().flat_map(|role| kinds().map(|handle| (*role, handle))).collect();
            // The runtime polls whom it has in its queue before it comes back to us; it asks its event loop in between.
            for _ in 0..handles.len() {
                tokio::task::yield_now().await;
            }
            handles
        });
        for told in TOLD.take() {
            let Some(place) = handles.iter().position(|(_, handle)| number_of(handle) == told.id) else {
                continue;
            };
            let (role, handle) = handles.remove(place);
            let (handle, waker, state) = role.leave(handle, told.waker);
            self._kept.push((handle, waker));
            self.facts.push(Fact {
                runtime: number,
                kind: told.kind,
                size: told.size,
                align: told.align,
                id: told.id,
                header: told.header,
                future: told.future,
                polled: told.polled,
                state_polled: State::expected(3, true, Doing::Running),
                state,
            });
        }
    }
}

const ROLES: [Role; 4] = [Role::Idle, Role::Kept, Role::Loose, Role::Woken];

/// One probe of each kind.
fn kinds() -> [JoinHandle<()>; 5] {
    [spawn(0, [0_u16; 1]), spawn(1, [0_u64; 3]), spawn(2, [0_u64; 130]), spawn(3, Align16), spawn(4, Align64)]
}

fn spawn<P: Send + Unpin + 'static>(kind: u16, pad: P) -> JoinHandle<()> {
    tokio::spawn(Probe { kind, _pad: pad })
}

/// The number that tokio gave a task, which it tells as text alone.
pub(super) fn number_of<T>(handle: &JoinHandle<T>) -> u64 {
    number(handle.id())
}

fn number(id: tokio::task::Id) -> u64 {
    id.to_string().parse().unwrap_or(0)
}

impl Role {
    /// Leaves the task in this role: what of it is kept, and the word its state then must be.
    fn leave(self, handle: JoinHandle<()>, waker: Waker) -> (Option<JoinHandle<()>>, Option<Waker>, u64) {
        match self {
            Self::Idle => (Some(handle), None, State::expected(2, true, Doing::Idle)),
            Self::Kept => (Some(handle), Some(waker), State::expected(3, true, Doing::Idle)),
            Self::Loose => (None, None, State::expected(1, false, Doing::Idle)),
            Self::Woken => {
                waker.wake_by_ref();
                (Some(handle), Some(waker), State::expected(4, true, Doing::Scheduled))
            }
        }
    }
}

impl<P: Unpin> Future for Probe<P> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let header = context.waker().data() as u64;
        let told = Told {
            kind: usize::from(self.kind),
            id: tokio::task::try_id().map_or(0, number),
            header,
            future: ptr::from_ref(&*self) as u64,
            size: size_of::<Self>() as u64,
            align: align_of::<Self>() as u64,
            polled: Reader::open().ok().and_then(|reader| reader.words(header)).unwrap_or_default(),
            waker: context.waker().clone(),
        };
        TOLD.with_borrow_mut(|all| all.push(told));
        Poll::Pending
    }
}

/// The words of a runtime's handle, one of which points to the runtime's insides.
pub(super) fn handle_words(memory: &impl Memory, handle: &Handle) -> Vec<u64> {
    let mut words = vec![0; size_of::<Handle>() / 8];
    if memory.fill(ptr::from_ref(handle) as u64, &mut words) { words } else { Vec::new() }
}
