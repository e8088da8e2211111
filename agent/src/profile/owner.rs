//! Which frame of a stack a reader is pointed to, by whose code each is: the user's own, a dependency's, the runtime's
//! or the allocator's. Who owns a frame is the symbolizer's to say; it stands in [`Function::owner`].

pub use flamewatch_symbolizer::Owner;

use super::{Frame, Function, Stack};

impl Frame {
    /// Whose code this is; of a label and a bare address nobody's that is known.
    #[must_use]
    pub fn owner(&self) -> Owner {
        match self {
            Self::Named(function) => function.owner,
            _ => Owner::Unknown,
        }
    }
}

/// True for what every service stands on, there in every stack: neither its own code nor a dependency's.
#[must_use]
pub const fn is_ground(owner: Owner) -> bool {
    matches!(owner, Owner::Runtime | Owner::Std | Owner::System | Owner::Flamewatch)
}

/// The frame a reader should look at: the innermost of the user's own code, else the innermost of a dependency, else the
/// innermost named frame that is not the allocator's.
#[must_use]
pub fn suspect<'profile>(stack: &Stack<'profile>) -> Option<&'profile Function> {
    let of = |wanted: fn(Owner) -> bool| {
        stack.frames().find_map(|frame| match frame {
            Frame::Named(function) if wanted(function.owner) => Some(&**function),
            _ => None,
        })
    };
    let user = |owner| owner == Owner::User;
    let dependency = |owner| owner == Owner::Dependency;
    of(user).or_else(|| of(dependency)).or_else(|| of(is_ground))
}

/// The frame that says who a task is: the outermost of the user's own code, else the outermost of a dependency, else whatever
/// [`suspect`] says.
#[must_use]
pub fn root<'profile>(stack: &Stack<'profile>) -> Option<&'profile Function> {
    let of = |wanted: Owner| {
        stack.frames().rev().find_map(|frame| match frame {
            Frame::Named(function) if function.owner == wanted => Some(&**function),
            _ => None,
        })
    };
    of(Owner::User).or_else(|| of(Owner::Dependency)).or_else(|| suspect(stack))
}

/// How many of the innermost frames say nothing about who allocates: the allocator's, the profiler's, and those of the
/// standard library's containers, up to the first frame of anybody else. `Vec::push` does not leak; who calls it does.
/// Where nobody else is in the stack, the allocator's alone.
#[must_use]
pub fn allocator_depth(stack: &Stack<'_>) -> usize {
    let (mut allocator, mut library) = (0, 0);
    for (index, frame) in stack.frames().enumerate() {
        match (frame, frame.owner()) {
            (_, Owner::Allocator | Owner::Flamewatch) => {
                (allocator, library) = (index + 1, index + 1);
            }
            (_, Owner::Std) if allocator > 0 => library = index + 1,
            (frame, _) if is_unnamed(frame) => {}
            (Frame::Label { .. }, _) => return allocator,
            _ => return library,
        }
    }
    allocator
}

/// True for an address, also when resolving has found no better name for it than `libc.so.6+0x27249`.
fn is_unnamed(frame: &Frame) -> bool {
    match frame {
        Frame::Address(_) => true,
        Frame::Named(function) => function.name.starts_with("0x") || function.name.contains("+0x"),
        Frame::Label { .. } => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Unit;
    use crate::profile::{Profile, ValueType};

    const ALLOC: &str = "/rustc/59807616e1fa/library/alloc/src/";
    const REGISTRY: &str = "/root/.cargo/registry/src/index.example.org-1949cf8c6b5b557f/";
    const JEMALLOC: &str = "/app/target/release/build/tikv-jemalloc-sys-af20afda0361d1fd/out/build/";

    /// The stack of `Vec::push` in a debug build, as jemalloc recorded it and the symbolizer named it.
    fn recorded(profile: &mut Profile) {
        let frames = [
            ("prof_backtrace_impl", format!("{JEMALLOC}src/prof_sys.c")),
            ("_rjem_je_prof_backtrace", format!("{JEMALLOC}src/prof_sys.c")),
            ("_rjem_je_prof_tctx_create", format!("{JEMALLOC}src/prof.c")),
            ("prof_alloc_prep", format!("{JEMALLOC}include/jemalloc/internal/prof_inlines.h")),
            ("irallocx_prof", format!("{JEMALLOC}src/jemalloc.c")),
            ("do_rallocx", format!("{JEMALLOC}src/jemalloc.c")),
            ("libjemalloc.so.2+0x1f3a", String::new()),
            (
                "<tikv_jemallocator::Jemalloc as core::alloc::global::GlobalAlloc>::realloc",
                format!("{REGISTRY}tikv-jemallocator-0.7.0/src/lib.rs"),
            ),
            ("__rustc::__rust_realloc", "src/main.rs".to_owned()),
            ("alloc::alloc::realloc", format!("{ALLOC}alloc.rs")),
            ("<alloc::alloc::Global as core::alloc::Allocator>::grow", format!("{ALLOC}alloc.rs")),
            ("alloc::raw_vec::RawVecInner<A>::finish_grow", format!("{ALLOC}raw_vec/mod.rs")),
            ("alloc::raw_vec::RawVec<T,A>::grow_one", format!("{ALLOC}raw_vec/mod.rs")),
            ("alloc::vec::Vec<T,A>::push_mut", format!("{ALLOC}vec/mod.rs")),
            ("alloc::vec::Vec<T,A>::push", format!("{ALLOC}vec/mod.rs")),
            ("shop::vec_push", "src/main.rs".to_owned()),
            ("shop::main", "src/main.rs".to_owned()),
            ("std::rt::lang_start_internal", "/rustc/59807616e1fa/library/std/src/rt.rs".to_owned()),
            ("main", String::new()),
            ("libc.so.6+0x27249", String::new()),
            ("_start", String::new()),
        ];
        profile.add(frames.map(|(name, file)| Frame::named(Function::new(name, file, 1))), &[1], 1);
    }

    #[test]
    fn a_recorded_stack_points_at_the_users_function() {
        let mut profile = Profile::new("heap", [ValueType::new("space", Unit::Bytes)]);
        recorded(&mut profile);
        let stack = profile.iter().next().expect("a stack");
        assert_eq!(allocator_depth(&stack), 15);
        assert_eq!(suspect(&stack).map(|function| &*function.name), Some("shop::vec_push"));
    }

    #[test]
    fn unnamed_frames_outside_the_allocators_run_stay() {
        let mut profile = Profile::new("heap", [ValueType::new("space", Unit::Bytes)]);
        let frames = ["libc.so.6+0x10", "_rjem_malloc", "0x7f00", "shop::f"];
        profile.add(frames.map(|name| Frame::named(Function::new(name, "", 0))), &[1], 1);
        profile.add(
            [Frame::label("route", "/malloc"), Frame::named(Function::new("malloc", "", 0))],
            &[1],
            1,
        );
        let depths: Vec<usize> = profile.iter().map(|stack| allocator_depth(&stack)).collect();
        assert_eq!(depths, [2, 0]);
    }
}
