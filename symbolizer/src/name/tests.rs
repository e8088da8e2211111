//! Names as compilers wrote them, taken from debug builds of this workspace and a small shop, and what people read.

use std::collections::BTreeMap;

use super::*;

#[track_caller]
fn check(raw: &str, expected: &str) {
    assert_eq!(readable(raw), expected);
    assert_eq!(is_mangled(raw), without_llvm_suffix(raw) != expected, "{raw}");
}

#[test]
fn names() {
    check("_ZN4core3ptr13drop_in_place17h0123456789abcdefE", "core::ptr::drop_in_place");
    check("_ZN4core3ptr13drop_in_place17h0123456789abcdefE.llvm.1234567", "core::ptr::drop_in_place");
    check("_RNvCs1234_7mycrate3foo", "mycrate::foo");
    check("_RNvCs1234_7mycrate3foo.llvm.99", "mycrate::foo");
    check("_ZN3foo3barIiEEvT_", "void foo::bar<int>(int)");
    check("_ZN3foo3barEv.llvm.77", "foo::bar()");
    check("main", "main");
    check("memcpy.llvm.12", "memcpy");
    check("_Znonsense", "_Znonsense");
    check("_R", "_R");
    check("", "");
}

#[test]
fn a_hash_is_taken_off_and_nothing_else() {
    check("_ZN7mycrate5hello5h123417h0123456789abcdefE", "mycrate::hello::h1234");
    check("my.llvm.name", "my.llvm.name");
}

#[test]
fn a_name_that_explodes_is_cut() {
    // Each level is a tuple of the level before, written out and then referred back to: 2^30 units long.
    let digits = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    let doubled = digits[8..38]
        .chars()
        .rev()
        .fold("TuuE".to_owned(), |inner, position| format!("T{inner}B{position}_E"));
    let name = readable(&format!("_RINvC1a1b{doubled}E"));
    assert!(name.starts_with("a::b<((((((") && name.ends_with('…'), "{name}");
    assert!(name.len() <= MAX_NAME + "…".len(), "{}", name.len());
    let long = format!("_ZN{0}{1}17h0123456789abcdefE", MAX_NAME * 2, "é".repeat(MAX_NAME));
    assert_eq!(readable(&long).chars().last(), Some('…'));
}

#[track_caller]
fn check_all(names: &[(&str, &str)]) {
    for (raw, expected) in names {
        assert_eq!(readable(raw), *expected, "{raw}");
        assert_eq!(readable(expected), *expected, "tidy stays tidy");
    }
}

