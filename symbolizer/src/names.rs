//! The strings of one answer, each kept once and demangled once.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::dwarf::DebugFrame;
use crate::frame::{Frame, Source};
use crate::name;

/// The names and files seen so far.
#[derive(Debug, Default)]
pub(crate) struct Names {
    texts: HashSet<Arc<str>>,
    /// By the linker's name: the readable name, and the linker's name again unless they are equal.
    functions: HashMap<Arc<str>, (Arc<str>, Arc<str>)>,
}

impl Names {
    /// `debug` as a frame. Without a name it is only a place, which the caller knows better.
    pub(crate) fn frame(&mut self, debug: &DebugFrame<'_>, inlined: bool) -> Frame {
        let (name, mangled) = match debug.name {
            Some(raw) => self.function(raw),
            None => (self.text(""), self.text("")),
        };
        Frame {
            name,
            mangled,
            file: self.text(debug.file.map_or("", |file| file)),
            line: debug.line,
            column: debug.column,
            inlined,
            source: if debug.name.is_some() { Source::Dwarf } else { Source::ModuleOffset },
        }
    }

    /// A frame that says only which byte of which file it is.
    pub(crate) fn place(&mut self, place: &str) -> Frame {
        Frame { name: self.text(place), ..self.frame(&DebugFrame::default(), false) }
    }

    /// The readable name and the linker's, the latter empty when they are equal.
    pub(crate) fn function(&mut self, raw: &str) -> (Arc<str>, Arc<str>) {
        if let Some(known) = self.functions.get(raw) {
            return known.clone();
        }
        let readable = name::readable(raw);
        let mangled = if readable == raw { "" } else { raw };
        let function = (self.text(&readable), self.text(mangled));
        let raw = self.text(raw);
        self.functions.insert(raw, function.clone());
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
