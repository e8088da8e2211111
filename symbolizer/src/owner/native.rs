//! Whose code a frame is where no Rust crate tells: C and C++ functions, bare names, and places in a module.

use super::Owner;

/// Beginnings of the names of the allocators' C functions. Others may use them too: they count where the file is an
/// allocator's, or where there is none to tell.
const ALLOCATOR: &[&str] = &[
    "_rjem_",
    "__libc_malloc",
    "__libc_calloc",
    "__libc_realloc",
    "__libc_memalign",
    "__rdl_",
    "__rg_",
    "__rust_alloc",
    "__rust_dealloc",
    "__rust_realloc",
    "_int_malloc",
    "_int_free",
    "_int_realloc",
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
    "operator delete",
    "operator new",
    "posix_memalign",
    "prof_",
    "rallocx",
    "realloc",
    "tcache_",
];

/// Names of theirs that are common words: they count alone.
const ALLOCATOR_WHOLE: &[&str] = &["free", "cfree", "memalign", "valloc", "pvalloc", "sysmalloc", "systrim"];

/// What the file of an allocator's function has in its path, whoever built it. The standard library's are for builds
/// whose debug info has no paths in its names (`line-tables-only`).
const ALLOCATOR_FILES: &[&str] = &[
    "tikv-jemalloc-sys",
    "/jemalloc/",
    "/malloc/malloc.c",
    "/library/alloc/src/alloc.rs",
    "/library/alloc/src/raw_vec",
];

/// Beginnings of the names of functions that run below every program; a file knows better.
const SYSTEM: &[&str] =
    &["__libc_", "_start", "_dl_", "__clone", "clone3", "start_thread", "_Unwind_", "__cxa_"];

const STD: &[&str] = &["__rust_", "rust_"];

const SYSTEM_MODULES: &[&str] = &[
    "libc.so",
    "libc-",
    "libc++",
    "libdl.so",
    "libgcc_s.so",
    "libm.so",
    "libm-",
    "libmvec.so",
    "libnss_",
    "libpthread",
    "libresolv",
    "librt.so",
    "libstdc++",
    "libutil.so",
    "ld-linux",
    "ld-musl",
    "ld-2.",
    "linux-vdso",
    "linux-gate",
    "[vdso]",
    "[vsyscall]",
];

const ALLOCATOR_MODULES: &[&str] = &["libjemalloc", "libmimalloc", "libtcmalloc", "libsnmalloc"];

/// Whose a module is whose functions have no names. Any other can be anybody's.
pub(super) fn owner_of_module(module: &str) -> Owner {
    let is = |list: &[&str]| list.iter().any(|prefix| module.starts_with(prefix));
    match () {
        () if is(ALLOCATOR_MODULES) => Owner::Allocator,
        () if is(SYSTEM_MODULES) => Owner::System,
        () => Owner::Unknown,
    }
}

/// Whose code the function `name` is, if its name or its module tells.
pub(super) fn owner(name: &str, file: &str, module: &str) -> Owner {
    let starts_any = |list: &[&str]| file.is_empty() && list.iter().any(|prefix| starts(name, prefix));
    match owner_of_module(module) {
        // What every program begins with. The `main` of a Rust program is a path; a C program's has a file in C.
        Owner::Unknown if name == "main" && (file.is_empty() || file.ends_with(".rs")) => Owner::System,
        Owner::Unknown if starts_any(STD) => Owner::Std,
        Owner::Unknown if starts_any(SYSTEM) => Owner::System,
        by_module => by_module,
    }
}

/// True for an allocator's C or C++ function, and for what the debug info calls by its last name only.
pub(super) fn is_allocator(name: &str, file: &str) -> bool {
    if name.contains("::") && !name.starts_with("operator ") {
        return false;
    }
    let of_name = || ALLOCATOR_WHOLE.contains(&name) || ALLOCATOR.iter().any(|prefix| starts(name, prefix));
    ALLOCATOR_FILES.iter().any(|part| file.contains(part)) || (file.is_empty() && of_name())
}

/// True when `prefix` ends where a word of `name` does: `clone3` is not the beginning of `clone3000`.
fn starts(name: &str, prefix: &str) -> bool {
    name.strip_prefix(prefix).is_some_and(|rest| {
        prefix.ends_with([':', '_']) || rest.is_empty() || rest.starts_with(['<', '.', '_', '(', '['])
    })
}
