//! Linker names made readable: Rust (v0 and legacy, without the hash) and C++. Pure.

use std::fmt::{self, Write};

use cpp_demangle::{DemangleOptions, Symbol};

/// The longest name kept, in bytes; a longer one ends in `…`. Nested generics can be written in a few bytes and
/// read in megabytes.
pub(crate) const MAX_NAME: usize = 4096;

/// The name for people of the function that the linker knows as `raw`.
pub(crate) fn readable(raw: &str) -> String {
    let raw = without_llvm_suffix(raw);
    let mut name = Bounded::default();
    let written = if let Ok(rust) = rustc_demangle::try_demangle(raw) {
        write!(name, "{rust:#}")
    } else if let Some(cpp) = cpp(raw) {
        cpp.structured_demangle(&mut name, &DemangleOptions::default())
    } else {
        name.write_str(raw)
    };
    match (written, name.full) {
        (Ok(()), _) if !name.text.is_empty() => name.text,
        (_, true) => name.text + "…",
        _ => raw.to_owned(),
    }
}

/// True when `raw` is a name that only a compiler would write.
pub(crate) fn is_mangled(raw: &str) -> bool {
    rustc_demangle::try_demangle(raw).is_ok() || cpp(raw).is_some()
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
mod tests {
    use super::*;

    #[track_caller]
    fn check(raw: &str, expected: &str) {
        assert_eq!(readable(raw), expected);
        assert_eq!(is_mangled(raw), without_llvm_suffix(raw) != expected, "{raw}");
    }

    #[test]
    fn names() {
        check("_ZN4core3ptr13drop_in_place17h0123456789abcdefE", "core::ptr::drop_in_place");
        check("_ZN4core3ptr13drop_in_place17h0123456789abcdefE.llvm.1234567", "core::ptr::drop_in_place");
        check("_RNvCs1234_7mycrate3foo", "mycrate::foo");
        check("_RNvCs1234_7mycrate3foo.llvm.99", "mycrate::foo");
        check("_ZN3foo3barIiEEvT_", "void foo::bar<int>(int)");
        check("_ZN3foo3barEv.llvm.77", "foo::bar()");
        check("main", "main");
        check("memcpy.llvm.12", "memcpy");
        check("_Znonsense", "_Znonsense");
        check("_R", "_R");
        check("", "");
    }

    #[test]
    fn a_hash_is_taken_off_and_nothing_else() {
        check("_ZN7mycrate5hello5h123417h0123456789abcdefE", "mycrate::hello::h1234");
        check("my.llvm.name", "my.llvm.name");
    }

    #[test]
    fn a_name_that_explodes_is_cut() {
        // Each level is a tuple of the level before, written out and then referred back to: 2^30 units long.
        let digits = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
        let doubled = digits[8..38]
            .chars()
            .rev()
            .fold("TuuE".to_owned(), |inner, position| format!("T{inner}B{position}_E"));
        let name = readable(&format!("_RINvC1a1b{doubled}E"));
        assert!(name.starts_with("a::b::<((((((") && name.ends_with('…'), "{name}");
        assert!(name.len() <= MAX_NAME + "…".len(), "{}", name.len());
        let long = format!("_ZN{0}{1}17h0123456789abcdefE", MAX_NAME * 2, "é".repeat(MAX_NAME));
        assert_eq!(readable(&long).chars().last(), Some('…'));
    }
}