#[test]
fn legacy_mangling() {
    check_all(&[
        ("_ZN4core5slice29_$LT$impl$u20$$u5b$T$u5d$$GT$3get17h059d8f25f32657beE", "<[T]>::get"),
        (
            "_ZN4core3ops8function6FnOnce40call_once$u7b$$u7b$vtable.shim$u7d$$u7d$17h05401e1135c16edbE",
            "core::ops::function::FnOnce::call_once::{vtable shim}",
        ),
        (
            "_ZN5tokio4sync15batch_semaphore9Semaphore5close28_$u7b$$u7b$closure$u7d$$u7d$17h5f8bf43064396c36E",
            "tokio::sync::batch_semaphore::Semaphore::close::{closure}",
        ),
        (
            "_ZN4axum5boxed51BoxedIntoRoute$LT$S$C$core..convert..Infallible$GT$12from_handler28_$u7b$$u7b$closure$u7d$$u7d$17h069b2f494d561108E",
            "axum::boxed::BoxedIntoRoute<S,core::convert::Infallible>::from_handler::{closure}",
        ),
        (
            "_ZN10flamewatch6render4json1_88_$LT$impl$u20$serde_core..ser..Serialize$u20$for$u20$flamewatch..render..json..Value$GT$9serialize17h42e973d88146b2a4E",
            "<flamewatch::render::json::Value as serde_core::ser::Serialize>::serialize",
        ),
        (
            "_ZN4core3str6traits48_$LT$impl$u20$core..cmp..Ord$u20$for$u20$str$GT$3cmp17h3cc2b807dad468bfE",
            "<str as core::cmp::Ord>::cmp",
        ),
        ("_ZN4core4bool22_$LT$impl$u20$bool$GT$4then17h13af7f792a95d77eE", "bool::then"),
        ("_ZN4core3str21_$LT$impl$u20$str$GT$5parse17h132e20cf7528667fE", "str::parse"),
        (
            "_ZN10serde_core3ser5impls81_$LT$impl$u20$serde_core..ser..Serialize$u20$for$u20$alloc..vec..Vec$LT$T$GT$$GT$9serialize17h1536312ddddcb3c1E",
            "<alloc::vec::Vec<T> as serde_core::ser::Serialize>::serialize",
        ),
        (
            "_ZN4core5tuple65_$LT$impl$u20$core..cmp..PartialOrd$u20$for$u20$$LP$U$C$T$RP$$GT$2lt17h1af92ddd68024626E",
            "<(U,T) as core::cmp::PartialOrd>::lt",
        ),
        (
            "_ZN10serde_json5value4from84_$LT$impl$u20$core..convert..From$LT$u8$GT$$u20$for$u20$serde_json..value..Value$GT$4from17h5334d73cfce08fddE",
            "<serde_json::value::Value as core::convert::From<u8>>::from",
        ),
        (
            "_ZN10serde_json5value10partial_eq88_$LT$impl$u20$core..cmp..PartialEq$LT$serde_json..value..Value$GT$$u20$for$u20$isize$GT$2eq17hb7ff350c1655a912E",
            "<isize as core::cmp::PartialEq<serde_json::value::Value>>::eq",
        ),
        (
            "_ZN4axum7routing11path_router23PathRouter$LT$S$C$_$GT$5route28_$u7b$$u7b$closure$u7d$$u7d$28_$u7b$$u7b$closure$u7d$$u7d$17h7094d67862bbd35bE",
            "axum::routing::path_router::PathRouter<S,_>::route::{closure}::{closure}",
        ),
        (
            "_ZN10flamewatch6source4heap6unwind11UNTIL_CHECK29_$u7b$$u7b$constant$u7d$$u7d$28_$u7b$$u7b$closure$u7d$$u7d$17ha1280fa3faaa4ec1E",
            "flamewatch::source::heap::unwind::UNTIL_CHECK::{constant}::{closure}",
        ),
        (
            "_ZN4core4hash5impls52_$LT$impl$u20$core..hash..Hash$u20$for$u20$$RF$T$GT$4hash17h1e5c28982ab7abceE",
            "<&T as core::hash::Hash>::hash",
        ),
        (
            "_ZN4core5array75_$LT$impl$u20$core..default..Default$u20$for$u20$$u5b$T$u3b$$u20$4$u5d$$GT$7default17h5361a7d8eb63a23cE",
            "<[T; 4] as core::default::Default>::default",
        ),
        (
            "_ZN100_$LT$$RF$mut$u20$serde_json..ser..Serializer$LT$W$C$F$GT$$u20$as$u20$serde_core..ser..Serializer$GT$13serialize_str17h40aaab225bcf34a2E",
            "<&mut serde_json::ser::Serializer<W,F> as serde_core::ser::Serializer>::serialize_str",
        ),
        (
            "_ZN4core3ptr61drop_in_place$LT$$u5b$http..header..name..HeaderName$u5d$$GT$17h6c76b23e7fefbac1E",
            "core::ptr::drop_in_place<[http::header::name::HeaderName]>",
        ),
        ("_ZN4shop6orders13Cart$LT$T$GT$3add17h704234e1fb4a1d2eE", "shop::orders::Cart<T>::add"),
        ("_ZN4shop6orders5Total5twice17h3dd81c4c069df03bE", "shop::orders::Total::twice"),
        (
            "_ZN4shop6orders5place28_$u7b$$u7b$closure$u7d$$u7d$28_$u7b$$u7b$closure$u7d$$u7d$28_$u7b$$u7b$closure$u7d$$u7d$17hb5a43b53bbe92a3aE",
            "shop::orders::place::{closure}::{closure}::{closure}",
        ),
        (
            "_ZN60_$LT$$LP$u8$C$$RF$str$RP$$u20$as$u20$shop..orders..Total$GT$5total17hd51836625a249823E",
            "<(u8,&str) as shop::orders::Total>::total",
        ),
        (
            "_ZN68_$LT$shop..orders..Own$LT$T$GT$$u20$as$u20$core..ops..drop..Drop$GT$4drop17h5e29dc2658fd6584E",
            "<shop::orders::Own<T> as core::ops::drop::Drop>::drop",
        ),
        (
            "_ZN4core3ptr94drop_in_place$LT$alloc..boxed..Box$LT$shop..orders..place..$u7b$$u7b$closure$u7d$$u7d$$GT$$GT$17h3f453ca15c92a2e8E",
            "core::ptr::drop_in_place<alloc::boxed::Box<shop::orders::place::{closure}>>",
        ),
        (
            "_ZN87_$LT$T$u20$as$u20$alloc..slice..$LT$impl$u20$$u5b$T$u5d$$GT$..to_vec_in..ConvertVec$GT$6to_vec17h06b3e6a55a2299fbE",
            "<T as <[T]>::to_vec_in::ConvertVec>::to_vec",
        ),
    ]);
}

