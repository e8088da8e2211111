//! All tasks of a service, also those that axum, hyper and a pool have spawned: how many of each kind, and where each of them
//! waits. The fixture `census` says what is true.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use flamewatch_tests::port::{get, until};
use flamewatch_tests::{Fixture, Service};
use serde_json::Value;

const GOROUTINE: &str = "/debug/pprof/goroutine?format=json";

/// How long a service may take to come to rest.
const REST: Duration = Duration::from_secs(10);

/// Tasks of a runtime that are in one state, by the functions of the fixture that they wait in, the innermost first.
type Census = BTreeMap<(String, String, Vec<String>), u64>;

fn text(value: &Value, key: &str) -> String {
    value[key].as_str().unwrap_or_default().to_owned()
}

/// The futures of those that libraries have spawned, of which some wait in no function of the fixture, and in which they do.
const LIBRARIES: [(&str, &str); 2] = [
    ("axum::serve::handle_connection", "hyper_util::server::conn::auto::"),
    ("hyper::client::conn", "hyper::client::conn"),
];

/// What the fixture says.
fn truth(service: &Service) -> (Census, Value) {
    let truth = get(&service.running.url("/truth")).expect("the truth").json();
    let kinds = truth["kinds"].as_array().expect("kinds").iter().map(|kind| {
        let stack = kind["stack"].as_array().expect("a stack").iter();
        let mut stack: Vec<String> =
            stack.map(|place| format!("{}:{}", text(place, "function"), place["line"])).collect();
        if stack.is_empty() {
            stack.push(text(kind, "of"));
        }
        let key = (text(kind, "runtime"), text(kind, "state").replace("idle", "waiting"), stack);
        (key, kind["count"].as_u64().expect("a count"))
    });
    (kinds.collect(), truth["alive"].clone())
}

/// What a profile says.
fn told(profile: &Value) -> Census {
    let mut census = Census::new();
    for stack in profile["stacks"].as_array().expect("stacks") {
        let frames = stack["frames"].as_array().expect("frames");
        let label = |key: &str| {
            let found = frames.iter().find(|frame| frame["label"] == key);
            found.map(|frame| text(frame, "value")).unwrap_or_default()
        };
        // The middleware is around each handler, the second runtime's tasks have a block around them, and the line that
        // spawned a task is no place where it waits.
        let ours = frames.iter().filter_map(|frame| {
            let function = text(frame, "name").strip_suffix("::{async fn}")?.to_owned();
            let shown = function.starts_with("census::") && !function.ends_with("::stamp");
            shown.then(|| format!("{function}:{}", frame["line"]))
        });
        let mut ours: Vec<String> = ours.collect();
        if ours.is_empty() {
            let waits_in = text(&frames[0], "name");
            let is = |(of, innermost): &&(&str, &str)| {
                waits_in.contains(innermost) && frames.iter().any(|frame| text(frame, "name").contains(of))
            };
            ours.extend(LIBRARIES.iter().find(is).map(|(of, _)| (*of).to_owned()));
        }
        let count = stack["values"][0].as_u64().expect("a count");
        *census.entry((label("runtime"), label("state"), ours)).or_default() += count;
    }
    census
}

/// Asks until the answer is right; what is wrong after 10 s stays wrong. Those that have just come may still be under way.
#[track_caller]
fn settles(service: &Service) -> Value {
    let (expected, _) = truth(service);
    let begun = Instant::now();
    loop {
        let profile = service.ask(GOROUTINE).json();
        let found = told(&profile);
        if found == expected {
            return profile;
        }
        assert!(begun.elapsed() < REST, "{found:#?}\nis not\n{expected:#?}\n{}", profile["comments"]);
    }
}

fn sum(profile: &Value) -> u64 {
    let stacks = profile["stacks"].as_array().expect("stacks");
    stacks.iter().map(|stack| stack["values"][0].as_u64().expect("a count")).sum()
}

fn remark(profile: &Value, words: &str) -> bool {
    profile["comments"].as_array().expect("comments").iter().any(|text| text.to_string().contains(words))
}

/// Who needs no names is spared the wait for them.
const SETTINGS: [(&str, &str); 1] = [("FLAMEWATCH_TASK_GROWTH", "off")];

