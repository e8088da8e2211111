//! The check-up behind [`crate::doctor()`]: what works in this process, measured and not assumed.

use std::path::Path;

use crate::Unit;
use crate::config::Config;
use crate::doctor::{Check, Report};
use crate::gauge::{self, LimitedBy};
use crate::resolve::Resolver;
use crate::source::walk::{Places, Reading};
use crate::spawn::hooks_are_set;

/// Says what of flamewatch works in this process, what does not, and how to mend it. It measures: a forced sample must
/// reach the heap profiler, this very function must have a name and a line, the Slack host must take a connection.
///
/// Takes up to a few seconds, for that connection and for reading debug info. Call it from a health command or once
/// after the start, not on a hot path.
#[must_use]
pub fn doctor() -> Report {
    let mut config = Config::default();
    let settings = match config.apply(|name| std::env::var(name).ok()) {
        Ok(()) => variables(),
        Err(error) => {
            Check::problem("settings", format!("{error:#}"), "start() will fail until that is mended")
        }
    };
    checked(settings, &config)
}

/// The same of an agent that runs with `config`.
#[cfg_attr(not(feature = "serve"), allow(dead_code, reason = "only the debug port shows it"))]
pub(super) fn of(config: &Config) -> Report {
    checked(variables(), config)
}

/// Whether there are variables that nobody reads.
fn variables() -> Check {
    let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    match Config::unknown(names).as_slice() {
        [] => Check::ok("settings", "every FLAMEWATCH_* variable makes sense"),
        unknown => {
            let remedy = "correct the spelling; nobody reads a variable that is not in the README";
            Check::hint("settings", format!("no variable of ours: {}", unknown.join(", ")), remedy)
        }
    }
}

fn checked(settings: Check, config: &Config) -> Report {
    let mut report = Report::default();
    report.checks.push(settings);
    #[cfg(feature = "heap")]
    report.checks.extend(crate::source::heap::diagnose());
    #[cfg(not(feature = "heap"))]
    report.checks.push(Check::problem(
        "heap",
        "built without the `heap` feature",
        "enable `flamewatch/full`",
    ));
    report.checks.push(cpu(config));
    report.checks.push(locks(config));
    report.checks.push(names(config.debug_dir.as_deref()));
    report.checks.push(memory_limit());
    report.checks.push(tasks_of_others(config));
    report.checks.push(slack(config));
    report.checks.extend(outlets(config));
    report
}

/// Which engine takes CPU samples here, and whether one arrives.
#[cfg(feature = "cpu")]
fn cpu(config: &Config) -> Check {
    use crate::source::{Cpu, CpuOptions, Engine, Source};
    let engine = Engine::from_name(config.cpu_engine).unwrap_or_default();
    let options = CpuOptions { engine, ..CpuOptions::default() };
    let sampled = Cpu::start(options).and_then(|cpu| {
        let engine = cpu.engine().to_owned();
        // One that takes much memory is not tried out.
        let tried = if cpu.needs_memory() == 0 { Some(busily(&cpu)?) } else { None };
        Ok((engine, tried))
    });
    match sampled {
        Ok((engine, Some(Tried::Starved))) => {
            let finding = format!("engine {engine}; not tried out, there was no CPU time for it");
            Check::hint("cpu sampler", finding, "look again when the machine is less busy")
        }
        Ok((engine, Some(Tried::Silent))) => {
            let remedy = "look whether threads block SIGPROF, or ask for another FLAMEWATCH_CPU_ENGINE";
            Check::problem("cpu sampler", format!("no sample arrives; engine {engine}"), remedy)
        }
        Ok((engine, _)) => Check::ok("cpu sampler", format!("engine {engine}")),
        Err(error) => Check::problem("cpu sampler", format!("{error:#}"), "leave FLAMEWATCH_CPU_ENGINE out"),
    }
}

/// What came of trying the CPU sampler.
#[cfg(feature = "cpu")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tried {
    Sampled,
    /// A thread used CPU time, and no sample came.
    Silent,
    /// It got next to none to use.
    Starved,
}

/// Below this a thread may rightly be missed: ten samples are due in it at the highest rate.
#[cfg(feature = "cpu")]
const ENOUGH_NS: u64 = 10_000_000;

