//! The symbolizer beside its peers: each tool names the same addresses into the same store, in a process of its own.
//! One build per tool (a cargo feature). `src/bin/offline.rs` is the program, `preload` starts from `LD_PRELOAD`.

pub mod engine;
pub mod measure;
pub mod preload;
pub mod request;
pub mod store;
pub mod sys;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;