#[test]
fn v0_mangling() {
    check_all(&[
        ("_RNCNvNtCsbxQjNsTKZZh_4shop6orders5place0B5_", "shop::orders::place::{closure}"),
        (
            "_RNCNCNCNvNtCsbxQjNsTKZZh_4shop6orders5place0s_00B9_",
            "shop::orders::place::{closure}::{closure#1}::{closure}",
        ),
        ("_RNCNvNtCsbxQjNsTKZZh_4shop6orders6lookups_0B5_", "shop::orders::lookup::{closure#1}"),
        ("_RNCNvCsbxQjNsTKZZh_4shop4mains3_0B3_", "shop::main::{closure#5}"),
        ("_RNCNKNvCsbxQjNsTKZZh_4shop2TL00B5_", "shop::TL::{constant}::{closure}"),
        ("_RINvNtCsbxQjNsTKZZh_4shop6orders5konstKj7_Kb1_Kc78_EB4_", "shop::orders::konst<7, true, 'x'>"),
        (
            "_RINvNtCsgEmfK2I1SDS_4core3ptr13drop_in_placeTNtCsbxQjNsTKZZh_4shop3KeyINtNtCslNYArtu3iFV_5alloc3vec3VechEEEBJ_",
            "core::ptr::drop_in_place<(shop::Key, alloc::vec::Vec<u8>)>",
        ),
        (
            "_RINvNtCsgEmfK2I1SDS_4core3ptr13drop_in_placeINtNtCsbxQjNsTKZZh_4shop6orders3OwnAhj3_EEBL_",
            "core::ptr::drop_in_place<shop::orders::Own<[u8; 3]>>",
        ),
        (
            "_RNvMs3_NtCslNYArtu3iFV_5alloc7raw_vecINtB5_6RawVecNtNtCs4X4t9plMPHF_9addr2line4line7LineRowE8grow_oneCsjrHSEGnQ3l9_3std",
            "alloc::raw_vec::RawVec<addr2line::line::LineRow>::grow_one",
        ),
        (
            "_RNvMs2_NtNtNtCsjrHSEGnQ3l9_3std11collections4hash3mapINtB5_7HashMapNtCsbxQjNsTKZZh_4shop3KeyINtNtCslNYArtu3iFV_5alloc3vec3VechEE6insertB15_",
            "std::collections::hash::map::HashMap<shop::Key, alloc::vec::Vec<u8>>::insert",
        ),
        (
            "_RNvXsZ_NtCsjrHSEGnQ3l9_3std7processuNtB5_11Termination6reportCsbxQjNsTKZZh_4shop",
            "<() as std::process::Termination>::report",
        ),
        (
            "_RNvMsv_NtCsgEmfK2I1SDS_4core3numj16from_ascii_radixCsbxQjNsTKZZh_4shop",
            "usize::from_ascii_radix",
        ),
        (
            "_RNvXs1g_NtCsgEmfK2I1SDS_4core3fmtRDNtB6_5DebugEL_Bx_3fmtB8_",
            "<&dyn core::fmt::Debug as core::fmt::Debug>::fmt",
        ),
        (
            "_RNvNvMNtNtCsgEmfK2I1SDS_4core3ptr9const_ptrPp20offset_from_unsigned18precondition_checkCsbxQjNsTKZZh_4shop",
            "<*const _>::offset_from_unsigned::precondition_check",
        ),
        ("_RNvYjNtNtCsgEmfK2I1SDS_4core3cmp3Ord3minCsbxQjNsTKZZh_4shop", "<usize as core::cmp::Ord>::min"),
        (
            "_RINvCsbxQjNsTKZZh_4shop8block_onNCNvYINtNtB2_6orders4CartNtNtCslNYArtu3iFV_5alloc6string6StringENtBC_5Total5later0EB2_",
            "shop::block_on<<shop::orders::Cart<alloc::string::String> as shop::orders::Total>::later::{closure}>",
        ),
        ("_RNvCsfLfy6EI15iL_7___rustc24___rust_foreign_exception", "__rustc::__rust_foreign_exception"),
        (
            "_RINvNvMNtCsbxQjNsTKZZh_4shop6ordersINtB5_4CartpE3add5innerNtNtCslNYArtu3iFV_5alloc6string6StringEB7_",
            "shop::orders::Cart<_>::add::inner<alloc::string::String>",
        ),
        (
            "_RNSNvYNCNvNtNtNtCsjrHSEGnQ3l9_3std3sys11personality3gcc14find_eh_actions_0INtNtNtCsgEmfK2I1SDS_4core3ops8function6FnOnceuE9call_once6vtableBe_",
            "<std::sys::personality::gcc::find_eh_action::{closure#1} as core::ops::function::FnOnce<()>>::call_once::{vtable shim}",
        ),
        (
            "_RINvMNtNtCsgEmfK2I1SDS_4core3fmt2rtNtB3_8Argument9new_debugRDNtB5_5DebugEL_ECsbxQjNsTKZZh_4shop",
            "core::fmt::rt::Argument::new_debug<&dyn core::fmt::Debug>",
        ),
    ]);
}

