//! A service under load, asked by those who will ask it: every `go tool pprof` there is, and curl.

mod scrapers;
mod tool;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use flamewatch_tests::port::{get, until};
use flamewatch_tests::{Load, Service};
use serde_json::Value;

use flamewatch_tests::go::Go;

use crate::go;

/// A shop that leaks orders, and the load on it.
struct Shop(Service, #[expect(dead_code, reason = "held while the shop is asked")] Load);

impl Shop {
    fn open(mix: &str) -> Self {
        Self::open_with(mix, &[])
    }

    fn open_with(mix: &str, env: &[(&str, &str)]) -> Self {
        let env: Vec<_> = [("LEAK", "orders")].into_iter().chain(env.iter().copied()).collect();
        let service = Service::start("leaky_shop", &env);
        // Longer than any test takes: a profile of a service without load is empty.
        let load = Load::start(service.running.address(), 240, 500, mix);
        Self(service, load)
    }

    /// Waits until the orders remembered show as more than `bytes`.
    fn has_leaked(&self, bytes: i64) {
        until("a leak", Duration::from_secs(40), || (self.remembered() > bytes).then_some(()));
    }

    /// The bytes in use below `orders::remember`, as the JSON form tells.
    fn remembered(&self) -> i64 {
        let heap = self.0.ask("/debug/pprof/heap?format=json").json();
        let stacks = heap["stacks"].as_array().expect("stacks").iter();
        let ours =
            stacks.filter(|stack| stack["frames"].to_string().contains("leaky_shop::orders::remember"));
        ours.filter_map(|stack| stack["values"][3].as_i64()).sum()
    }
}

/// The rows of a report by `-top`, as `(flat, function)`.
fn rows(report: &str) -> Vec<(&str, String)> {
    let table = report.lines().skip_while(|line| !line.trim_start().starts_with("flat ")).skip(1);
    table.filter_map(row).collect()
}

fn row(line: &str) -> Option<(&str, String)> {
    let mut columns = line.split_whitespace();
    let flat = columns.next()?;
    let name: Vec<_> = columns.skip(4).filter(|column| !column.ends_with("inline)")).collect();
    Some((flat, name.join(" ")))
}

#[track_caller]
fn first(report: &str) -> (&str, String) {
    rows(report).into_iter().next().unwrap_or_else(|| panic!("nothing in\n{report}"))
}

fn saved(name: &str, bytes: &[u8]) -> String {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, bytes).expect("a writable folder");
    path.display().to_string()
}

/// What a service asks for that wants to know who reads it; at least 16 characters.
const TOKEN: &str = "correct-horse-battery";

const REMEMBER: &str = "leaky_shop::orders::remember";

#[test]
fn the_heap_in_go_tool_pprof() {
    let shop = Shop::open("cart=1,orders=4");
    shop.has_leaked(24 << 20);
    let url = shop.0.debug_url("/debug/pprof/heap");
    let base = saved("live-base.pb.gz", &get(&url).expect("an answer").body);
    let at_base = shop.remembered();
    for go in go() {
        let (top, warnings) = go.pprof(&["-top", &url]);
        for header in ["File: leaky_shop\n", "Build ID: ", "Type: inuse_space\n", "Time: "] {
            assert!(top.contains(header), "no {header:?} in\n{top}");
        }
        assert_eq!(first(&top).1, REMEMBER, "{top}");
        let plumbing = ["_rjem", "malloc", "__rust", "alloc::", "raw_vec", "flamewatch::"];
        let own = rows(&top).into_iter().filter(|(flat, _)| *flat != "0");
        for (_, name) in own {
            assert!(
                !plumbing.iter().any(|part| name.trim_start_matches('<').starts_with(part)),
                "{name} in\n{top}"
            );
        }
        // It says where it fetches from and where it saves to, and nothing about symbols or mappings.
        let said = warnings.lines().all(|line| line.starts_with("Fetching ") || line.starts_with("Saved "));
        assert!(said, "pprof had to warn: {warnings}");

        let (allocated, _) = go.pprof(&["-top", "-sample_index=alloc_space", &url]);
        assert!(allocated.contains("Type: alloc_space\n"), "{allocated}");
        assert!(first(&allocated).1.starts_with("leaky_shop::cart::"), "{allocated}");

        tool::lists_the_source(&go, &base);
        tool::answers_commands(&go, &url);
        tool::serves_pages(&go, &base);

        shop.has_leaked(at_base + (12 << 20));
        let (grown, _) = go.pprof(&["-top", &format!("-diff_base={base}"), &url]);
        let (flat, name) = first(&grown);
        assert!(name == REMEMBER && !flat.starts_with('-'), "{grown}");
    }
}

