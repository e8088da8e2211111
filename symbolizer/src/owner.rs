//! Whose code a frame is, decided from what a frame says: its name, its source file, its module. Pure.
//!
//! Evidence in this order: names only an allocator or flamewatch has; a source file of the standard library, a package
//! or the system; the crate of the name (see `krate`); for C, the module; and what has a file in none of those
//! places is the user's own.

mod file;
mod krate;
mod native;

use crate::frame::{Frame, Source};
use file::Place;

/// Who wrote the code of a frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Owner {
    /// The program's own crates: what has a source file that is nobody else's.
    User,
    /// A crate from a registry, a git checkout or a vendor folder.
    Dependency,
    /// An executor, a reactor or a thread pool: tokio, async-std, smol, rayon and what they stand on. Not what is built
    /// on them: hyper and tower are dependencies.
    Runtime,
    /// `std`, `core` and `alloc`, and `hashbrown`, which is `std`'s table wherever it comes from.
    Std,
    /// Memory allocators, and those functions of `alloc` through which every Rust allocation passes.
    Allocator,
    /// The C and C++ libraries, the loader, the kernel's page, and what starts a program.
    System,
    /// flamewatch itself.
    Flamewatch,
    /// No evidence: a name without a file, or no name.
    #[default]
    Unknown,
}

/// An owner, and by which crate it was recognized.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Origin<'frame> {
    /// Who wrote it.
    pub owner: Owner,
    /// The crate as the name spells it (`serde_json`), else as its package does (`tikv-jemalloc-sys`); empty when
    /// unknown, and for C code of the system.
    pub crate_name: &'frame str,
    /// The package's version, or the commit of a git checkout; empty when unknown.
    pub version: &'frame str,
}

impl<'frame> Origin<'frame> {
    /// Whose code the function `name` is. `mangled` is its linker's name, `file` its source file and `module` the name
    /// of the executable or library it stands in; each may be empty.
    #[must_use]
    pub fn of(name: &'frame str, mangled: &str, file: &'frame str, module: &str) -> Self {
        if let Some(module) = module_of_place(name) {
            return Self { owner: native::owner_of_module(module), ..Self::default() };
        }
        let rust = krate::is_rust(name, mangled, file);
        let path = if rust { krate::Path::of(name) } else { krate::Path::default() };
        let place = Place::of(file);
        let (crate_name, version) = place.package(path.crate_name());
        let owner = if path.is_allocator() || native::is_allocator(name, file) {
            Owner::Allocator
        } else {
            owner_of_place(&place, &path, crate_name)
                .or_else(|| path.owner())
                .unwrap_or_else(|| native_owner(name, file, module))
        };
        Self { owner, crate_name, version }
    }
}

/// Whose code it is if the file is somebody's whom it names.
fn owner_of_place(place: &Place<'_>, path: &krate::Path<'_>, package: &str) -> Option<Owner> {
    match place {
        Place::Std { .. } => Some(Owner::Std),
        Place::Package { .. } if path.is_runtime() => Some(Owner::Runtime),
        Place::Package { .. } => Some(krate::owner_of_crate(package).unwrap_or(Owner::Dependency)),
        Place::System => Some(Owner::System),
        Place::Elsewhere | Place::Nowhere => None,
    }
}

fn native_owner(name: &str, file: &str, module: &str) -> Owner {
    match native::owner(name, file, module) {
        Owner::Unknown if !file.is_empty() => Owner::User,
        owner => owner,
    }
}

impl Frame {
    /// Whose code this is, as far as the frame itself tells.
    #[must_use]
    pub fn origin(&self) -> Origin<'_> {
        self.origin_in("")
    }

    /// Whose code this is, in the module of this name: `libc.so.6`. C functions without debug info need it.
    #[must_use]
    pub fn origin_in(&self, module: &str) -> Origin<'_> {
        if self.source == Source::ModuleOffset && module_of_place(&self.name).is_none() {
            return Origin::default();
        }
        Origin::of(&self.name, &self.mangled, &self.file, module)
    }
}

/// The module of a name that is only a place: `libc.so.6` of `libc.so.6+0x27249`.
fn module_of_place(name: &str) -> Option<&str> {
    let (module, offset) = name.rsplit_once("+0x")?;
    let is_offset = !offset.is_empty() && offset.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_offset.then_some(module)
}

#[cfg(test)]
mod tests;
