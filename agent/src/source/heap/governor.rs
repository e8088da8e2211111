//! Keeps sampling within its CPU budget: looks at what the hooks cost since the last look, and asks `rate` what next.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use super::engine::Engine;
use super::live::MAX_LIVE;
use super::rate::{self, Load};
use crate::Unit;
use crate::sys::clock;

/// With less CPU time than this since the last look, its share says nothing.
const LEAST_CPU_NS: u64 = 100_000_000;

/// After a change the rate is not made finer for this long, or it would swing.
const CALM_NS: u64 = 60_000_000_000;

#[derive(Debug)]
pub(super) struct Governor {
    cpu_budget: f64,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    wanted: u8,
    cpu_ns: u64,
    looked_ns: u64,
    cost_ns: u64,
    changed_ns: u64,
}

/// A change of the sampling rate, and its cause.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct RateChange {
    /// One sample in 2 to the power of this many bytes before.
    pub from: u8,
    /// And now.
    pub to: u8,
    /// The share of the process's CPU time that sampling took, or of one core's when the process used less.
    pub cpu_share: f64,
    /// How full the live table was, 0 to 1.
    pub table_fill: f64,
}

impl Governor {
    pub(super) fn new(wanted: u8, cpu_budget: f64) -> Self {
        let state = State {
            wanted,
            cpu_ns: clock::process_cpu_ns(),
            looked_ns: clock::monotonic_ns(),
            cost_ns: 0,
            changed_ns: 0,
        };
        Self { cpu_budget, state: Mutex::new(state) }
    }

    /// Starts to look from here: the meter goes on from an earlier life, and the start itself does not count.
    pub(super) fn begin(&self, engine: &Engine) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        (state.cpu_ns, state.looked_ns) = (clock::process_cpu_ns(), clock::monotonic_ns());
        state.cost_ns = cost_ns(engine);
    }

    /// Sets the rate that is wanted while the budget allows it.
    pub(super) fn want(&self, lg_rate: u8) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).wanted = lg_rate;
    }

    /// The change to make now, if any.
    pub(super) fn decide(&self, engine: &Engine) -> Option<RateChange> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (now_ns, cpu_ns) = (clock::monotonic_ns(), clock::process_cpu_ns());
        let cost_ns = cost_ns(engine);
        // Of a service that idles even one sample is a large share, and nobody notices it: an idle one may take its
        // budget of one core.
        let spent = cpu_ns.saturating_sub(state.cpu_ns).max(now_ns.saturating_sub(state.looked_ns));
        if spent < LEAST_CPU_NS {
            return None;
        }
        let cost = cost_ns.saturating_sub(state.cost_ns);
        (state.cpu_ns, state.looked_ns, state.cost_ns) = (cpu_ns, now_ns, cost_ns);
        let load = Load {
            cpu_share: cost as f64 / spent as f64,
            cpu_budget: self.cpu_budget,
            table_fill: engine.live.len() as f64 / MAX_LIVE as f64,
        };
        let from = engine.lg_rate();
        let to = rate::next(from, state.wanted, &load);
        // A full table empties only as its objects are freed, so a coarser rate needs time to show as well; the cost
        // shows at once.
        let for_cost = load.cpu_share > self.cpu_budget;
        let too_soon = !for_cost && now_ns.saturating_sub(state.changed_ns) < CALM_NS;
        if to == from || too_soon {
            return None;
        }
        state.changed_ns = now_ns;
        Some(RateChange { from, to, cpu_share: load.cpu_share, table_fill: load.table_fill })
    }
}

fn cost_ns(engine: &Engine) -> u64 {
    u64::try_from(engine.meter.total().as_nanos()).unwrap_or(u64::MAX)
}

impl fmt::Display for RateChange {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = |lg: u8| Unit::Bytes.show(f64::from(lg).exp2());
        write!(
            formatter,
            "heap sampling goes from one object in {} to one in {}: it took {:.2} % of the CPU time, its table is {:.0} % full",
            bytes(self.from),
            bytes(self.to),
            self.cpu_share * 100.0,
            self.table_fill * 100.0,
        )
    }
}