/// Samples for as long as a thread of ours needs to use some CPU.
#[cfg(feature = "cpu")]
fn busily(cpu: &crate::source::Cpu) -> Result<Tried, crate::Error> {
    use crate::source::{Cpu, Source, Window};
    use std::time::{Duration, Instant};
    let window = Window::of(Duration::from_millis(150)).at(Some(Cpu::MAX_HZ));
    let work = std::thread::Builder::new().name("doctor".to_owned()).spawn(|| {
        // Who examines a running agent is a thread of the agent, and what it blocks is inherited.
        crate::sys::thread::hear_samples();
        let began = Instant::now();
        while began.elapsed() < Duration::from_millis(150) {
            std::hint::spin_loop();
        }
        crate::sys::clock::thread_cpu_ns()
    });
    let profile = cpu.collect(&window);
    let used = work.ok().and_then(|work| work.join().ok()).unwrap_or(0);
    Ok(match profile?.total(0) {
        1.. => Tried::Sampled,
        _ if used < ENOUGH_NS => Tried::Starved,
        _ => Tried::Silent,
    })
}

#[cfg(not(feature = "cpu"))]
fn cpu(_config: &Config) -> Check {
    Check::problem("cpu sampler", "built without the `cpu` feature", "enable `flamewatch/full`")
}

/// Where the profiles `mutex` and `block` come from.
fn locks(config: &Config) -> Check {
    let built = cfg!(all(
        feature = "lock-profile",
        target_os = "linux",
        any(target_arch = "x86_64", target_arch = "aarch64")
    ));
    match (built, config.lock_rate) {
        (false, _) => {
            Check::ok("locks", "who waits, by the wall clock; who holds takes the feature `lock-profile`")
        }
        (true, None) => Check::ok("locks", "who waits, by the wall clock: FLAMEWATCH_LOCK_RATE is off"),
        (true, Some(rate)) if hears_futexes() => Check::ok(
            "locks",
            format!("every futex call is seen, waits of {rate:?} and longer with their stacks"),
        ),
        (true, Some(_)) => Check::problem(
            "locks",
            "the program is linked with another `syscall` than flamewatch's, so that only the wall clock tells who waits",
            "look what else defines `syscall` (`nm PROGRAM | grep -w syscall`), or leave the feature `lock-profile` out",
        ),
    }
}

#[cfg(all(
    feature = "lock-profile",
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
fn hears_futexes() -> bool {
    crate::source::locks::is_heard()
}

#[cfg(not(all(
    feature = "lock-profile",
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
)))]
const fn hears_futexes() -> bool {
    false
}

/// Whether an address of ours gets a name, a file and a line.
fn names(debug_dir: Option<&Path>) -> Check {
    let here = doctor as *const () as usize as u64;
    let mut profile = crate::profile::Profile::new("doctor", []);
    profile.add([crate::profile::Frame::Address(crate::profile::Addr::Pc(here))], &[], 1);
    let named = Resolver::looking_in(debug_dir).name(&profile, || false);
    let function = named.frames().find_map(|frame| match frame {
        crate::profile::Frame::Named(function) => Some(function.clone()),
        _ => None,
    });
    let advice = "set `debug = 1` in [profile.release], and do not strip the binary or point FLAMEWATCH_DEBUG_DIR at its debug file";
    match function {
        Some(function) if function.name.contains("doctor") && function.line > 0 => {
            Check::ok("names", "functions have names, files and lines")
        }
        Some(function) if function.name.contains("doctor") => {
            Check::problem("names", "functions have names, but no files and lines", advice)
        }
        _ => Check::problem("names", "functions have no names, only module+offset", advice),
    }
}

fn memory_limit() -> Check {
    match gauge::limit() {
        Some(limit) => {
            let by = match limit.by {
                LimitedBy::Cgroup => "cgroup",
                LimitedBy::Machine => "the machine; no cgroup limit",
                other => other.words(),
            };
            Check::ok("memory limit", format!("{} ({by})", Unit::Bytes.show(limit.bytes as f64)))
        }
        None => Check::problem(
            "memory limit",
            "neither a cgroup limit nor the machine's memory can be read",
            "mount /proc; alerts cannot say when memory runs out",
        ),
    }
}

#[cfg(feature = "slack")]
fn slack(config: &Config) -> Check {
    let bot = config.slack_bot.token.as_ref();
    let bot = bot.map(|_| config.slack_bot.api.as_deref().unwrap_or("https://slack.com"));
    match config.slack_webhook.as_ref().map(|webhook| webhook.0.as_str()).or(bot) {
        Some(url) => reach("slack", url),
        None => Check::hint(
            "slack",
            "no webhook is set",
            "set FLAMEWATCH_SLACK_WEBHOOK, or look for alerts elsewhere: they are in the log, too",
        ),
    }
}

