//! A plan from a binary: from its debug info, and where that says nothing from the names in its symbol table.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::{Plan, prune};
use crate::companions::Companions;
use crate::dwarf::types::parameter::first_parameter;
use crate::dwarf::{DebugInfo, Sections, Split, types};
use crate::file::binary::Binary;
use crate::places::Places;
use crate::report::Reason;
use crate::{Error, ErrorKind, name, symtab};

/// What the linker's name of each of tokio's polling functions has in it, in both of Rust's ways to write names.
const POLL: &str = "5tokio7runtime4task3raw4poll";
/// How such a name begins for people, where it says what it polls.
const READABLE_POLL: &str = "tokio::runtime::task::raw::poll<";

/// The most polling functions that are looked at: each is of a type of future that is spawned somewhere.
const MAX_POLLS: usize = 20_000;

const NO_BUILD_ID: &str =
    "the file has no build id by which to find its plan: link it with -C link-arg=-Wl,--build-id";
const STRIPPED: &str =
    "the file is stripped, and its debug info is nowhere: make the plan before it is stripped";
const NO_TASKS: &str = "there is no task of tokio's in the file";
const NAMELESS: &str = "the file has no debug info, and the names in its symbol table do not say what each task is: build it \
                        with debug = 2, or with -C symbol-mangling-version=v0 for the names of the tasks alone";

pub(super) fn build(path: &Path, debug_dirs: &[PathBuf]) -> Result<Plan, Error> {
    let places = Places { debug_dirs: debug_dirs.to_vec(), ..Places::default() };
    let binary = Binary::open(path, &places).map_err(unreadable)?;
    if binary.elf.build_id.is_empty() {
        return Err(invalid(NO_BUILD_ID));
    }
    let mut companions = Companions::of(&binary, &path.to_string_lossy(), &places);
    let (polls, too_many) = polls(&companions);
    if polls.is_empty() {
        let has_symbols = symtab::any_function(&companions.symbol_tables());
        return Err(invalid(if has_symbols { NO_TASKS } else { STRIPPED }));
    }
    let addresses: Vec<u64> = polls.keys().copied().collect();
    let (own, shared) = (Sections::of(companions.info(), ""), companions.shared());
    let split = &mut |split: &Split, directory: Option<&str>| companions.split(split, directory);
    let info = &mut DebugInfo { own, shared, window: places.window, split };
    let mut search = types::futures(info, &addresses);
    search.name(polls.into_iter().filter_map(|(address, name)| Some((address, name?))));
    let found = search.found();
    if found.polls.is_empty() {
        let missing = (found.missing_splits > 0).then_some(Reason::SplitMissing);
        return Err(companions.trouble().or(missing).map_or(invalid(NAMELESS), unreadable));
    }
    let mut kept = prune::pruned(&found);
    let files = search.describe(info, &mut kept.types, &kept.order);
    let (damaged, nameless) = search.losses();
    let head = binary.elf.segments.iter().find(|segment| segment.offset == 0);
    Ok(Plan {
        build_id: binary.elf.build_id.clone(),
        head: head.map_or(0, |segment| segment.address),
        types: kept.types,
        files,
        polls: kept.polls,
        tables: kept.tables,
        damaged: found.damaged.max(damaged),
        missing_splits: found.missing_splits,
        omitted: found.omitted + nameless + too_many,
    })
}

/// tokio's polling functions by their address, each with the future that its name says it polls, if it does; and how
/// many there are beyond [`MAX_POLLS`].
fn polls(companions: &Companions<'_>) -> (BTreeMap<u64, Option<String>>, usize) {
    let (mut polls, mut too_many) = (BTreeMap::new(), 0);
    symtab::named(&companions.symbol_tables(), POLL, &mut |address, raw| {
        if polls.len() >= MAX_POLLS && !polls.contains_key(&address) {
            too_many += 1;
            return;
        }
        let name = name::readable(raw);
        let future =
            name.starts_with(READABLE_POLL).then(|| first_parameter(&name).map(str::to_owned)).flatten();
        let known: &mut Option<String> = polls.entry(address).or_default();
        *known = known.take().or(future);
    });
    (polls, too_many)
}

const fn invalid(why: &'static str) -> Error {
    Error::new(ErrorKind::Invalid, why)
}

fn unreadable(reason: Reason) -> Error {
    let kind = match reason {
        Reason::Unreadable | Reason::Damaged | Reason::SplitMissing => ErrorKind::Invalid,
        _ => ErrorKind::Io,
    };
    Error::new(kind, reason.as_str())
}
