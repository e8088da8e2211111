//! The loop: at each tick read the gauges, judge the rules, and have what fired told.
//! Everything slow runs elsewhere, so that a tick is never late by more than its gauges take.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::Error;
use crate::builder::Extras;
use crate::config::{Bind, Config};
use crate::desk::{Desk, Identity};
use crate::export::{Exporter, Number};
#[cfg(feature = "inbound")]
use crate::inbound::{Gate, Inbound};
use crate::meter;
use crate::profile::Profile;
#[cfg(feature = "serve")]
use crate::serve;
use crate::sink::{self, Delivery};
use crate::watch::Verdict;

#[cfg(feature = "inbound")]
use super::asked::{self, Asked};
use super::baseline::Baseline;
use super::bulletin;
#[cfg(feature = "serve")]
use super::checkup;
use super::dispatch;
use super::equipment::{self, Equipment};
use super::figures::{self, Counts};
use super::ladder::MemoryLadder;
use super::leaks::{Leaks, Looked, Looker};
use super::lookout::{Lookout, Reading};
use super::newsroom::Newsroom;
use super::outlets;
use super::plateaus::Known;
use super::port::{Limits, Port};
use super::restraint;
use super::rules;

/// How long the debug port may take to close.
const FAREWELL: Duration = Duration::from_secs(1);

/// How long the watching waits at the start for a slow disk to say what earlier runs have told.
const DISK: Duration = Duration::from_secs(5);

/// Everything the loop owns.
pub(super) struct Watchroom {
    config: Config,
    /// Away while a round is out.
    guard: Option<Guard>,
    rounds: JoinSet<Round>,
    leaks: Leaks,
    /// Ticks since the round that is out should have been back.
    late: u64,
    desk: Arc<Desk>,
    deliveries: Arc<Vec<Delivery>>,
    port: Option<Port>,
    #[cfg(feature = "serve")]
    mount: Option<serve::Mount>,
    #[cfg(feature = "inbound")]
    inbound: Option<Inbound>,
    #[cfg(feature = "inbound")]
    gate: Option<Arc<Gate>>,
    url: Option<String>,
    equipment: Equipment,
    exporter: Option<Exporter>,
    newsroom: Newsroom,
    /// Rounds that panicked.
    panics: u64,
}

/// What goes on rounds: reads the gauges and keeps what they are compared with.
struct Guard {
    lookout: Lookout,
    looker: Option<Looker>,
    baselines: Vec<Baseline>,
    ladder: MemoryLadder,
    warm_up: Duration,
}

/// What a round brought back.
struct Round {
    guard: Guard,
    verdicts: Result<Vec<(Verdict, Reading)>, Panicked>,
    looked: Option<Looked>,
    now: Duration,
}

/// A round did not end well.
struct Panicked;

impl Watchroom {
    /// Puts everything in place; called on the thread that starts the agent, inside the service's runtime if it has one.
    pub(super) fn open(config: Config, extras: Extras, port: Option<Port>) -> Result<Self, Error> {
        let rules = rules::of(&config, extras.rules)?;
        let deliveries = equipment::deliveries(&config, extras.sinks)?;
        let mut equipment = Equipment::set_up(&config);
        let exporter = equipment.exporter(&config);
        let names = rules.clone();
        let lookout = Lookout::new(equipment.gauges(extras.gauges), config.tick, rules, config.warm_up);
        for rule in lookout.blind_rules() {
            tracing::warn!(
                "flamewatch: the rule `{rule}` is on a gauge that nobody reads; it will never fire"
            );
        }
        let identity =
            Identity::of(&config.service, config.version.as_deref()).built_from(config.revision.as_deref());
        let window = rules::growth_window(&config);
        let baselines =
            ["heap", "goroutine", "lasting", "threadcreate"].map(|kind| Baseline::new(kind, window)).to_vec();
        let looker = config.leaks.then(|| Looker::new(equipment.ledger(config.leak_timescale)));
        let url = match &port {
            Some(port) => config.url.clone().or_else(|| port.url()),
            // The pages are in a server of the service's own.
            None if matches!(config.bind, Bind::Off) => config.url.clone(),
            // The port could not be had: a link would lead to somebody else's.
            None => None,
        };
        let desk = Desk::new(equipment.sources(), identity)
            .looking_in(config.debug_dir.as_deref())
            .serving(equipment.runtime(), equipment.on_jemalloc())
            .remembering(window, config.tick)
            .keeping_in(config.dir.as_deref());
        #[cfg(feature = "serve")]
        let desk = desk.reading_by(equipment.reading());
        #[cfg(feature = "serve")]
        let desk = {
            let config = config.clone();
            desk.examined_by(move || checkup::of(&config))
        };
        let (desk, deliveries) = (Arc::new(desk), Arc::new(deliveries));
        let newsroom = Newsroom::new(&config, url.clone(), desk.clone(), deliveries.clone(), &names);
        Ok(Self {
            desk,
            guard: Some(Guard {
                lookout,
                looker,
                baselines,
                ladder: MemoryLadder::new(),
                warm_up: config.warm_up,
            }),
            rounds: JoinSet::new(),
            leaks: Leaks::new(config.leak_timescale, Known::in_folder(config.dir.as_deref())),
            late: 0,
            deliveries,
            port,
            #[cfg(feature = "serve")]
            mount: None,
            #[cfg(feature = "inbound")]
            inbound: None,
            #[cfg(feature = "inbound")]
            gate: None,
            url,
            equipment,
            exporter,
            newsroom,
            panics: 0,
            config,
        })
    }