#[test]
fn cpp_mangling() {
    check_all(&[
        (
            "_ZNSt7__cxx1110moneypunctIwLb1EEC1Em",
            "std::__cxx11::moneypunct<wchar_t, true>::moneypunct(unsigned long)",
        ),
        ("_ZNSt15messages_bynameIwED0Ev", "std::messages_byname<wchar_t>::~messages_byname()"),
        ("_ZnamSt11align_val_t", "operator new[](unsigned long, std::align_val_t)"),
        ("_ZNSt6localeC1ERKS_S1_i", "std::locale::locale(std::locale const&, std::locale const&, int)"),
        (
            "_ZNSt8ios_base7failureB5cxx11C1ERKNSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEE",
            "std::ios_base::failure[abi:cxx11]::failure(std::__cxx11::basic_string<char, std::char_traits<char>, std::allocator<char> > const&)",
        ),
        ("_ZGTtNSt11range_errorC1EPKc", "transaction clone for std::range_error::range_error(char const*)"),
        (
            "_ZNSt13basic_ostreamIwSt11char_traitsIwEElsEx",
            "std::basic_ostream<wchar_t, std::char_traits<wchar_t> >::operator<<(long long)",
        ),
        ("__cxa_bad_typeid", "__cxa_bad_typeid"),
    ]);
}

