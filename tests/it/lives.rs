//! A service that is killed again and again while its alerts are on their way: each of its faults is told once, under one
//! name in all lives, nothing that it has noted is lost, and nothing on disk is half written.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher as _, RandomState};
use std::path::{Path, PathBuf};
use std::time::Duration;

use flamewatch_tests::port::until;
use flamewatch_tests::{FakeSlack, Service, block};
use serde_json::{Value, json};

const PATIENCE: Duration = Duration::from_secs(60);

/// How many times services are killed in all; `KILLS` says another number.
const KILLS: usize = 20;

/// How many times one of them is. More would take more posts than there are a day.
const KILLS_A_SERVICE: usize = 5;

/// How long a life is at most, in milliseconds after it listens, and when its faults begin after it has started.
const LONGEST_LIFE: u64 = 2_000;
const LAST_FAULT: u64 = 1_500;

/// The faults of a service. What explains the last one takes longer than a life, so its alert is lost in each but the last.
const FAULTS: [&str; 4] = ["pool", "queue", "cache", "slow"];

/// How Slack may be while a service lives.
const MODES: [&str; 5] = ["ok", "500", "hang", "slow", "429"];

/// A random number below `end`.
fn random(end: u64) -> u64 {
    RandomState::new().hash_one(0) % end
}

/// The folder of a service.
struct Home(PathBuf);

impl Home {
    fn new(name: &str) -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("lives").join(name);
        let _ = std::fs::remove_dir_all(&path);
        Self(path)
    }

    fn start(&self, slack: &FakeSlack, faults: &str, cooldown: &str) -> Service {
        let (webhook, dir) = (slack.webhook(), self.0.display().to_string());
        let env = [
            ("FAULTS", faults),
            ("COOLDOWN", cooldown),
            ("FLAMEWATCH_TICK", "100ms"),
            ("FLAMEWATCH_WARM_UP", "0s"),
            ("FLAMEWATCH_LEAKS", "off"),
            ("FLAMEWATCH_RSS_SHARE", "off"),
            ("FLAMEWATCH_HEAP_GROWTH", "off"),
            ("FLAMEWATCH_THREAD_GROWTH", "off"),
            ("FLAMEWATCH_FD_GROWTH", "off"),
            ("FLAMEWATCH_WORKER_BLOCKED", "off"),
            ("FLAMEWATCH_SLACK_WEBHOOK", &webhook),
            ("FLAMEWATCH_DIR", &dir),
        ];
        Service::start("mayfly", &env)
    }

    /// The states of all runs, each of which can be read.
    fn states(&self) -> Vec<Value> {
        let states = self.runs().into_iter().map(|run| run.join("state.json"));
        states.map(|path| parsed(&path)).collect()
    }

    /// The alerts that wait on disk, each of which is whole.
    fn letters(&self) -> Vec<Value> {
        let all = self.runs().into_iter().flat_map(|run| entries(&run.join("spool")));
        all.map(|letter| {
            let document = parsed(&letter.join("alert.json"));
            for (number, file) in document["files"].as_array().expect("files").iter().enumerate() {
                let length = std::fs::metadata(letter.join(format!("{number}.file"))).expect("a file").len();
                assert_eq!(file["bytes"], length, "{}", letter.display());
            }
            document
        })
        .collect()
    }

    /// Whatever is not a draft of somebody who was killed over it.
    fn runs(&self) -> Vec<PathBuf> {
        entries(&self.0.join("runs"))
    }
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let named = entries.filter(|entry| !entry.file_name().to_string_lossy().starts_with('.'));
    named.map(|entry| entry.path()).collect()
}

