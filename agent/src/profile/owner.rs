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

/// Paths of the allocator's and the profiler's Rust code, once `<` and `&` are taken off the front. The `alloc::`
/// ones are the calls through which every Rust allocation passes.
const ALLOCATOR: &[&str] = &[
    "__rustc::__rust_alloc",
    "__rustc::__rust_dealloc",
    "__rustc::__rust_realloc",
    "__rustc::__rdl_",
    "__rustc::__rg_",
    "alloc::alloc::",
    "alloc::boxed::box_new",
    "alloc::raw_vec::",
    "flamewatch::source::",
    "flamewatch::sys::",
    "framehop::",
    "hashbrown::raw::alloc::",
    "std::alloc::",
    "tikv_jemallocator::",
];

/// Beginnings of the names of the allocator's C functions. Others may use them too: they count where the file is
/// the allocator's, or where there is none to tell.
const ALLOCATOR_C: &[&str] = &[
    "_rjem_",
    "__rdl_",
    "__rg_",
    "__rust_alloc",
    "__rust_dealloc",
    "__rust_realloc",
    "aligned_alloc",
    "arena_",
    "calloc",
    "do_rallocx",
    "imalloc",
    "irallocx",
    "irealloc",
    "je_",
    "large_",
    "malloc",
    "mallocx",
    "posix_memalign",
    "prof_",
    "rallocx",
    "realloc",
    "tcache_",
];

/// What the file of an allocator's C function has in its path, whoever built it.
/// The standard library's are for builds whose debug info has no paths in its names (`line-tables-only`).
const ALLOCATOR_FILES: &[&str] = &[
    "tikv-jemalloc-sys",
    "/jemalloc/",
    "/malloc/malloc.c",
    "/library/alloc/src/alloc.rs",
    "/library/alloc/src/raw_vec",
];

/// An allocator somebody else wrote is known by the trait it implements.
const ALLOCATOR_TRAITS: &[&str] =
    &[" as core::alloc::global::GlobalAlloc>::", " as core::alloc::Allocator>::"];

/// Crates that run below every service.
const RUNTIME: &[&str] =
    &["std::", "core::", "alloc::", "tokio::", "hashbrown::", "__rustc::", "flamewatch::"];

/// Beginnings of the names of functions, without a path, that run below every service; a file knows better.
const RUNTIME_C: &[&str] =
    &["__libc_", "_start", "__clone", "clone3", "start_thread", "__rust_", "rust_", "_Unwind_"];

