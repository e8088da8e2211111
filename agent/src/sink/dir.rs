//! Alerts on disk: one folder each, with `alert.json` and the files that explain it. What a process that was killed
//! leaves behind. A folder is there whole or not at all, readable by its owner only, and the oldest go first.

mod bound;
mod name;

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Instant, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::moment;
use crate::sink::{Alert, Attachment, Outcome, Sink, Site};

/// Writes each alert into a folder of its own under one directory.
#[derive(Clone, Debug)]
pub struct Dir {
    root: PathBuf,
    max_alerts: usize,
    max_bytes: u64,
}

impl Dir {
    /// The most alerts that are kept unless told otherwise.
    pub const DEFAULT_MAX_ALERTS: usize = 50;

    /// The most bytes that are kept unless told otherwise: 256 MB.
    pub const DEFAULT_MAX_BYTES: u64 = 256_000_000;

    /// A sink that writes under `path`, which is made when the first alert comes.
    ///
    /// Old alerts are removed only after the new one is safe on disk, so for a moment there is one more than the
    /// bounds allow, itself no larger than they allow. Nothing but its own folders is ever removed.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { root: path.into(), max_alerts: Self::DEFAULT_MAX_ALERTS, max_bytes: Self::DEFAULT_MAX_BYTES }
    }

    /// Keeps at most `alerts`, and always the newest. Default: [`Dir::DEFAULT_MAX_ALERTS`].
    #[must_use]
    pub const fn max_alerts(mut self, alerts: usize) -> Self {
        self.max_alerts = alerts;
        self
    }

    /// Keeps at most `bytes`. Files of the newest that do not fit are left out, and named in its `alert.json`.
    /// Default: [`Dir::DEFAULT_MAX_BYTES`].
    #[must_use]
    pub const fn max_bytes(mut self, bytes: u64) -> Self {
        self.max_bytes = bytes;
        self
    }

    fn write(&self, alert: &Alert, deadline: Instant) -> io::Result<()> {
        let folder = self.root.join(name::folder(alert));
        if folder.is_dir() {
            // Written by an attempt that failed after its rename.
            return Ok(());
        }
        DirBuilder::new().recursive(true).mode(0o700).create(&self.root)?;
        let draft = Draft::new(&self.root)?;
        let (files, left_out) = self.fitting(&alert.attachments);
        let document =
            serde_json::to_vec_pretty(&document(alert, &files, &left_out)).map_err(io::Error::other)?;
        draft.file(name::DOCUMENT, &document)?;
        for (name, file) in &files {
            if Instant::now() >= deadline {
                return Err(io::ErrorKind::TimedOut.into());
            }
            draft.file(name, &file.bytes)?;
        }
        draft.publish(&folder)?;
        bound::keep_newest(&self.root, &folder, self.max_alerts, self.max_bytes);
        Ok(())
    }

    /// The attachments under the names they get, and the names of those that are too large.
    fn fitting<'a>(
        &self,
        attachments: &'a [std::sync::Arc<Attachment>],
    ) -> (Vec<(String, &'a Attachment)>, Vec<&'a str>) {
        let mut room = self.max_bytes;
        let (mut files, mut left_out) = (Vec::<(String, &Attachment)>::new(), Vec::new());
        for file in attachments {
            match room.checked_sub(file.bytes.len() as u64) {
                Some(rest) => {
                    room = rest;
                    let name = name::file(&file.name, |name| files.iter().any(|(taken, _)| taken == name));
                    files.push((name, file));
                }
                None => left_out.push(file.name.as_str()),
            }
        }
        (files, left_out)
    }
}

impl Sink for Dir {
    fn name(&self) -> &str {
        "dir"
    }

    fn deliver(&mut self, alert: &Alert, deadline: Instant) -> Outcome {
        match self.write(alert, deadline) {
            Ok(()) => Outcome::Sent,
            Err(error) => failed(&self.root, &error),
        }
    }
}

/// A full or slow disk may recover. What is forbidden or no directory stays so until a person does something.
fn failed(root: &Path, error: &io::Error) -> Outcome {
    use io::ErrorKind::{NotADirectory, PermissionDenied, ReadOnlyFilesystem};
    let reason = format!("cannot write an alert under {}: {}", root.display(), error.kind());
    match error.kind() {
        NotADirectory | PermissionDenied | ReadOnlyFilesystem => Outcome::Drop { reason },
        _ => Outcome::Retry { after: None, reason },
    }
}

fn document(alert: &Alert, files: &[(String, &Attachment)], left_out: &[&str]) -> Value {
    json!({
        "id": alert.id,
        "state": alert.state.as_str(),
        "kind": alert.kind.as_str(),
        "service": alert.service,
        "rule": alert.rule,
        "headline": alert.headline,
        "time_left": alert.time_left,
        "details": alert.details,
        "sites": alert.sites.iter().map(site).collect::<Vec<_>>(),
        "snapshot_url": alert.snapshot_url,
        "at": moment::readable(alert.at),
        "unix_seconds": alert.at.duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64()),
        "context": alert.context,
        "files": files.iter().map(|(name, _)| name).collect::<Vec<_>>(),
        "files_left_out": left_out,
    })
}

fn site(site: &Site) -> Value {
    json!({
        "function": site.function,
        "place": site.place,
        "growth": site.growth,
        "relative_error": site.relative_error,
        "share": site.share,
    })
}

/// A folder in the making. Unless it is published, it is removed.
struct Draft(PathBuf);

impl Draft {
    fn new(root: &Path) -> io::Result<Self> {
        let path = root.join(name::draft());
        DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Self(path))
    }

    fn file(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let path = self.0.join(name);
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    }

    /// Gives the folder its name. The folder is on disk before the name, and the name before we say so.
    fn publish(self, folder: &Path) -> io::Result<()> {
        File::open(&self.0)?.sync_all()?;
        fs::rename(&self.0, folder)?;
        folder.parent().map_or(Ok(()), |root| File::open(root)?.sync_all())
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // Gone already when it was published.
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
#[path = "dir_tests.rs"]
mod tests;
