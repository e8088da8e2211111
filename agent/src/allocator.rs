//! `allocator!()` and `malloc_conf!()`: jemalloc for a service, with its sampler ready to be switched on.
//! Both exist in every build; without the feature `heap` they expand to nothing, so a service needs no `cfg`.

/// What the macros name. Not for use by hand.
#[cfg(feature = "heap")]
#[doc(hidden)]
pub mod __private {
    pub use tikv_jemallocator::Jemalloc;

    pub use crate::sys::malloc_conf::Conf;
}

/// Makes jemalloc the allocator of this program, with its heap sampler ready to be switched on.
///
/// Stands in `main.rs`, outside of any function. Expands to a `#[global_allocator]` and to [`crate::malloc_conf!`], and to
/// nothing when flamewatch is built without `heap`. More options of jemalloc can be given as one string literal:
/// `flamewatch::allocator!("dirty_decay_ms:1000")`.
#[cfg(feature = "heap")]
#[macro_export]
macro_rules! allocator {
    ($($extra:literal)?) => {
        #[global_allocator]
        static FLAMEWATCH_ALLOCATOR: $crate::__private::Jemalloc = $crate::__private::Jemalloc;
        $crate::malloc_conf!($($extra)?);
    };
}

/// Makes jemalloc the allocator of this program; nothing in this build, which is without `heap`.
#[cfg(not(feature = "heap"))]
#[macro_export]
macro_rules! allocator {
    ($($extra:literal)?) => {};
}

/// Gives a service that already has `tikv-jemallocator` as its allocator the options the heap profile needs.
///
/// Stands in `main.rs`, outside of any function, and defines the symbol `_rjem_malloc_conf`; a program that defines
/// it already gets a "duplicate symbol" from the linker and adds `prof:true` there instead. Where
/// `tikv-jemallocator` is built with `unprefixed_malloc_on_supported_platforms` the symbol is called `malloc_conf`:
/// write `flamewatch::malloc_conf!(unprefixed)`. The environment (`_RJEM_MALLOC_CONF`) wins over all of this.
///
/// The options, and why:
/// - `prof:true`: the sampler exists only when this is set at start-up. Idle, its cost was not measurable.
/// - `prof_active:false`: nothing is sampled before the agent starts, so a program whose agent is switched off pays
///   nothing, no sample is unwound by jemalloc's own slow unwinder, and the live table knows every sample's birth.
///   The agent switches it on.
/// - `lg_prof_sample:19`: one sample in 512 KiB, everyone's default; the agent changes it at run time.
/// - `prof_accum` stays off: it keeps every stack ever seen; the agent counts allocations itself.
/// - `background_thread` stays off: whether a service wants jemalloc's purging threads is its own choice.
/// - `prof_final`, `prof_leak`, `prof_gdump` stay off: they write files nobody asked for.
#[cfg(feature = "heap")]
#[macro_export]
macro_rules! malloc_conf {
    () => { $crate::malloc_conf!(@define "_rjem_malloc_conf", ""); };
    (unprefixed) => { $crate::malloc_conf!(@define "malloc_conf", ""); };
    ($extra:literal) => { $crate::malloc_conf!(@define "_rjem_malloc_conf", ",", $extra); };
    (unprefixed, $extra:literal) => { $crate::malloc_conf!(@define "malloc_conf", ",", $extra); };
    (@define $symbol:literal, $($extra:literal),*) => {
        #[doc(hidden)]
        // SAFETY: jemalloc(3) documents `malloc_conf` as a `const char *` that the program may define; `Conf` is
        // one, NUL-terminated, and the linker refuses a second definition.
        #[unsafe(export_name = $symbol)]
        pub static FLAMEWATCH_MALLOC_CONF: $crate::__private::Conf = $crate::__private::Conf::new(
            ::core::concat!("prof:true,prof_active:false,lg_prof_sample:19", $($extra,)* "\0"),
        );
    };
}

/// Gives a service's own jemalloc the options of the heap profile; nothing in this build, which is without `heap`.
#[cfg(not(feature = "heap"))]
#[macro_export]
macro_rules! malloc_conf {
    ($($anything:tt)*) => {};
}
