//! Names of code that was compiled at run time: `/tmp/perf-<pid>.map`, which V8, the JVM and wasmtime write for perf.
//! Lines of `START SIZE name`, the numbers in hex, as Linux describes them in `tools/perf/Documentation`.
//! Knows nothing of modules: an address that lies in none is looked up here.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The largest map that is read: some four million entries.
pub(crate) const MAX_BYTES: u64 = 256 << 20;

/// The longest line that is kept; of a longer one the name is cut.
const MAX_LINE: usize = 4 << 10;

/// The names at the addresses in `wanted`, which are sorted, in the code that process `pid` compiled.
///
/// Only the names that are found are held, and of each no more than a line of 4 KiB.
///
/// # Errors
/// When there is no map, it is not to be believed (see [`open`]), cannot be read or is larger than [`MAX_BYTES`].
pub(crate) fn names(pid: u32, wanted: &[u64]) -> io::Result<Vec<Option<Arc<str>>>> {
    let owner = fs::metadata(format!("/proc/{pid}"))?.uid();
    let map = open(&path(pid), |about| written_by(owner, about))?;
    find(BufReader::with_capacity(64 << 10, map), wanted, MAX_BYTES)
}

/// Where the map of a process is.
fn path(pid: u32) -> PathBuf {
    PathBuf::from(format!("/tmp/perf-{pid}.map"))
}

/// True when the process of `owner` may have written it. Anybody can put a file into `/tmp`.
fn written_by(owner: u32, about: &Metadata) -> bool {
    about.uid() == owner || about.uid() == 0
}

/// Opens a map if it is a file, itself and no link to one, that `believed` accepts. It waits for nobody: behind the
/// name could be a pipe.
fn open(path: &Path, believed: impl FnOnce(&Metadata) -> bool) -> io::Result<File> {
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY;
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    // Asked of what is open: what bears the name may be something else by now.
    let about = file.metadata()?;
    if about.is_file() && believed(&about) { Ok(file) } else { Err(io::ErrorKind::PermissionDenied.into()) }
}

/// Looks for every address in one pass. Memory is used again for other code, so the last entry counts: that is why a
/// map that is too large is an error, and not read in part.
fn find(map: impl BufRead, wanted: &[u64], most: u64) -> io::Result<Vec<Option<Arc<str>>>> {
    let mut found = vec![None; wanted.len()];
    let mut map = map.take(most.saturating_add(1));
    let mut line = Vec::new();
    while next_line(&mut map, &mut line)? {
        let Some(entry) = Entry::parse(&line) else { continue };
        let from = wanted.partition_point(|&address| address < entry.start);
        let to = wanted.partition_point(|&address| address < entry.end);
        let Some(hits) = found.get_mut(from..to).filter(|hits| !hits.is_empty()) else { continue };
        hits.fill(Some(entry.name()));
    }
    if map.limit() == 0 { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(found) }
}

/// Reads a line into `line`, which is cut at [`MAX_LINE`], and without its end. False at the end of the file, and for
/// a last line that the process has not finished writing.
fn next_line(map: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    let mut start = map.by_ref().take(MAX_LINE as u64);
    start.read_until(b'\n', line)?;
    if line.pop_if(|last| *last == b'\n').is_some() {
        return Ok(true);
    }
    let cut = line.len() == MAX_LINE;
    // At the end of what may be read nothing is skipped, and there is no next line either.
    if cut {
        map.skip_until(b'\n')?;
    }
    Ok(cut)
}

/// A piece of code.
#[derive(Debug, PartialEq, Eq)]
struct Entry<'a> {
    start: u64,
    end: u64,
    name: &'a [u8],
}

impl<'a> Entry<'a> {
    /// The entry in a line; the name is the rest of it, spaces included.
    fn parse(line: &'a [u8]) -> Option<Self> {
        let mut fields = line.splitn(3, |&byte| byte == b' ');
        let start = hex(fields.next()?)?;
        let end = start.checked_add(hex(fields.next()?)?)?;
        let name = fields.next()?.trim_ascii();
        (start < end && !name.is_empty()).then_some(Self { start, end, name })
    }

    fn name(&self) -> Arc<str> {
        String::from_utf8_lossy(self.name).into()
    }
}

