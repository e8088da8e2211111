//! `flamewatch index`: what a binary's debug info says, written down before the binary is stripped.

use std::path::PathBuf;

use flamewatch_symbolizer::index::{self, Stats};

use crate::failure::Failure;
use crate::options::Index;
use crate::output;

/// Does what the command line says, and tells how it went.
pub(crate) fn run(options: &Index) -> Result<(), Failure> {
    let output = options.output.clone().unwrap_or_else(|| beside(options));
    let mut stats = Stats::default();
    let written = output::to_file(&output, |file| {
        stats = index::write(&options.binary, file).map_err(|error| Failure::new(format!("{error:#}")))?;
        Ok(())
    });
    written.map_err(|failure: Failure| failure.of(&options.binary.display().to_string()))?;
    let message = format!("{}: {}\n", output.display(), account(&stats));
    output::say(&message);
    Ok(())
}

fn beside(options: &Index) -> PathBuf {
    let mut name = options.binary.clone().into_os_string();
    name.push(".fwi");
    name.into()
}

fn account(stats: &Stats) -> String {
    let mut account = format!(
        "{} functions, {} files, {} stretches of code, {} bytes",
        stats.functions, stats.files, stats.stretches, stats.bytes
    );
    if stats.damaged > 0 {
        account += &format!("; {} units of the debug info are damaged", stats.damaged);
    }
    if stats.missing_splits > 0 {
        account += &format!("; the .dwo files of {} units were not found", stats.missing_splits);
    }
    account
}
