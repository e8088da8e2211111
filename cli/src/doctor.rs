//! `flamewatch doctor`: asks a running service's debug port for everything once, and says what does not work.

use flamewatch::render;

use crate::address::Page;
use crate::failure::Failure;
use crate::options::Doctor;
use crate::output;
use crate::remote::Remote;

/// How long the CPU is looked at.
const SECONDS: u64 = 1;

/// Profiles that are asked for: the name, whether it looks at a stretch of time, and what is wrong when it is empty.
const PROFILES: [(&str, bool, Option<&str>); 5] = [
    ("heap", false, Some("no memory was sampled: is jemalloc the allocator? See flamewatch::allocator!()")),
    ("profile", true, None),
    ("wall", true, Some("no thread was seen")),
    ("goroutine", false, None),
    ("threadcreate", false, Some("no thread was seen")),
];

/// What was found at one place.
struct Finding {
    place: String,
    well: bool,
    words: String,
}

/// Asks and reports. True when all is well.
pub(crate) fn run(options: &Doctor) -> Result<bool, Failure> {
    let remote = Remote::new(&options.url)?;
    // Without this there is nothing to look at: a failure, not a finding.
    remote.get(&Page::of("/debug/health", None))?;
    let mut findings = vec![Finding { place: "debug port".to_owned(), well: true, words: remote.shown() }];
    findings.extend(PROFILES.iter().map(|(name, windowed, empty)| profile(&remote, name, *windowed, *empty)));
    findings.extend(metrics(&remote));
    let width = findings.iter().map(|finding| finding.place.len()).max().unwrap_or_default();
    let lines = findings.iter().map(|finding| {
        let mark = if finding.well { "ok " } else { "BAD" };
        format!("{mark}  {:width$}  {}\n", finding.place, finding.words)
    });
    output::write(lines.collect::<String>().as_bytes(), None)?;
    Ok(findings.iter().all(|finding| finding.well))
}

fn profile(remote: &Remote, name: &str, windowed: bool, empty: Option<&str>) -> Finding {
    let answer = remote.get(&Page::of(&format!("/debug/pprof/{name}"), windowed.then_some(SECONDS)));
    let (well, words) = match answer.map_err(|failure| failure.to_string()) {
        Err(failure) => (false, failure),
        Ok(bytes) => match render::pprof::decode(&bytes) {
            Err(error) => (false, format!("not a profile: {error:#}")),
            Ok(profile) => match empty.filter(|_| profile.is_empty()) {
                Some(why) => (false, why.to_owned()),
                None => (true, format!("{} stacks; {}", profile.len(), profile.losses.summary())),
            },
        },
    };
    Finding { place: format!("profile {name}"), well, words }
}

/// What the service says of its own delivery, and how much it says.
fn metrics(remote: &Remote) -> Vec<Finding> {
    let place = "metrics".to_owned();
    let text = match remote.get(&Page::of("/metrics", None)) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(failure) => return vec![Finding { place, well: false, words: failure.to_string() }],
    };
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let mut findings =
        vec![Finding { place, well: true, words: format!("{} numbers", lines.clone().count()) }];
    findings.extend(lines.filter_map(lost).map(|(sink, count)| Finding {
        place: format!("sink {sink}"),
        well: false,
        words: format!("{count} alerts are lost; /debug/ says why"),
    }));
    findings
}

/// The sink and how many alerts it has lost, of a line that tells of some.
fn lost(line: &str) -> Option<(&str, &str)> {
    let rest = line.strip_prefix("flamewatch_alerts_dropped_total{sink=\"")?;
    let (sink, count) = rest.split_once("\"} ")?;
    (count != "0").then_some((sink, count))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sinks_that_lose_alerts_are_named() {
        assert_eq!(lost("flamewatch_alerts_dropped_total{sink=\"slack\"} 3"), Some(("slack", "3")));
        assert_eq!(lost("flamewatch_alerts_dropped_total{sink=\"slack\"} 0"), None);
        assert_eq!(lost("flamewatch_alerts_delivered_total{sink=\"slack\"} 3"), None);
    }
}
