//! Real addresses: of a stack, and of a library loaded at run time.

use std::ffi::{CString, c_void};
use std::path::Path;

/// The return addresses of the stack, beginning with the one in the caller.
#[inline(never)]
pub(crate) fn return_addresses() -> Vec<u64> {
    let mut addresses = [std::ptr::null_mut::<c_void>(); 64];
    // SAFETY: `backtrace` writes at most as many addresses as the array has room for, backtrace(3).
    let count = unsafe { libc::backtrace(addresses.as_mut_ptr(), 64) };
    let count = usize::try_from(count).expect("a count");
    addresses.iter().take(count).skip(1).map(|address| address.addr() as u64).collect()
}

/// Loads the library at `path`, for good, and returns the address of its `symbol`.
pub(crate) fn load(path: &Path, symbol: &str) -> u64 {
    open(path, symbol).0
}

/// A library that is loaded until it is closed.
pub(crate) struct Library(*mut c_void);

/// Loads the library at `path`, and returns the address of its `symbol` with what it is closed by.
pub(crate) fn open(path: &Path, symbol: &str) -> (u64, Library) {
    let path = CString::new(path.to_str().expect("UTF-8")).expect("no NUL");
    let symbol = CString::new(symbol).expect("no NUL");
    // SAFETY: the libraries loaded here have no constructors; the path is a C string.
    let library = unsafe { libc::dlopen(path.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL) };
    assert!(!library.is_null(), "cannot load {path:?}");
    // SAFETY: the handle is valid because nobody has closed it yet, and the symbol is a C string.
    let address = unsafe { libc::dlsym(library, symbol.as_ptr()) };
    assert!(!address.is_null(), "no {symbol:?}");
    (address.addr() as u64, Library(library))
}

/// Unloads a library, whose code nobody runs or will run.
pub(crate) fn close(library: Library) {
    // SAFETY: the handle is of `dlopen`, and taken so that it is closed once; the tests call no function of it.
    let result = unsafe { libc::dlclose(library.0) };
    assert_eq!(result, 0);
}
