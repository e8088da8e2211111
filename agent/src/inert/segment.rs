//! Segments in a build without flamewatch's features.

/// Times nothing: flamewatch was built without its features.
#[derive(Debug)]
#[must_use = "the segment ends when this is dropped; keep it in a variable"]
pub struct Segment(());

/// Counts nothing in this build.
pub const fn segment(_product: &str, _operation: &str, _collection: &str) -> Segment {
    Segment(())
}

impl Drop for Segment {
    /// Nothing ends here. It is said so that a `drop(segment)` is as right in this build as in the other.
    fn drop(&mut self) {}
}
