//! Where every tool puts its answers: frames of interned strings. The same for all, so that keeping results costs
//! all the same.

use std::fs::File;
use std::hint;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use indexmap::IndexSet;

/// Takes the frames of one address after another, innermost first.
pub trait Sink {
    fn frame(&mut self, name: &str, file: &str, line: u32);
    /// The address has no more frames.
    fn end(&mut self);
}

/// Keeps everything.
#[derive(Debug, Default)]
pub struct Store {
    strings: IndexSet<Box<str>, foldhash::fast::RandomState>,
    frames: Vec<Frame>,
    /// Where each address's frames end.
    ends: Vec<u32>,
}

#[derive(Clone, Copy, Debug)]
struct Frame {
    name: u32,
    file: u32,
    line: u32,
}

impl Store {
    fn intern(&mut self, text: &str) -> u32 {
        let index = match self.strings.get_index_of(text) {
            Some(index) => index,
            None => self.strings.insert_full(text.into()).0,
        };
        u32::try_from(index).expect("fewer than 2^32 strings")
    }

    #[must_use]
    pub fn frames(&self) -> usize {
        self.frames.len()
    }

    #[must_use]
    pub fn strings(&self) -> usize {
        self.strings.len()
    }

    /// Addresses whose innermost frame has a line.
    #[must_use]
    pub fn with_line(&self) -> usize {
        self.answers().filter(|frames| frames.first().is_some_and(|frame| frame.line != 0)).count()
    }

    fn answers(&self) -> impl Iterator<Item = &[Frame]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, end)| &self.frames[start as usize..*end as usize])
    }

    /// One line an address: its frames, set off by U+001E, each of name, file and line, set off by tabs.
    ///
    /// # Errors
    /// When `path` cannot be written.
    pub fn dump(&self, path: &Path) -> io::Result<()> {
        let mut out = BufWriter::new(File::create(path)?);
        for frames in self.answers() {
            for (index, frame) in frames.iter().enumerate() {
                let gap = if index == 0 { "" } else { "\x1e" };
                let (name, file) = (&self.strings[frame.name as usize], &self.strings[frame.file as usize]);
                write!(out, "{gap}{name}\t{file}\t{}", frame.line)?;
            }
            writeln!(out)?;
        }
        out.flush()
    }
}

impl Sink for Store {
    fn frame(&mut self, name: &str, file: &str, line: u32) {
        let (name, file) = (self.intern(name), self.intern(file));
        self.frames.push(Frame { name, file, line });
    }

    fn end(&mut self) {
        self.ends.push(u32::try_from(self.frames.len()).expect("fewer than 2^32 frames"));
    }
}

/// Looks at everything and keeps nothing: for asking again what is known.
#[derive(Debug, Default)]
pub struct Glance;

impl Sink for Glance {
    fn frame(&mut self, name: &str, file: &str, line: u32) {
        hint::black_box((name, file, line));
    }

    fn end(&mut self) {}
}
