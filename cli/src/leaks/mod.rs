//! `flamewatch leaks`: snapshots of one process to what grew between them, and whether it looks like a leak.
//! Files are read and named here, one after the other; everything that judges is in the modules, and pure.

mod collected;
mod course;
mod json;
mod order;
mod place;
mod report;
mod series;
mod snapshot;
mod text;

use std::fs;
use std::time::UNIX_EPOCH;

use crate::failure::Failure;
use crate::finder::Finder;
use crate::input::Input;
use crate::options::{Format, Leaks};
use crate::profile::Profile;
use crate::stacks::Stacks;
use crate::unnamed::Account;
use crate::{collapsed, fill, heap, output};
use collected::Collected;
use report::Report;
use snapshot::{About, Values};

/// The most snapshots: one a minute for sixteen hours, and far more than tell anything new.
const MAX_SNAPSHOTS: usize = 1000;

/// Does what the command line says. True when a place may leak.
pub(crate) fn run(options: &Leaks) -> Result<bool, Failure> {
    let finder = Finder::new(&options.manner.naming)?;
    if options.files.len() > MAX_SNAPSHOTS {
        return Err(Failure::usage(format!(
            "more than {MAX_SNAPSHOTS} snapshots: give every second, or fewer"
        )));
    }
    let mut account = Account::default();
    let mut collected = Collected::new(options.files.len());
    let mut snapshots = Vec::new();
    for (position, name) in options.files.iter().enumerate() {
        let input = Input::read(name)?;
        let about = add(&mut collected, position, &input, &finder, &mut account);
        snapshots.push(about.map_err(|failure| failure.of(&input.name))?);
    }
    let ordered = order::order(&snapshots)?;
    let report = Report::new(collected, &snapshots, ordered);
    let written =
        if options.json { json::write(&report, options.top) } else { text::write(&report, options.top) };
    let warnings = report.warnings.iter().map(|warning| format!("warning: {warning}\n"));
    // These are about the answer, and are told even to those who want to hear of no names.
    output::write(written.as_bytes(), options.manner.output.as_deref())?;
    output::say(&warnings.collect::<String>());
    output::say_lacking(&options.manner, &account.message(&finder));
    Ok(report.may_leak())
}

/// Reads one snapshot, gives it the names that it lacks, and adds it up.
fn add(
    collected: &mut Collected,
    position: usize,
    input: &Input,
    finder: &Finder<'_>,
    account: &mut Account,
) -> Result<About, Failure> {
    let mut profile = match input.format() {
        Some(Format::Pprof) => Profile::decode(&input.bytes)?,
        Some(Format::Heap) => heap::read(&input.bytes)?,
        Some(Format::Folded) => collapsed::read(&input.bytes)?,
        _ => return Err(Failure::new("it is neither a pprof profile, a heap_v2 dump nor collapsed stacks")),
    };
    let is_folded = input.format() == Some(Format::Folded);
    let values = if is_folded { Values::of_folded(&profile)? } else { Values::of(&profile)? };
    let about = About::of(&input.name, &input.bytes, &profile, values, || modified(&input.name))?;
    let filled = fill::fill(&mut profile, finder);
    account.add(&filled.answer, &profile.modules, &filled.covered);
    account.add_doubted(filled.doubted);
    collected.add(position, &Stacks::of(&profile), values);
    Ok(about)
}

/// When the file at `path` was modified, in nanoseconds since 1970.
fn modified(path: &str) -> Option<i64> {
    let modified = fs::metadata(path).ok()?.modified().ok()?;
    i64::try_from(modified.duration_since(UNIX_EPOCH).ok()?.as_nanos()).ok()
}
