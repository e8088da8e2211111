//! End to end.

mod slack;
