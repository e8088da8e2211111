//! The type of the symbol from which jemalloc reads its options.

use std::ffi::c_char;

/// A `const char *` that a static can hold: jemalloc's `malloc_conf`.
#[repr(transparent)]
#[derive(Debug)]
pub struct Conf(*const c_char);

// SAFETY: the pointer comes from a `&'static str`, is never written through and never changes, so every thread may
// read it at any time.
unsafe impl Sync for Conf {}

impl Conf {
    /// The options in `text`, which ends with a NUL byte. Evaluated at compile time.
    ///
    /// # Panics
    /// At compile time, when the last byte is not the only NUL: jemalloc would read past the end, or not all.
    #[must_use]
    #[allow(
        clippy::panic,
        clippy::indexing_slicing,
        reason = "runs at compile time only, where it is an error message"
    )]
    pub const fn new(text: &'static str) -> Self {
        let bytes = text.as_bytes();
        let mut index = 0;
        while index < bytes.len() {
            assert!(
                (bytes[index] == 0) == (index + 1 == bytes.len()),
                "malloc_conf: one NUL byte, at the end"
            );
            index += 1;
        }
        assert!(!bytes.is_empty(), "malloc_conf: one NUL byte, at the end");
        Self(bytes.as_ptr().cast())
    }
}
