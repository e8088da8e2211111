//! Where an answer goes: to standard output, or to a file that is there whole or not at all.

use std::fs::{self, File};
use std::io::{self, IsTerminal as _, Write as _};
use std::path::Path;

use crate::failure::Failure;
use crate::options::Manner;

/// What stands for standard output where a file is asked for.
pub(crate) const STDOUT: &str = "-";

/// Writes `bytes` to the file at `path`, or to standard output.
pub(crate) fn write(bytes: &[u8], path: Option<&Path>) -> Result<(), Failure> {
    match path.filter(|path| *path != Path::new(STDOUT)) {
        Some(path) => to_file(path, |file| file.write_all(bytes))
            .map_err(|error| Failure::new(format!("cannot write {}: {error}", path.display()))),
        None => to_stdout(bytes),
    }
}

/// Writes `bytes` where they are wanted, and then what has no name.
pub(crate) fn answer(bytes: &[u8], manner: &Manner, lacking: &str) -> Result<(), Failure> {
    write(bytes, manner.output.as_deref())?;
    say_lacking(manner, lacking);
    Ok(())
}

/// Tells what has no name, to who wants to know.
pub(crate) fn say_lacking(manner: &Manner, lacking: &str) {
    if !manner.quiet {
        say(lacking);
    }
}

/// Tells people something; what programs read is not written here.
pub(crate) fn say(text: &str) {
    // With standard error closed there is nobody to tell.
    let _ = io::stderr().write_all(text.as_bytes());
}

/// Refuses to show a terminal what is not text.
pub(crate) fn refuse_terminal(path: Option<&Path>) -> Result<(), Failure> {
    if path.is_none_or(|path| path == Path::new(STDOUT)) && io::stdout().is_terminal() {
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

/// Has `write` fill a new file, which then takes the place of the one at `path`.
pub(crate) fn to_file<E: From<io::Error>>(
    path: &Path,
    write: impl FnOnce(&mut File) -> Result<(), E>,
) -> Result<(), E> {
    // A pipe or a device can only be written to, and a link is followed rather than replaced.
    if fs::symlink_metadata(path).is_ok_and(|about| !about.is_file()) {
        return write(&mut File::create(path)?);
    }
    let mut name = path.file_name().ok_or_else(|| io::Error::other("it is no file name"))?.to_owned();
    name.push(format!(".{}.tmp", std::process::id()));
    let beside = path.with_file_name(name);
    let mut written = File::create(&beside).map_err(E::from).and_then(|mut file| write(&mut file));
    if written.is_ok() {
        written = fs::rename(&beside, path).map_err(E::from);
    }
    if written.is_err() {
        // The first error is the one to tell.
        let _ = fs::remove_file(&beside);
    }
    written
}
