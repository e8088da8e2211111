//! One frame of a stack: an address still to be named, a named function, or a label.

use std::borrow::Cow;
use std::sync::Arc;

use flamewatch_symbolizer::{Addr, Origin, Owner};

/// One frame of a stack. A half-named profile is normal: each frame says for itself what it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Frame {
    /// A code address of the profiled process, not named yet.
    Address(Addr),
    /// A function with a name.
    Named(Arc<Function>),
    /// A fact about the whole stack, such as `thread = tokio-worker-3`; stands at the root of the stack.
    /// The pprof renderer turns it into a tag, every other renderer shows it as the outermost frame.
    Label {
        /// What the fact is about: `thread`, `route`, `state`.
        key: Cow<'static, str>,
        /// The fact.
        value: Arc<str>,
    },
}

impl Frame {
    /// A function known by name alone, as a task's spawn site is.
    pub fn named(function: Function) -> Self {
        Self::Named(Arc::new(function))
    }

    /// A label frame.
    pub fn label(key: impl Into<Cow<'static, str>>, value: impl Into<Arc<str>>) -> Self {
        Self::Label { key: key.into(), value: value.into() }
    }

    /// What a reader sees: the function's name, `key=value`, or the bare address.
    #[must_use]
    pub fn show(&self) -> Cow<'_, str> {
        match self {
            Self::Address(address) => Cow::Owned(format!("{:#x}", address.raw())),
            Self::Named(function) => Cow::Borrowed(&function.name),
            Self::Label { key, value } => Cow::Owned(format!("{key}={value}")),
        }
    }

    /// The same for pictures, where room is short: `Vec::push` for `alloc::vec::Vec<T,A>::push`. Many functions can
    /// have one short name.
    #[must_use]
    pub fn show_short(&self) -> Cow<'_, str> {
        match self {
            Self::Named(function) => Cow::Owned(flamewatch_symbolizer::name::short(&function.name)),
            _ => self.show(),
        }
    }
}

/// The first `most` characters of a name, and `…` where it is longer: types of futures may have hundreds of characters.
pub(crate) fn shortened(name: &str, most: usize) -> Cow<'_, str> {
    match name.char_indices().nth(most) {
        Some((end, _)) => Cow::Owned(format!("{}…", name.get(..end).unwrap_or_default())),
        None => Cow::Borrowed(name),
    }
}

/// A named function as it stands in a stack: at one line, perhaps inlined into the frame after it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Function {
    /// The name for people: demangled, without the hash.
    pub name: String,
    /// The mangled name, empty when there is none. Never equal to `name`: `go tool pprof` would then take the
    /// name for a C++ one and strip everything between `<` and `>`.
    pub system_name: String,
    /// The source file as the debug info gives it, empty when unknown.
    pub file: String,
    /// The line, 0 when unknown.
    pub line: u32,
    /// The code address this frame was named from, 0 when it never had one. Of a caller it lies within the call
    /// ([`Addr::lookup`](super::Addr::lookup)), as readers of pprof expect it.
    pub address: u64,
    /// True when the next outer frame is the function this one was inlined into, at the same address.
    pub inlined: bool,
    /// Whose code it is. `resolve` knows best; [`Function::new`] goes by name and file.
    pub owner: Owner,
}

impl Function {
    /// A function with a name and a place, and no address: `(name, "src/orders.rs", 88)`.
    pub fn new(name: impl Into<String>, file: impl Into<String>, line: u32) -> Self {
        let (name, file) = (name.into(), file.into());
        let owner = Origin::of(&name, "", &file, "").owner;
        Self { name, file, line, owner, ..Self::default() }
    }

    /// `file:line` as one would say it: the path from the folder of its crate on, `shop/src/orders.rs:88` for
    /// `/builds/7/shop/src/orders.rs`. The file alone without a line, `None` without a file.
    #[must_use]
    pub fn short_place(&self) -> Option<String> {
        let place = self.place()?;
        let source = place.rfind("/src/").unwrap_or(0);
        let start = place.get(..source).and_then(|folders| folders.rfind('/')).map_or(0, |slash| slash + 1);
        place.get(start..).map(str::to_owned)
    }

    /// `file:line`, the file alone without a line, or `None` without a file.
    #[must_use]
    pub fn place(&self) -> Option<String> {
        match (self.file.as_str(), self.line) {
            ("", _) => None,
            (file, 0) => Some(file.to_owned()),
            (file, line) => Some(format!("{file}:{line}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_place_begins_with_the_crate() {
        let short = |file: &str| Function::new("f", file, 88).short_place();
        assert_eq!(short("/builds/7/shop/src/bin/orders.rs").as_deref(), Some("shop/src/bin/orders.rs:88"));
        assert_eq!(short("shop/src/orders.rs").as_deref(), Some("shop/src/orders.rs:88"));
        assert_eq!(short("src/orders.rs").as_deref(), Some("src/orders.rs:88"));
        assert_eq!(short("/app/main.rs").as_deref(), Some("/app/main.rs:88"));
        assert_eq!(short(""), None);
    }
}