/// Whether what stands at `url` takes a connection.
#[cfg(feature = "__http")]
fn reach(name: &'static str, url: &str) -> Check {
    use std::net::ToSocketAddrs as _;
    // The host alone: the path is the secret.
    let url = url::Url::parse(url).ok();
    let host = url.as_ref().and_then(url::Url::host_str).unwrap_or("(no host)");
    let remedy = "check DNS, proxy and egress rules of this host";
    let proxy = match url.as_ref().map(crate::sink::proxy).transpose() {
        Ok(proxy) => proxy.flatten(),
        Err(error) => return Check::problem(name, error, remedy),
    };
    if let Some((proxy, port)) = proxy {
        return if takes_connection((proxy.as_str(), port).to_socket_addrs().into_iter().flatten()) {
            Check::ok(name, format!("the proxy {proxy}, which leads to {host}, takes connections"))
        } else {
            Check::problem(name, format!("the proxy {proxy} cannot be reached"), remedy)
        };
    }
    let addresses = url.as_ref().and_then(|url| url.socket_addrs(|| None).ok()).unwrap_or_default();
    if takes_connection(addresses) {
        return Check::ok(name, format!("{host} takes connections"));
    }
    Check::problem(name, format!("{host} cannot be reached"), remedy)
}

#[cfg(feature = "__http")]
fn takes_connection(addresses: impl IntoIterator<Item = std::net::SocketAddr>) -> bool {
    let patience = std::time::Duration::from_secs(3);
    addresses.into_iter().any(|address| std::net::TcpStream::connect_timeout(&address, patience).is_ok())
}

/// The other sinks, where they are asked for.
fn outlets(config: &Config) -> Vec<Check> {
    let pagerduty = config.pagerduty_url.as_deref().unwrap_or("https://events.pagerduty.com");
    let asked = [
        ("webhook", cfg!(feature = "webhook"), config.webhook.as_ref().map(|url| url.0.as_str())),
        ("pagerduty", cfg!(feature = "pagerduty"), config.pagerduty_key.as_ref().map(|_| pagerduty)),
        ("pyroscope", cfg!(feature = "pyroscope"), config.pyroscope.as_ref().map(|url| url.0.as_str())),
    ];
    let check = |(name, built, url)| if built { reach(name, url) } else { unbuilt(name) };
    asked.into_iter().filter_map(|(name, built, url)| Some((name, built, url?))).map(check).collect()
}

/// No sink in this build connects to anything.
#[cfg(not(feature = "__http"))]
fn reach(name: &'static str, _url: &str) -> Check {
    unbuilt(name)
}

fn unbuilt(name: &'static str) -> Check {
    Check::problem(name, format!("built without the `{name}` feature"), "enable `flamewatch/full`")
}

#[cfg(not(feature = "slack"))]
fn slack(config: &Config) -> Check {
    match config.slack_webhook {
        Some(_) => Check::problem("slack", "built without the `slack` feature", "enable `flamewatch/full`"),
        None => Check::ok("slack", "not asked for"),
    }
}

/// Whether tasks that libraries spawn are seen one by one. Nothing is wrong where they are not.
/// Whether tasks are seen that nobody told us of, and what they wait for.
fn tasks_of_others(config: &Config) -> Check {
    const NAME: &str = "tasks of libraries";
    if hooks_are_set() == Some(true) {
        return Check::ok(NAME, "told of by the runtime's hooks, under the line that spawned them");
    }
    let places =
        Places { plan: config.plan.clone(), dir: config.dir.clone(), debug_dir: config.debug_dir.clone() };
    match Reading::new(places).examine() {
        Ok((true, remarks)) => Check::ok(NAME, format!("read from tokio's lists; {remarks}")),
        Ok((false, remarks)) => Check::hint(
            NAME,
            format!("read from tokio's lists; {remarks}"),
            "await stacks want `debug = 2` for the service's own crate, or a plan: see `flamewatch plan --help`",
        ),
        Err(refusal) => Check::hint(
            NAME,
            format!("counted in one sum: {refusal}"),
            "their lines are known in a build with `--cfg tokio_unstable`, see flamewatch::hook_runtime",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The test program has the system's allocator and debug info.
    #[test]
    fn it_says_what_works_what_does_not_and_what_to_do() {
        let report = doctor();
        let find = |name: &str| report.checks.iter().find(|check| check.name.starts_with(name)).cloned();
        assert!(find("names").is_some_and(|check| check.ok), "{report}");
        #[cfg(feature = "cpu")]
        assert!(
            find("cpu sampler").is_some_and(|check| check.ok && check.finding.contains("engine ")),
            "{report}"
        );
        assert!(find("memory limit").is_some_and(|check| check.ok), "{report}");
        let heap = find("heap").unwrap_or_else(|| panic!("nothing about the heap in {report}"));
        assert!(!heap.ok && heap.remedy.is_some(), "{report}");
        assert!(!report.is_well());
    }
}