    /// The same with the pages in a server of the service's own.
    #[cfg(feature = "serve")]
    pub(super) fn mounted(self, mount: serve::Mount) -> Self {
        Self { mount: Some(mount), ..self }
    }

    /// The same with a socket through which profiles can be asked for.
    #[cfg(feature = "inbound")]
    pub(super) fn letting_in(self, inbound: Option<Inbound>) -> Self {
        Self { gate: inbound.as_ref().map(Inbound::gate), inbound, ..self }
    }

    /// Runs until `stop`.
    pub(super) async fn run(mut self, stop: &Notify) {
        let closing = Arc::new(Notify::new());
        self.announce();
        #[cfg(all(
            feature = "cpu",
            target_os = "linux",
            any(target_arch = "x86_64", target_arch = "aarch64")
        ))]
        let _watchdog = self.equipment.watch_workers(&self.config, &self.desk);
        let limits = Limits::default();
        #[cfg(feature = "serve")]
        if let Some(mount) = self.mount.take() {
            let (desk, token) =
                (self.desk.clone(), self.config.token.as_ref().map(|secret| secret.0.clone()));
            let (limits, closing) = (limits.clone(), closing.clone());
            let stop = async move { closing.notified().await };
            tokio::spawn(serve::run_mounted(mount, desk, token, limits, stop));
        }
        let port = self
            .port
            .take()
            .map(|port| tokio::spawn(port.answer(self.desk.clone(), limits, closing.clone())));
        let desk = self.desk.clone();
        let mut legacy = std::pin::pin!(desk.store().legacy());
        let mut inherited = false;
        #[cfg(feature = "inbound")]
        if let Some(inbound) = self.inbound.take() {
            tokio::spawn(self.asked().serve(inbound));
        }
        let mut ticks = tokio::time::interval(self.config.tick);
        // After a stall one reading is enough; a burst of them would bend every slope.
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut beats = tokio::time::interval(meter::TICK);
        beats.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.notified() => break,
                // What is open already is not to be told as new.
                _ = ticks.tick(), if inherited || self.now() >= DISK => self.look(),
                _ = beats.tick() => self.desk.meter(self.now(), figures::counts()),
                Some(round) = next(&mut self.rounds) => self.judge(round),
                Some(concluded) = self.leaks.next() => {
                    let news = self.leaks.conclude(concluded, &self.desk);
                    self.newsroom.hear_of_leaks(&news, self.now());
                }
                left = &mut legacy, if !inherited => {
                    inherited = true;
                    self.newsroom.inherit(left, self.now());
                }
                Some(gone) = self.newsroom.next() => self.newsroom.conclude(&gone),
            }
        }
        self.newsroom.close().await;
        closing.notify_waiters();
        closing.notify_one();
        let (desk, deliveries) = (self.desk.clone(), self.deliveries.clone());
        let written = tokio::task::spawn_blocking(move || {
            // First they: what they bring home now is not to be brought again by the next run.
            dispatch::rest(&deliveries);
            desk.end(FAREWELL);
        });
        if let Some(port) = port {
            // Answers under way get a moment; whoever waits for a profile is let go.
            let _ = tokio::time::timeout(FAREWELL, port).await;
        }
        let _ = written.await;
    }

    /// Has the gauges read on a worker thread. While a round is out there is no second one: a gauge that blocks
    /// stops the watching, which the status says, and nothing else.
    fn look(&mut self) {
        let Some(mut guard) = self.guard.take() else {
            self.late += 1;
            return self
                .show_status(&[("gauges".to_owned(), format!("a gauge blocks; {} ticks late", self.late))]);
        };
        let (now, desk) = (self.now(), self.desk.clone());
        self.late = 0;
        self.rounds.spawn_blocking(move || {
            // A gauge of the user's own can panic wherever it is asked; the guard goes on all the same.
            let round = catch_unwind(AssertUnwindSafe(|| {
                let verdicts = guard.lookout.tick(now);
                guard.refresh(now, &desk);
                let looked = guard.looker.as_mut().and_then(|looker| looker.look(now, time_left(&desk)));
                (verdicts, looked)
            }));
            let (verdicts, looked) = match round {
                Ok((verdicts, looked)) => (Ok(verdicts), looked),
                Err(_) => (Err(Panicked), None),
            };
            Round { guard, verdicts, looked, now }
        });
    }

    fn judge(&mut self, round: Round) {
        let Round { guard, verdicts, looked, now } = round;
        if let Some(looked) = looked {
            self.leaks.take(looked, &self.desk);
        }
        let mut status = guard.lookout.status();
        let verdicts = verdicts.unwrap_or_else(|Panicked| {
            self.panics += 1;
            tracing::error!(
                "flamewatch: reading the gauges panicked; a gauge of the service's own is broken"
            );
            Vec::new()
        });
        if self.panics > 0 {
            status.push(("rounds that panicked".to_owned(), self.panics.to_string()));
        }
        if let Some(exporter) = &mut self.exporter {
            exporter.offer(now, || numbers(&guard.lookout.readings()));
            status.extend(exporter.status());
        }
        self.show_status(&status);
        self.show_figures(&guard.lookout);
        let cpu_share = guard.lookout.reading("cpu.share").and_then(|reading| reading.value);
        self.newsroom.notice_cpu(cpu_share);
        #[cfg(feature = "serve")]
        self.desk.set_charts(now, guard.lookout.charts());
        for (verdict, reading) in verdicts {
            self.newsroom.hear(verdict, &reading, |kind| guard.before(kind), now);
        }
        self.newsroom.remind(&guard.lookout, now);
        self.guard = Some(guard);
        self.equipment.govern();
    }

    fn show_status(&self, lines: &[(String, String)]) {
        let sinks = self.deliveries.iter().map(|delivery| {
            let status = delivery.status();
            (format!("sink: {}", status.name), account(&status))
        });
        let mut lines: Vec<(String, String)> = lines.iter().cloned().chain(sinks).collect();
        #[cfg(all(
            feature = "cpu",
            target_os = "linux",
            any(target_arch = "x86_64", target_arch = "aarch64")
        ))]
        if self.config.worker_blocked.is_some() {
            lines.push(("blocked workers".to_owned(), self.equipment.blocked_workers(self.now())));
        }
        lines.extend(self.equipment.problems().iter().cloned());
        let spared = self.newsroom.spared();
        if spared != restraint::Counts::default() {
            let words =
                format!("{} without a profile, {} with one that is not named", spared.bare, spared.raw);
            lines.push(("alerts that spared the service".to_owned(), words));
        }
        #[cfg(feature = "serve")]
        if crate::serve::accept::made_room() > 0 {
            let count = crate::serve::accept::made_room().to_string();
            lines.push(("connections that asked for nothing and made room".to_owned(), count));
        }
        lines.extend(bulletin::suppressed(self.newsroom.telling()));
        #[cfg(feature = "inbound")]
        lines.extend(self.gate.as_ref().and_then(|gate| asked::account(gate.counts())));
        self.desk.set_status(lines);
    }

    fn show_figures(&self, lookout: &Lookout) {
        let sinks: Vec<_> = self.deliveries.iter().map(Delivery::status).collect();
        let counts = Counts { spared: self.newsroom.spared(), panics: self.panics };
        let mut figures = figures::families(lookout, &sinks, self.newsroom.telling(), counts);
        figures.extend(self.equipment.figures());
        self.desk.set_figures(figures);
        let suppressed = self.newsroom.telling().suppressed().map(|(why, count)| (why.as_str(), count));
        self.desk.set_board(outlets::shown(sinks), suppressed.collect());
    }

    #[cfg(feature = "inbound")]
    fn asked(&self) -> Asked {
        let (service, url) = (self.config.service.clone(), self.url.clone());
        Asked { service, url, desk: self.desk.clone(), deliveries: self.deliveries.clone() }
    }

    fn announce(&self) {
        self.desk
            .set_board(outlets::shown(self.deliveries.iter().map(Delivery::status).collect()), Vec::new());
        let port = match (&self.url, &self.port) {
            (Some(url), _) => format!("{url}/debug/pprof/"),
            (None, Some(port)) => format!("debug port at {port}"),
            (None, None) => "no debug port".to_owned(),
        };
        let sinks: Vec<String> = self.deliveries.iter().map(|delivery| delivery.status().name).collect();
        let sinks = if sinks.is_empty() { "nowhere".to_owned() } else { sinks.join(", ") };
        tracing::info!("flamewatch: watching {}; {port}; alerts go to {sinks}", self.config.service);
        #[cfg(feature = "inbound")]
        if let Some(inbound) = &self.inbound {
            tracing::info!("flamewatch: profiles can be asked for on {}", inbound.address());
        }
    }

    fn now(&self) -> Duration {
        self.desk.identity().started.elapsed()
    }
}

