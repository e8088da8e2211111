//! Real frames and whose code they are.

use super::*;

const ALLOC: &str = "/rustc/59807616e1fa/library/alloc/src/";
const REGISTRY: &str = "/root/.cargo/registry/src/index.example.org-1949cf8c6b5b557f/";
const JEMALLOC: &str = "/app/target/release/build/tikv-jemalloc-sys-af20afda0361d1fd/out/build/";

#[track_caller]
fn check(name: &str, file: &str, expected: Owner) {
    assert_eq!(Origin::of(name, "", file, "").owner, expected, "{name} in {file}");
}

#[track_caller]
fn check_crate(name: &str, file: &str, expected: (Owner, &str, &str)) {
    let origin = Origin::of(name, "", file, "shop");
    assert_eq!((origin.owner, origin.crate_name, origin.version), expected, "{name} in {file}");
}

/// A function without debug info, in a module.
#[track_caller]
fn check_in(module: &str, name: &str, mangled: &str, expected: Owner) {
    assert_eq!(Origin::of(name, mangled, "", module).owner, expected, "{name} in {module}");
}

#[test]
fn the_services_own_code() {
    check("shop::orders::insert", "src/orders.rs", Owner::User);
    check("<shop::Cart as core::fmt::Debug>::fmt", "/src/shop/cart.rs", Owner::User);
    check("shop::main", "src/main.rs", Owner::User);
    check("shop::main::{closure}", "src/main.rs", Owner::User);
    check("<&mut [shop::Item] as shop::Total>::total", "src/cart.rs", Owner::User);
    check("<alloc::vec::Vec<u8> as shop::Ext>::twice", "src/ext.rs", Owner::User);
    check("mainframe::boot", "src/main.rs", Owner::User);
    check("main::boot", "src/main.rs", Owner::User);
    check("rust_api::serve", "src/main.rs", Owner::User);
    check("{closure#1}", "src/main.rs", Owner::User);
    check("main_loop", "/app/native/loop.c", Owner::User);
    check("main", "/app/native/main.c", Owner::User);
    check("shop_generated::Order::decode", "/app/target/debug/build/shop-11aa/out/shop.rs", Owner::User);
}

#[test]
fn names_that_only_begin_like_others() {
    check("prof_client::upload", "src/main.rs", Owner::User);
    check("arena_tools::grow", "src/main.rs", Owner::User);
    check("large_orders::insert", "src/main.rs", Owner::User);
    check("arena_new", "/app/native/arena.c", Owner::User);
    check("shop::finish_grow_season", "src/season.rs", Owner::User);
    check("shop::jemalloc::stats", "/app/src/jemalloc/stats.rs", Owner::User);
    check("malloc_stats::read", "src/main.rs", Owner::User);
    check("free_list", "", Owner::Unknown);
    check("clone3000", "", Owner::Unknown);
    check("tokio_shop::serve", "src/main.rs", Owner::User);
}

#[test]
fn dependencies_and_their_versions() {
    let serde = format!("{REGISTRY}serde_json-1.0.154/src/de.rs");
    let of_serde = (Owner::Dependency, "serde_json", "1.0.154");
    check_crate("serde_json::de::from_str", &serde, of_serde);
    check_crate("<serde_json::value::Value as serde_core::de::Deserialize>::deserialize", &serde, of_serde);
    check_crate("<shop::Cart as serde_json::ser::Provided>::default", &serde, of_serde);
    check_crate("from_str<shop::Cart>", &serde, of_serde);
    let bytes = "/app/vendor/bytes/src/bytes.rs";
    check_crate("bytes::Bytes::copy", bytes, (Owner::Dependency, "bytes", ""));
    let digest = "/app/target/release/build/openssl-sys-9f/out/digest.c";
    check_crate("EVP_Digest", digest, (Owner::Dependency, "openssl-sys", ""));
    let checkout = "/cargo/git/checkouts/hyper-util-9a1b2c/0a1b2c3/src/client.rs";
    check_crate("hyper_util::client::connect", checkout, (Owner::Dependency, "hyper_util", "0a1b2c3"));
    check_crate("shop::orders::insert", "src/orders.rs", (Owner::User, "shop", ""));
    check_crate("shop::orders::insert", "", (Owner::Unknown, "shop", ""));
}

