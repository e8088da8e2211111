//! What happens inside malloc and free when a sampled object is born or dies.
//! Runs inside malloc: no allocation, no waiting, no panic path; the thread-locals have no destructor.

use std::cell::Cell;
use std::io;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use super::cost::Meter;
use super::live::{Live, Operation, Table};
use super::unwind::Unwinding;
use super::{rate, selftest, tag};
use crate::source::stacks::{MAX_DEPTH, Stacks};
use crate::sys::clock;
use crate::sys::prof_hooks::{self, Callbacks, Registers, Trace};

static ENGINE: OnceLock<Engine> = OnceLock::new();

/// What jemalloc's hooks call.
pub(super) const CALLBACKS: Callbacks = Callbacks { unwind, sample, free };

/// What libgcc takes for 40 frames. Where jemalloc calls it without us, there is nothing to measure.
const UNWIND_BY_JEMALLOC_NS: u64 = 5_000;

thread_local! {
    /// The rate at which this thread's next sample was drawn, plus one; 0 before its first. jemalloc draws the
    /// distance to the next sample when it takes one, so the first sample after a change still has the old rate:
    /// from 4 KiB to 512 KiB it would otherwise count for 128 times what it is, on each thread.
    static DRAWN_AT: Cell<u8> = const { Cell::new(0) };
}

pub(super) struct Engine {
    pub(super) stacks: Stacks,
    pub(super) live: Table,
    pub(super) unwinding: Unwinding,
    pub(super) meter: Meter,
    /// Stacks cut off at [`MAX_DEPTH`].
    pub(super) truncated: AtomicU64,
    lg_rate: AtomicU32,
    /// The process the tables belong to; a forked child starts them anew.
    process: AtomicU32,
}

impl Engine {
    /// The engine of this process, made at the first call. It stays: a hook on another thread may be using it.
    pub(super) fn get() -> io::Result<&'static Self> {
        if let Some(engine) = ENGINE.get() {
            return Ok(engine);
        }
        let engine = Self {
            stacks: Stacks::new()?,
            live: Table::new()?,
            unwinding: Unwinding::new(),
            meter: Meter::default(),
            truncated: AtomicU64::new(0),
            lg_rate: AtomicU32::new(u32::from(rate::DEFAULT_LG_RATE)),
            process: AtomicU32::new(std::process::id()),
        };
        Ok(ENGINE.get_or_init(|| engine))
    }

    /// Forgets what was live in an earlier life: the frees since then were not heard.
    pub(super) fn begin(&self, lg_rate: u8) {
        let process = std::process::id();
        let forked = self.process.swap(process, Ordering::Relaxed) != process;
        self.live.clear(forked);
        self.set_lg_rate(lg_rate);
    }

    /// False in a forked child until it begins anew.
    pub(super) fn is_ours(&self) -> bool {
        self.process.load(Ordering::Relaxed) == std::process::id()
    }

    pub(super) fn lg_rate(&self) -> u8 {
        u8::try_from(self.lg_rate.load(Ordering::Relaxed)).unwrap_or(u8::MAX)
    }

    pub(super) fn set_lg_rate(&self, lg_rate: u8) {
        self.lg_rate.store(u32::from(lg_rate), Ordering::Relaxed);
    }

    fn sample(&self, pointer: usize, usable: usize, addresses: &[usize]) {
        if addresses.len() >= MAX_DEPTH {
            self.truncated.fetch_add(1, Ordering::Relaxed);
        }
        if !prof_hooks::CAN_UNWIND {
            self.meter.add(UNWIND_BY_JEMALLOC_NS);
        }
        let lg_rate = self.drawn_at();
        let usable = usable as u64;
        let stack = self.stacks.intern(addresses);
        self.stacks.count(stack, rate::weight(usable, lg_rate), usable);
        let born_ms = clock::coarse_ms();
        self.live.submit(Operation::Insert(Live {
            pointer,
            usable,
            born_ms,
            stack,
            tag: tag::get(),
            lg_rate,
        }));
    }

    fn drawn_at(&self) -> u8 {
        let current = self.lg_rate();
        match DRAWN_AT.replace(current.saturating_add(1)) {
            0 => current,
            drawn => drawn - 1,
        }
    }
}

fn unwind(registers: Registers, trace: &mut Trace) {
    let Some(engine) = ENGINE.get() else { return };
    if selftest::capture(&engine.unwinding, registers, trace) {
        return;
    }
    engine.meter.run(|| engine.unwinding.unwind(registers, trace));
}

fn sample(pointer: usize, usable: usize, addresses: &[usize]) {
    let Some(engine) = ENGINE.get() else { return };
    if selftest::saw_sample() {
        return;
    }
    engine.meter.run(|| engine.sample(pointer, usable, addresses));
}

fn free(pointer: usize, usable: usize) {
    let Some(engine) = ENGINE.get() else { return };
    if selftest::saw_free() {
        return;
    }
    let usable = usable as u64;
    engine.meter.run(|| engine.live.submit(Operation::Remove { pointer, usable }));
}
