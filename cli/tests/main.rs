//! The program `flamewatch`, run on what real programs write: this test program's own memory, a real heap dump of
//! it, small C programs built on the spot. What it writes is read by the real `go tool pprof`.

mod addresses;
mod bad;
mod formats;
mod heap;
mod index;
mod leaks;
mod perf;
mod plan;
mod pprof;
#[path = "../src/proto.rs"]
mod proto;
mod remote;
mod run;
mod show;

/// So that this program can write a heap dump of itself; see `heap`.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;
