//! The loop: at each tick read the gauges, judge the rules, and have what fired investigated and delivered.
//! Everything slow runs elsewhere, so that a tick is never late by more than its gauges take.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinSet;

use crate::Error;
use crate::builder::Extras;
use crate::config::Config;
use crate::desk::{Desk, Identity};
use crate::export::{Exporter, Number};
use crate::leak::Level;
use crate::meter;
use crate::profile::Profile;
use crate::sink::{self, Delivery, State};
use crate::store::Open;
use crate::watch::Verdict;

use super::afterlife;
use super::baseline::Baseline;
use super::equipment::{self, Equipment};
use super::figures::{self, Counts};
use super::investigation::{Case, investigate};
use super::ladder::MemoryLadder;
use super::leak_alert::{self, About};
use super::leaks::{Leaks, Looked, Looker, News};
use super::lookout::{Lookout, Reading};
use super::plateaus::Known;
use super::port::Port;
use super::rules;

/// The most alerts under investigation at a time; one beyond that goes out without evidence, and is counted.
const MAX_CASES: usize = 8;

/// How long the debug port may take to close.
const FAREWELL: Duration = Duration::from_secs(1);

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
    url: Option<String>,
    equipment: Equipment,
    exporter: Option<Exporter>,
    /// The open incident of each rule, so that its resolved message carries the same id.
    incidents: HashMap<String, String>,
    places: Arc<Semaphore>,
    /// Alerts that went out without evidence, because too many were under investigation.
    hasty_cases: u64,
    /// Rounds that panicked.
    panics: u64,
    numbered: u32,
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
        let lookout = Lookout::new(equipment.gauges(extras.gauges), config.tick, rules, config.warm_up);
        for rule in lookout.blind_rules() {
            tracing::warn!(
                "flamewatch: the rule `{rule}` is on a gauge that nobody reads; it will never fire"
            );
        }
        let identity = Identity::of(&config.service, config.version.as_deref());
        let window = rules::growth_window(&config);
        let baselines =
            ["heap", "goroutine", "lasting", "threadcreate"].map(|kind| Baseline::new(kind, window)).to_vec();
        let looker = config.leaks.then(|| Looker::new(equipment.ledger(config.leak_timescale)));
        // Without a port of ours a link would lead to somebody else's.
        let url = port
            .as_ref()
            .map(|port| config.url.clone().unwrap_or_else(|| format!("http://{}", port.address())));
        let desk = Desk::new(equipment.sources(), identity)
            .looking_in(config.debug_dir.as_deref())
            .serving(equipment.runtime(), equipment.on_jemalloc())
            .remembering(window, config.tick)
            .keeping_in(config.dir.as_deref());
        Ok(Self {
            desk: Arc::new(desk),
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
            deliveries: Arc::new(deliveries),
            port,
            url,
            equipment,
            exporter,
            incidents: HashMap::new(),
            places: Arc::new(Semaphore::new(MAX_CASES)),
            hasty_cases: 0,
            panics: 0,
            numbered: 0,
            config,
        })
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
        let port = self.port.take().map(|port| tokio::spawn(port.answer(self.desk.clone(), closing.clone())));
        let (about, url) = (self.config.service.clone(), self.url.clone());
        tokio::spawn(afterlife::tell(about, url, self.desk.clone(), self.deliveries.clone()));
        let mut ticks = tokio::time::interval(self.config.tick);
        // After a stall one reading is enough; a burst of them would bend every slope.
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut beats = tokio::time::interval(meter::TICK);
        beats.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.notified() => break,
                _ = ticks.tick() => self.look(),
                _ = beats.tick() => self.desk.meter(self.now(), figures::counts()),
                Some(round) = next(&mut self.rounds) => self.judge(round),
                Some(concluded) = self.leaks.next() => {
                    let news = self.leaks.conclude(concluded, &self.desk);
                    news.into_iter().for_each(|news| self.tell(news));
                }
            }
        }
        closing.notify_one();
        let desk = self.desk.clone();
        let written = tokio::task::spawn_blocking(move || desk.end(FAREWELL));
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
        for (verdict, reading) in verdicts {
            self.open_case(verdict, &reading, &guard, now);
        }
        self.guard = Some(guard);
        self.equipment.govern();
    }

    /// Starts the investigation of a verdict; its alert goes out when it is done.
    fn open_case(&mut self, verdict: Verdict, reading: &Reading, guard: &Guard, now: Duration) {
        let (state, finding) = match verdict {
            Verdict::Fired(finding) => (State::Firing, finding),
            Verdict::Resolved(finding) => (State::Resolved, finding),
        };
        // The same leak, told already, or never told: nobody wants to hear of it twice.
        let told = |rule: &str| self.incidents.contains_key(rule);
        let again = state == State::Firing && finding.gauge == "tasks.lasting" && told("tasks growing");
        if again || state == State::Resolved && !told(&finding.rule) {
            return;
        }
        let place = self.places.clone().try_acquire_owned().ok();
        if place.is_none() {
            self.hasty_cases += 1;
        }
        // At once, in case that looking for the cause takes too long, or too much memory.
        tracing::warn!(
            "flamewatch: {} is {}, at {}",
            finding.rule,
            state.as_str(),
            reading.unit.show(finding.value)
        );
        let since = SystemTime::now().checked_sub(now.saturating_sub(finding.since));
        let bare = format!("{}, at {}", finding.rule, reading.unit.show(finding.value));
        let case = Case {
            id: self.incident(&finding.rule, state, since, bare),
            state,
            service: self.config.service.clone(),
            unit: reading.unit,
            // With too many cases under way the alert goes out without evidence: late news is worse than bare news.
            evidence: reading.evidence.filter(|_| place.is_some()),
            url: self.url.clone(),
            identity: self.desk.identity().summary(),
            // What is high was not made high in the last minutes; what grows was.
            before: reading.evidence.filter(|_| finding.growth.is_some()).and_then(|kind| guard.before(kind)),
            finding,
            now,
        };
        let (desk, deliveries) = (self.desk.clone(), self.deliveries.clone());
        tokio::spawn(async move {
            let alert = Arc::new(investigate(case, &desk).await);
            desk.retitled(&alert.id, &alert.headline);
            deliveries.iter().for_each(|delivery| delivery.send(alert.clone()));
            drop(place);
        });
    }

    /// Sends the alert of a leak.
    fn tell(&mut self, news: News) {
        let (state, title) = match news.leak.level {
            Level::Resolved => (State::Resolved, "is over"),
            _ => (State::Firing, "is found"),
        };
        let incident = format!("{} in {}", leak_alert::rule(&news.leak), news.leak.name);
        tracing::warn!("flamewatch: {incident} {title}: {}", news.leak.growth());
        let place = self.places.clone().try_acquire_owned().ok();
        if place.is_none() {
            self.hasty_cases += 1;
        }
        let about = About {
            evidence: place.is_some(),
            id: self.incident(&incident, state, None, format!("{incident}: {}", news.leak.growth())),
            service: self.config.service.clone(),
            url: self.url.clone(),
            identity: self.desk.identity().summary(),
            memory: self.desk.newest_memory(),
        };
        let (desk, deliveries) = (self.desk.clone(), self.deliveries.clone());
        tokio::spawn(async move {
            let alert = Arc::new(leak_alert::write(news, about, &desk).await);
            desk.retitled(&alert.id, &alert.headline);
            deliveries.iter().for_each(|delivery| delivery.send(alert.clone()));
            drop(place);
        });
    }

    /// The id of the incident that `rule` is in: a new one when it fires, the same when it is resolved. What is open is noted
    /// for the next run, with a headline as long as nothing better is known.
    fn incident(&mut self, rule: &str, state: State, since: Option<SystemTime>, headline: String) -> String {
        if state == State::Resolved {
            self.desk.closed(rule);
        }
        if state == State::Resolved
            && let Some(id) = self.incidents.remove(rule)
        {
            return id;
        }
        self.numbered += 1;
        let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        // Time, process and number: unlike any other on this host, and nothing to guess a secret from.
        let id = format!("{seconds:x}-{:x}-{}", std::process::id(), self.numbered);
        self.incidents.insert(rule.to_owned(), id.clone());
        let since = since.unwrap_or_else(SystemTime::now);
        self.desk.opened(Open { id: id.clone(), rule: rule.to_owned(), headline, since });
        id
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
        if self.hasty_cases > 0 {
            lines.push(("alerts without evidence".to_owned(), self.hasty_cases.to_string()));
        }
        self.desk.set_status(lines);
    }

    fn show_figures(&self, lookout: &Lookout) {
        let sinks: Vec<_> = self.deliveries.iter().map(Delivery::status).collect();
        let counts = Counts { hasty: self.hasty_cases, panics: self.panics };
        let mut figures = figures::families(lookout, &sinks, counts);
        figures.extend(self.equipment.figures());
        self.desk.set_figures(figures);
    }

    fn announce(&self) {
        let port = self
            .url
            .as_deref()
            .map_or_else(|| "no debug port".to_owned(), |url| format!("{url}/debug/pprof/"));
        let sinks: Vec<String> = self.deliveries.iter().map(|delivery| delivery.status().name).collect();
        let sinks = if sinks.is_empty() { "nowhere".to_owned() } else { sinks.join(", ") };
        tracing::info!("flamewatch: watching {}; {port}; alerts go to {sinks}", self.config.service);
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
