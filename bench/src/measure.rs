//! One measurement from a cold start to the last purge. What it costs to ask is not in it: the addresses are read,
//! and the peak is set back, before the clock starts.

use std::fs;
use std::time::Instant;

use serde_json::json;

use crate::engine::{self, Engine, Target};
use crate::request::Request;
use crate::store::{Glance, Store};
use crate::sys;

/// Resident memory of this process in KiB.
#[derive(Clone, Copy, Debug, Default)]
struct Memory {
    resident: u64,
    peak: u64,
}

impl Memory {
    fn now() -> Self {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0)
        };
        Self { resident: field("VmRSS:"), peak: field("VmHWM:") }
    }
}

/// Answers `request` for `target` and writes the figures where the request says.
///
/// # Errors
/// What the tool said, or why the figures cannot be written.
pub fn run(request: &Request, target: &Target<'_>) -> Result<(), String> {
    sys::purge();
    fs::write("/proc/self/clear_refs", "5").map_err(|error| format!("cannot set the peak back: {error}"))?;
    let before = Memory::now();
    let (wall, cpu) = (Instant::now(), sys::cpu_time());
    let mut engine = engine::Chosen::open(target)?;
    let mut store = Store::default();
    engine.resolve(&request.addresses, &mut store)?;
    let (wall, cpu) = (wall.elapsed(), sys::cpu_time().saturating_sub(cpu));
    let held = Memory::now();
    let repeats = repeats(&mut engine, request)?;
    if let Some(path) = &request.dump {
        store.dump(path).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    let (frames, strings, with_line) = (store.frames(), store.strings(), store.with_line());
    drop(store);
    engine.forget();
    let dropped = Memory::now();
    sys::purge();
    let purged = Memory::now();
    let figures = json!({
        "tool": engine::NAME, "addresses": request.addresses.len(),
        "cpu_ms": cpu.as_secs_f64() * 1e3, "wall_ms": wall.as_secs_f64() * 1e3, "repeat_us": repeats,
        "before_kib": before.resident, "peak_kib": held.peak, "held_kib": held.resident,
        "dropped_kib": dropped.resident, "purged_kib": purged.resident,
        "frames": frames, "strings": strings, "with_line": with_line,
    });
    fs::write(&request.out, format!("{figures}\n")).map_err(|error| format!("cannot write: {error}"))
}

/// CPU time an address in microseconds, for each time the known addresses are asked again.
fn repeats(engine: &mut engine::Chosen, request: &Request) -> Result<Vec<f64>, String> {
    let mut took = Vec::with_capacity(request.repeat);
    for _ in 0..request.repeat {
        let begun = sys::cpu_time();
        engine.resolve(&request.addresses, &mut Glance)?;
        let each = sys::cpu_time().saturating_sub(begun).as_secs_f64() * 1e6;
        took.push(each / request.addresses.len().max(1) as f64);
    }
    Ok(took)
}