fn parsed(path: &Path) -> Value {
    let bytes = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_slice(&bytes).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The incidents that a state names.
fn named(state: &Value) -> BTreeSet<String> {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let told = list(&state["telling"]["incidents"]).into_iter().map(|incident| incident["name"].clone());
    let open = list(&state["open"]).into_iter().map(|open| open["id"].clone());
    told.chain(open).filter_map(|name| name.as_str().map(str::to_owned)).collect()
}

/// A message as people see it.
#[derive(Debug, PartialEq, Eq)]
struct Message {
    /// `FIRING`, `FIRING, UPDATE`, `RESOLVED`.
    standing: String,
    rule: String,
    alert: String,
    text: String,
}

fn messages(slack: &FakeSlack) -> Vec<Message> {
    let read = |message: &Value| {
        let (standing, rule) = block(message, 0).split_once(" · mayfly: ")?;
        let text = message.to_string();
        let alert = text.rsplit_once("· alert ")?.1.split(' ').next()?.to_owned();
        let standing = standing.split_once(' ')?.1.to_owned();
        Some(Message { standing, rule: rule.to_owned(), alert, text })
    };
    let all = slack.accepted();
    all.iter().map(|message| read(message).unwrap_or_else(|| panic!("{message:#}"))).collect()
}

/// What came of one service.
#[derive(Debug, Default)]
struct Account {
    kills: usize,
    incidents: usize,
    messages: usize,
    /// First messages that came more than once, under the same name.
    twice: usize,
    /// Alerts that were on disk when a service was killed.
    on_disk: usize,
    late: usize,
}

/// Kills a service again and again, and lets it live in the end.
fn live(number: usize, kills: usize) -> Account {
    let (home, slack) = (Home::new(&number.to_string()), FakeSlack::start());
    let mut account = Account { kills, ..Account::default() };
    let mut known = BTreeSet::new();
    for _ in 0..kills {
        let faults: Vec<String> =
            FAULTS.iter().map(|fault| format!("{fault}@{}", random(LAST_FAULT))).collect();
        let mode = MODES[usize::try_from(random(MODES.len() as u64)).expect("small")];
        slack.control(&json!({"mode": mode, "retry_after": 1}));
        let service = home.start(&slack, &faults.join(","), "3600000");
        std::thread::sleep(Duration::from_millis(random(LONGEST_LIFE)));
        drop(service);
        known.extend(home.states().iter().flat_map(named));
        account.on_disk += home.letters().len();
    }
    slack.control(&json!({"mode": "ok"}));
    let faults: Vec<String> = FAULTS.iter().map(|fault| format!("{fault}@0")).collect();
    let last = home.start(&slack, &faults.join(","), "3600000");
    until("all is told", PATIENCE, || {
        let all_told = FAULTS.iter().all(|fault| {
            let rule = format!("{fault} high");
            messages(&slack).iter().any(|message| message.rule == rule && message.standing == "FIRING")
        });
        let nothing_waits = last.status("sink: slack")?.contains(" 0 waiting");
        (all_told && nothing_waits && home.letters().is_empty()).then_some(())
    });
    known.extend(home.states().iter().flat_map(named));
    drop(last);
    let all = messages(&slack);
    let mut first: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for message in all.iter().filter(|message| message.standing == "FIRING") {
        first.entry(&message.rule).or_default().push(&message.alert);
    }
    for (rule, alerts) in &first {
        let names: BTreeSet<_> = alerts.iter().collect();
        assert_eq!(names.len(), 1, "{number}: {rule} is one incident: {all:#?}");
        account.twice += alerts.len() - 1;
    }
    let told: BTreeSet<&str> = all.iter().map(|message| message.alert.as_str()).collect();
    let lost: Vec<_> = known.iter().filter(|name| !told.contains(name.as_str())).collect();
    assert!(lost.is_empty(), "{number}: {lost:?} were never told: {all:#?}");
    account.incidents = first.len();
    account.messages = all.len();
    account.late = all.iter().filter(|message| message.text.contains("delivered late: first tried")).count();
    account
}

#[test]
fn killed_at_any_moment_it_loses_no_alert_and_tells_none_under_two_names() {
    let kills = std::env::var("KILLS").map_or(KILLS, |text| text.parse().expect("a number"));
    let mut sum = Account::default();
    for number in 0..kills.div_ceil(KILLS_A_SERVICE) {
        let one = live(number, KILLS_A_SERVICE.min(kills - number * KILLS_A_SERVICE));
        sum.kills += one.kills;
        sum.incidents += one.incidents;
        sum.messages += one.messages;
        sum.twice += one.twice;
        sum.on_disk += one.on_disk;
        sum.late += one.late;
    }
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("lives").join("account");
    std::fs::write(path, format!("{sum:#?}\n")).expect("written");
    // Otherwise nothing was tried.
    assert!(sum.on_disk > 0 && sum.late > 0, "{sum:?}");
    assert!(sum.messages <= 5 * sum.incidents, "{sum:?}");
}

#[test]
fn what_waited_and_what_was_open_is_gone_on_with_after_a_restart() {
    let (home, slack) = (Home::new("on"), FakeSlack::start());
    slack.control(&json!({"mode": "500"}));
    let first = home.start(&slack, "queue@0", "4000");
    let waiting = until("an alert on disk", PATIENCE, || {
        let line = first.status("alerts not arrived everywhere")?;
        (line.starts_with("1 on disk") && home.letters().len() == 1).then_some(line)
    });
    assert!(waiting.contains("KiB") || waiting.contains(" B"), "{waiting}");
    let figures = first.ask("/metrics").text();
    assert!(figures.contains("\nflamewatch_spool_alerts 1"), "{figures}");
    drop(first);
    assert_eq!(messages(&slack), []);

    slack.control(&json!({"mode": "ok"}));
    let second = home.start(&slack, "queue@60000", "4000");
    let all = until("its end", PATIENCE, || Some(messages(&slack)).filter(|all| all.len() == 3));
    let standings: Vec<_> = all.iter().map(|message| message.standing.as_str()).collect();
    assert_eq!(standings, ["FIRING", "FIRING, UPDATE", "RESOLVED"], "{all:#?}");
    assert!(all.iter().all(|message| message.alert == all[0].alert), "{all:#?}");
    assert!(all[0].text.contains("delivered late: first tried at "), "{}", all[0].text);
    assert!(all[0].text.contains("by the run before this one"), "{}", all[0].text);
    assert!(all[1].rule == "died" && all[1].text.contains("with queue high open"), "{}", all[1].text);
    assert!(all[2].text.contains("has not come back since the restart"), "{}", all[2].text);
    assert_eq!(home.letters(), Vec::<Value>::new());
    drop(second);

    // It ends well while an alert waits: no death, and nothing is lost.
    let (home, slack) = (Home::new("well"), FakeSlack::start());
    slack.control(&json!({"mode": "500"}));
    let (webhook, dir) = (slack.webhook(), home.0.display().to_string());
    let env = [
        ("FAULTS", "queue@0"),
        ("MILLIS", "3000"),
        ("FLAMEWATCH_TICK", "100ms"),
        ("FLAMEWATCH_WARM_UP", "0s"),
        ("FLAMEWATCH_BIND", "off"),
        ("FLAMEWATCH_SLACK_WEBHOOK", &*webhook),
        ("FLAMEWATCH_DIR", &*dir),
    ];
    let (status, _, complaints) = flamewatch_tests::Fixture::optimized("mayfly").run(env);
    assert!(status.success(), "{complaints}");
    assert_eq!((home.letters().len(), messages(&slack)), (1, Vec::new()));
    slack.control(&json!({"mode": "ok"}));
    let _again = home.start(&slack, "queue@0", "4000");
    until("the alert", PATIENCE, || (messages(&slack).len() == 1).then_some(()));
    until("nothing waits", PATIENCE, || home.letters().is_empty().then_some(()));
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(messages(&slack).len(), 1, "it is back, which is no news: {:#?}", messages(&slack));
}