#[test]
fn a_window_of_the_heap_and_of_the_cpu_in_go_tool_pprof() {
    let shop = Shop::open_with(
        "cart=2,orders=2,recommend=1",
        &[("FLAMEWATCH_TOKEN", TOKEN), ("FLAMEWATCH_VERSION", "1.4.2"), ("FLAMEWATCH_REVISION", "1f3a9c2")],
    );
    scrapers::are_served(&shop.0, TOKEN);
    for go in go() {
        tool::does_better_than_go(&go, &shop.0, TOKEN);
        let with_token = |path: &str| tool::with_token(&shop.0, path, TOKEN);
        let (grown, _) = go.pprof(&["-top", &with_token("/debug/pprof/heap?seconds=4")]);
        assert!(grown.contains("Type: inuse_space\n") && grown.contains("Duration: 4"), "{grown}");
        assert_eq!(first(&grown).1, REMEMBER, "{grown}");

        let (cpu, _) = go.pprof(&["-top", "-nodecount=10000", &with_token("/debug/pprof/profile?seconds=2")]);
        assert!(cpu.contains("File: leaky_shop\n") && cpu.contains("Type: cpu\n"), "{cpu}");
        let samples = cpu.lines().find_map(|line| line.split_once("Total samples = "));
        assert!(samples.is_some_and(|(_, count)| !count.starts_with('0')), "{cpu}");
        let names: Vec<String> = rows(&cpu).into_iter().map(|(_, name)| name).collect();
        assert!(names.iter().any(|name| name == "leaky_shop::recommend::best_pair"), "{cpu}");
        // Names keep what is in their brackets, so that the polls of two futures stay two.
        assert!(
            names.iter().any(|name| name == "tokio::runtime::task::harness::Harness<T,S>::poll"),
            "{cpu}"
        );
        let polls = names.iter().filter(|name| name.ends_with(" as core::future::future::Future>::poll"));
        assert!(polls.count() > 2, "{cpu}");
        assert!(!names.iter().any(|name| name.starts_with("::") || name == "poll"), "{cpu}");
    }
}

/// The functions that burn, out of a report that is cut to one label.
#[track_caller]
fn focused(go: &Go, file: &str, focus: &str) -> Vec<String> {
    let (top, _) = go.pprof(&["-top", "-cum", "-nodecount=10000", &format!("-tagfocus={focus}"), file]);
    let names = rows(&top).into_iter().map(|(_, name)| name);
    names.filter_map(|name| name.strip_prefix("labels::burn_").map(str::to_owned)).collect()
}

#[test]
fn the_cpu_profile_is_cut_by_route_task_span_scope_and_thread() {
    let service = Service::start("labels", &[]);
    for (index, go) in go().into_iter().enumerate() {
        let body = get(&service.debug_url("/debug/pprof/profile?seconds=3&hz=199")).expect("an answer").body;
        let file = saved(&format!("labels-{index}.pb.gz"), &body);
        for (focus, function) in [
            ("route=GET /burn", "route"),
            ("task=labels::in_a_task", "task"),
            ("span=indexing", "span"),
            ("scope=compaction", "scope"),
            ("thread=compactor", "scope"),
        ] {
            assert_eq!(focused(&go, &file, focus), [function], "{focus}");
        }
        let (tags, _) = go.pprof(&["-tags", &file]);
        assert!(
            ["route:", "task:", "span:", "scope:", "thread:"].iter().all(|tag| tags.contains(tag)),
            "{tags}"
        );
    }
}

#[test]
fn native_waits_are_told_and_of_them_those_for_locks() {
    let service = Service::start("labels", &[]);
    let seconds = |profile: &Value, function: &str| -> f64 {
        let stacks = profile["stacks"].as_array().expect("stacks").iter();
        let ours = stacks.filter(|stack| stack["frames"].to_string().contains(function));
        ours.filter_map(|stack| stack["values"][1].as_f64()).sum::<f64>() / 1e9
    };
    for name in ["block", "mutex"] {
        let profile = service.ask(&format!("/debug/pprof/{name}?seconds=3&format=json")).json();
        let waited = seconds(&profile, "labels::wait_for_the_lock");
        assert!((1.2..3.1).contains(&waited), "{name}: {waited} s of 3 in {profile}");
        assert!(profile["comments"].to_string().contains("who waits, not who is to blame"), "{profile}");
        assert_eq!(seconds(&profile, "labels::burn_"), 0.0, "{name}: {profile}");
        // Asked for without a word, as scrapers do, it answers at once.
        assert!(service.ask(&format!("/debug/pprof/{name}")).body.starts_with(&[0x1f, 0x8b]), "{name}");
    }
    let locks = service.ask("/debug/pprof/mutex?seconds=2&format=json").json();
    assert_eq!(seconds(&locks, "labels::hold_the_lock"), 0.0, "it sleeps: {locks}");
    // It waits most of the time, so it is seen waiting soon.
    until("a thread that waits", Duration::from_secs(20), || {
        let dump = service.ask("/debug/threads").text();
        (dump.contains("\"waiter\" [sleeping in futex") && dump.contains("labels::wait_for_the_lock"))
            .then_some(())
    });
    let again = service.ask("/debug/pprof/threadcreate?debug=2").text();
    assert!(again.contains("labels::want_the_lock"), "{again}");
    let wall = service.ask("/debug/fgprof?seconds=1&format=json").json();
    assert_eq!((wall["kind"].as_str(), wall["values"][1]["name"].as_str()), (Some("wall"), Some("wall")));
}