#[test]
fn runtimes() {
    let tokio = format!("{REGISTRY}tokio-1.54.1/src/runtime/task/core.rs");
    check_crate("tokio::runtime::task::core::Core<T,S>::poll", &tokio, (Owner::Runtime, "tokio", "1.54.1"));
    check("<tokio::runtime::task::core::Core<T,S>>::poll", "", Owner::Runtime);
    check("tokio::runtime::park", "/app/patched/tokio/src/park.rs", Owner::Runtime);
    check("rayon_core::registry::WorkerThread::wait_until_cold", "", Owner::Runtime);
    let hyper = format!("{REGISTRY}hyper-util-0.1.21/src/rt/tokio.rs");
    let name = "<hyper_util::rt::tokio::TokioIo<T> as hyper::rt::io::Read>::poll_read";
    check_crate(name, &hyper, (Owner::Runtime, "hyper_util", "0.1.21"));
    check(
        "hyper::proto::h1::dispatch::Dispatcher::poll",
        &format!("{REGISTRY}hyper-1.12.0/src/a.rs"),
        Owner::Dependency,
    );
}

#[test]
fn the_standard_library() {
    check_crate("alloc::vec::Vec<T,A>::push", &format!("{ALLOC}vec/mod.rs"), (Owner::Std, "alloc", ""));
    check("<alloc::vec::Vec<T> as core::clone::Clone>::clone", "", Owner::Std);
    check("alloc::boxed::Box<T>::new", &format!("{ALLOC}boxed.rs"), Owner::Std);
    check("<str as alloc::borrow::ToOwned>::to_owned", &format!("{ALLOC}str.rs"), Owner::Std);
    check("<[T]>::to_vec", &format!("{ALLOC}slice.rs"), Owner::Std);
    check("str::trim", "", Owner::Std);
    check("<shop::Cart as core::iter::Iterator>::for_each", "/rustc/59/library/core/src/iter.rs", Owner::Std);
    check("core::ptr::drop_in_place<shop::Cart>", "src/main.rs", Owner::Std);
    check("core::ops::function::FnOnce::call_once::{vtable shim}", "", Owner::Std);
    check("std::rt::lang_start::{closure}", "", Owner::Std);
    check("<&dyn core::ops::function::Fn<()> as core::ops::function::FnOnce<()>>::call_once", "", Owner::Std);
    check("__rustc::rust_begin_unwind", "", Owner::Std);
    check("__rust_try", "", Owner::Std);
    let gimli = "/rust/deps/gimli-0.32.3/src/read/dwarf.rs";
    check_crate("gimli::read::Dwarf::unit", gimli, (Owner::Std, "gimli", "0.32.3"));
    let hashbrown = format!("{REGISTRY}hashbrown-0.17.1/src/map.rs");
    check_crate("hashbrown::map::HashMap::insert", &hashbrown, (Owner::Std, "hashbrown", "0.17.1"));
}

