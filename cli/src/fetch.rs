//! `flamewatch fetch`: a profile from a running service into a file, after it was looked at: half a profile is none.

use std::path::PathBuf;

use flamewatch::profile::Profile;
use flamewatch::render;

use crate::failure::Failure;
use crate::options::Fetch;
use crate::output;
use crate::remote::{self, Remote};

/// Fetches, checks, saves, and says what it has.
pub(crate) fn run(options: &Fetch) -> Result<(), Failure> {
    let remote = Remote::new(&options.url)?;
    let path = remote.path_of(&options.profile);
    let query = options.seconds.map(|seconds| format!("seconds={seconds}"));
    let answer = remote.get(&path, query.as_deref(), options.seconds.unwrap_or_default())?;
    let profile = render::pprof::decode(&answer).map_err(|error| {
        Failure::new(format!("what {} answered is no profile: {error:#}", remote.shown()))
    })?;
    let file = options.output.clone().unwrap_or_else(|| PathBuf::from(name(&remote, &options.profile)));
    output::write(&answer, Some(&file))?;
    remote::say(&format!("{}: {}\n", file.display(), summary(&profile)));
    Ok(())
}

/// `127.0.0.1-6060.heap.1790000000.pb.gz`: where from, what, and when in seconds since 1970.
fn name(remote: &Remote, profile: &str) -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let kind = profile.rsplit('/').next().unwrap_or(profile);
    let plain =
        |text: &str| text.replace(|letter: char| !letter.is_ascii_alphanumeric() && letter != '.', "-");
    format!("{}.{}.{}.pb.gz", plain(&remote.host()), plain(kind), now.as_secs())
}

/// How much there is of what, and what was lost.
fn summary(profile: &Profile) -> String {
    let values: Vec<String> = profile
        .values()
        .iter()
        .enumerate()
        .map(|(index, value)| format!("{} {}", value.name(), value.unit().show(profile.total(index) as f64)))
        .collect();
    format!("{} stacks; {}; {}", profile.len(), values.join(", "), profile.losses.summary())
}
