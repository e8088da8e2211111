//! Which crate a Rust name belongs to, and what is known of crates by name.
//!
//! A path belongs to its first segment. `<T as Trait>::f` belongs to the crate of `T`, references, slices and `dyn`
//! aside; where that is the standard library's, or `T` is a primitive, a tuple or a parameter, to the crate of `Trait`:
//! Rust allows an impl only where one of the two is at home. What both do not name (`str::trim`) is `core`'s.

use super::Owner;
use crate::name::outside::split;
use crate::name::peeled;

/// What comes with the compiler.
const STD: &[&str] = &[
    "std",
    "core",
    "alloc",
    "hashbrown",
    "std_detect",
    "panic_unwind",
    "panic_abort",
    "compiler_builtins",
    "__rustc",
];

/// Executors, reactors, thread pools, and what those alone are made of.
const RUNTIME: &[&str] = &[
    "tokio",
    "mio",
    "async_std",
    "async_executor",
    "async_global_executor",
    "async_io",
    "async_task",
    "smol",
    "polling",
    "blocking",
    "futures_executor",
    "futures_task",
    "actix_rt",
    "glommio",
    "monoio",
    "rayon",
    "rayon_core",
    "crossbeam_deque",
    "crossbeam_epoch",
];

/// The parts of other crates that only pass a runtime on.
const RUNTIME_PATHS: &[&str] = &["hyper::rt::", "hyper_util::rt::"];

const ALLOCATOR: &[&str] = &[
    "tikv_jemallocator",
    "tikv_jemalloc_sys",
    "jemallocator",
    "jemalloc_sys",
    "mimalloc",
    "libmimalloc_sys",
    "snmalloc_rs",
    "snmalloc_sys",
];

/// The calls through which every Rust allocation passes.
const ALLOCATOR_PATHS: &[&str] = &[
    "__rustc::__rust_alloc",
    "__rustc::__rust_dealloc",
    "__rustc::__rust_realloc",
    "__rustc::__rdl_",
    "__rustc::__rg_",
    "alloc::alloc::",
    "alloc::boxed::box_new",
    "alloc::raw_vec::",
    "hashbrown::raw::alloc::",
    "std::alloc::",
];

/// An allocator somebody wrote is known by the trait it implements.
const ALLOCATOR_TRAITS: &[&str] = &["core::alloc::global::GlobalAlloc", "core::alloc::Allocator"];

/// flamewatch, and the unwinder that runs in its hooks.
const FLAMEWATCH: &[&str] = &["flamewatch", "flamewatch_symbolizer", "framehop"];

const PRIMITIVES: &[&str] = &[
    "bool", "char", "str", "u8", "u16", "u32", "u64", "u128", "usize", "i8", "i16", "i32", "i64", "i128",
    "isize", "f16", "f32", "f64", "f128",
];

/// True for a Rust name; `std::` is C++ too.
pub(super) fn is_rust(name: &str, mangled: &str, file: &str) -> bool {
    let extension =
        file.rsplit('/').next().and_then(|file| file.rsplit_once('.')).map(|(_, extension)| extension);
    match extension {
        Some(extension) => extension == "rs",
        None if !mangled.is_empty() => rustc_demangle::try_demangle(mangled).is_ok(),
        None => name.contains("::") && split(name, "(").is_none_or(|(before, _)| before.is_empty()),
    }
}

/// The path that decides, and the trait where the name has one.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Path<'name> {
    path: &'name str,
    of_trait: &'name str,
}

impl<'name> Path<'name> {
    pub(super) fn of(name: &'name str) -> Self {
        let Some((first, _)) = split(name, "::") else { return Self::default() };
        let Some(inside) = first.strip_prefix('<').and_then(|rest| rest.strip_suffix('>')) else {
            let path = if PRIMITIVES.contains(&first) { "core::" } else { name };
            return Self { path, of_trait: "" };
        };
        let (of_type, of_trait) = split(inside, " as ").unwrap_or((inside, ""));
        let of_type = peel(of_type);
        let is_std = |path: &str| matches!(crate_of(path), "std" | "core" | "alloc");
        let path = match (crate_of(of_type), crate_of(of_trait)) {
            ("", "") => "core::",
            ("", _) => of_trait,
            (_, "") => of_type,
            _ if is_std(of_type) && !is_std(of_trait) => of_trait,
            _ => of_type,
        };
        Self { path, of_trait }
    }

