//! Answers kept on disk for the next process: one file a build, one line an address. A line carries its checksum, so
//! that what is torn or was written by two at once is passed over.
//!
//! Only whole answers are kept (named from debug info): a name that debug info found later would give must not be
//! held up by a poorer one from before.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use crate::frame::{Frame, Source};
use crate::names::Names;

const HEAD: &str = "flamewatch names 1";
/// So many builds are kept, the last used; a service deployed ten times a day has a week's.
const MAX_FILES: usize = 64;
/// The longest line: a chain of a hundred long names.
const MAX_LINE: u64 = 256 << 10;

/// The directory, and how large one build's file may grow.
#[derive(Clone, Debug)]
pub(crate) struct Shelf {
    dir: PathBuf,
    file_bytes: u64,
}

/// An answer: the offset in the file, and its frames.
pub(crate) type Answer = (u64, Arc<[Frame]>);

impl Shelf {
    pub(crate) const fn new(dir: PathBuf, file_bytes: u64) -> Self {
        Self { dir, file_bytes }
    }

    /// What is kept of the build with this id. Nothing when there is no file, or it is not ours.
    pub(crate) fn load(&self, build_id: &str) -> Vec<Answer> {
        self.path(build_id).and_then(|path| self.read(&path, build_id).ok()).unwrap_or_default()
    }

