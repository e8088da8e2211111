//! A shop that leaks, under load: the alert that arrives in Slack names the line, and its files and links hold the
//! proof. A healthy shop under the same load is left alone.

use std::path::Path;
use std::time::Duration;

use flamewatch_tests::port::{get, until};
use flamewatch_tests::{FakeSlack, Load, Service, block};
use serde_json::Value;

use crate::go;

/// What every shop gets, leaking or not.
const MIX: &str = "cart=1,orders=4,checkout=1,audit=4";
const RATE: u32 = 500;

/// A leak is told within this, on a busy machine too.
const PATIENCE: Duration = Duration::from_secs(45);

struct Shop {
    slack: FakeSlack,
    service: Service,
    dir: std::path::PathBuf,
    _load: Load,
}

impl Shop {
    fn open(leak: &str) -> Self {
        Self::open_with(leak, &[])
    }

    fn open_with(leak: &str, more: &[(&str, &str)]) -> Self {
        let slack = FakeSlack::start();
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("shop-{leak}"));
        let _ = std::fs::remove_dir_all(&dir);
        let (webhook, path) = (slack.webhook(), dir.display().to_string());
        let ours = [("LEAK", leak), ("FLAMEWATCH_SLACK_WEBHOOK", &webhook), ("FLAMEWATCH_DIR", &path)];
        let service = Service::start("leaky_shop", &[&ours, more].concat());
        let load = Load::start(service.running.address(), 60, RATE, MIX);
        Self { slack, service, dir, _load: load }
    }

    /// The first message in Slack.
    fn alert(&self) -> Value {
        until("an alert", PATIENCE, || self.slack.accepted().into_iter().next())
    }
}

/// `file.rs:LINE` of the line of `source` that holds `code`.
fn place(file: &str, source: &str, code: &str) -> String {
    let line = source.lines().position(|line| line.contains(code));
    format!("{file}:{}", line.expect("the leaking line") + 1)
}

fn orders() -> String {
    let source = include_str!("../../fixtures/src/bin/leaky_shop/orders.rs");
    place("leaky_shop/orders.rs", source, "vec![0; ORDER_BYTES]")
}

fn checkout() -> String {
    let source = include_str!("../../fixtures/src/bin/leaky_shop/checkout.rs");
    place("leaky_shop/checkout.rs", source, "flamewatch::spawn(")
}

/// The first suspect, as `(function, place, growth)`.
#[track_caller]
fn first_suspect(message: &Value) -> (&str, &str, &str) {
    let mut lines = block(message, 2).lines();
    let site = lines.next().and_then(|line| line.strip_prefix("1. `")?.strip_suffix('`')?.split_once("` `"));
    let (function, place) = site.unwrap_or_else(|| panic!("no suspect in {message:#}"));
    (function, place, lines.next().unwrap_or_default().trim())
}

/// The page that the link of `message` leads to, less what says in which form.
fn linked(message: &Value) -> &str {
    let link = block(message, 3).strip_prefix('<').and_then(|link| link.split_once("?format=svg|"));
    link.unwrap_or_else(|| panic!("no link in {message:#}")).0
}

/// The folder of the only alert, once it is there.
fn folder(shop: &Shop) -> std::path::PathBuf {
    until("a folder", PATIENCE, || {
        let entries = std::fs::read_dir(&shop.dir).ok()?.flatten().map(|entry| entry.path());
        entries.into_iter().find(|path| path.extension().is_some_and(|extension| extension == "alert"))
    })
}

fn read(path: &Path) -> String {
    String::from_utf8(std::fs::read(path).expect("a file")).expect("text")
}

/// The snapshot behind `url` and the files in `folder` are the same profile in every form, and name `function`.
fn check_profiles(shop: &Shop, url: &str, kind: &str, shown: &str, function: &str) {
    let folder = folder(shop);
    let svg = get(&format!("{url}?format=svg")).expect("an answer").text();
    assert!(svg.contains("<svg") && svg.contains(function), "{svg}");
    let text = get(&format!("{url}?format=text")).expect("an answer").text();
    assert!(text.contains(function), "{text}");
    let pprof = get(&format!("{url}?format=pprof")).expect("an answer").body;
    assert_eq!(std::fs::read(folder.join(format!("{kind}.pb.gz"))).expect("a file"), pprof);
    assert!(read(&folder.join(format!("{kind}.svg"))).contains(function));
    assert!(read(&folder.join(format!("{kind}.txt"))).contains(function));
    let picture = std::fs::read(folder.join(format!("{kind}.png"))).expect("a file");
    assert!(picture.starts_with(b"\x89PNG\r\n\x1a\n"));
    let alert: Value = serde_json::from_str(&read(&folder.join("alert.json"))).expect("json");
    assert_eq!(alert["sites"][0]["function"], function, "{alert:#}");
    for go in go() {
        let (top, _) = go.pprof(&["-top", &format!("{url}?format=pprof")]);
        assert!(
            top.contains(function)
                && top.contains("File: leaky_shop\n")
                && top.contains(&format!("Type: {shown}\n")),
            "{top}"
        );
    }
}

