//! The last step to a name for people: what compilers write in Rust names for their own sake becomes words or goes.
//!
//! What a compiler made itself keeps its braces and stays a part of the path, so that every tool that splits paths at
//! `::` still does: `{async_fn#0}` is `{async fn}`, `{closure_env#2}` is `{closure#2}`, `{shim:vtable#0}` is
//! `{vtable shim}`. An inherent method has its type's path (`alloc::vec::Vec<u8>::push`), a trait's the two of them
//! (`<shop::Cart as shop::Total>::total`), whichever mangling says so in whichever way.

use super::outside::{is_word, split};

/// `name` in the spelling for people. Two names stay two: the number 0 is left out, others stay. Legacy mangling has no
/// numbers, so there the closures of a function have one name, and the module an impl stands in is no part of ours, so
/// a trait's specializations for one type can have one; their files and lines tell them apart.
pub(super) fn tidy(name: &str) -> String {
    let name = without_hash(name);
    let mut tidy = Tidy { rest: name, out: String::with_capacity(name.len()), open: Vec::new(), path: 0 };
    while !tidy.rest.is_empty() {
        tidy.step();
    }
    tidy.out
}

/// Without the hash at the end of a legacy name that somebody demangled and kept: `shop::f::h0123456789abcdef`.
fn without_hash(name: &str) -> &str {
    match name.rsplit_once("::h") {
        Some((path, hash)) if hash.len() == 16 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()) => path,
        _ => name,
    }
}

/// Reads `rest` once from left to right; what is written is changed only back to the bracket that closes.
struct Tidy<'name> {
    rest: &'name str,
    out: String,
    open: Vec<Open>,
    /// Where in `out` the path that is being written begins.
    path: usize,
}

/// A bracket still open.
struct Open {
    kind: Kind,
    /// Where in `out` that begins which the bracket belongs to.
    path: usize,
    /// Where in `out` the inside begins.
    inside: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// `<Type as Trait>`, or `<Type>`.
    Qualified,
    /// `module::<impl Trait for Type>`, or `module::<impl Type>`.
    Impl,
    /// What a reader wants as it is.
    Plain,
}

impl Tidy<'_> {
    fn step(&mut self) {
        if let Some((words, length)) = made_by_the_compiler(self.rest) {
            if self.out.len() > self.path && !self.out.ends_with("::") {
                self.out.push_str("::");
            }
            self.out.push_str(&words);
            self.skip(length);
        } else if let Some(length) = self.disambiguator() {
            self.skip(length);
        } else if let Some(length) = literal(self.rest) {
            self.copy(length);
        } else {
            self.sign();
        }
    }

    fn sign(&mut self) {
        let at_start = self.out.len() == self.path;
        let starts = |sign: &str| self.rest.starts_with(sign);
        match self.rest.chars().next() {
            Some(':') if starts("::<impl ") => self.open("::<impl ", "", Kind::Impl),
            Some(':') if starts("::<") => self.open("::<", "<", Kind::Plain),
            Some('<') if starts("<impl ") => self.open("<impl ", "", Kind::Impl),
            Some('<') if at_start => self.open("<", "<", Kind::Qualified),
            Some('<') => self.open("<", "<", Kind::Plain),
            Some('(') => self.open("(", "(", Kind::Plain),
            Some('[') => self.open("[", "[", Kind::Plain),
            Some('>' | ')' | ']') => self.close(),
            Some('-') if starts("->") => self.copy(2),
            Some(' ' | ',' | ';' | '&' | '*' | '=' | '+') => {
                self.copy(1);
                self.path = self.out.len();
            }
            Some(character) => self.copy(character.len_utf8()),
            None => {}
        }
    }

    fn open(&mut self, read: &str, written: &str, kind: Kind) {
        let path = if kind == Kind::Qualified { self.out.len() } else { self.path };
        self.skip(read.len());
        self.out.push_str(written);
        if kind == Kind::Impl {
            // Keeps the module and the type apart until both are known.
            self.out.push(' ');
        }
        self.open.push(Open { kind, path, inside: self.out.len() });
        self.path = self.out.len();
    }

    fn close(&mut self) {
        let Some(open) = self.open.pop() else { return self.copy(1) };
        let inside = self.out.get(open.inside..).unwrap_or_default();
        let written = match open.kind {
            Kind::Plain => None,
            Kind::Qualified if self.rest.starts_with(">::") && is_path(inside) => Some(inside.to_owned()),
            Kind::Qualified => None,
            Kind::Impl => Some(match split(inside, " for ") {
                Some((of_trait, of_type)) => format!("<{of_type} as {of_trait}>"),
                None if is_path(inside) => inside.to_owned(),
                None => format!("<{inside}>"),
            }),
        };
        match written {
            Some(written) => {
                self.out.truncate(open.path);
                self.out.push_str(&written);
                self.skip(1);
            }
            None => self.copy(1),
        }
        self.path = open.path;
    }

    /// The length of a crate's hash, `[1a2b3c]` in `shop[1a2b3c]::f`.
    fn disambiguator(&self) -> Option<usize> {
        let hash = self.rest.strip_prefix('[')?.split(']').next()?;
        let behind_a_word = self.out.len() > self.path && self.out.ends_with(is_word);
        let in_a_path = self.rest.get(hash.len() + 1..)?.starts_with("]::");
        let is_hash = !hash.is_empty() && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
        (behind_a_word && in_a_path && is_hash).then_some(hash.len() + 2)
    }

    fn copy(&mut self, length: usize) {
        self.out.push_str(self.rest.get(..length).unwrap_or_default());
        self.skip(length);
    }

    fn skip(&mut self, length: usize) {
        self.rest = self.rest.get(length..).unwrap_or_default();
    }
}

