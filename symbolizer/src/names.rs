//! The strings of one answer, each kept once and demangled once.

use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use crate::frame::{Frame, Source};
use crate::name;

/// A function's readable name and the linker's.
pub(crate) type Function = (Arc<str>, Arc<str>);

/// So many names are made readable before others may have the processor.
const NAMES_AT_ONCE: usize = 128;

/// The names and files seen so far.
#[derive(Debug, Default)]
pub(crate) struct Names {
    texts: FxHashSet<Arc<str>>,
    /// By the linker's name: the readable name, and the linker's name again unless they are equal.
    functions: FxHashMap<Arc<str>, Function>,
}

impl Names {
    /// A frame that says only which byte of which file it is.
    pub(crate) fn place(&mut self, place: &str) -> Frame {
        Frame { name: self.text(place), ..self.nowhere() }
    }

    /// A function that was compiled at run time.
    pub(crate) fn compiled(&mut self, name: &str) -> Frame {
        let (name, mangled) = self.function(&Arc::from(name));
        Frame { name, mangled, source: Source::PerfMap, ..self.nowhere() }
    }

    /// A frame about which nothing is known.
    pub(crate) fn nowhere(&mut self) -> Frame {
        let empty = self.text("");
        Frame {
            name: empty.clone(),
            mangled: empty.clone(),
            file: empty,
            line: 0,
            column: 0,
            inlined: false,
            source: Source::ModuleOffset,
        }
    }

    /// The readable name and the linker's, the latter empty when they are equal.
    pub(crate) fn function(&mut self, raw: &Arc<str>) -> Function {
        if let Some(known) = self.functions.get(raw) {
            return known.clone();
        }
        if self.functions.len().is_multiple_of(NAMES_AT_ONCE) {
            std::thread::yield_now();
        }
        let readable = name::readable(raw);
        // The debug info's own `{closure#0}` is readable as something else too, but no name of the linker's.
        let of_linker = *readable != **raw && name::is_linkers(raw);
        let mangled = if of_linker { raw.clone() } else { self.text("") };
        let function = (self.text(&readable), mangled);
        self.functions.insert(raw.clone(), function.clone());
        function
    }

    pub(crate) fn text(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.texts.get(text) {
            return known.clone();
        }
        let text: Arc<str> = Arc::from(text);
        self.texts.insert(text.clone());
        text
    }
}
