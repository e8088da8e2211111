//! Where an answer goes: to standard output, or to a file that is there whole or not at all.

use std::fs;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::Path;

use crate::failure::Failure;

/// Writes `bytes` to the file at `path`, or to standard output.
pub(crate) fn write(bytes: &[u8], path: Option<&Path>) -> Result<(), Failure> {
    match path {
        Some(path) => to_file(bytes, path)
            .map_err(|error| Failure::new(format!("cannot write {}: {error}", path.display()))),
        None => to_stdout(bytes),
    }
}

/// Refuses to show a terminal what is not text.
pub(crate) fn refuse_terminal(path: Option<&Path>) -> Result<(), Failure> {
    if path.is_none() && io::stdout().is_terminal() {
        let hint = "a profile is not for a terminal: write it with --output FILE, or show it with --to top";
        return Err(Failure::usage(hint));
    }
    Ok(())
}

fn to_stdout(bytes: &[u8]) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        // Whoever reads has seen enough, as `head` does.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written.map_err(|error| Failure::new(format!("cannot write to standard output: {error}"))),
    }
}

fn to_file(bytes: &[u8], path: &Path) -> io::Result<()> {
    // A pipe or a device can only be written to, and a link is followed rather than replaced.
    if fs::symlink_metadata(path).is_ok_and(|about| !about.is_file()) {
        return fs::write(path, bytes);
    }
    let mut name = path.file_name().ok_or_else(|| io::Error::other("it is no file name"))?.to_owned();
    name.push(format!(".{}.tmp", std::process::id()));
    let beside = path.with_file_name(name);
    let written = fs::write(&beside, bytes).and_then(|()| fs::rename(&beside, path));
    if written.is_err() {
        // The first error is the one to tell.
        let _ = fs::remove_file(&beside);
    }
    written
}
