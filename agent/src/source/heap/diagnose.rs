//! Whether the heap can be profiled here, found out by measuring, and what to do where it cannot.

use std::hint;
use std::sync::atomic::Ordering;

use super::engine::Engine;
use super::{CLAIMED, selftest};
use crate::doctor::Check;
use crate::sys::{mallctl, prof_hooks, reserve};
use crate::{Error, ErrorKind};

const NOT_THE_ALLOCATOR: &str = "jemalloc is not this program's allocator";
const ADD_ALLOCATOR: &str = "write flamewatch::allocator!(); in main.rs, outside of any function";
const NO_PROF: &str = "jemalloc runs without prof:true";
const ADD_CONF: &str = "write flamewatch::malloc_conf!(); in main.rs, or start with _RJEM_MALLOC_CONF=prof:true; a symbol \
    called malloc_conf without the prefix _rjem_ is ignored";
const NOT_COMPILED: &str = "jemalloc was built without profiling";
const ADD_FEATURE: &str = "enable the feature `profiling` of tikv-jemallocator";

/// What `doctor` says about the heap, one line each. Where the heap is being profiled a sample is forced.
#[must_use]
pub fn diagnose() -> Vec<Check> {
    let mut checks = vec![allocator(), sampler()];
    if checks.iter().all(|check| check.ok) {
        checks.push(hooks());
        if CLAIMED.load(Ordering::Acquire) && prof_hooks::is_enabled() {
            checks.extend(forced_sample());
        }
    }
    checks.push(page_size());
    checks
}

/// The same as an error, for `start`.
pub(super) fn prerequisites() -> Result<(), Error> {
    match [allocator(), sampler()].into_iter().find(|check| !check.ok) {
        None => Ok(()),
        Some(check) => Err(Error::new(ErrorKind::Unsupported, check.to_string())),
    }
}

fn allocator() -> Check {
    const NAME: &str = "heap allocator";
    if is_allocator() {
        Check::ok(NAME, "jemalloc is this program's allocator")
    } else {
        Check::problem(NAME, NOT_THE_ALLOCATOR, ADD_ALLOCATOR)
    }
}

fn sampler() -> Check {
    const NAME: &str = "heap sampler";
    match (mallctl::prof_compiled(), mallctl::prof_enabled()) {
        (Ok(true), Ok(true)) => Check::ok(NAME, "jemalloc runs with prof:true"),
        (Ok(true), _) => Check::problem(NAME, NO_PROF, ADD_CONF),
        _ => Check::problem(NAME, NOT_COMPILED, ADD_FEATURE),
    }
}

fn hooks() -> Check {
    const NAME: &str = "heap hooks";
    match prof_hooks::available() {
        Ok(true) => Check::ok(NAME, "jemalloc has sampling hooks"),
        Ok(false) => Check::problem(
            NAME,
            "another profiler has taken jemalloc's hooks; profiles come from dumps",
            "stop the other profiler",
        ),
        Err(_) => Check::problem(
            NAME,
            "this jemalloc has no sampling hooks; profiles come from dumps",
            "use tikv-jemallocator 0.7 or later",
        ),
    }
}

fn forced_sample() -> Vec<Check> {
    let Ok(engine) = Engine::get() else { return Vec::new() };
    let verdict = selftest::run(engine.lg_rate(), false);
    let sample = match (verdict.sampled, verdict.freed) {
        (true, true) => {
            Check::ok("heap sample", "a forced sample and its free reached the live table's hooks")
        }
        (true, false) => Check::problem("heap sample", "the free of a forced sample was not heard", REPORT),
        (false, _) => Check::problem("heap sample", "a forced sample did not arrive", REPORT),
    };
    vec![sample, Check::ok("heap unwinder", format!("stacks are walked by {}", engine.unwinding.chosen()))]
}

const REPORT: &str = "report it, with the version of tikv-jemalloc-sys in Cargo.lock";

fn page_size() -> Check {
    const NAME: &str = "heap page size";
    let system = reserve::system_page_bytes();
    match mallctl::page_size() {
        Ok(page) if page == system => {
            Check::ok(NAME, format!("jemalloc and the system have pages of {page} bytes"))
        }
        Ok(page) if page < system => Check::problem(
            NAME,
            format!("jemalloc has pages of {page} bytes, the system of {system}"),
            format!("build with JEMALLOC_SYS_WITH_LG_PAGE={}", system.ilog2()),
        ),
        Ok(page) => Check::ok(
            NAME,
            format!(
                "jemalloc has pages of {page} bytes, the system of {system}: each small sample takes {page} bytes"
            ),
        ),
        Err(_) => Check::problem(NAME, "jemalloc does not tell its page size", ADD_ALLOCATOR),
    }
}

/// Whether what this thread allocates comes from jemalloc: jemalloc counts it.
pub(crate) fn is_allocator() -> bool {
    const BYTES: usize = 1 << 20;
    let Ok(before) = mallctl::thread_allocated() else { return false };
    hint::black_box(Vec::<u8>::with_capacity(BYTES));
    mallctl::thread_allocated().is_ok_and(|after| after.saturating_sub(before) >= BYTES as u64)
}