/// The format has no `0x`, but some writers have.
fn hex(digits: &[u8]) -> Option<u64> {
    let digits = digits.strip_prefix(b"0x").unwrap_or(digits);
    let digits = str::from_utf8(digits).ok().filter(|digits| !digits.starts_with('+'))?;
    u64::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::process::Command;

    use super::*;
    use crate::file::scratch::Folder;
    use crate::sys::counting;

    const MAP: &str = "1000 10 first\n1010 8 LazyCompile:*checkout /srv/shop.js:88\n2000 100 second\n";

    #[test]
    fn an_address_has_the_name_of_its_code() {
        check(
            MAP,
            &[0xfff, 0x1000, 0x100f, 0x1010, 0x1017, 0x1018, 0x20ff, 0x2100],
            "- first first \
            LazyCompile:*checkout_/srv/shop.js:88 LazyCompile:*checkout_/srv/shop.js:88 - second -",
        );
        check(MAP, &[], "");
        check("", &[1, 2], "- -");
    }

    #[test]
    fn the_last_entry_counts() {
        check("1000 100 old\n1040 10 new\n", &[0x103f, 0x1040, 0x104f, 0x1050], "old new new old");
        check("1040 10 old\n1000 100 new\n", &[0x1000, 0x1040], "new new");
    }

    #[test]
    fn an_address_may_be_wanted_twice() {
        check(MAP, &[0x1000, 0x1000, 0x2000], "first first second");
    }

    #[test]
    fn what_is_no_entry_is_passed_over() {
        for line in [
            "",
            " ",
            "1000",
            "1000 10",
            "1000 10 ",
            "x 10 name",
            "1000 x name",
            "-1 10 name",
            "+1000 10 name",
            "1000  10 name",
            "1000 0 empty",
            "ffffffffffffffff 10 name",
            "11112222333344445 10 name",
            "\u{fffd}",
        ] {
            check(&format!("{line}\n2000 10 good\n"), &[0x1000, 0x1001, 0x2000], "- - good");
        }
        check("0x2000 0x10 prefixed\r\n", &[0x2000], "prefixed");
    }

    #[test]
    fn an_unfinished_line_has_no_name_yet() {
        check("1000 10 first\n2000 10 seco", &[0x1000, 0x2000], "first -");
    }

    #[test]
    fn a_long_name_is_cut_and_the_next_line_found() {
        let long = "n".repeat(3 * MAX_LINE);
        let map = format!("1000 10 {long}\n2000 10 second\n");
        check(&map, &[0x1000, 0x2000], &format!("{} second", &long[..MAX_LINE - "1000 10 ".len()]));
        // Cut at its end: what would follow is not there.
        check(&format!("1000 10 {long}"), &[0x2000], "-");
    }

    #[test]
    fn bytes_that_are_no_text_are_replaced() {
        let found = find(&b"1000 10 a\xffb\n"[..], &[0x1000], 100).expect("names");
        assert_eq!(found[0].as_deref(), Some("a\u{fffd}b"));
    }

    #[test]
    fn a_map_above_the_limit_is_refused() {
        let length = MAP.len() as u64;
        assert!(find(MAP.as_bytes(), &[0x1000], length).expect("names")[0].is_some());
        let error = find(MAP.as_bytes(), &[0x1000], length - 1).expect_err("too large");
        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
    }

    #[test]
    fn a_large_map_takes_no_memory() {
        let mut map = String::new();
        for number in 0..100_000_u64 {
            map.push_str(&format!("{:x} 10 function_{number}\n", number * 16));
        }
        let (found, peak) = counting::peak(|| find(map.as_bytes(), &[0x30, 16 * 99_999], MAX_BYTES));
        let found: Vec<_> = found.expect("names").into_iter().flatten().collect();
        assert_eq!(found, ["function_3".into(), "function_99999".into()]);
        assert!(peak < 2 * MAX_LINE, "{peak} bytes");
    }

    #[test]
    fn the_map_of_this_process_is_found() {
        let pid = std::process::id();
        let mut map = File::create_new(path(pid)).expect("a map of our own");
        map.write_all(MAP.as_bytes()).expect("written");
        let found = names(pid, &[0x1000, 0x1018]);
        fs::remove_file(path(pid)).expect("removed");
        assert_eq!(found.expect("names"), [Some("first".into()), None]);
        assert_eq!(names(pid, &[]).expect_err("no map").kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn only_a_file_that_is_believed_is_opened() {
        let dir = Folder::new();
        let [file, link, pipe] = ["file", "link", "pipe"].map(|name| dir.join(name));
        fs::write(&file, MAP).expect("written");
        std::os::unix::fs::symlink(&file, &link).expect("a link");
        assert!(Command::new("mkfifo").arg(&pipe).status().expect("mkfifo runs").success());
        assert!(open(&file, |_| true).is_ok());
        assert!(open(&file, |_| false).is_err());
        for path in [&link, &pipe, &dir.join("."), &dir.join("missing")] {
            assert!(open(path, |_| true).is_err(), "{path:?}");
        }
        let about = fs::metadata(&file).expect("metadata");
        assert!(written_by(about.uid(), &about));
        // Of root's files everybody's process may be the reader.
        assert_eq!(written_by(about.uid() + 1, &about), about.uid() == 0);
    }

    /// The names at `wanted`, separated by spaces, with `_` for theirs and `-` for none.
    #[track_caller]
    fn check(map: &str, wanted: &[u64], expected: &str) {
        let found = find(map.as_bytes(), wanted, MAX_BYTES).expect("names");
        let names = found.iter().map(|name| name.as_deref().unwrap_or("-").replace(' ', "_"));
        assert_eq!(names.collect::<Vec<_>>().join(" "), expected);
    }
}
