//! Whose code a frame is: the user's own, a dependency's, the runtime's or the allocator's.
//! Decides which frame of a stack a reader is pointed to. Pure rules on names and file paths.

use super::{Frame, Function, Stack};

/// Who wrote the code of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Owner {
    /// The service's own crates.
    User,
    /// A crate from a registry or a git checkout.
    Dependency,
    /// The standard library, the async runtime, the C library: there in every stack.
    Runtime,
    /// The allocator and the profiler itself.
    Allocator,
    /// A label, or an address without a name.
    Unknown,
}

/// Name prefixes of the allocator and of the profiler, once `<` and `&` are taken off the front.
/// The `alloc::` ones are the calls through which every Rust allocation passes.
const ALLOCATOR: &[&str] = &[
    "_rjem_",
    "prof_",
    "je_",
    "rallocx",
    "mallocx",
    "do_rallocx",
    "imalloc",
    "irealloc",
    "arena_",
    "large_",
    "tcache_",
    "__rust_alloc",
    "__rust_realloc",
    "__rdl_",
    "__rg_",
    "__rustc::__r",
    "alloc::alloc::",
    "std::alloc::",
    "alloc::raw_vec::",
    "tikv_jemallocator::",
    "malloc",
    "calloc",
    "realloc",
    "posix_memalign",
    "aligned_alloc",
];

/// Functions of the allocator's boundary that live in modules with other functions too.
const ALLOCATOR_EXACT: &[&str] =
    &["exchange_malloc", "alloc::boxed::box_new", "core::alloc::Allocator", "finish_grow"];

/// Name prefixes of code that runs below every service.
const RUNTIME: &[&str] = &[
    "std::",
    "core::",
    "alloc::",
    "tokio::",
    "hashbrown::",
    "__libc_",
    "_start",
    "__clone",
    "clone3",
    "start_thread",
    "main",
    "__rust_",
    "rust_",
    "flamewatch::",
];

impl Owner {
    /// Whose code `function` is. The file decides where there is one; the name where there is none.
    #[must_use]
    pub fn of(function: &Function) -> Self {
        let name = bare(&function.name);
        if is_allocator(name) {
            return Self::Allocator;
        }
        if RUNTIME.iter().any(|prefix| starts(name, prefix)) {
            return Self::Runtime;
        }
        by_file(&function.file)
    }

    /// Whose code `frame` is.
    #[must_use]
    pub fn of_frame(frame: &Frame) -> Self {
        match frame {
            Frame::Named(function) => Self::of(function),
            _ => Self::Unknown,
        }
    }
}

/// The frame a reader should look at: the innermost of the user's own code, else the innermost of a dependency,
/// else the innermost named frame that is not the allocator's.
#[must_use]
pub fn suspect<'profile>(stack: &Stack<'profile>) -> Option<&'profile Function> {
    let of = |wanted: Owner| {
        stack.frames().find_map(|frame| match frame {
            Frame::Named(function) if Owner::of(function) == wanted => Some(&**function),
            _ => None,
        })
    };
    of(Owner::User).or_else(|| of(Owner::Dependency)).or_else(|| of(Owner::Runtime))
}

/// How many of the innermost frames belong to the allocator or the profiler: all up to the outermost of the
/// run that begins at the leaf. Unnamed frames inside that run belong to it.
#[must_use]
pub fn allocator_depth(stack: &Stack<'_>) -> usize {
    let mut depth = 0;
    for (index, frame) in stack.frames().enumerate() {
        match Owner::of_frame(frame) {
            Owner::Allocator => depth = index + 1,
            Owner::Unknown if matches!(frame, Frame::Address(_)) => {}
            _ => break,
        }
    }
    depth
}

fn is_allocator(name: &str) -> bool {
    ALLOCATOR.iter().any(|prefix| starts(name, prefix))
        || ALLOCATOR_EXACT.iter().any(|part| name.contains(part))
}

/// `main` is a whole name, `std::` a prefix of paths: both without catching `mainframe` or `stdlib`.
fn starts(name: &str, prefix: &str) -> bool {
    name.strip_prefix(prefix).is_some_and(|rest| {
        prefix.ends_with(':')
            || prefix.ends_with('_')
            || rest.is_empty()
            || rest.starts_with([':', '<', '.', '_'])
    })
}

/// The path that a name is about: `<alloc::vec::Vec<T> as …>::push` is about `alloc::vec::Vec`.
fn bare(name: &str) -> &str {
    name.trim_start_matches(['<', '&', '*', '('])
        .trim_start_matches("mut ")
        .trim_start_matches("const ")
        .trim_start_matches("dyn ")
}

fn by_file(file: &str) -> Owner {
    let has = |part: &str| file.contains(part);
    if has("/rustc/") || has("/lib/rustlib/src/") || has("library/std/src/") || has("library/core/src/") {
        Owner::Runtime
    } else if has("/registry/src/") || has("/git/checkouts/") {
        Owner::Dependency
    } else if file.is_empty() {
        Owner::Unknown
    } else if has("/usr/src/") || has("sysdeps/") || has("/nptl/") || has("/csu/") {
        Owner::Runtime
    } else {
        Owner::User
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(name: &str, file: &str, expected: Owner) {
        assert_eq!(Owner::of(&Function::new(name, file, 1)), expected, "{name} in {file}");
    }

    #[test]
    fn owners() {
        check("shop::orders::insert", "src/orders.rs", Owner::User);
        check("<shop::Cart as core::fmt::Debug>::fmt", "/src/shop/cart.rs", Owner::User);
        check("main", "src/main.rs", Owner::Runtime);
        check("mainframe::boot", "src/main.rs", Owner::User);
        check(
            "serde_json::de::from_str",
            "/root/.cargo/registry/src/index/serde_json-1.0.1/src/de.rs",
            Owner::Dependency,
        );
        check("<alloc::vec::Vec<T> as core::clone::Clone>::clone", "", Owner::Runtime);
        check("alloc::vec::Vec<T,A>::push", "/rustc/abc/library/alloc/src/vec/mod.rs", Owner::Runtime);
        check(
            "<tokio::runtime::task::core::Core<T,S>>::poll",
            "/x/registry/src/i/tokio-1.0/src/a.rs",
            Owner::Runtime,
        );
        check("alloc::raw_vec::RawVecInner<A>::reserve::do_reserve_and_handle", "", Owner::Allocator);
        check("alloc::alloc::exchange_malloc", "", Owner::Allocator);
        check("_rjem_je_prof_backtrace", "", Owner::Allocator);
        check("_rjem_malloc", "", Owner::Allocator);
        check("flamewatch::spawn::spawn", "/src/agent/src/spawn.rs", Owner::Runtime);
    }
}