/// What the debug info calls functions where it has no linker's name for them, alone or behind its namespaces.
#[test]
fn names_without_mangling() {
    check_all(&[
        ("{async_fn#0}", "{async fn}"),
        ("shop::orders::place::{async_fn#0}", "shop::orders::place::{async fn}"),
        (
            "shop::orders::place::{async_fn#0}::{async_block#1}",
            "shop::orders::place::{async fn}::{async block#1}",
        ),
        (
            "shop::orders::place::{async_fn#0}::{async_closure#0}",
            "shop::orders::place::{async fn}::{async closure}",
        ),
        (
            "hashbrown::rustc_entry::{impl#0}::rustc_entry::{closure#2}<u8>",
            "hashbrown::rustc_entry::{impl}::rustc_entry::{closure#2}<u8>",
        ),
        ("{impl#3}<T>", "{impl#3}<T>"),
        ("shop::Tup::{constructor#0}", "shop::Tup::{constructor}"),
        ("call_once<shop::main::{closure_env#0}, ()>", "call_once<shop::main::{closure}, ()>"),
        (
            "core::ops::function::FnOnce::call_once::{shim:vtable#0}",
            "core::ops::function::FnOnce::call_once::{vtable shim}",
        ),
        ("shop::f::{{closure}}::h0123456789abcdef", "shop::f::{closure}"),
        ("shop[1a2b3c4d5e6f7a8b]::f::<[u8; 4]>", "shop::f<[u8; 4]>"),
        ("_$LT$shop..Cart$u20$as$u20$shop..Total$GT$::total", "<shop::Cart as shop::Total>::total"),
        ("split<'>', shop::A>", "split<'>', shop::A>"),
        ("call<fn(u8) -> u8>::{closure#0}", "call<fn(u8) -> u8>::{closure}"),
    ]);
}

/// Not ours to change: C++ names from the debug info, C names, what stands for a frame without a function.
#[test]
fn what_is_nothing_of_rusts_stays() {
    let names = [
        "leaf<u32>",
        "operator<< <char, std::char_traits<char> >",
        "operator->",
        "f()::{lambda(int)#1}::operator()(int) const",
        "failure[abi:cxx11]",
        "memcpy",
        "foo.part.0",
        "cost$in$cents..now",
        "(no stack)",
        "{}",
        "{{#0}}",
        "<<<<",
        ">>::",
        "{closure#",
    ];
    check_all(&names.map(|name| (name, name)));
}

/// Of all the symbols of this very program, no two that demangle to different names have one name for people. (A crate
/// that the standard library has too is there in both manglings: those are one function's two names.)
#[test]
fn two_functions_have_two_names() {
    let bytes = std::fs::read(std::env::current_exe().expect("a path")).expect("our own file");
    let texts = bytes.split(|byte| *byte == 0).filter_map(|text| str::from_utf8(text).ok());
    let mut by_name = BTreeMap::new();
    for symbol in texts.filter(|text| rustc_demangle::try_demangle(text).is_ok()) {
        let plain = format!("{:#}", rustc_demangle::demangle(without_llvm_suffix(symbol)));
        let name = (symbol.starts_with("_R"), readable(symbol));
        let first = by_name.entry(name).or_insert_with(|| plain.clone());
        // Legacy mangling tells the impls of one trait for one type apart by the module they stand in.
        let by_module = [&*first, &plain].iter().any(|name| name.contains("::<impl "));
        assert!(*first == plain || by_module, "{first} and {plain} are both {}", readable(symbol));
    }
    assert!(by_name.len() > 1000, "{}", by_name.len());
}
