//! An alert as a folder of files: a document with its words, its files, and marks for the sinks that have it.

use std::collections::HashSet;
use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use crate::sink::{Alert, Attachment, Kind, Site, State};

use super::draft::Draft;
use super::parcel::Parcel;

const DOCUMENT: &str = "alert.json";

/// The longest document that is read, and the most files.
const MAX_DOCUMENT: u64 = 1 << 20;
const MAX_FILES: usize = 16;

/// What is written of an alert. Every field of [`Alert`] is here: the compiler sees to it in [`Document::of`].
#[derive(Debug, Serialize, Deserialize)]
struct Document {
    id: String,
    group: String,
    state: String,
    kind: String,
    service: String,
    rule: String,
    headline: String,
    time_left: Option<String>,
    #[serde(default)]
    runs_out_in: Option<Duration>,
    details: Vec<String>,
    sites: Vec<Suspect>,
    snapshot_url: Option<String>,
    #[serde(rename = "at_unix_ms", with = "super::millis")]
    at: SystemTime,
    context: Vec<String>,
    files: Vec<Enclosure>,
    sinks: Vec<String>,
    #[serde(rename = "tried_unix_ms", with = "super::millis")]
    tried: SystemTime,
    run: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct Suspect {
    function: String,
    place: Option<String>,
    growth: String,
    relative_error: f64,
    share: f64,
    share_of: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct Enclosure {
    name: String,
    bytes: u64,
}

/// What was read.
#[derive(Debug)]
pub(super) struct Letter {
    pub(super) alert: Alert,
    /// The sinks, and which of them have it.
    pub(super) sinks: Vec<(String, bool)>,
    pub(super) tried: SystemTime,
    pub(super) run: String,
    files: Vec<Enclosure>,
}

/// Writes `parcel` into `draft`, and returns how many bytes that takes.
pub(super) fn write(parcel: &Parcel, draft: &Draft) -> io::Result<u64> {
    let document = serde_json::to_vec_pretty(&Document::of(parcel)).map_err(io::Error::other)?;
    if document.len() as u64 > MAX_DOCUMENT || parcel.alert.attachments.len() > MAX_FILES {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    let mut bytes = document.len() as u64;
    draft.file(DOCUMENT, &document)?;
    for (number, file) in parcel.alert.attachments.iter().enumerate() {
        draft.file(&enclosed(number), &file.bytes)?;
        bytes += file.bytes.len() as u64;
    }
    let done = parcel.stops.iter().enumerate().filter(|(_, stop)| stop.is_done());
    for (place, _) in done {
        draft.file(&mark(place), b"")?;
    }
    Ok(bytes)
}

/// Notes in `folder` that the sink at `place` has it. It is not brought to the disk: should the machine lose power, it comes
/// twice.
pub(super) fn settle(folder: &Path, place: usize) -> io::Result<()> {
    let path = folder.join(mark(place));
    OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path).map(drop)
}

impl Letter {
    /// The one in `folder`, without its files.
    pub(super) fn read(folder: &Path) -> io::Result<Self> {
        let path = folder.join(DOCUMENT);
        if fs::metadata(&path)?.len() > MAX_DOCUMENT {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the document is too long to be ours"));
        }
        let document: Document = serde_json::from_slice(&fs::read(path)?).map_err(io::Error::other)?;
        for (number, file) in document.files.iter().enumerate().take(MAX_FILES) {
            if fs::metadata(folder.join(enclosed(number)))?.len() != file.bytes {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "a file is not as it was written"));
            }
        }
        let marks: HashSet<_> = fs::read_dir(folder)?.flatten().map(|entry| entry.file_name()).collect();
        let is_done = |place: usize| marks.contains(std::ffi::OsStr::new(&mark(place)));
        Ok(document.opened(is_done))
    }

    /// What all of it takes.
    pub(super) fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).fold(0, u64::saturating_add)
    }

    /// Adds its files, which are in `folder`.
    pub(super) fn enclose(&mut self, folder: &Path) -> io::Result<()> {
        for (number, file) in self.files.iter().enumerate().take(MAX_FILES) {
            let bytes = fs::read(folder.join(enclosed(number)))?;
            self.alert.attachments.push(Arc::new(Attachment::new(file.name.clone(), bytes)));
        }
        Ok(())
    }
}

impl Document {
    fn of(parcel: &Parcel) -> Self {
        let Alert {
            id,
            group,
            state,
            kind,
            service,
            rule,
            headline,
            time_left,
            runs_out_in,
            details,
            sites,
            snapshot_url,
            at,
            context,
            attachments,
        } = Alert::clone(&parcel.alert);
        Self {
            id,
            group,
            state: state.as_str().to_owned(),
            kind: kind.as_str().to_owned(),
            service,
            rule,
            headline,
            time_left,
            runs_out_in,
            details,
            sites: sites.into_iter().map(Suspect::of).collect(),
            snapshot_url,
            at,
            context,
            files: attachments
                .iter()
                .map(|file| Enclosure { name: file.name.clone(), bytes: file.bytes.len() as u64 })
                .collect(),
            sinks: parcel.stops.iter().map(|stop| stop.sink.clone()).collect(),
            tried: parcel.tried,
            run: parcel.run.clone(),
        }
    }

    fn opened(self, is_done: impl Fn(usize) -> bool) -> Letter {
        let state = if self.state == State::Resolved.as_str() { State::Resolved } else { State::Firing };
        let kinds = [Kind::New, Kind::Reply, Kind::Reminder, Kind::Resolved, Kind::Asked];
        let mut alert = Alert::new(self.id, state, self.service, self.rule);
        alert.group = self.group;
        alert.kind = kinds.into_iter().find(|kind| kind.as_str() == self.kind).unwrap_or(alert.kind);
        alert.headline = self.headline;
        alert.time_left = self.time_left;
        alert.runs_out_in = self.runs_out_in;
        alert.runs_out_in = self.runs_out_in;
        alert.details = self.details;
        alert.sites = self.sites.into_iter().map(Suspect::named).collect();
        alert.snapshot_url = self.snapshot_url;
        alert.at = self.at;
        alert.context = self.context;
        let sinks = self.sinks.into_iter().enumerate().map(|(place, sink)| (sink, is_done(place))).collect();
        Letter { alert, sinks, tried: self.tried, run: self.run, files: self.files }
    }
}

impl Suspect {
    fn of(site: Site) -> Self {
        let Site { function, place, growth, relative_error, share, share_of } = site;
        Self { function, place, growth, relative_error, share, share_of: share_of.to_owned() }
    }

    fn named(self) -> Site {
        // What a share can be of; whatever else was written, it was not by us.
        let known = ["the growth", "the total", "all that leaks", "this leak"];
        let share_of = known.into_iter().find(|known| *known == self.share_of).unwrap_or("all");
        let Self { function, place, growth, relative_error, share, .. } = self;
        Site { relative_error, share, share_of, ..Site::new(function, place, growth) }
    }
}

fn enclosed(number: usize) -> String {
    format!("{number}.file")
}

fn mark(place: usize) -> String {
    format!("{place}.done")
}
