//! From what was written down to named stacks: the way that all commands go which show profiles.

use crate::failure::Failure;
use crate::finder::Finder;
use crate::input::Input;
use crate::options::Format;
use crate::profile::Profile;
use crate::unnamed::Account;
use crate::{collapsed, fill, heap, perf};

/// What is said of an input that is nothing we know.
pub(crate) const UNKNOWN: &str = "it is neither a pprof profile, a heap_v2 dump, the text of perf script, collapsed stacks, nor a list of addresses";

/// Reads `input` as `format` and names what has no name; what is lacking is added to `account`.
pub(crate) fn named(
    input: &Input,
    format: Format,
    finder: &Finder<'_>,
    account: &mut Account,
) -> Result<Profile, Failure> {
    let mut profile = match format {
        Format::Pprof => Profile::decode(&input.bytes)?,
        Format::Heap => heap::read(&input.bytes)?,
        Format::Perf => perf::read(&input.bytes)?,
        Format::Folded => collapsed::read(&input.bytes)?,
        Format::Addresses => return Err(Failure::usage("addresses are no stacks: see flamewatch symbolize")),
    };
    let filled = fill::fill(&mut profile, finder);
    account.add(&filled.answer, &profile.modules, &filled.covered);
    account.add_doubted(filled.doubted);
    Ok(profile)
}
