//! The rules an agent watches: the default ones as the settings shape them, and the service's own.

use std::time::Duration;

use crate::Error;
use crate::config::Config;
use crate::watch::Rule;

/// The most rules an agent watches; more are a mistake.
const MAX_RULES: usize = 64;

/// The fewest readings of a growth window that tell growth from noise: nine are needed, and some may fail.
const READINGS_A_WINDOW: u32 = 15;

/// Of the tasks that have come to stay so much less growth is a fault: nothing comes and goes among them.
const LASTING_SHARE: f64 = 1.0 / 6.0;

/// The default rules and `own`, checked.
///
/// # Errors
/// `Invalid` for a rule that makes no sense, or for too many.
pub(super) fn of(config: &Config, own: Vec<Rule>) -> Result<Vec<Rule>, Error> {
    let growing = |gauge: &'static str, per_minute: Option<f64>| {
        per_minute.map(|limit| Rule::growing(gauge).by(limit).over(config.growth_window))
    };
    let heap_growth = config.heap_growth.map(|bytes| bytes as f64);
    let defaults = [
        config.rss_share.map(|share| Rule::above("rss.share", share)),
        config.cpu_share.map(|share| Rule::above("cpu.share", share)),
        growing("heap.allocated", heap_growth),
        growing("tasks", config.task_growth),
        growing("tasks.lasting", config.task_growth.map(|limit| limit * LASTING_SHARE)),
        growing("threads", config.thread_growth),
        growing("fds", config.fd_growth),
    ];
    let blocked = worker_blocked(config);
    let timed =
        |rule: Rule| rule.for_at_least(config.hold).cooldown(config.cooldown).clear_for(config.clear_hold);
    let rules: Vec<Rule> = defaults.into_iter().flatten().map(timed).chain(blocked).chain(own).collect();
    if rules.len() > MAX_RULES {
        let message = format!("{} rules are set, but at most {MAX_RULES} can be", rules.len());
        return Err(Error::new(crate::ErrorKind::Invalid, message));
    }
    rules.iter().try_for_each(Rule::check)?;
    if config.tick * READINGS_A_WINDOW > config.growth_window {
        let message = format!(
            "growth over {:?} (FLAMEWATCH_GROWTH_WINDOW) needs {READINGS_A_WINDOW} readings, but there is one every {:?} (FLAMEWATCH_TICK)",
            config.growth_window, config.tick
        );
        return Err(Error::new(crate::ErrorKind::Invalid, message));
    }
    Ok(rules)
}

/// A worker that was blocked for as long as the settings allow is a fault at once, and most likely over when the gauge is
/// read next.
fn worker_blocked(config: &Config) -> Option<Rule> {
    let watched =
        cfg!(all(feature = "cpu", target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")));
    config.worker_blocked.filter(|_| watched).map(|_| {
        let rule =
            Rule::above("tokio.workers.blocked", 0.0).named("worker blocked").for_at_least(Duration::ZERO);
        rule.cooldown(config.cooldown).clear_for(config.clear_hold)
    })
}

/// How far back the baselines must reach: as far as the default growth rules look.
pub(super) fn growth_window(config: &Config) -> Duration {
    config.growth_window
}