#[test]
fn every_task_is_told_by_where_it_waits_while_all_workers_are_blocked_too() {
    let service = Service::start("census", &SETTINGS);
    let profile = settles(&service);
    let (expected, alive) = truth(&service);
    let all: u64 = ["main", "files"].map(|runtime| alive[runtime].as_u64().expect("a count")).iter().sum();
    assert_eq!((sum(&profile), expected.values().sum::<u64>()), (all, all));
    assert!(remark(&profile, "7 tasks have state=never-wakes"), "{}", profile["comments"]);
    assert!(
        remark(&profile, "await stacks by the plan of the program's debug info"),
        "{}",
        profile["comments"]
    );

    let go = crate::go().remove(0);
    let (top, _) =
        go.pprof(&["-top", "-cum", "-nodecount=200", &service.debug_url("/debug/pprof/goroutine")]);
    for (count, function) in
        [("50", "census::shop::slow"), ("40", "census::shop::query_db"), ("142", "census::shop::stamp")]
    {
        let shown =
            top.lines().any(|line| line.contains(function) && line.split_whitespace().nth(3) == Some(count));
        assert!(shown, "{count} {function} in\n{top}");
    }

    // One below the other, as Go prints goroutines: those that nobody told us of first.
    let list = service.ask("/debug/pprof/goroutine?debug=2&size=1000").text();
    let blocks: Vec<&str> = list.split("\n\n").filter(|block| block.starts_with("task ")).collect();
    assert_eq!(blocks.len() as u64, all, "{list}");
    let slow =
        |block: &&&str| block.contains("[waiting] runtime=main:") && block.contains("census::shop::slow::");
    assert_eq!(blocks.iter().filter(slow).count(), 50, "{list}");
    assert_eq!(
        blocks.iter().filter(|block| block.contains("[never-wakes] runtime=main:")).count(),
        7,
        "{list}"
    );

    // Two workers sleep, each in a task of its own.
    assert_eq!(get(&service.running.url("/block?ms=4000")).expect("an answer").json()["blocked"], 2);
    let begun = Instant::now();
    let mut blocked = told(&service.ask(GOROUTINE).json());
    assert!(
        begun.elapsed() < Duration::from_millis(3_900),
        "it took {:?}, which says nothing",
        begun.elapsed()
    );
    let running: u64 =
        blocked.iter().filter(|((_, state, _), _)| state == "running").map(|(_, count)| count).sum();
    blocked.retain(|(_, state, _), _| state != "running");
    assert_eq!((running, &blocked), (2, &expected));
}

/// A folder for what a test writes.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).expect("a folder");
    folder
}

#[test]
fn a_stripped_program_needs_its_plan_and_memory_is_read_where_a_call_is_forbidden() {
    let folder = folder("census");
    let whole = Fixture::optimized("census");
    let stripped = whole.stripped(&folder);
    let good = folder.join("good.plan");
    let (binary, output) = (whole.executable().to_str().expect("UTF-8"), good.to_str().expect("UTF-8"));
    let (status, _, errors) = Fixture::program().with_arguments(["plan", binary, "-o", output]).run([]);
    assert!(status.success(), "{errors}");

    let start = |plan: &str, forbid: &str| {
        Service::of(&stripped, &[SETTINGS[0], ("FLAMEWATCH_PLAN", plan), ("FORBID", forbid)])
    };
    // /proc/self/mem instead of process_vm_readv(2), also where the call would be the end of the service.
    for forbid in ["calls", "calls,priorities,deadly"] {
        let service = start(output, forbid);
        assert!(remark(&settles(&service), "good.plan"), "{forbid}");
        for page in ["/debug/pprof/wall?seconds=1", "/debug/threads", "/debug/flame?profile=goroutine"] {
            assert_eq!(service.ask(page).status, 200, "{forbid}: {page}");
        }
    }

    // The second half of a plan says nothing, nor does that of another program: what is left are the counts, by state.
    let text = fs::read_to_string(&good).expect("a plan");
    let cut = folder.join("cut.plan");
    fs::write(&cut, &text[..text.len() / 2]).expect("a file");
    let service = start(cut.to_str().expect("UTF-8"), "");
    let profile = by_state(&service);
    assert!(
        remark(&profile, "cut.plan was passed over") && remark(&profile, "no await stacks"),
        "{}",
        profile["comments"]
    );

    let id = text.lines().find_map(|line| line.strip_prefix("build ")).expect("a build id");
    let other = folder.join("other.plan");
    fs::write(&other, text.replace(id, &id.replace(|digit: char| digit != '0', "0"))).expect("a file");
    // And when no memory can be read, tokio's own number.
    let service = start(other.to_str().expect("UTF-8"), "calls,files");
    let profile = service.ask(GOROUTINE).json();
    let (_, alive) = truth(&service);
    assert!(remark(&profile, "may not read its own memory"), "{}", profile["comments"]);
    assert_eq!(sum(&profile), alive["main"].as_u64().expect("a count"));
}

/// The answer without a plan, once it counts as many in each state as are true. It does not say in which runtime the tasks of
/// `flamewatch::spawn` are.
#[track_caller]
fn by_state(service: &Service) -> Value {
    let states = |census: Census| {
        let mut states: BTreeMap<String, u64> = BTreeMap::new();
        for ((_, state, _), count) in census {
            *states.entry(state).or_default() += count;
        }
        states
    };
    let expected = states(truth(service).0);
    until("as many in each state as there are", REST, || {
        let profile = service.ask(GOROUTINE).json();
        (states(told(&profile)) == expected).then_some(profile)
    })
}
