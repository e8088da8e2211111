//! End to end.

mod pprof;
