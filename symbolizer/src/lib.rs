//! Addresses to functions, files, lines and inlined frames: for this process, for another, or for a dump read later.
//!
//! A [`ModuleMap`] says which files a process has mapped where. A [`Symbolizer`] names a whole batch of addresses
//! against it, and gives back every byte of debug info before it returns. It names nothing from a file that it
//! cannot prove to be the mapped one: `libfoo.so+0x1234` is always true, a wrong name never is.
//!
//! ```
//! use flamewatch_symbolizer::{Addr, ModuleMap, Symbolizer};
//!
//! #[inline(never)]
//! fn checkout() {}
//!
//! let map = ModuleMap::current()?;
//! let resolved = Symbolizer::default().resolve(&map, &[Addr::Pc(checkout as fn() as usize as u64)]);
//! let [frame] = resolved.frames(0) else { panic!("one function, nothing inlined") };
//! assert!(frame.name.ends_with("::checkout"), "{}", frame.name);
//! assert_eq!(resolved.report().unnamed(), 0);
//! # Ok::<(), flamewatch_symbolizer::Error>(())
//! ```

mod addr;
mod cache;
mod companions;
mod dwarf;
mod engine;
mod error;
mod file;
mod frame;
pub mod index;
mod maps;
mod module;
pub mod name;
mod names;
mod owner;
mod perf_map;
mod places;
pub mod plan;
mod raw;
mod report;
mod resolved;
mod shelf;
mod symbolizer;
mod symtab;
mod sys;

pub use addr::Addr;
pub use cache::{CacheStats, DEFAULT_CACHE_BUDGET};
pub use error::{Error, ErrorKind};
pub use frame::{Frame, Source};
pub use module::{Module, ModuleMap, Segment};
pub use owner::{Origin, Owner};
pub use report::{ModuleReport, Reason, Report};
pub use resolved::Resolved;
pub use symbolizer::{Builder, DEFAULT_MEMORY_BUDGET, DEFAULT_WINDOW, Symbolizer};
