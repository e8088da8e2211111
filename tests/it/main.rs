//! End to end: fixture programs in processes of their own, asked by real clients. One binary, so that it links once.

mod heap;
mod inert;
mod pprof;
mod slack;
mod tidy;
