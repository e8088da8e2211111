//! Crowds at the debug port: those that dribble their heads, those that ask for more profiles than there are, those that
//! leave in the middle. The service does not notice, everybody gets the right status, and afterwards nothing is left.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use flamewatch_tests::flood::{Crowd, ask, statuses};
use flamewatch_tests::port::until;
use flamewatch_tests::{Load, Service};

/// How many connections dribble at once; `CLIENTS` says another number.
const CLIENTS: usize = 100;

/// How often the service is measured beside each of the crowds, in turns with quiet; `ROUNDS` says another number.
const ROUNDS: usize = 2;

/// How many ask for a profile at once.
const READERS: usize = 64;

/// Of these so many get one.
const SERVED: usize = 4;

/// Requests a second to the service itself.
const RATE: u32 = 200;

/// What threads of the agent's pool are called.
const POOL: &str = "flamewatch-work";

/// How long it may take until nothing is left.
const PATIENCE: Duration = Duration::from_secs(20);

/// What the service has of what a crowd could use up. The agent's pool of workers is not counted among the threads: its
/// threads come and go with the reading of gauges, are 16 at most, and end when they had nothing to do for 10 s.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Held {
    descriptors: usize,
    threads: usize,
    tasks: u64,
}

fn held(service: &Service) -> Held {
    let descriptors = std::fs::read_dir(format!("/proc/{}/fd", service.running.id()));
    let threads = threads(service).into_iter().filter(|name| name != POOL).count();
    let metrics = service.ask("/metrics").text();
    let tasks = metrics.lines().find_map(|line| line.strip_prefix("tokio_alive_tasks"));
    let tasks = tasks.and_then(|line| line.rsplit_once(' ')?.1.parse().ok());
    Held {
        descriptors: descriptors.expect("a running process").count(),
        threads,
        tasks: tasks.expect("a count of tasks"),
    }
}

/// The names of its threads.
fn threads(service: &Service) -> Vec<String> {
    let tasks = std::fs::read_dir(format!("/proc/{}/task", service.running.id())).expect("a running process");
    let name = |task: std::fs::DirEntry| std::fs::read_to_string(task.path().join("comm")).ok();
    tasks.flatten().filter_map(name).map(|name| name.trim().to_owned()).collect()
}

/// A second of requests to the service itself: their median and their 99th percentile, in milliseconds.
fn latency(service: &Service) -> [f64; 2] {
    let report = Load::start(service.running.address(), 1, RATE, "cart=1,products=1").report();
    assert_eq!(report["errors"], 0, "{report}");
    ["p50_ms", "p99_ms"].map(|name| report[name].as_f64().expect("a number"))
}

/// Of an even number the lower one: what else runs on the machine makes only slower.
fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[(sorted.len() - 1) / 2]
}

/// Medians and 99th percentiles by crowd, as they were measured.
#[derive(Default)]
struct Account {
    seen: BTreeMap<&'static str, Vec<[f64; 2]>>,
    said: String,
}

impl Account {
    fn note(&mut self, crowd: &'static str, latency: [f64; 2]) {
        self.seen.entry(crowd).or_default().push(latency);
    }

    /// The values of `crowd`, the median first.
    fn of(&self, crowd: &str, which: usize) -> Vec<f64> {
        self.seen.get(crowd).into_iter().flatten().map(|both| both[which]).collect()
    }

    fn tell(&mut self, line: std::fmt::Arguments<'_>) {
        let _ = writeln!(self.said, "{line}");
    }

    /// Every crowd against quiet: the ratio of the medians with the least and the largest in a round, and what was late.
    fn judge(&mut self) -> Vec<String> {
        let quiet = [0, 1].map(|which| self.of("quiet", which));
        let mut wrong = Vec::new();
        let crowds: Vec<&str> = self.seen.keys().copied().filter(|crowd| *crowd != "quiet").collect();
        self.tell(format_args!("quiet: median {:.2} ms, p99 {:.2} ms", median(&quiet[0]), median(&quiet[1])));
        for crowd in crowds {
            let [medians, slowest] = [0, 1].map(|which| self.of(crowd, which));
            let ratios: Vec<f64> =
                medians.iter().zip(&quiet[0]).map(|(with, without)| with / without).collect();
            let (least, most) = ratios
                .iter()
                .fold((f64::MAX, f64::MIN), |(least, most), ratio| (least.min(*ratio), most.max(*ratio)));
            let (ratio, late) = (median(&medians) / median(&quiet[0]), median(&slowest) - median(&quiet[1]));
            let line = format!(
                "{crowd}: medians {ratio:.2} times quiet ({least:.2} to {most:.2}), p99 {late:+.2} ms"
            );
            self.tell(format_args!("{line}"));
            if ratio > 2.0 || late > 100.0 {
                wrong.push(line);
            }
        }
        wrong
    }
}