    pub(super) fn crate_name(&self) -> &'name str {
        crate_of(self.path)
    }

    pub(super) fn is_allocator(&self) -> bool {
        ALLOCATOR_PATHS.iter().any(|prefix| self.path.starts_with(prefix))
            || ALLOCATOR_TRAITS.contains(&self.of_trait)
    }

    /// Who owns it, if that can be said without its file.
    pub(super) fn owner(&self) -> Option<Owner> {
        if self.is_runtime() { Some(Owner::Runtime) } else { owner_of_crate(self.crate_name()) }
    }

    /// True for the parts of other crates that are a runtime's.
    pub(super) fn is_runtime(&self) -> bool {
        RUNTIME_PATHS.iter().any(|prefix| self.path.starts_with(prefix))
    }
}

/// What is known of the crate called `name`, or of the package.
pub(super) fn owner_of_crate(name: &str) -> Option<Owner> {
    let lists = [
        (FLAMEWATCH, Owner::Flamewatch),
        (STD, Owner::Std),
        (RUNTIME, Owner::Runtime),
        (ALLOCATOR, Owner::Allocator),
    ];
    let is = |known: &&str| {
        known.len() == name.len()
            && known
                .bytes()
                .zip(name.bytes())
                .all(|(one, other)| one == other || (one, other) == (b'_', b'-'))
    };
    lists.into_iter().find(|(list, _)| list.iter().any(is)).map(|(_, owner)| owner)
}

/// The first segment of a path of two or more; nothing for what is no path: a primitive, a parameter, a tuple.
fn crate_of(path: &str) -> &str {
    let is_name = |first: &str| first.starts_with(|first: char| first.is_alphabetic() || first == '_');
    let (first, _) = split(path, "::").unwrap_or_default();
    if is_name(first) && !first.contains([' ', '(']) { first } else { "" }
}

/// The type that a reference, a slice, an array or a trait object is about, or a qualified path.
fn peel(of_type: &str) -> &str {
    let mut rest = of_type;
    loop {
        let bare = peeled(rest).trim_start_matches(['[', '<']);
        if bare.len() == rest.len() {
            return rest;
        }
        rest = bare;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(name: &str, expected: &str) {
        assert_eq!(Path::of(name).crate_name(), expected, "{name}");
    }

    #[test]
    fn the_crate_of_a_name() {
        check("shop::orders::insert", "shop");
        check("shop::main::{closure}", "shop");
        check("<shop::Cart as core::fmt::Debug>::fmt", "shop");
        check("<&mut [shop::Item] as shop::Total>::total", "shop");
        check("<&dyn shop::Item + core::marker::Send as core::fmt::Debug>::fmt", "shop");
        check("<alloc::vec::Vec<u8> as shop::Ext>::f", "shop");
        check("<alloc::vec::Vec<shop::Item> as core::clone::Clone>::clone", "alloc");
        check("<u8 as shop::Ext>::f", "shop");
        check("<T as shop::Ext>::f", "shop");
        check("<(shop::A, shop::B) as axum::handler::Handler<T>>::call", "axum");
        check("<fn(u8) -> shop::A as core::ops::function::FnOnce<(u8,)>>::call_once", "core");
        check("<F as tower_service::Service<http::Request>>::call", "tower_service");
        check("<shop::main::{closure} as core::ops::function::FnOnce<()>>::call_once::{vtable shim}", "shop");
        check("<<shop::Cart as shop::Total>::later::{closure} as core::future::Future>::poll", "shop");
        check("<[T]>::to_vec", "core");
        check("str::trim", "core");
        check("alloc::vec::Vec<T,A>::push", "alloc");
        check("{closure#1}", "");
        check("main", "");
        check("<b>no path</b>", "");
    }
}
