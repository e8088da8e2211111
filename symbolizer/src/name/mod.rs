//! Linker names made readable: Rust (v0 and legacy) and C++, and names the debug info has without mangling. Pure.
//! One file for each step: `escape` and `tidy` for Rust, `short` for pictures, `outside` finds a name's brackets.

mod escape;
pub(crate) mod outside;
mod short;
mod tidy;

use std::fmt::{self, Write};

use cpp_demangle::{DemangleOptions, Symbol};

pub(crate) use short::peeled;
pub use short::short;

/// The longest name kept, in bytes; a longer one ends in `…`. Nested generics can be written in a few bytes and
/// read in megabytes.
pub(crate) const MAX_NAME: usize = 4096;

/// The name for people of the function that the linker knows as `raw`, or the debug info where it is no linker's name.
pub(crate) fn readable(raw: &str) -> String {
    let raw = without_llvm_suffix(raw);
    if let Ok(rust) = rustc_demangle::try_demangle(raw) {
        return bounded(raw, |name| write!(name, "{rust:#}"))
            .map_or_else(|raw| raw, |name| tidy::tidy(&name));
    }
    if let Some(cpp) = cpp(raw) {
        let written = |name: &mut Bounded| cpp.structured_demangle(name, &DemangleOptions::default());
        return bounded(raw, written).unwrap_or_else(|raw| raw);
    }
    bounded(raw, |name| name.write_str(raw))
        .map_or_else(|raw| raw, |name| tidy::tidy(&escape::decoded(&name)))
}

/// What `write` writes, cut to size; `raw` where it writes nothing.
fn bounded(raw: &str, write: impl FnOnce(&mut Bounded) -> fmt::Result) -> Result<String, String> {
    let mut name = Bounded::default();
    match (write(&mut name), name.full) {
        (Ok(()), _) if !name.text.is_empty() => Ok(name.text),
        (_, true) => Ok(name.text + "…"),
        _ => Err(raw.to_owned()),
    }
}

/// True when `raw` is a name that only a compiler would write.
pub(crate) fn is_mangled(raw: &str) -> bool {
    rustc_demangle::try_demangle(raw).is_ok() || cpp(raw).is_some()
}

/// True when `raw` is what only a symbol table would say: mangled, or told from its namesakes by LLVM.
pub(crate) fn is_linkers(raw: &str) -> bool {
    is_mangled(raw) || without_llvm_suffix(raw) != raw
}

fn cpp(raw: &str) -> Option<Symbol<&str>> {
    raw.starts_with("_Z").then(|| Symbol::new(raw).ok()).flatten()
}

/// Without the `.llvm.1234` that LLVM appends to a local function it has to tell from its namesakes.
fn without_llvm_suffix(raw: &str) -> &str {
    match raw.rsplit_once(".llvm.") {
        Some((name, number)) if number.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'@') => name,
        _ => raw,
    }
}

/// A text that refuses to grow past [`MAX_NAME`], which stops the demangler that writes it.
#[derive(Default)]
struct Bounded {
    text: String,
    full: bool,
}

impl Write for Bounded {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        let room = MAX_NAME.saturating_sub(self.text.len());
        if part.len() <= room {
            self.text.push_str(part);
            return Ok(());
        }
        self.full = true;
        let end = (0..=room).rev().find(|end| part.is_char_boundary(*end)).unwrap_or(0);
        self.text.push_str(part.get(..end).unwrap_or(""));
        Err(fmt::Error)
    }
}

#[cfg(test)]
mod tests;
