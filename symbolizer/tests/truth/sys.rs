//! The unsafe part: own addresses, a library, and functions written in C++.

use std::ffi::{CString, c_char, c_int, c_void};

use crate::trail::Trail;

type Visit = extern "C" fn(*mut c_void, *mut c_void) -> c_int;

unsafe extern "C" {
    fn _Unwind_Backtrace(visit: Visit, argument: *mut c_void) -> c_int;
    fn _Unwind_GetIP(context: *mut c_void) -> usize;
    fn dlopen(path: *const c_char, flags: c_int) -> *mut c_void;
    fn dlsym(library: *mut c_void, symbol: *const c_char) -> *mut c_void;
    fn truth_cpp(point: *const c_char);
}

const RTLD_NOW: c_int = 2;

/// Where the function that this is inlined into returns to.
#[inline(always)]
pub fn return_address() -> u64 {
    let mut addresses: Vec<u64> = Vec::with_capacity(64);
    // SAFETY: `visit` has the signature that the unwinder asks for, and the vector outlives the call.
    unsafe { _Unwind_Backtrace(visit, (&raw mut addresses).cast()) };
    addresses[1]
}

extern "C" fn visit(context: *mut c_void, addresses: *mut c_void) -> c_int {
    // SAFETY: `return_address` passed its vector, which nobody else refers to during the walk.
    let addresses = unsafe { &mut *addresses.cast::<Vec<u64>>() };
    // SAFETY: the unwinder passes a valid context for the time of the call.
    addresses.push(unsafe { _Unwind_GetIP(context) } as u64);
    0
}

/// The address of an instruction of this function, which is inlined into another. The instruction and what is told
/// of it share a line.
#[inline(always)]
#[rustfmt::skip]
#[allow(dead_code, reason = "the library has no such point")]
pub fn pc(trail: &mut Trail) -> u64 {
    let address: u64;
    // SAFETY: reads where it stands itself, and nothing else.
    #[cfg(target_arch = "x86_64")]
    unsafe { trail.at("truth::sys::pc"); std::arch::asm!("lea {}, [rip - 7]", out(reg) address) }
    // SAFETY: as above.
    #[cfg(target_arch = "aarch64")]
    unsafe { trail.at("truth::sys::pc"); std::arch::asm!("adr {}, .", out(reg) address) }
    address
}

/// Has the C++ part of this object print its point, as `point`.
pub fn cpp(point: &str) {
    let point = CString::new(point).expect("no NUL");
    // SAFETY: the function takes a C string, which it does not keep.
    unsafe { truth_cpp(point.as_ptr()) }
}

/// Loads the library at `path`, for good, and calls its `symbol`.
#[allow(dead_code, reason = "the library loads none")]
pub fn call_library(path: &str, symbol: &str) {
    let path = CString::new(path).expect("no NUL");
    let symbol = CString::new(symbol).expect("no NUL");
    // SAFETY: the library is ours and has no constructors of its own.
    let library = unsafe { dlopen(path.as_ptr(), RTLD_NOW) };
    assert!(!library.is_null(), "cannot load {path:?}");
    // SAFETY: the library is never closed, and the symbol is a C string.
    let function = unsafe { dlsym(library, symbol.as_ptr()) };
    assert!(!function.is_null(), "no {symbol:?}");
    // SAFETY: the library's exported function has this type.
    let function: extern "C" fn() = unsafe { std::mem::transmute(function) };
    function();
}
