//! A service that is killed while an alert is open: what it knew outlives it, and the next run tells of its death, once.

use std::path::{Path, PathBuf};
use std::time::Duration;

use flamewatch_tests::port::until;
use flamewatch_tests::{FakeSlack, Fixture, Service, block};
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(60);

/// A folder that all runs of one test share.
struct Home(PathBuf);

impl Home {
    fn new(name: &str) -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let _ = std::fs::remove_dir_all(&path);
        Self(path)
    }

    fn start(&self, grow: &str, slack: &FakeSlack) -> Service {
        let (webhook, dir) = (slack.webhook(), self.0.display().to_string());
        let env = [
            ("GROW", grow),
            ("AFTER", "2500"),
            ("FLAMEWATCH_MEMORY_LIMIT", "600MiB"),
            ("FLAMEWATCH_SLACK_WEBHOOK", &webhook),
            ("FLAMEWATCH_DIR", &dir),
        ];
        Service::start("memory_zoo", &env)
    }

    /// The state files of all runs.
    fn states(&self) -> Vec<Value> {
        let runs = std::fs::read_dir(self.0.join("runs")).expect("runs").flatten();
        let read =
            |path: PathBuf| std::fs::read(path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        runs.filter_map(|run| read(run.path().join("state.json"))).collect()
    }
}

fn snapshots(service: &Service) -> Vec<Value> {
    let list = service.ask("/debug/snapshots?format=json").json();
    list.as_array().expect("a list").clone()
}

/// The path of the snapshot whose trigger begins like this.
fn path(snapshots: &[Value], trigger: &str) -> Option<String> {
    let found = snapshots
        .iter()
        .find(|entry| entry["trigger"].as_str().is_some_and(|text| text.starts_with(trigger)));
    Some(format!("/debug/snapshots/{}", found?["id"].as_str()?))
}

/// Has run long enough to have told of whatever it had to tell.
fn has_settled(service: &Service) -> Option<()> {
    let up = service.status("service")?;
    let seconds: u64 = up.split_once("up ")?.1.trim_end_matches('s').parse().ok()?;
    (seconds >= 4).then_some(())
}

#[test]
fn what_a_killed_service_knew_is_told_by_the_next_one_once() {
    let (home, slack) = (Home::new("afterlife"), FakeSlack::start());
    let first = home.start("heap", &slack);
    until("an alert", PATIENCE, || slack.accepted().into_iter().next());
    // Named, from the alert; and bare addresses, from the way to the limit. Both on disk.
    let summary = until("snapshots on disk", PATIENCE, || {
        let all = snapshots(&first);
        path(&all, "heap.allocated: ").and(path(&all, "90 % of the limit"))?;
        let summary = first.status("snapshots")?;
        let on_disk: usize = summary.split_once(" in ")?.0.parse().ok()?;
        (on_disk == all.len()).then_some(summary)
    });
    assert!(summary.contains(&home.0.display().to_string()), "{summary}");
    assert!(snapshots(&first).iter().all(|entry| entry["origin"] == ""), "all are its own");
    let pid = first.running.id();
    drop(first);

    let slack = FakeSlack::start();
    let second = home.start("nothing", &slack);
    let message = until("the death", PATIENCE, || slack.accepted().into_iter().next());
    let text = message.to_string();
    assert!(block(&message, 0).contains("memory_zoo: died"), "{message:#}");
    assert!(
        text.contains("the previous run died at ~") && text.contains("heap.allocated growing"),
        "{message:#}"
    );
    assert!(text.contains("; last snapshot ") && text.contains("kernel's OOM killer"), "{message:#}");
    assert!(text.contains(&format!("process {pid}")), "{message:#}");
    let all = snapshots(&second);
    for entry in &all {
        let origin = entry["origin"].as_str().expect("text");
        assert!(origin.starts_with("previous run, died about 20") && entry["pid"] == pid, "{entry:#}");
    }
    assert!(second.ask("/debug/snapshots").text().contains("previous run, died about"));
    let (alert, rung) = (path(&all, "heap.allocated: "), path(&all, "90 % of the limit"));
    let (alert, rung) = (alert.expect("kept"), rung.expect("kept"));
    for path in [&alert, &rung] {
        let svg = second.ask(&format!("{path}?format=svg")).text();
        assert!(svg.contains("<svg") && svg.contains("memory_zoo::Zoo::remember"), "{path}: {svg}");
        let text = second.ask(&format!("{path}?format=text")).text();
        assert!(text.contains("memory_zoo::Zoo::remember"), "{path}: {text}");
        let pprof = second.ask(&format!("{path}?format=pprof")).body;
        assert_eq!(pprof.get(..2), Some(&[0x1f, 0x8b][..]), "{path}: gzip");
    }
    let grown = second.ask(&format!("{rung}?base={}&format=text", alert.rsplit('/').next().expect("an id")));
    assert!(grown.status == 200 && grown.text().contains("memory_zoo::Zoo::remember"), "{}", grown.text());
    until("the second settled", PATIENCE, || has_settled(&second));
    assert_eq!(slack.sent().len(), 1, "told once");
    drop(second);

    // Told already; and the second died with nothing open, which is a line in the log and no alert. The third ends well.
    let slack = FakeSlack::start();
    let (webhook, dir) = (slack.webhook(), home.0.display().to_string());
    let env = [("SECONDS", "4"), ("FLAMEWATCH_SLACK_WEBHOOK", &*webhook), ("FLAMEWATCH_DIR", &*dir)];
    let off = [("FLAMEWATCH_BIND", "off")];
    let (status, _, complaints) = Fixture::optimized("memory_zoo").run(env.into_iter().chain(off));
    assert!(status.success(), "{complaints}");
    assert_eq!(slack.sent(), Vec::<Value>::new());
    let clean = home.states().iter().filter(|state| state["clean_end"] == true).count();
    assert_eq!((home.states().len(), clean), (3, 1), "{:#?}", home.states());

    let fourth = home.start("nothing", &slack);
    until("the fourth settled", PATIENCE, || has_settled(&fourth));
    assert_eq!(slack.sent(), Vec::<Value>::new());
    assert_eq!(snapshots(&fourth).len(), all.len(), "still there");
}
