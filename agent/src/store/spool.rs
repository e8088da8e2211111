//! The alerts that have not arrived everywhere, on disk: a folder for each in the folder of the run, until all sinks have it.
//! What a run leaves there the next one takes over and delivers.

use std::collections::VecDeque;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

#[cfg(feature = "serve")]
use crate::figure::Family;
use crate::{Unit, moment};

use super::draft::{self, Draft};
use super::keeper::Shared;
use super::letter::{self, Letter};
use super::parcel::Parcel;

/// How many alerts wait on disk, and how many bytes they may take with their files.
pub(crate) const MAX_LETTERS: usize = 64;
pub(crate) const MAX_LETTER_BYTES: u64 = 64 * 1024 * 1024;

/// How many bytes of files are read again at a start, those of the newest first: what a sink's queue takes.
const MAX_READ: u64 = 16 * 1024 * 1024;

/// Within the folder of a run.
const FOLDER: &str = "spool";

/// What waits.
#[derive(Debug)]
pub(super) struct Spool {
    root: PathBuf,
    run: String,
    shared: Arc<Shared>,
    /// The oldest first.
    entries: VecDeque<Entry>,
}

#[derive(Debug)]
struct Entry {
    number: u64,
    folder: PathBuf,
    bytes: u64,
    /// The sinks that have it not.
    left: Vec<usize>,
}

/// What a page says of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Waiting {
    /// Alerts on disk.
    pub(crate) alerts: usize,
    /// What they take with their files.
    pub(crate) bytes: u64,
    /// Alerts that made room for others, or found none. In memory they wait all the same.
    pub(crate) dropped: u64,
    /// Alerts of earlier runs that could not be read.
    pub(crate) unreadable: u64,
    /// Alerts of earlier runs that were taken over.
    pub(crate) taken_over: u64,
}

impl Spool {
    /// That of `run`, below the folder of all `runs`.
    pub(super) fn of(run: &str, runs: &Path, shared: Arc<Shared>) -> Self {
        Self { root: runs.join(run).join(FOLDER), run: run.to_owned(), shared, entries: VecDeque::new() }
    }

    /// Writes `parcel`, unless it has arrived everywhere by now; then the oldest make room.
    pub(super) fn write(&mut self, parcel: &Parcel) -> io::Result<()> {
        let left: Vec<usize> = parcel.pending().map(|(place, _)| place).collect();
        if left.is_empty() {
            return Ok(());
        }
        let draft = Draft::new(&self.root, &self.run)?;
        let bytes = letter::write(parcel, &draft)?;
        // Sorts as it was written, and is unlike any other that may come here.
        let millis = parcel.tried.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let folder = self.root.join(format!("{millis:013}-{}-{:06}", self.run, parcel.number));
        draft.publish(&folder)?;
        self.entries.push_back(Entry { number: parcel.number, folder, bytes, left });
        self.bound();
        Ok(())
    }

    /// The sink at `place` has the parcel called `number`, or never will.
    pub(super) fn settle(&mut self, number: u64, place: usize) -> io::Result<()> {
        let Some(index) = self.entries.iter().position(|entry| entry.number == number) else { return Ok(()) };
        let Some(entry) = self.entries.get_mut(index) else { return Ok(()) };
        entry.left.retain(|left| *left != place);
        if !entry.left.is_empty() {
            return letter::settle(&entry.folder, place);
        }
        let done = draft::discard(&entry.folder, &self.run);
        self.entries.remove(index);
        self.count();
        done
    }

    /// Takes what the run in `folder`, which is over, has left.
    pub(super) fn take_over(&self, folder: &Path) {
        let theirs = folder.join(FOLDER);
        let Ok(entries) = fs::read_dir(&theirs) else { return };
        let mut all_moved = draft::folder(&self.root).is_ok();
        for entry in entries.flatten().filter(|entry| !entry.file_name().to_string_lossy().starts_with('.')) {
            all_moved &= fs::rename(entry.path(), self.root.join(entry.file_name())).is_ok();
        }
        if all_moved {
            // Drafts at most. What cannot be removed goes with the run.
            let _ = fs::remove_dir_all(theirs);
        }
    }