fn number(name: &str, default: usize) -> usize {
    std::env::var(name).map_or(default, |text| text.parse().expect("a number"))
}

#[test]
fn floods_are_not_noticed_and_leave_nothing_behind() {
    let (clients, rounds) = (number("CLIENTS", CLIENTS), number("ROUNDS", ROUNDS));
    // Its own gauges are read less often: the threads that do it are among what is counted.
    let service = Service::start(
        "leaky_shop",
        &[("FLAMEWATCH_TICK", "5s"), ("FLAMEWATCH_GROWTH_WINDOW", "2m"), ("FLAMEWATCH_RSS_SHARE", "off")],
    );
    let port = service.debug_address();
    let mut account = Account::default();
    latency(&service);
    assert_eq!(service.ask("/debug/pprof/profile?seconds=1").status, 200, "what is made once is made");
    let before = until("rest", PATIENCE, || {
        let first = held(&service);
        std::thread::sleep(Duration::from_millis(300));
        (held(&service) == first).then_some(first)
    });
    let rss = service.running.rss();
    for _ in 0..rounds {
        account.note("quiet", latency(&service));

        let crowd = Crowd::dribbling(port, clients);
        account.note("dribblers", latency(&service));
        let begun = Instant::now();
        assert_eq!(ask(port, "/debug/health"), 200, "one who asks gets through");
        account.tell(format_args!(
            "an answer beside {clients} dribblers took {:.2} s",
            begun.elapsed().as_secs_f64()
        ));
        assert!(crowd.cut() > 0 || clients <= 32, "they make room for each other");
        account.tell(format_args!(
            "they had {} connections in all, {} were cut off",
            crowd.made(),
            crowd.cut()
        ));
        drop(crowd);

        let readers = Crowd::asking(port, "/debug/pprof/profile?seconds=2", READERS);
        account.note("readers", latency(&service));
        let answers = statuses(readers.answers());
        let expected = BTreeMap::from([(200, SERVED), (429, READERS - SERVED)]);
        assert_eq!(answers, expected, "four get a profile, and the others are told when to come back");

        let leaving =
            Crowd::leaving(port, "/debug/pprof/profile?seconds=60", SERVED * 2, Duration::from_millis(200));
        account.note("leavers", latency(&service));
        let begun = Instant::now();
        account.tell(format_args!("{} left in the middle of a profile", leaving.made()));
        drop(leaving);
        until("a window for the next", Duration::from_secs(3), || {
            (ask(port, "/debug/pprof/profile?seconds=1") == 200).then_some(())
        });
        account.tell(format_args!(
            "the next profile of 1 s was there {:.2} s after they left",
            begun.elapsed().as_secs_f64()
        ));
    }
    let freed = Instant::now();
    let after = loop {
        let after = held(&service);
        if after.descriptors <= before.descriptors
            && after.threads <= before.threads
            && after.tasks <= before.tasks
        {
            break after;
        }
        assert!(freed.elapsed() < PATIENCE, "{after:?}, but before {before:?}: {:?}", threads(&service));
        std::thread::sleep(Duration::from_millis(300));
    };
    let pool = threads(&service).iter().filter(|name| *name == POOL).count();
    assert!(pool <= 16, "{pool} threads in the pool");
    let grown = service.running.rss().saturating_sub(rss);
    account.tell(format_args!(
        "before {before:?}, {:.1} s after {after:?}, RSS grew by {} KiB",
        freed.elapsed().as_secs_f64(),
        grown >> 10
    ));
    assert!(grown < 32 << 20, "{grown} bytes more than before");
    let wrong = account.judge();
    std::fs::write(Path::new(env!("CARGO_TARGET_TMPDIR")).join("floods"), &account.said).expect("a file");
    assert!(wrong.is_empty(), "{}", account.said);
}
