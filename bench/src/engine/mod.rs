//! The tools. Each is used as its documentation says, and as fast as it lets us.

use std::path::Path;

use crate::request::Segment;
use crate::store::Sink;

/// What addresses are named against.
#[derive(Clone, Copy, Debug)]
pub struct Target<'request> {
    pub path: &'request Path,
    pub segment: Segment,
    /// In process: what to add to an address of the file to get one of this process.
    pub bias: Option<u64>,
    /// Names as the linker knows them, where the tool tells: for comparing who names what, not who spells it how.
    pub linker_names: bool,
}

/// A tool that names addresses.
pub trait Engine: Sized {
    /// # Errors
    /// What the tool said.
    fn open(target: &Target<'_>) -> Result<Self, String>;

    /// Names `addresses` of the file, in their order.
    ///
    /// # Errors
    /// What the tool said.
    fn resolve(&mut self, addresses: &[u64], sink: &mut impl Sink) -> Result<(), String>;

    /// Gives back what can be given back.
    fn forget(self) {}
}

macro_rules! engines {
    ($($name:literal => $module:ident :: $engine:ident),+ $(,)?) => {$(
        #[cfg(feature = $name)]
        mod $module;
        #[cfg(feature = $name)]
        pub use $module::$engine as Chosen;
        /// The tool of this build.
        #[cfg(feature = $name)]
        pub const NAME: &str = $name;
    )+};
}

engines! {
    "ours" => ours::Ours,
    "blazesym" => blazesym::Blazesym,
    "addr2line" => addr2line::Addr2line,
    "backtrace" => backtrace::Backtrace,
    "wholesym" => wholesym::Wholesym,
}

#[cfg(not(any(
    feature = "ours",
    feature = "blazesym",
    feature = "addr2line",
    feature = "backtrace",
    feature = "wholesym"
)))]
compile_error!("choose the tool: --features ours, blazesym, addr2line, backtrace or wholesym");