    /// Adds `answers`. A file that would grow too large begins anew with them: what is asked for now is more likely to
    /// be asked for again.
    ///
    /// # Errors
    /// What the system says; what was kept before stays.
    pub(crate) fn keep(&self, build_id: &str, answers: &[Answer]) -> io::Result<()> {
        let Some(path) = self.path(build_id) else { return Ok(()) };
        let lines: String = answers.iter().filter_map(|(offset, frames)| line(*offset, frames)).collect();
        if lines.is_empty() || lines.len() as u64 > self.file_bytes / 2 {
            return Ok(());
        }
        DirBuilder::new().recursive(true).mode(0o700).create(&self.dir)?;
        let room = |file: &File| file.metadata().map_or(0, |about| about.len()) + lines.len() as u64;
        let mut file = append(&path)?;
        if !is_ours(&file)? {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        if room(&file) > self.file_bytes {
            file.set_len(0)?;
        }
        // Of two that begin a file at once both write the head, which to a reader is a line it passes over.
        let head = if file.metadata()?.len() == 0 { format!("{HEAD} {build_id}\n") } else { String::new() };
        file.write_all((head + &lines).as_bytes())?;
        self.sweep();
        Ok(())
    }

    fn path(&self, build_id: &str) -> Option<PathBuf> {
        let is_id = build_id.len() >= 8 && build_id.bytes().all(|digit| digit.is_ascii_hexdigit());
        is_id.then(|| self.dir.join(format!("{build_id}.names")))
    }

    fn read(&self, path: &Path, build_id: &str) -> io::Result<Vec<Answer>> {
        let file =
            OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(path)?;
        if !is_ours(&file)? {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        let mut lines = BufReader::new(file.take(self.file_bytes));
        let (mut names, mut answers, mut text) = (Names::default(), Vec::new(), Vec::new());
        let mut first = true;
        loop {
            text.clear();
            lines.by_ref().take(MAX_LINE).read_until(b'\n', &mut text)?;
            let Some(whole) = text.strip_suffix(b"\n").and_then(|line| std::str::from_utf8(line).ok()) else {
                // The end, or a line that somebody is writing.
                return Ok(answers);
            };
            if std::mem::take(&mut first) && whole != format!("{HEAD} {build_id}") {
                return Ok(answers);
            }
            answers.extend(parse(whole, &mut names));
        }
    }

    /// Removes the files of builds that were not used for longest.
    fn sweep(&self) {
        let Ok(entries) = fs::read_dir(&self.dir) else { return };
        let files =
            entries.flatten().filter(|entry| entry.path().extension().is_some_and(|end| end == "names"));
        let age = |entry: &fs::DirEntry| entry.metadata().and_then(|about| about.modified());
        let mut files: Vec<(SystemTime, PathBuf)> =
            files.map(|entry| (age(&entry).unwrap_or(SystemTime::UNIX_EPOCH), entry.path())).collect();
        files.sort();
        let surplus = files.len().saturating_sub(MAX_FILES);
        for (_, path) in files.into_iter().take(surplus) {
            // Another process may have been quicker.
            let _ = fs::remove_file(path);
        }
    }
}

fn append(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.append(true).create(true).mode(0o600).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(path)
}

/// True for a file that only we can have written: names from elsewhere could be anybody's.
fn is_ours(file: &File) -> io::Result<bool> {
    let (about, own) = (file.metadata()?, fs::metadata("/proc/self")?);
    Ok(about.is_file() && about.uid() == own.uid() && about.mode() & 0o022 == 0)
}

/// The line for an answer; `None` for one that is not whole, or could not be read back.
fn line(offset: u64, frames: &[Frame]) -> Option<String> {
    let mut line = format!("{offset:x}");
    for frame in frames {
        let texts = [&frame.name, &frame.mangled, &frame.file];
        let is_plain = texts.iter().all(|text| !text.contains(['\t', '\n']));
        if frame.source != Source::Dwarf || !is_plain {
            return None;
        }
        let Frame { name, mangled, file, line: at, column, inlined, .. } = frame;
        line += &format!("\t{name}\t{mangled}\t{file}\t{at}\t{column}\t{}", u8::from(*inlined));
    }
    let checksum = crc32fast::hash(line.as_bytes());
    (line.len() as u64 + 16 < MAX_LINE).then(|| format!("{line}\t{checksum:08x}\n"))
}

/// The answer that `line` holds.
fn parse(line: &str, names: &mut Names) -> Option<Answer> {
    let (body, checksum) = line.rsplit_once('\t')?;
    if u32::from_str_radix(checksum, 16).ok()? != crc32fast::hash(body.as_bytes()) {
        return None;
    }
    let mut fields = body.split('\t');
    let offset = u64::from_str_radix(fields.next()?, 16).ok()?;
    let mut frames = Vec::new();
    while let Some(name) = fields.next() {
        frames.push(Frame {
            name: names.text(name),
            mangled: names.text(fields.next()?),
            file: names.text(fields.next()?),
            line: fields.next()?.parse().ok()?,
            column: fields.next()?.parse().ok()?,
            inlined: fields.next()? == "1",
            source: Source::Dwarf,
        });
    }
    (!frames.is_empty()).then(|| (offset, frames.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file::scratch::Folder;

    const ID: &str = "00112233445566778899";

    fn answer(offset: u64, name: &str) -> Answer {
        let mut names = Names::default();
        let frame = Frame { name: names.text(name), line: 7, source: Source::Dwarf, ..names.nowhere() };
        let inner = Frame { name: names.text("shop::leaf"), inlined: true, ..frame.clone() };
        (offset, Arc::from([inner, frame]))
    }

    #[test]
    fn what_is_kept_is_there_for_the_next_process() {
        let folder = Folder::new();
        let shelf = Shelf::new(folder.join("deep"), 1 << 20);
        let answers = [answer(16, "shop::checkout"), answer(u64::MAX, "shop::<T as Ünïcode>::ƒ")];
        assert!(shelf.load(ID).is_empty());
        shelf.keep(ID, &answers[..1]).expect("kept");
        shelf.keep(ID, &answers[1..]).expect("kept");
        assert_eq!(shelf.load(ID), answers);
        assert!(shelf.load("ffeeddccbbaa99887766").is_empty(), "another build");
        shelf.keep("../../etc/passwd", &answers).expect("passed over");
        assert_eq!(fs::read_dir(folder.join("deep")).expect("a directory").count(), 1);
    }

    #[test]
    fn only_whole_answers_are_kept() {
        let folder = Folder::new();
        let shelf = Shelf::new(folder.to_owned(), 1 << 20);
        let mut names = Names::default();
        let place: Arc<[Frame]> = Arc::from([names.place("shop+0x10")]);
        shelf.keep(ID, &[(1, place), answer(2, "with\ttab"), answer(3, "good")]).expect("kept");
        assert_eq!(shelf.load(ID), [answer(3, "good")]);
    }

    #[test]
    fn damage_costs_the_line_it_is_in() {
        let folder = Folder::new();
        let shelf = Shelf::new(folder.to_owned(), 1 << 20);
        let answers: Vec<Answer> = (0..10).map(|offset| answer(offset, "shop::checkout")).collect();
        shelf.keep(ID, &answers).expect("kept");
        let path = folder.join(format!("{ID}.names"));
        let good = fs::read(&path).expect("the file");
        let head = HEAD.len() + ID.len() + 2;
        for position in (head..good.len()).step_by(13) {
            let mut bad = good.clone();
            bad[position] ^= 0x15;
            fs::write(&path, &bad).expect("written");
            let loaded = shelf.load(ID);
            // A line end that is none, or one too many, costs two lines at most.
            assert!(loaded.len() >= 8 && loaded.iter().all(|answer| answers.contains(answer)), "{position}");
        }
        fs::write(&path, &good[..good.len() - 5]).expect("written");
        assert_eq!(shelf.load(ID).len(), 9, "the last line is being written");
    }

    #[test]
    fn a_file_begins_anew_before_it_grows_too_large() {
        let folder = Folder::new();
        let shelf = Shelf::new(folder.to_owned(), 10_000);
        let path = folder.join(format!("{ID}.names"));
        for round in 0..100 {
            let batch: Vec<Answer> =
                (0..10).map(|index| answer(round * 10 + index, "shop::checkout")).collect();
            shelf.keep(ID, &batch).expect("kept");
            assert!(fs::metadata(&path).expect("the file").len() <= 10_000 + 100, "{round}");
            let loaded = shelf.load(ID);
            assert!(batch.iter().all(|answer| loaded.contains(answer)), "{round}");
        }
    }

    #[test]
    fn builds_that_nobody_runs_any_more_are_forgotten() {
        let folder = Folder::new();
        let shelf = Shelf::new(folder.to_owned(), 1 << 20);
        for build in 0..MAX_FILES + 5 {
            shelf.keep(&format!("{build:016x}"), &[answer(1, "shop::checkout")]).expect("kept");
        }
        assert_eq!(fs::read_dir(&*folder).expect("a directory").count(), MAX_FILES);
    }

    #[test]
    fn a_file_that_others_can_write_is_not_believed() {
        use std::os::unix::fs::PermissionsExt;
        let folder = Folder::new();
        let shelf = Shelf::new(folder.to_owned(), 1 << 20);
        shelf.keep(ID, &[answer(1, "shop::checkout")]).expect("kept");
        let path = folder.join(format!("{ID}.names"));
        assert_eq!(fs::metadata(&path).expect("the file").mode() & 0o777, 0o600);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o622)).expect("ours");
        assert!(shelf.load(ID).is_empty());
        assert!(shelf.keep(ID, &[answer(2, "shop::refund")]).is_err());
    }
}