impl Owner {
    /// Whose code `function` is. The name tells what every service stands on, the file whose the rest is.
    #[must_use]
    pub fn of(function: &Function) -> Self {
        let name = bare(&function.name);
        if is_allocator(name, &function.file) {
            return Self::Allocator;
        }
        if is_runtime(name, &function.file) {
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

/// How many of the innermost frames say nothing about who allocates: the allocator's, the profiler's, and those of the
/// standard library's containers, up to the first frame of anybody else. `Vec::push` does not leak; who calls it does.
/// Where nobody else is in the stack, the allocator's alone.
#[must_use]
pub fn allocator_depth(stack: &Stack<'_>) -> usize {
    let (mut allocator, mut library) = (0, 0);
    for (index, frame) in stack.frames().enumerate() {
        match frame {
            Frame::Named(function) if Owner::of(function) == Owner::Allocator => {
                (allocator, library) = (index + 1, index + 1);
            }
            Frame::Named(function) if allocator > 0 && is_library(function) => library = index + 1,
            frame if is_unnamed(frame) => {}
            Frame::Label { .. } => return allocator,
            _ => return library,
        }
    }
    allocator
}

/// Code of the standard library, but not of the async runtime: its containers allocate for whoever calls them.
fn is_library(function: &Function) -> bool {
    let name = bare(&function.name);
    ["std::", "core::", "alloc::", "hashbrown::"].iter().any(|root| name.starts_with(root))
        || (by_file(&function.file) == Owner::Runtime && !name.starts_with("main"))
}

/// True for an address, also when resolving has found no better name for it than `libc.so.6+0x27249`.
fn is_unnamed(frame: &Frame) -> bool {
    match frame {
        Frame::Address(_) => true,
        Frame::Named(function) => function.name.starts_with("0x") || function.name.contains("+0x"),
        Frame::Label { .. } => false,
    }
}

fn is_allocator(name: &str, file: &str) -> bool {
    let of_allocator = || ALLOCATOR_FILES.iter().any(|part| file.contains(part));
    if name.contains("::") {
        return ALLOCATOR.iter().any(|prefix| starts(name, prefix))
            || ALLOCATOR_TRAITS.iter().any(|part| name.contains(part));
    }
    of_allocator() || (file.is_empty() && ALLOCATOR_C.iter().any(|prefix| starts(name, prefix)))
}

fn is_runtime(name: &str, file: &str) -> bool {
    if name.contains("::") {
        return RUNTIME.iter().any(|prefix| starts(name, prefix));
    }
    // A Rust program's `main` without a path is the shim that calls `std::rt::lang_start`.
    name == "main" || (file.is_empty() && RUNTIME_C.iter().any(|prefix| starts(name, prefix)))
}

/// True when `prefix` ends where a word of `name` does: `clone3` is not the beginning of `clone3000`.
fn starts(name: &str, prefix: &str) -> bool {
    name.strip_prefix(prefix).is_some_and(|rest| {
        prefix.ends_with([':', '_']) || rest.is_empty() || rest.starts_with(['<', '.', '_'])
    })
}

/// The path that a name is about: `<alloc::vec::Vec<T> as …>::push` is about `alloc::vec::Vec`.
fn bare(name: &str) -> &str {
    name.trim_start_matches(['<', '&', '*', '(', '['])
        .trim_start_matches("mut ")
        .trim_start_matches("const ")
        .trim_start_matches("dyn ")
}

fn by_file(file: &str) -> Owner {
    let has = |part: &str| file.contains(part);
    if file.starts_with("/rustc/")
        || has("/lib/rustlib/src/")
        || has("/rust/deps/")
        || has("library/std/src/")
    {
        Owner::Runtime
    } else if has("/registry/src/") || has("/git/checkouts/") || has("/vendor/") || built_by_sys_crate(file) {
        Owner::Dependency
    } else if file.is_empty() {
        Owner::Unknown
    } else if has("/usr/src/") || has("sysdeps/") || has("/nptl/") || has("/csu/") {
        Owner::Runtime
    } else {
        Owner::User
    }
}

/// C code that a `…-sys` crate unpacked and compiled, as `target/release/build/openssl-sys-0123/out/…` is.
fn built_by_sys_crate(file: &str) -> bool {
    file.contains("-sys-") && file.contains("/build/") && file.contains("/out/")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Unit;
    use crate::profile::{Profile, ValueType};

    #[track_caller]
    fn check(name: &str, file: &str, expected: Owner) {
        assert_eq!(Owner::of(&Function::new(name, file, 1)), expected, "{name} in {file}");
    }

    const ALLOC: &str = "/rustc/59807616e1fa/library/alloc/src/";
    const REGISTRY: &str = "/root/.cargo/registry/src/index.crates.io-1949cf8c6b5b557f/";
    const JEMALLOC: &str = "/app/target/release/build/tikv-jemalloc-sys-af20afda0361d1fd/out/build/";

    #[test]
    fn the_services_own_code() {
        check("shop::orders::insert", "src/orders.rs", Owner::User);
        check("<shop::Cart as core::fmt::Debug>::fmt", "/src/shop/cart.rs", Owner::User);
        check("shop::main", "src/main.rs", Owner::User);
        check("shop::main::{{closure}}", "src/main.rs", Owner::User);
        check("<&mut [shop::Item] as shop::Total>::total", "src/cart.rs", Owner::User);
        check("mainframe::boot", "src/main.rs", Owner::User);
        check("main::boot", "src/main.rs", Owner::User);
        check("rust_api::serve", "src/main.rs", Owner::User);
        check("{closure#0}", "src/main.rs", Owner::User);
        check("main_loop", "/app/native/loop.c", Owner::User);
        check("shop_generated::Order::decode", "/app/target/debug/build/shop-11aa/out/shop.rs", Owner::User);
    }

    #[test]
    fn names_that_only_begin_like_the_allocators() {
        check("prof_client::upload", "src/main.rs", Owner::User);
        check("arena_tools::grow", "src/main.rs", Owner::User);
        check("large_orders::insert", "src/main.rs", Owner::User);
        check("arena_new", "/app/native/arena.c", Owner::User);
        check("shop::finish_grow_season", "src/season.rs", Owner::User);
        check("shop::jemalloc::stats", "/app/src/jemalloc/stats.rs", Owner::User);
        check("malloc_stats::read", "src/main.rs", Owner::User);
    }

    #[test]
    fn dependencies() {
        check(
            "serde_json::de::from_str",
            &format!("{REGISTRY}serde_json-1.0.154/src/de.rs"),
            Owner::Dependency,
        );
        check("bytes::Bytes::copy", "/app/vendor/bytes/src/bytes.rs", Owner::Dependency);
        check("EVP_Digest", "/app/target/release/build/openssl-sys-9f/out/digest.c", Owner::Dependency);
        check(
            "<serde_json::value::Value as serde_core::de::Deserialize>::deserialize",
            &format!("{REGISTRY}serde_json-1.0.154/src/value/de.rs"),
            Owner::Dependency,
        );
    }

    #[test]
    fn what_every_service_stands_on() {
        check("main", "", Owner::Runtime);
        check("main", "src/main.rs", Owner::Runtime);
        check("<alloc::vec::Vec<T> as core::clone::Clone>::clone", "", Owner::Runtime);
        check("alloc::vec::Vec<T,A>::push", &format!("{ALLOC}vec/mod.rs"), Owner::Runtime);
        check("alloc::boxed::Box<T>::new", &format!("{ALLOC}boxed.rs"), Owner::Runtime);
        check("<str as alloc::borrow::ToOwned>::to_owned", &format!("{ALLOC}str.rs"), Owner::Runtime);
        check("<[T]>::to_vec", &format!("{ALLOC}slice.rs"), Owner::Runtime);
        check("core::ops::function::FnOnce::call_once{{vtable.shim}}", "", Owner::Runtime);
        check("std::rt::lang_start", "/rustc/59807616e1fa/library/std/src/rt.rs", Owner::Runtime);
        check("std::rt::lang_start::{{closure}}", "", Owner::Runtime);
        check(
            "<&dyn core::ops::function::Fn<()> as core::ops::function::FnOnce<()>>::call_once",
            "",
            Owner::Runtime,
        );
        check("__rustc::rust_begin_unwind", "", Owner::Runtime);
        check("gimli::read::Dwarf::unit", "/rust/deps/gimli-0.32.3/src/read/dwarf.rs", Owner::Runtime);
        check("__rust_try", "", Owner::Runtime);
        check("__libc_start_main", "", Owner::Runtime);
        check("start_thread", "./nptl/pthread_create.c", Owner::Runtime);
        check("flamewatch::spawn::spawn", "/src/agent/src/spawn.rs", Owner::Runtime);
        check(
            "<tokio::runtime::task::core::Core<T,S>>::poll",
            &format!("{REGISTRY}tokio-1.54.1/src/runtime/task/core.rs"),
            Owner::Runtime,
        );
    }

    #[test]
    fn the_allocator_in_rust() {
        // The file of these is the one in which the service says `#[global_allocator]`.
        check("__rustc::__rust_alloc", "src/main.rs", Owner::Allocator);
        check("__rustc::__rust_alloc_zeroed", "src/main.rs", Owner::Allocator);
        check("__rustc::__rust_realloc", "src/main.rs", Owner::Allocator);
        check("<shop::Counting as core::alloc::global::GlobalAlloc>::alloc", "src/main.rs", Owner::Allocator);
        check("<shop::Arena as core::alloc::Allocator>::allocate", "src/arena.rs", Owner::Allocator);
        check(
            "<tikv_jemallocator::Jemalloc as core::alloc::global::GlobalAlloc>::alloc",
            &format!("{REGISTRY}tikv-jemallocator-0.7.0/src/lib.rs"),
            Owner::Allocator,
        );
        check("alloc::alloc::exchange_malloc", "", Owner::Allocator);
        check("<alloc::alloc::Global>::alloc_impl_runtime", "", Owner::Allocator);
        check("<alloc::alloc::Global as core::alloc::Allocator>::grow", "", Owner::Allocator);
        check("alloc::boxed::box_new_uninit", &format!("{ALLOC}boxed.rs"), Owner::Allocator);
        check("alloc::raw_vec::RawVec<T,A>::grow_one", "", Owner::Allocator);
        check("<alloc::raw_vec::RawVec<T,A>>::grow_one", "", Owner::Allocator);
        check("<alloc::raw_vec::RawVecInner>::finish_grow", "", Owner::Allocator);
        check("alloc::raw_vec::RawVecInner<A>::reserve::do_reserve_and_handle", "", Owner::Allocator);
        check("hashbrown::raw::alloc::inner::do_alloc", "", Owner::Allocator);
        check("try_allocate_in", &format!("{ALLOC}raw_vec/mod.rs"), Owner::Allocator);
        check("flamewatch::sys::prof_hooks::on_sample", "", Owner::Allocator);
    }

    #[test]
    fn the_allocator_in_c() {
        check("_rjem_malloc", "", Owner::Allocator);
        check("_rjem_je_prof_backtrace", &format!("{JEMALLOC}src/prof_sys.c"), Owner::Allocator);
        check("irallocx_prof", &format!("{JEMALLOC}src/jemalloc.c"), Owner::Allocator);
        check("irallocx_prof", "", Owner::Allocator);
        check(
            "prof_alloc_prep",
            &format!("{JEMALLOC}include/jemalloc/internal/prof_inlines.h"),
            Owner::Allocator,
        );
        check("emap_edata_lookup", &format!("{JEMALLOC}include/jemalloc/internal/emap.h"), Owner::Allocator);
        check("imalloc_body", "", Owner::Allocator);
        check("malloc", "", Owner::Allocator);
        check("malloc", "./malloc/malloc.c", Owner::Allocator);
    }

    /// The stack of `Vec::push` in a debug build, as jemalloc recorded it and the symbolizer named it.
    fn recorded(profile: &mut Profile) {
        let frames = [
            ("prof_backtrace_impl", format!("{JEMALLOC}src/prof_sys.c")),
            ("_rjem_je_prof_backtrace", format!("{JEMALLOC}src/prof_sys.c")),
            ("_rjem_je_prof_tctx_create", format!("{JEMALLOC}src/prof.c")),
            ("prof_alloc_prep", format!("{JEMALLOC}include/jemalloc/internal/prof_inlines.h")),
            ("irallocx_prof", format!("{JEMALLOC}src/jemalloc.c")),
            ("do_rallocx", format!("{JEMALLOC}src/jemalloc.c")),
            ("libjemalloc.so.2+0x1f3a", String::new()),
            (
                "<tikv_jemallocator::Jemalloc as core::alloc::global::GlobalAlloc>::realloc",
                format!("{REGISTRY}tikv-jemallocator-0.7.0/src/lib.rs"),
            ),
            ("__rustc::__rust_realloc", "src/main.rs".to_owned()),
            ("alloc::alloc::realloc", format!("{ALLOC}alloc.rs")),
            ("<alloc::alloc::Global as core::alloc::Allocator>::grow", format!("{ALLOC}alloc.rs")),
            ("alloc::raw_vec::RawVecInner<A>::finish_grow", format!("{ALLOC}raw_vec/mod.rs")),
            ("alloc::raw_vec::RawVec<T,A>::grow_one", format!("{ALLOC}raw_vec/mod.rs")),
            ("alloc::vec::Vec<T,A>::push_mut", format!("{ALLOC}vec/mod.rs")),
            ("alloc::vec::Vec<T,A>::push", format!("{ALLOC}vec/mod.rs")),
            ("shop::vec_push", "src/main.rs".to_owned()),
            ("shop::main", "src/main.rs".to_owned()),
            ("std::rt::lang_start_internal", "/rustc/59807616e1fa/library/std/src/rt.rs".to_owned()),
            ("main", String::new()),
            ("libc.so.6+0x27249", String::new()),
            ("_start", String::new()),
        ];
        profile.add(frames.map(|(name, file)| Frame::named(Function::new(name, file, 1))), &[1], 1);
    }

    #[test]
    fn a_recorded_stack_points_at_the_users_function() {
        let mut profile = Profile::new("heap", [ValueType::new("space", Unit::Bytes)]);
        recorded(&mut profile);
        let stack = profile.iter().next().expect("a stack");
        assert_eq!(allocator_depth(&stack), 15);
        assert_eq!(suspect(&stack).map(|function| &*function.name), Some("shop::vec_push"));
    }

    #[test]
    fn unnamed_frames_outside_the_allocators_run_stay() {
        let mut profile = Profile::new("heap", [ValueType::new("space", Unit::Bytes)]);
        let frames = ["libc.so.6+0x10", "_rjem_malloc", "0x7f00", "shop::f"];
        profile.add(frames.map(|name| Frame::named(Function::new(name, "", 0))), &[1], 1);
        profile.add(
            [Frame::label("route", "/malloc"), Frame::named(Function::new("malloc", "", 0))],
            &[1],
            1,
        );
        let depths: Vec<usize> = profile.iter().map(|stack| allocator_depth(&stack)).collect();
        assert_eq!(depths, [2, 0]);
    }
}
