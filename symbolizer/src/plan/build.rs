//! A plan from a binary.

use std::path::Path;

use super::{Plan, prune};
use crate::companions::Companions;
use crate::dwarf::{DebugInfo, Sections, Split, types};
use crate::file::binary::Binary;
use crate::places::Places;
use crate::report::Reason;
use crate::{Error, ErrorKind, symtab};

/// What the linker's name of each of tokio's polling functions has in it, in both of Rust's ways to write names.
const POLL: &str = "5tokio7runtime4task3raw4poll";

pub(super) fn build(path: &Path) -> Result<Plan, Error> {
    let places = Places::default();
    let binary = Binary::open(path, &places).map_err(unreadable)?;
    if binary.elf.build_id.is_empty() {
        return Err(Error::new(ErrorKind::Invalid, "the file has no build id by which to find its plan"));
    }
    let mut companions = Companions::of(&binary, &path.to_string_lossy(), &places);
    if !Sections::of(companions.info(), "").has_info() {
        let reason = companions.info().trouble.get();
        return Err(reason.map_or(Error::new(ErrorKind::Invalid, "the file has no debug info"), unreadable));
    }
    let mut polls = Vec::new();
    symtab::named(&companions.symbol_tables(), POLL, &mut |address| polls.push(address));
    polls.sort_unstable();
    polls.dedup();
    let (own, shared) = (Sections::of(companions.info(), ""), companions.shared());
    let split = &mut |split: &Split, directory: Option<&str>| companions.split(split, directory);
    let found = types::futures(&mut DebugInfo { own, shared, window: places.window, split }, &polls);
    let plan = Plan {
        build_id: binary.elf.build_id.clone(),
        head: binary
            .elf
            .segments
            .iter()
            .find(|segment| segment.offset == 0)
            .map_or(0, |segment| segment.address),
        types: found.types,
        files: found.files,
        polls: found.polls,
        tables: found.tables,
        damaged: found.damaged,
    };
    Ok(prune::pruned(plan))
}

fn unreadable(reason: Reason) -> Error {
    let kind = match reason {
        Reason::Unreadable | Reason::Damaged => ErrorKind::Invalid,
        _ => ErrorKind::Io,
    };
    Error::new(kind, reason.as_str())
}