#[test]
fn the_allocator_in_rust() {
    // The file of these is the one in which the service says `#[global_allocator]`.
    check("__rustc::__rust_alloc", "src/main.rs", Owner::Allocator);
    check("__rustc::__rust_alloc_zeroed", "src/main.rs", Owner::Allocator);
    check("__rustc::__rust_realloc", "src/main.rs", Owner::Allocator);
    check("<shop::Counting as core::alloc::global::GlobalAlloc>::alloc", "src/main.rs", Owner::Allocator);
    check("<shop::Arena as core::alloc::Allocator>::allocate", "src/arena.rs", Owner::Allocator);
    let jemallocator = format!("{REGISTRY}tikv-jemallocator-0.7.0/src/lib.rs");
    check(
        "<tikv_jemallocator::Jemalloc as core::alloc::global::GlobalAlloc>::alloc",
        &jemallocator,
        Owner::Allocator,
    );
    check_crate("layout_to_flags", &jemallocator, (Owner::Allocator, "tikv-jemallocator", "0.7.0"));
    check("alloc::alloc::exchange_malloc", "", Owner::Allocator);
    check("<alloc::alloc::Global>::alloc_impl_runtime", "", Owner::Allocator);
    check("<alloc::alloc::Global as core::alloc::Allocator>::grow", "", Owner::Allocator);
    check("alloc::boxed::box_new_uninit", &format!("{ALLOC}boxed.rs"), Owner::Allocator);
    check("alloc::raw_vec::RawVec<T,A>::grow_one", "", Owner::Allocator);
    check("<alloc::raw_vec::RawVecInner>::finish_grow", "", Owner::Allocator);
    check("alloc::raw_vec::RawVecInner<A>::reserve::do_reserve_and_handle", "", Owner::Allocator);
    check("hashbrown::raw::alloc::inner::do_alloc", "", Owner::Allocator);
    check("try_allocate_in", &format!("{ALLOC}raw_vec/mod.rs"), Owner::Allocator);
}

#[test]
fn the_allocator_in_c() {
    check("_rjem_malloc", "", Owner::Allocator);
    check("_rjem_je_prof_backtrace", &format!("{JEMALLOC}src/prof_sys.c"), Owner::Allocator);
    check("irallocx_prof", &format!("{JEMALLOC}src/jemalloc.c"), Owner::Allocator);
    check("irallocx_prof", "", Owner::Allocator);
    let inlined = format!("{JEMALLOC}include/jemalloc/internal/prof_inlines.h");
    check("prof_alloc_prep", &inlined, Owner::Allocator);
    check("emap_edata_lookup", &format!("{JEMALLOC}include/jemalloc/internal/emap.h"), Owner::Allocator);
    check("imalloc_body", "", Owner::Allocator);
    check("malloc", "./malloc/malloc.c", Owner::Allocator);
    check_in("libc.so.6", "malloc", "", Owner::Allocator);
    check_in("libc.so.6", "free", "", Owner::Allocator);
    check_in("libstdc++.so.6", "operator new(unsigned long)", "_Znwm", Owner::Allocator);
    check_in("libjemalloc.so.2", "sdallocx", "", Owner::Allocator);
    check("libjemalloc.so.2+0x1f3a", "", Owner::Allocator);
}

#[test]
fn the_system() {
    check("main", "", Owner::System);
    check("main", "src/main.rs", Owner::System);
    check("__libc_start_main", "", Owner::System);
    check("start_thread", "./nptl/pthread_create.c", Owner::System);
    check("libc.so.6+0x27249", "", Owner::System);
    check("[vdso]+0x9f0", "", Owner::System);
    check_in("libc.so.6", "epoll_wait", "", Owner::System);
    check_in("ld-linux-x86-64.so.2", "_dl_fixup", "", Owner::System);
    let name = "std::vector<int, std::allocator<int> >::push_back(int const&)";
    check_in("libstdc++.so.6", name, "_ZNSt6vectorIiSaIiEE9push_backERKi", Owner::System);
    check_in("shop", name, "_ZNSt6vectorIiSaIiEE9push_backERKi", Owner::Unknown);
    check(name, "/usr/include/c++/12/bits/stl_vector.h", Owner::System);
}

#[test]
fn ourselves_and_nobody() {
    check("flamewatch::sys::prof_hooks::on_sample", "", Owner::Flamewatch);
    check("flamewatch::spawn::spawn", "/src/agent/src/spawn.rs", Owner::Flamewatch);
    check("shop+0x1234", "", Owner::Unknown);
    check("libssl.so.3+0x10", "", Owner::Unknown);
    check("0x7f00", "", Owner::Unknown);
    check("", "", Owner::Unknown);
}
