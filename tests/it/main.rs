//! End to end.

mod heap;
