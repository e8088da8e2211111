//! What is read: a file or standard input, unzipped, bounded, and recognized by what it says.

use std::fs::{self, File};
use std::io::{self, IsTerminal as _, Read};

use flate2::read::MultiGzDecoder;

use crate::address::Address;
use crate::failure::Failure;
use crate::options::Format;
use crate::remote::Remote;

/// The most bytes of one input, after decompression: 256 MiB, which half a million stacks of a heap dump fill with 30
/// addresses each.
const MAX_INPUT: u64 = 256 << 20;

/// How an input begins, which is enough to tell what it is.
const HEAD: usize = 64 << 10;

/// The bytes of one input.
#[derive(Debug)]
pub(crate) struct Input {
    /// For messages.
    pub(crate) name: String,
    pub(crate) bytes: Vec<u8>,
}

impl Input {
    /// Reads the file at `path`, standard input for `-`, or what a running service answers: its heap, where the address says
    /// nothing else.
    pub(crate) fn read(path: &str) -> Result<Self, Failure> {
        if path == "-" {
            return Self::from_reader("standard input", io::stdin().lock());
        }
        if Address::is_one(path) {
            let remote = Remote::new(path)?;
            let page = remote.page("heap", None);
            let answer = remote.get(&page)?;
            return Self::of_answer(&format!("{}{}", remote.shown(), page.path()), &answer);
        }
        let failed = |error: io::Error| {
            let is_word = error.kind() == io::ErrorKind::NotFound && !path.contains(['/', '.']);
            let advice = if is_word { format!(". A running service is {path}:6060") } else { String::new() };
            Failure::new(format!("cannot read {path}: {error}{advice}"))
        };
        if fs::metadata(path).map_err(failed)?.is_dir() {
            return Err(Failure::new(format!("cannot read {path}: it is a directory")));
        }
        Self::from_reader(path, File::open(path).map_err(failed)?)
    }

    /// Standard input, unless somebody would have to type it.
    pub(crate) fn piped() -> Result<Self, Failure> {
        if io::stdin().is_terminal() {
            return Err(Failure::usage(
                "nothing to read: name a file, an address, or `-` for standard input",
            ));
        }
        Self::read("-")
    }

    /// What a service has answered.
    pub(crate) fn of_answer(name: &str, answer: &[u8]) -> Result<Self, Failure> {
        Self::from_reader(name, answer)
    }

    /// What was given as arguments.
    pub(crate) fn of_arguments(addresses: &[&str]) -> Self {
        Self { name: "the command line".to_owned(), bytes: addresses.join("\n").into_bytes() }
    }

    fn from_reader(name: &str, reader: impl Read) -> Result<Self, Failure> {
        let bytes = bounded(reader, MAX_INPUT).and_then(unzipped).map_err(|failure| failure.of(name))?;
        if bytes.iter().all(u8::is_ascii_whitespace) {
            return Err(Failure::new("it is empty").of(name));
        }
        Ok(Self { name: name.to_owned(), bytes })
    }

    /// What the bytes are, by how they begin; `None` for what is none of it.
    pub(crate) fn format(&self) -> Option<Format> {
        let head = self.bytes.get(..HEAD).unwrap_or(&self.bytes);
        if head.starts_with(b"heap_v2/") {
            return Some(Format::Heap);
        }
        // A profile.proto begins with the first sample type, and has lengths and indices: bytes no text has.
        if head.iter().any(|byte| matches!(byte, 0..=8 | 14..=31)) {
            return Some(Format::Pprof);
        }
        let text = String::from_utf8_lossy(head);
        let mut lines = text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
        if lines.clone().next().and_then(crate::addresses::parse).is_some() {
            return Some(Format::Addresses);
        }
        if lines.clone().next().is_some_and(crate::collapsed::is_stack) {
            return Some(Format::Folded);
        }
        lines.any(crate::perf_line::is_frame).then_some(Format::Perf)
    }
}

fn bounded(reader: impl Read, limit: u64) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    reader.take(limit + 1).read_to_end(&mut bytes).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData => {
            Failure::new(format!("the gzip stream is damaged or cut short: {error}"))
        }
        _ => Failure::new(format!("cannot be read: {error}")),
    })?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length <= limit) {
        return Ok(bytes);
    }
    Err(Failure::new(format!("it is larger than {} MiB (unzipped), the most that is read", limit >> 20)))
}

fn unzipped(bytes: Vec<u8>) -> Result<Vec<u8>, Failure> {
    if bytes.starts_with(&[0x1f, 0x8b]) {
        bounded(MultiGzDecoder::new(&*bytes), MAX_INPUT)
    } else {
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(bytes: &[u8], expected: Option<Format>) {
        let input = Input { name: String::new(), bytes: bytes.to_vec() };
        assert_eq!(input.format(), expected, "{:?}", String::from_utf8_lossy(bytes));
    }

    #[test]
    fn inputs_are_told_apart_by_content() {
        check(b"heap_v2/524288\n  t*: 1: 8 [0: 0]\n", Some(Format::Heap));
        check(b"\x0a\x04\x08\x01\x10\x02", Some(Format::Pprof));
        check(b"0x1000\n0x2000\n", Some(Format::Addresses));
        check(b"# seen at noon\n\n  7f00dead\n", Some(Format::Addresses));
        check(b"shop 1 2.3:  1 cpu-clock:u: \n\t  1135 outer+0xc (/bin/shop)\n\n", Some(Format::Perf));
        check(b"\t            1135 outer (/bin/shop)\n", Some(Format::Perf));
        check(b"main;work 7\n", Some(Format::Folded));
        check(b"heap profile: 1: 2 [3: 4] @ heapprofile\n", None);
        check(b"Dear diary,\n", None);
    }

    #[test]
    fn what_is_too_large_is_refused() {
        assert_eq!(bounded(&b"12345"[..], 5).expect("fits"), b"12345");
        let failure = bounded(&b"123456"[..], 5).expect_err("one too many");
        assert!(failure.to_string().contains("larger than"), "{failure}");
    }
}
