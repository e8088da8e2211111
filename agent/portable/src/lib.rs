//! The pprof crate under another name. flamewatch's feature `cpu` needs it on systems other than Linux, its feature
//! `pprof` on Linux too; cargo has no way to say both of one dependency.

pub use pprof::*;
