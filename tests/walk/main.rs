//! Whether tokio's own task lists are read right: in runtimes of each flavor a known number of tasks in known places, and
//! the walker, compiled in from its source, must see exactly those, or refuse. A program of its own because it is built
//! with every version of tokio and in every form (`scripts/matrix`); `cargo test` runs it with the version that we have.
//!
//! Prints a line for each flavor: what was seen, why it was refused, or what was WRONG. The exit code is 1 when anything was
//! wrong, and 3 when all was refused. `WALK_PLAN_OF` names the file with the debug info, when that is not this program's.
//! With `WALK_SOAK` it does something else for so many seconds: see `soak`.

#[allow(dead_code, unused_imports, reason = "the agent asks for more")]
#[path = "../../agent/src/sys"]
mod sys {
    pub(crate) mod memory;
    /// Of the thread that makes plans, which is not started here.
    pub(crate) mod thread {
        pub(crate) fn withdraw() {}
        pub(crate) fn step_back() {}
        pub(crate) fn give_back() {}
        pub(crate) fn behind<T>(_name: &str, mut work: impl FnMut() -> T) -> T {
            work()
        }
    }
    /// No filter of system calls is over this program.
    pub(crate) mod trial {
        pub(crate) enum Call {
            ReadMemory,
        }
        pub(crate) fn is_survived(_: Call) -> bool {
            true
        }
    }
}
#[allow(dead_code, unused_imports, reason = "the agent asks for more")]
#[path = "../../agent/src/source"]
mod source {
    pub(crate) mod walk;
}
/// What the walker asks of the agent's other rooms.
#[allow(dead_code, reason = "nobody asks for it here")]
mod spawn {
    pub(crate) const MAX_RUNTIMES: usize = 16;
    #[derive(Clone, Debug)]
    pub(crate) struct Runtime {
        pub(crate) handle: tokio::runtime::Handle,
    }
}
mod check;
mod flavor;
mod soak;
mod zoo;

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use check::Outcome;
use flavor::Flavor;

#[cfg(feature = "jemalloc")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    if let Some(seconds) = std::env::var("WALK_SOAK").ok().and_then(|text| text.parse().ok()) {
        return soak::soak(Duration::from_secs(seconds));
    }
    let outcomes: Vec<(Flavor, Outcome)> =
        Flavor::ALL.into_iter().map(|flavor| (flavor, check::check(flavor))).collect();
    let mut out = io::stdout().lock();
    for (flavor, outcome) in &outcomes {
        let _ = writeln!(out, "{:16} {outcome}", flavor.name());
    }
    let any = |is: fn(&Outcome) -> bool| outcomes.iter().any(|(_, outcome)| is(outcome));
    match (
        any(|outcome| matches!(outcome, Outcome::Wrong(_))),
        any(|outcome| matches!(outcome, Outcome::Refused(_))),
    ) {
        (true, _) => ExitCode::from(1),
        (_, true) => ExitCode::from(3),
        _ => ExitCode::SUCCESS,
    }
}