#[test]
fn a_heap_leak_is_named() {
    let shop = Shop::open("orders");
    let message = shop.alert();
    let (function, at, growth) = first_suspect(&message);
    assert_eq!(function, "leaky_shop::orders::remember", "{message:#}");
    assert!(at.ends_with(&orders()), "{message:#}");
    assert!(growth.starts_with('+') && growth.contains("MiB"), "{message:#}");
    assert!(block(&message, 0).contains("FIRING · leaky_shop: heap.allocated growing"), "{message:#}");
    assert!(
        block(&message, 0).contains(" · OOM in ~") && block(&message, 1).contains("RSS is"),
        "{message:#}"
    );
    // Reading the debug info took about 50 MiB. Of these the service keeps nothing.
    until("memory given back", Duration::from_secs(3), || {
        let allocated = shop.service.status("heap.allocated")?;
        let mebibytes: f64 = allocated.strip_suffix(" MiB")?.parse().ok()?;
        (shop.service.running.rss() as f64 / f64::from(1 << 20) < mebibytes + 32.0).then_some(())
    });
    check_profiles(&shop, linked(&message), "heap", "inuse_space", function);
    assert_eq!(shop.service.status("rule: heap.allocated growing").as_deref(), Some("firing"));
    assert_eq!(shop.slack.sent().len(), 1, "told once");
}

#[test]
fn a_task_leak_is_named() {
    let shop = Shop::open("tasks");
    let message = shop.alert();
    let (function, at, growth) = first_suspect(&message);
    assert_eq!(function, "leaky_shop::checkout::confirm", "{message:#}");
    assert!(at.ends_with(&checkout()), "{message:#}");
    // Counted, not sampled: no error.
    assert!(growth.starts_with('+') && growth.ends_with(", 100 % of the growth"), "{message:#}");
    assert!(!growth.contains('±'), "{message:#}");
    assert!(block(&message, 0).contains("FIRING · leaky_shop: tasks growing"), "{message:#}");
    assert!(block(&message, 1).contains("The task profile shows"), "{message:#}");
    check_profiles(&shop, linked(&message), "goroutine", "goroutine", function);
}

#[test]
fn a_vector_that_doubles_is_named() {
    // It is told with the first 3 MiB, and the healthy shop has 1 MiB of orders: six samples and two at the usual rate.
    let shop = Shop::open_with("audit", &[("_RJEM_MALLOC_CONF", "lg_prof_sample:14")]);
    let message = shop.alert();
    let (function, at, _) = first_suspect(&message);
    assert!(function.starts_with("leaky_shop::audit::record"), "{message:#}");
    assert!(at.contains("leaky_shop/audit.rs:"), "{message:#}");
}

#[test]
fn a_healthy_shop_is_left_alone() {
    let shop = Shop::open("");
    // The rules are judged from here on; a leaking shop is told on within twice the window from here.
    let seconds = |status: &str| -> Option<u64> { humantime(status.split_once("up ")?.1) };
    until("half a minute of load", Duration::from_secs(60), || {
        assert_eq!(shop.slack.sent(), Vec::<Value>::new());
        (seconds(&shop.service.status("service")?)? >= 32).then_some(())
    });
    for rule in [
        "rss.share high",
        "heap.allocated growing",
        "tasks growing",
        "tasks.lasting growing",
        "threads growing",
        "fds growing",
    ] {
        assert_eq!(shop.service.status(&format!("rule: {rule}")).as_deref(), Some("ok"), "{rule}");
    }
    // Its doctor has tried out what there is, within the running agent.
    let report = shop.service.ask("/debug/doctor?format=json").json();
    assert_eq!(report["well"], true, "{report:#}");
    for name in ["heap sample", "names", "slack", "snapshots"] {
        let is_fine = |check: &Value| check["name"] == name && check["state"] == "fine";
        assert!(
            report["checks"].as_array().is_some_and(|checks| checks.iter().any(is_fine)),
            "{name}: {report:#}"
        );
    }
    // Nothing to keep: it has noted that it runs, and no more.
    let mut kept: Vec<_> =
        std::fs::read_dir(&shop.dir).expect("a folder").flatten().map(|e| e.file_name()).collect();
    kept.sort_unstable();
    assert_eq!(kept, ["runs", "runs.lock"]);
}

/// The seconds in `32s`; more than a minute is `1m …`.
fn humantime(text: &str) -> Option<u64> {
    if text.contains('m') { Some(60) } else { text.trim_end_matches('s').parse().ok() }
}
