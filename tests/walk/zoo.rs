//! Tasks of every shape that a future may have, and where each of them must be found waiting.

use std::collections::HashMap;
use std::future::{Future, pending, poll_fn};
use std::hint::black_box;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{Mutex, OwnedMutexGuard, Semaphore, oneshot};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{sleep, timeout};

const LONG: Duration = Duration::from_secs(10_000);

/// The line of an await that is written in a macro of tokio's.
pub(crate) const IN_A_MACRO: u32 = 0;

/// What all tasks of one kind are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    /// The `async` bodies of this file that it waits in, the outermost first, and the line of each.
    pub(crate) bodies: &'static [(&'static str, u32)],
    /// Nobody is left who could wake it.
    pub(crate) forgotten: bool,
    /// Its output is more aligned than itself, so that it may be told by its type alone.
    pub(crate) alone: bool,
    /// What the name of the last future has in it that it waits for.
    pub(crate) leaf: &'static str,
}

/// The tasks of one runtime, by their number.
#[derive(Debug, Default)]
pub(crate) struct Zoo {
    pub(crate) tasks: HashMap<u64, Kind>,
    kept: Vec<Box<dyn std::any::Any + Send>>,
}

#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
struct Wide(#[allow(dead_code, reason = "it takes room")] [u64; 8]);

async fn query_db(lock: &Mutex<u32>) -> u32 {
    *lock.lock().await
}
const QUERY_DB: (&str, u32) = ("query_db", line!() - 2);

async fn load_user(lock: &Mutex<u32>) -> u32 {
    let row = [1_u8; 300];
    let found = query_db(lock).await;
    found + u32::from(black_box(&row)[3])
}
const LOAD_USER: (&str, u32) = ("load_user", line!() - 3);

async fn user(lock: Arc<Mutex<u32>>) {
    load_user(&lock).await;
}
const USER: (&str, u32) = ("user", line!() - 2);

async fn slow(permits: Arc<Semaphore>) {
    let _permit = permits.acquire().await;
}
const SLOW: (&str, u32) = ("slow", line!() - 2);

async fn naps(length: Duration) {
    sleep(length).await;
}
const NAPS: (&str, u32) = ("naps", line!() - 2);

async fn large() {
    let rows = [7_u8; 3_000];
    pending::<()>().await;
    black_box(&rows);
}
const LARGE: (&str, u32) = ("large", line!() - 3);

async fn wide() {
    let wide = Wide([3; 8]);
    sleep(LONG).await;
    black_box(&wide);
}
const WIDE: (&str, u32) = ("wide", line!() - 3);

/// Its output is aligned to more than itself.
async fn returns_wide() -> Wide {
    sleep(LONG).await;
    black_box(Wide([1; 8]))
}
const RETURNS_WIDE: (&str, u32) = ("returns_wide", line!() - 3);

async fn returns_u128() -> u128 {
    sleep(LONG).await;
    7
}
const RETURNS_U128: (&str, u32) = ("returns_u128", line!() - 3);

/// Its output is larger than itself.
async fn returns_much() -> [u64; 500] {
    sleep(LONG).await;
    [7; 500]
}
const RETURNS_MUCH: (&str, u32) = ("returns_much", line!() - 3);

fn boxed() -> Pin<Box<dyn Future<Output = ()> + Send>> {
    Box::pin(naps(LONG))
}

async fn joins() {
    tokio::join!(boxed(), large());
}
const JOINS: (&str, u32) = ("joins", IN_A_MACRO);

async fn joins_the_second() {
    tokio::join!(async {}, naps(LONG));
}
const JOINS_THE_SECOND: (&str, u32) = ("joins_the_second", IN_A_MACRO);

/// Holds a future while somebody asks for something, and none meanwhile.
struct Connection {
    request: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl Future for Connection {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut std::task::Context<'_>) -> Poll<()> {
        self.request.as_mut().map_or(Poll::Pending, |request| request.as_mut().poll(context))
    }
}

async fn serves(request: Option<Pin<Box<dyn Future<Output = ()> + Send>>>) {
    let mut connection = Connection { request };
    tokio::select! {
        () = &mut connection => {}
        () = naps(LONG) => {}
    }
}
const SERVES: (&str, u32) = ("serves", IN_A_MACRO);

async fn selects() {
    tokio::select! {
        () = sleep(LONG) => {}
        () = naps(LONG) => {}
    }
}
const SELECTS: (&str, u32) = ("selects", IN_A_MACRO);

async fn limits() {
    let _ = timeout(LONG, boxed()).await;
}
const LIMITS: (&str, u32) = ("limits", line!() - 2);

async fn gathers() {
    let mut children = JoinSet::new();
    for _ in 0..3 {
        children.spawn(pending::<()>());
    }
    while children.join_next().await.is_some() {}
}
const GATHERS: (&str, u32) = ("gathers", line!() - 2);

async fn receives(from: oneshot::Receiver<u32>) {
    let _ = from.await;
}
const RECEIVES: (&str, u32) = ("receives", line!() - 2);

/// Waits for what has thrown its waker away.
async fn forgets() {
    poll_fn(|_| Poll::<()>::Pending).await;
}
const FORGETS: (&str, u32) = ("forgets", line!() - 2);

async fn descends(left: usize) {
    if left == 0 {
        sleep(LONG).await;
    } else {
        Box::pin(descends(left - 1)).await;
    }
}
const DEEPEST: (&str, u32) = ("descends", line!() - 5);
const DESCENDS: (&str, u32) = ("descends", line!() - 4);

impl Zoo {
    /// Spawns them all. `lock` is held by whoever called, so that they wait for it.
    pub(crate) fn spawn(handle: &Handle, lock: &Arc<Mutex<u32>>) -> Self {
        let mut zoo = Self::default();
        let _inside = handle.enter();
        let empty = Arc::new(Semaphore::new(0));
        zoo.add(40, Kind::new("waits for a lock", &[USER, LOAD_USER, QUERY_DB]), || {
            handle.spawn(user(Arc::clone(lock)))
        });
        zoo.add(50, Kind::new("waits for a permit", &[SLOW]), || handle.spawn(slow(Arc::clone(&empty))));
        zoo.add(30, Kind::new("sleeps", &[NAPS]), || handle.spawn(naps(LONG)));
        zoo.add(20, Kind::new("is boxed", &[NAPS]), || handle.spawn(boxed()));
        zoo.add(5, Kind::new("is no async body", &[]).waits_in("sleep::Sleep"), || handle.spawn(sleep(LONG)));
        zoo.add(6, Kind::new("is aligned", &[WIDE]), || handle.spawn(wide()));
        zoo.add(3, Kind::new("is smaller than its output", &[RETURNS_MUCH]), || handle.spawn(returns_much()));
        zoo.add(3, Kind::new("is less aligned than its output", &[RETURNS_WIDE]).or_alone(), || {
            handle.spawn(returns_wide())
        });
        zoo.add(3, Kind::new("returns 16 bytes", &[RETURNS_U128]).or_alone(), || {
            handle.spawn(returns_u128())
        });
        zoo.add(4, Kind::new("joins the second", &[JOINS_THE_SECOND, NAPS]), || {
            handle.spawn(joins_the_second())
        });
        zoo.add(5, Kind::new("joins", &[JOINS, NAPS]), || handle.spawn(joins()));
        zoo.add(5, Kind::new("has a limit", &[LIMITS, NAPS]), || handle.spawn(limits()));
        zoo.add(3, Kind::new("recurses", &[DESCENDS, DESCENDS, DESCENDS, DEEPEST]), || {
            handle.spawn(descends(3))
        });
        zoo.add(4, Kind::new("is asked for nothing", &[SERVES]).waits_in("zoo::Connection"), || {
            handle.spawn(serves(None))
        });
        zoo.add(4, Kind::new("is asked", &[SERVES, NAPS]), || handle.spawn(serves(Some(boxed()))));
        zoo.add(4, Kind::new("selects", &[SELECTS, NAPS]), || handle.spawn(selects()));
        let mut senders = Vec::new();
        zoo.add(8, Kind::new("receives", &[RECEIVES]), || {
            let (sender, receiver) = oneshot::channel();
            senders.push(sender);
            handle.spawn(receives(receiver))
        });
        zoo.kept.push(Box::new(senders));
        zoo.add(7, Kind::new("is forgotten", &[FORGETS]).forgotten(), || handle.spawn(forgets()));
        zoo.add(15, Kind::new("is large", &[LARGE]).forgotten(), || handle.spawn(large()));
        zoo.add(11, Kind::new("is nothing", &[]).forgotten(), || handle.spawn(pending::<()>()));
        // Those that are over are not there, whoever keeps their handles.
        let over: Vec<_> = (0..9).map(|_| handle.spawn(async {})).collect();
        zoo.kept.push(Box::new(over));
        (0..4).for_each(|_| handle.spawn(naps(LONG)).abort());
        zoo
    }

    /// One task that has children in its own runtime: how many there are is known, and what they are.
    pub(crate) fn gather(&mut self, handle: &Handle) -> usize {
        self.add(2, Kind::new("gathers", &[GATHERS]), || handle.spawn(gathers()));
        6
    }

    /// Spawns `count` tasks of a kind; every second join handle is dropped.
    fn add<T: Send + 'static>(&mut self, count: usize, kind: Kind, mut spawn: impl FnMut() -> JoinHandle<T>) {
        for place in 0..count {
            let handle = spawn();
            self.tasks.insert(number(&handle), kind);
            if place % 2 == 0 {
                self.kept.push(Box::new(handle));
            }
        }
    }
}

impl Kind {
    const fn new(name: &'static str, bodies: &'static [(&'static str, u32)]) -> Self {
        Self { name, bodies, forgotten: false, alone: false, leaf: "" }
    }

    const fn forgotten(self) -> Self {
        Self { forgotten: true, ..self }
    }

    const fn waits_in(self, leaf: &'static str) -> Self {
        Self { leaf, ..self }
    }

    const fn or_alone(self) -> Self {
        Self { alone: true, ..self }
    }
}

/// A lock that is held for as long as the guard lives.
pub(crate) fn held() -> (Arc<Mutex<u32>>, OwnedMutexGuard<u32>) {
    let lock = Arc::new(Mutex::new(1));
    let guard = Arc::clone(&lock).try_lock_owned().expect("a lock that nobody has");
    (lock, guard)
}

/// The number that tokio gave a task, which it tells as text alone.
pub(crate) fn number<T>(handle: &JoinHandle<T>) -> u64 {
    handle.id().to_string().parse().expect("a number")
}