impl Guard {
    /// Keeps raw profiles to compare with later. Cheap: nothing is named.
    fn refresh(&mut self, now: Duration, desk: &Desk) {
        // What a service builds up while it starts is not growth.
        if now < self.warm_up {
            return;
        }
        desk.look_at_memory(now);
        self.ladder.climb(&self.lookout, desk);
        let due = |baseline: &&mut Baseline| baseline.is_due(now) && desk.is_cheap(baseline.kind);
        for baseline in self.baselines.iter_mut().filter(due) {
            // A profile that cannot be had now may be had later; the evidence says so when it is asked for.
            if let Ok(profile) = desk.collect_here(baseline.kind) {
                baseline.add(now, profile);
            }
        }
    }

    /// The profile called `kind` as it was a while ago.
    fn before(&self, kind: &str) -> Option<(Duration, Arc<Profile>)> {
        self.baselines.iter().find(|baseline| baseline.kind == kind)?.oldest()
    }
}

/// How long memory lasts, most likely.
fn time_left(desk: &Desk) -> Option<Duration> {
    Some(desk.newest_memory()?.time_left?.expected)
}

/// What the exporters tell: the gauges, and the routes where there are any.
fn numbers(readings: &[Reading]) -> Vec<Number> {
    let gauge = |reading: &Reading| Some(Number::Gauge { name: reading.name.clone(), value: reading.value? });
    #[allow(unused_mut, reason = "without the feature `http` there are no routes")]
    let mut numbers: Vec<Number> = readings.iter().filter_map(gauge).collect();
    #[cfg(feature = "http")]
    numbers.extend(crate::http::snapshot().into_iter().map(|route| Number::Route {
        calls: route.calls(),
        time: route.total,
        in_flight: route.in_flight,
        tasks: route.tasks,
        method: route.method,
        path: route.path,
    }));
    numbers
}

/// What became of a sink's alerts, in words.
fn account(status: &sink::Status) -> String {
    let mut text = format!("{} sent, {} waiting", status.sent, status.waiting);
    let counts =
        [(status.retried, "retried"), (status.dropped, "dropped"), (status.files_left_out, "files left out")];
    for (count, what) in counts.into_iter().filter(|(count, _)| *count > 0) {
        text.push_str(&format!(", {count} {what}"));
    }
    if let Some(error) = &status.last_error {
        text.push_str(&format!("; last error: {error}"));
    }
    text
}

/// The next finished round.
async fn next(rounds: &mut JoinSet<Round>) -> Option<Round> {
    rounds.join_next().await.and_then(Result::ok)
}
