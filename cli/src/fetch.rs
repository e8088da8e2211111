//! `flamewatch fetch`: a profile from a running service into a file, after it was looked at: half a profile is none.
//! What has no name gets one here, where the file that ran is at hand: later it may be gone.

use std::path::PathBuf;

use flamewatch::render;

use crate::address::Page;
use crate::failure::Failure;
use crate::finder::Finder;
use crate::input::Input;
use crate::options::{Fetch, Format};
use crate::remote::Remote;
use crate::unnamed::Account;
use crate::{nameless, output, profile, read};

/// Fetches, checks, names, saves, and says what it has.
pub(crate) fn run(options: &Fetch) -> Result<(), Failure> {
    let finder = Finder::new(&options.manner.naming)?;
    let remote = Remote::new(&options.url)?;
    let page = remote.page(&options.profile, options.seconds);
    let answer = remote.get(&page)?;
    summary(&answer).map_err(|why| no_profile(&remote, &page, &why))?;
    let mut account = Account::default();
    let (bytes, named) = with_names(&remote, answer, &finder, &mut account)?;
    let file = options.manner.output.clone().unwrap_or_else(|| PathBuf::from(name(&remote, &page)));
    output::refuse_terminal(Some(&file))?;
    output::write(&bytes, Some(&file))?;
    let summary = summary(&bytes).map_err(Failure::new)?;
    output::say(&format!("{}: {summary}{named}\n", file.display()));
    output::say_lacking(&options.manner, &account.message(&finder));
    Ok(())
}

/// The profile with all names that can be had, and what to say of that. One that lacks none stays as it is, to the byte.
fn with_names(
    remote: &Remote,
    answer: Vec<u8>,
    finder: &Finder<'_>,
    account: &mut Account,
) -> Result<(Vec<u8>, String), Failure> {
    let input = Input::of_answer(&remote.shown(), &answer)?;
    let lacking = nameless::find(&profile::Profile::decode(&input.bytes)?).len();
    if lacking == 0 {
        return Ok((answer, String::new()));
    }
    let profile = read::named(&input, Format::Pprof, finder, account)?;
    match lacking.saturating_sub(nameless::find(&profile).len()) {
        0 => Ok((answer, String::new())),
        named => {
            let bytes = profile.encode().map_err(|error| Failure::new(format!("cannot zip: {error}")))?;
            Ok((bytes, format!("; named {named} of {lacking} addresses that had no name")))
        }
    }
}

fn no_profile(remote: &Remote, page: &Page, why: &str) -> Failure {
    let shown = remote.shown();
    Failure::new(format!(
        "what {shown}{} answered is no profile: {why}. Those are at {shown}/debug/pprof/: flamewatch fetch {} heap",
        page.path(),
        remote.host()
    ))
}

/// `127.0.0.1-6060.heap.1790000000.pb.gz`: where from, what, and when in seconds since 1970.
fn name(remote: &Remote, page: &Page) -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let plain =
        |text: &str| text.replace(|letter: char| !letter.is_ascii_alphanumeric() && letter != '.', "-");
    format!("{}.{}.{}.pb.gz", plain(&remote.host()), plain(page.name()), now.as_secs())
}

/// How much there is of what, and what was lost.
fn summary(answer: &[u8]) -> Result<String, String> {
    let profile = render::pprof::decode(answer).map_err(|error| format!("{error:#}"))?;
    let values: Vec<String> = profile
        .values()
        .iter()
        .enumerate()
        .map(|(index, value)| format!("{} {}", value.name(), value.unit().show(profile.total(index) as f64)))
        .collect();
    let idle = if profile.is_empty() { "; it is empty: was there load while it was taken?" } else { "" };
    Ok(format!("{} stacks; {}; {}{idle}", profile.len(), values.join(", "), profile.losses.summary()))
}