#[test]
fn every_form_of_every_profile() {
    let shop = Shop::open("cart=1,orders=4,checkout=1");
    shop.has_leaked(16 << 20);
    for name in ["heap", "allocs", "goroutine", "tasks", "threadcreate"] {
        let ask = |query: &str| shop.0.ask(&format!("/debug/pprof/{name}?{query}"));
        assert!(ask("").body.starts_with(&[0x1f, 0x8b]), "{name} is gzipped");
        assert!(ask("format=svg").text().contains("<svg"), "{name}");
        for size in ["preview", "full"] {
            let picture = ask(&format!("format=png&size={size}"));
            assert!(picture.body.starts_with(b"\x89PNG\r\n\x1a\n"), "{name}");
        }
        // Two snapshots of a live service differ in their numbers, not in what they are.
        let (debug, text) = (ask("debug=1").text(), ask("format=text").text());
        assert!(text.contains("flat%"), "{text}");
        if ["goroutine", "tasks"].contains(&name) {
            assert!(debug.starts_with("goroutine profile: total "), "{debug}");
        } else {
            assert!(debug.contains("flat%"), "{debug}");
            let go = if ["heap", "allocs"].contains(&name) { "heap profile" } else { name };
            assert_eq!(debug.split(':').next(), Some(go), "{name}");
            assert!(text.starts_with(&format!("{name}: ")), "{text}");
        }
        assert!(ask("format=folded").text().lines().all(|line| line.rsplit_once(' ').is_some()), "{name}");
        assert!(ask("format=json").json()["stacks"].as_array().is_some_and(|stacks| !stacks.is_empty()));
    }
    let text = shop.0.ask("/debug/pprof/heap?format=text").text();
    let table = text.lines().skip_while(|line| !line.trim_start().starts_with("flat ")).nth(1);
    assert!(table.is_some_and(|line| line.contains(REMEMBER)), "{text}");
    let raw = shop.0.ask("/debug/pprof/heap?raw=1&format=folded").text();
    assert!(raw.contains("_rjem") || raw.contains("tikv_jemallocator"), "{raw}");
    let objects = shop.0.ask("/debug/pprof/heap?value=inuse_objects&format=text").text();
    assert!(objects.starts_with("heap: inuse_objects "), "{objects}");
    assert_eq!(shop.0.ask("/debug/pprof/cmdline").text(), "leaky_shop");
    assert_eq!(shop.0.ask("/debug/snapshots?format=json").json(), Value::Array(Vec::new()));
}

#[test]
fn what_cannot_be_had_is_refused_with_a_sentence() {
    let shop = Service::start("leaky_shop", &[]);
    for (path, status, why) in [
        ("/debug/pprof/heapp", 404, "Unknown profile"),
        ("/debug/nothing", 404, "no such page; try /debug/"),
        ("/debug/snapshots/none", 404, "no such snapshot"),
        ("/debug/pprof/heap?seconds=0", 400, "must be a whole number from 1 to 60"),
        ("/debug/pprof/heap?format=gif", 400, "must be one of: pprof, svg, png, text, folded, json"),
        (
            "/debug/pprof/heap?value=rss",
            400,
            "must be one of: alloc_objects, alloc_space, inuse_objects, inuse_space",
        ),
        // Go takes each of these for 30 seconds.
        ("/debug/pprof/profile?seconds=abc", 400, "must be a whole number from 1 to 60"),
        ("/debug/pprof/profile?seconds=-1", 400, "must be a whole number from 1 to 60"),
        ("/debug/pprof/profile?seconds=1.5", 400, "must be a whole number from 1 to 60"),
        ("/debug/pprof/profile?seconds=1000000", 400, "must be a whole number from 1 to 60"),
        ("/debug/pprof/profile?seconds=1&debug=1", 400, "seconds and debug params are incompatible"),
    ] {
        let answer = shop.ask(path);
        assert_eq!(answer.status, status, "{path}");
        assert!(answer.text().contains(why), "{path}: {}", answer.text());
    }
    let post = ureq::post(shop.debug_url("/debug/pprof/heap")).config().http_status_as_error(false).build();
    assert_eq!(post.send_empty().expect("an answer").status(), 405);
    // Go would take the profile and throw it away.
    let asked = Instant::now();
    let head = ureq::head(shop.debug_url("/debug/pprof/profile?seconds=30")).call().expect("an answer");
    assert_eq!(head.status(), 200);
    assert!(asked.elapsed() < Duration::from_secs(10), "{:?}", asked.elapsed());
}