/// True for a type that is a path or a primitive, so that `::f` can follow it without brackets.
fn is_path(inside: &str) -> bool {
    let first = inside.chars().next().is_some_and(|first| first.is_alphabetic() || first == '_');
    let keyword = ["dyn ", "impl ", "fn(", "for<", "unsafe ", "extern "];
    first
        && !keyword.iter().any(|keyword| inside.starts_with(keyword))
        && split(inside, " as ").is_none()
        && split(inside, " ").is_none()
}

/// The length of a character literal, which may be a bracket: `Split<'<'>`.
fn literal(rest: &str) -> Option<usize> {
    let inside = rest.strip_prefix('\'')?;
    let first = inside.chars().next()?;
    match first {
        '\\' => Some(inside.get(2..)?.find('\'')? + "'\\n'".len()),
        _ => inside.get(first.len_utf8()..)?.starts_with('\'').then_some(first.len_utf8() + 2),
    }
}

/// What `rest` begins with, in words and with its length, if it is what a compiler writes where people gave no name:
/// `{closure#1}`, legacy's `{{closure}}`, the debug info's `{async_fn_env#0}`.
fn made_by_the_compiler(rest: &str) -> Option<(String, usize)> {
    let inside = rest.strip_prefix('{')?.split('}').next()?;
    let (kind, number, length) = match inside.strip_prefix('{') {
        Some(kind) if rest.get(inside.len() + 1..)?.starts_with("}}") => (kind, "0", inside.len() + 3),
        Some(_) => return None,
        None => {
            let (kind, number) = inside.rsplit_once('#')?;
            (kind, number, inside.len() + 2)
        }
    };
    let is_kind = !kind.is_empty()
        && kind.bytes().all(|byte| byte.is_ascii_alphabetic() || matches!(byte, b'_' | b'.' | b':'));
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    let number = if number == "0" { String::new() } else { format!("#{number}") };
    (is_kind && is_number).then(|| (format!("{{{}{number}}}", words(kind)), length))
}

fn words(kind: &str) -> String {
    // The type of what a closure has captured; people call it by the closure.
    let kind = kind.strip_suffix("_env").unwrap_or(kind);
    match kind.strip_prefix("shim:").or_else(|| kind.strip_suffix(".shim")) {
        Some(shim) => format!("{} shim", shim.replace('_', " ")),
        None if kind == "K" => "constant".to_owned(),
        None => kind.replace('_', " "),
    }
}
