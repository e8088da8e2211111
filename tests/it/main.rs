//! End to end: fixture programs in processes of their own, asked by real clients. One binary, so that it links once.

mod pprof;
mod slack;
mod tidy;