    /// Reads what was taken over; `before` is the run before this one. What cannot be read is removed and counted: nobody
    /// would ever deliver it.
    pub(super) fn read(&mut self, before: Option<&str>) -> Vec<Arc<Parcel>> {
        let entries = fs::read_dir(&self.root).into_iter().flatten().flatten();
        let mut folders: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
        folders.sort();
        let mut letters = Vec::new();
        for folder in folders {
            match Letter::read(&folder) {
                Ok(letter) if letter.sinks.iter().any(|(_, done)| !done) => letters.push((folder, letter)),
                Ok(_) => drop(draft::discard(&folder, &self.run)),
                Err(_) => {
                    self.shared.shelf().waiting.unreadable += 1;
                    let _ = draft::discard(&folder, &self.run);
                }
            }
        }
        let mut room = MAX_READ;
        for (folder, letter) in letters.iter_mut().rev() {
            let fits = room.checked_sub(letter.bytes());
            if let Some(left) = fits.filter(|_| letter.enclose(folder).is_ok()) {
                room = left;
            } else {
                letter.alert.context.push("its files found no room".to_owned());
            }
        }
        self.shared.shelf().waiting.taken_over = letters.len() as u64;
        let parcels =
            letters.into_iter().map(|(folder, letter)| self.resume(folder, letter, before)).collect();
        self.bound();
        parcels
    }

    /// Whether anything waits.
    pub(super) fn holds_any(&self) -> bool {
        !self.entries.is_empty()
    }

    fn resume(&mut self, folder: PathBuf, letter: Letter, before: Option<&str>) -> Arc<Parcel> {
        let bytes = letter.bytes();
        let Letter { mut alert, sinks, tried, run, .. } = letter;
        let by = if before == Some(&*run) { "the run before this one" } else { "an earlier run" };
        alert.context.push(format!("delivered late: first tried at {} by {by}", moment::clock(tried)));
        let number = self.shared.number();
        let parcel = Parcel::new(number, Arc::new(alert), sinks, tried, run, &self.shared);
        let left = parcel.pending().map(|(place, _)| place).collect();
        self.entries.push_back(Entry { number, folder, bytes, left });
        Arc::new(parcel)
    }

    /// The oldest make room.
    fn bound(&mut self) {
        let mut bytes: u64 = self.entries.iter().map(|entry| entry.bytes).fold(0, u64::saturating_add);
        while self.entries.len() > MAX_LETTERS || (bytes > MAX_LETTER_BYTES && self.entries.len() > 1) {
            let Some(oldest) = self.entries.pop_front() else { break };
            bytes = bytes.saturating_sub(oldest.bytes);
            let _ = draft::discard(&oldest.folder, &self.run);
            self.shared.shelf().waiting.dropped += 1;
        }
        self.count();
    }

    fn count(&self) {
        let bytes = self.entries.iter().map(|entry| entry.bytes).fold(0, u64::saturating_add);
        let mut shelf = self.shared.shelf();
        (shelf.waiting.alerts, shelf.waiting.bytes) = (self.entries.len(), bytes);
    }
}

impl Waiting {
    /// In words; nothing where there never was anything.
    pub(crate) fn summary(&self) -> Option<String> {
        if *self == Self::default() {
            return None;
        }
        let size = Unit::Bytes.show(self.bytes as f64);
        let mut text = format!("{} on disk, {size}", self.alerts);
        let counts = [
            (self.taken_over, "taken over from earlier runs"),
            (self.dropped, "found no room there"),
            (self.unreadable, "unreadable"),
        ];
        for (count, what) in counts.into_iter().filter(|(count, _)| *count > 0) {
            text.push_str(&format!(", {count} {what}"));
        }
        Some(text)
    }

    /// As a scraper wants it.
    #[cfg(feature = "serve")]
    pub(crate) fn figures(&self) -> [Family; 4] {
        [
            Family::gauge("flamewatch_spool_alerts", "Alerts on disk that have not arrived everywhere.")
                .of(self.alerts as f64),
            Family::gauge("flamewatch_spool_bytes", "What they take with their files.").of(self.bytes as f64),
            Family::counter("flamewatch_spool_dropped_total", "Alerts that found no room on disk.")
                .of(self.dropped as f64),
            Family::counter("flamewatch_spool_unreadable_total", "Alerts of earlier runs that were damaged.")
                .of(self.unreadable as f64),
        ]
    }
}
