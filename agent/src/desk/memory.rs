//! The memory of this process: read at each tick for the history, and in full when somebody asks.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::{Desk, on_worker};
use crate::gauge::{self, Footprint};
use crate::watch::memory::{Account, History, Memory};
use crate::{Error, ErrorKind, Unit, config};

/// Reads the memory and remembers what it was.
pub(super) struct Ledger {
    footprint: Footprint,
    on_jemalloc: bool,
    history: Mutex<History>,
}

impl Ledger {
    /// For growth over `window`, with a reading every `tick`.
    pub(super) fn over(window: Duration, tick: Duration, on_jemalloc: bool) -> Self {
        Self { footprint: Footprint::new(), on_jemalloc, history: Mutex::new(History::over(window, tick)) }
    }

    fn read(&self) -> io::Result<Memory> {
        Ok(Memory { heap: heap(self.on_jemalloc), ..self.footprint.read()? })
    }

    /// With the stacks, as they are now.
    fn measured(&self, now: Duration) -> io::Result<Account> {
        let mut memory = self.read()?;
        memory.stacks = gauge::stacks();
        let mut history = self.history();
        if let Some(stacks) = memory.stacks {
            history.measured(stacks, memory.threads);
        }
        Ok(history.account(now, memory))
    }

    fn history(&self) -> MutexGuard<'_, History> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Ledger {
    fn default() -> Self {
        Self::over(config::DEFAULT_GROWTH_WINDOW, config::DEFAULT_TICK, false)
    }
}

impl Desk {
    /// The same desk, which remembers the memory of the last `window` from a reading every `tick`.
    pub(crate) fn remembering(self, window: Duration, tick: Duration) -> Self {
        let on_jemalloc = self.on_jemalloc;
        Self { ledger: Arc::new(Ledger::over(window, tick, on_jemalloc)), ..self }
    }

    /// Reads the memory and remembers it; the loop does at each tick, on a worker thread. The stacks are measured only when
    /// something beside the heap has grown.
    pub(crate) fn look_at_memory(&self, now: Duration) {
        let Ok(memory) = self.ledger.read() else { return };
        let threads = memory.threads;
        let mut history = self.ledger.history();
        history.push(now, memory);
        let wanted = history.wants_stacks();
        drop(history);
        if let Some(stacks) = wanted.then(gauge::stacks).flatten() {
            self.ledger.history().measured(stacks, threads);
        }
    }

    /// The newest reading and what can be said of it, without reading anything; `None` before the first.
    pub(crate) fn newest_memory(&self) -> Option<Account> {
        self.ledger.history().newest()
    }

    /// The memory as it is now, stacks and all. Up to 10 ms of CPU with hundreds of threads.
    pub(crate) fn memory_here(&self) -> Result<Account, Error> {
        self.ledger.measured(self.identity.started.elapsed()).map_err(failed)
    }

    /// The same on a worker thread.
    pub(crate) async fn memory(&self) -> Result<Account, Error> {
        let (ledger, now) = (self.ledger.clone(), self.identity.started.elapsed());
        on_worker(move || ledger.measured(now)).await?.map_err(failed)
    }

    /// What the index page says of the memory.
    pub(super) fn memory_lines(&self) -> Vec<(String, String)> {
        let Some(account) = self.newest_memory() else { return Vec::new() };
        let mut lines = vec![("memory".to_owned(), account.verdict.sentence)];
        if let Some(level) = account.memory.level {
            let show = |bytes: u64| Unit::Bytes.show(bytes as f64);
            let left = account
                .time_left
                .map_or("not growing towards it".to_owned(), |left| format!("OOM in {}", left.sentence()));
            let (room, limit) = (show(level.room), show(level.limit));
            lines.push(("memory left".to_owned(), format!("{room} of {limit} ({}); {left}", level.whose)));
        }
        lines
    }
}

fn failed(error: io::Error) -> Error {
    Error::new(ErrorKind::Unsupported, "cannot read the memory of this process").because(error)
}

#[cfg(feature = "heap")]
fn heap(on_jemalloc: bool) -> Option<crate::watch::memory::Heap> {
    let sums = crate::source::heap::Memory::read().ok().filter(|_| on_jemalloc)?;
    Some(crate::watch::memory::Heap {
        allocated: sums.allocated,
        active: sums.active,
        resident: sums.resident,
        metadata: sums.metadata,
        muzzy: sums.muzzy,
    })
}

#[cfg(not(feature = "heap"))]
const fn heap(_on_jemalloc: bool) -> Option<crate::watch::memory::Heap> {
    None
}
