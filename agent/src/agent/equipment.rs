//! What an agent works with: its sources, its gauges and its sinks, as the features of the build and the settings
//! make them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;

use crate::Error;
use crate::config::Config;
#[cfg(feature = "cpu")]
use crate::context;
use crate::export::{Exporter, Targets};
use crate::figure::Family;
use crate::gauge::{self, Gauge};
use crate::leak::Ledger;
use crate::sink::{self, Delivery, Sink};
use crate::source::{self, Source};

use super::outlets;

/// How old the process is when what takes a while is prepared: who ends sooner is spared it.
const SETTLED: Duration = Duration::from_secs(30);

/// The engines that run as long as the agent does.
pub(super) struct Equipment {
    sources: Vec<Arc<dyn Source>>,
    runtime: Option<Handle>,
    /// How old a task is that has come to stay.
    lasting: Duration,
    /// Who reads the tasks that nobody told us of.
    reading: Arc<source::walk::Reading>,
    started: Instant,
    #[cfg(all(feature = "cpu", target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
    blocks: Arc<source::workers::Blocks>,
    #[cfg(feature = "heap")]
    heap: Option<Arc<source::Heap>>,
    #[cfg(all(
        feature = "lock-profile",
        target_os = "linux",
        any(target_arch = "x86_64", target_arch = "aarch64")
    ))]
    locks: Option<Arc<source::locks::Listening>>,
    problems: Vec<(String, String)>,
}

impl Equipment {
    /// Starts the engines. One that cannot start is left out, logged and shown: a service without jemalloc still has
    /// all the rest.
    pub(super) fn set_up(config: &Config) -> Self {
        let mut equipment = Self {
            sources: Vec::new(),
            runtime: Handle::try_current().ok(),
            // What it grows by over one window is to be seen in the next, and what ends within minutes is no leak.
            lasting: config.growth_window / 2,
            started: Instant::now(),
            reading: Arc::new(source::walk::Reading::new(source::walk::Places {
                plan: config.plan.clone(),
                dir: config.dir.clone(),
                debug_dir: config.debug_dir.clone(),
            })),
            #[cfg(all(
                feature = "cpu",
                target_os = "linux",
                any(target_arch = "x86_64", target_arch = "aarch64")
            ))]
            blocks: Arc::default(),
            #[cfg(feature = "heap")]
            heap: None,
            #[cfg(all(
                feature = "lock-profile",
                target_os = "linux",
                any(target_arch = "x86_64", target_arch = "aarch64")
            ))]
            locks: None,
            problems: Vec::new(),
        };
        #[cfg(feature = "heap")]
        equipment.start_heap();
        #[cfg(feature = "cpu")]
        equipment.start_cpu(config);
        let tasks = source::Tasks::new(equipment.runtime.clone()).read_by(equipment.reading.clone());
        equipment.sources.push(Arc::new(tasks));
        equipment.sources.push(Arc::new(source::tasks::Lasting::new(equipment.lasting)));
        equipment.sources.push(Arc::new(source::Threads::new()));
        #[cfg(all(
            feature = "cpu",
            target_os = "linux",
            any(target_arch = "x86_64", target_arch = "aarch64")
        ))]
        equipment.sources.extend([
            Arc::new(source::Awaits::new()) as Arc<dyn Source>,
            Arc::new(source::ThreadStacks::new().labeled(context::labels)),
            Arc::new(source::Wall::new().labeled(context::labels)),
        ]);
        #[cfg(all(
            feature = "cpu",
            target_os = "linux",
            any(target_arch = "x86_64", target_arch = "aarch64")
        ))]
        equipment.start_locks(config);
        #[cfg(all(
            feature = "cpu",
            target_os = "linux",
            any(target_arch = "x86_64", target_arch = "aarch64")
        ))]
        equipment.sources.push(Arc::new(source::workers::Workers::new(equipment.blocks.clone())));
        equipment
    }

    /// Who waits for locks: by every futex call where that is built in and wanted, else by the wall clock.
    #[cfg(all(feature = "cpu", target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
    fn start_locks(&mut self, config: &Config) {
        #[cfg(feature = "lock-profile")]
        if let Some(rate) = config.lock_rate {
            match source::locks::Listening::start(rate) {
                Ok(listening) => {
                    self.sources.push(Arc::new(source::locks::Locks::waited(&listening)));
                    self.sources.push(Arc::new(source::locks::Locks::held(&listening)));
                    self.locks = Some(listening);
                    return;
                }
                Err(error) => self.go_without("lock profile by events", &error),
            }
        }
        #[cfg(not(feature = "lock-profile"))]
        let _unused = config.lock_rate;
        self.sources.push(Arc::new(source::Wall::blocked().labeled(context::labels)));
        self.sources.push(Arc::new(source::Wall::locked().labeled(context::labels)));
    }

    /// Everything that can be profiled, in the order pages list it.
    pub(super) fn sources(&self) -> Vec<Arc<dyn Source>> {
        self.sources.clone()
    }

    /// The gauges of the house and the service's `own`.
    pub(super) fn gauges(&self, own: Vec<Box<dyn Gauge>>) -> Vec<Box<dyn Gauge>> {
        let mut gauges = gauge::of_process(self.runtime.clone());
        #[cfg(feature = "heap")]
        if self.heap.is_some() {
            gauges.push(Box::new(gauge::HeapAllocated::new()));
        }
        gauges.push(Box::new(gauge::LastingTasks::new(self.lasting)));
        #[cfg(all(
            feature = "cpu",
            target_os = "linux",
            any(target_arch = "x86_64", target_arch = "aarch64")
        ))]
        gauges.push(Box::new(super::watchdog::BlockedWorkers(self.blocks.clone())));
        gauges.extend(own.into_iter().map(|gauge| Box::new(gauge::Discreet(gauge)) as Box<dyn Gauge>));
        gauges
    }

    /// The thread that watches the runtimes' workers, if the settings want one. Called in the agent's runtime.
    #[cfg(all(feature = "cpu", target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
    pub(super) fn watch_workers(
        &self,
        config: &Config,
        desk: &Arc<crate::desk::Desk>,
    ) -> Option<super::watchdog::Watchdog> {
        let threshold = config.worker_blocked?;
        let started = super::watchdog::Watchdog::start(
            desk.clone(),
            self.blocks.clone(),
            self.runtime.clone(),
            threshold,
        );
        started.map_err(|error| tracing::warn!("flamewatch: workers are not watched: {error:#}")).ok()
    }

    /// What was found of the runtimes' workers, for the index page.
    #[cfg(all(feature = "cpu", target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
    pub(super) fn blocked_workers(&self, now: std::time::Duration) -> String {
        self.blocks.status(now)
    }

    /// What the heap engine does about its own cost, and what is better done before somebody asks, once a tick.
    pub(super) fn govern(&self) {
        if self.started.elapsed() >= SETTLED {
            self.reading.prepare();
        }
        #[cfg(feature = "heap")]
        if let Some(change) = self.heap.as_ref().and_then(|heap| heap.govern()) {
            tracing::info!("flamewatch: {change}");
        }
    }

    /// What sends numbers on their way, where the settings or the build ask for it.
    pub(super) fn exporter(&mut self, config: &Config) -> Option<Exporter> {
        let targets = Targets {
            statsd: config.statsd.clone(),
            influx: config.influx.as_ref().map(|secret| secret.0.clone()),
            influx_token: config.influx_token.as_ref().map(|secret| secret.0.clone()),
            service: config.service.clone(),
            every: config.export_every,
        };
        Exporter::start(&targets, &mut self.problems)
    }

    /// What is shown who lives, so that it can tell who leaks.
    pub(super) fn ledger(&self, timescale: f64) -> Ledger {
        let walked = source::living::Walked::new(self.reading.clone(), self.runtime.clone());
        let ledger = Ledger::new(timescale).with_tasks(walked);
        #[cfg(feature = "heap")]
        let ledger = ledger.with_heap(self.heap.clone());
        ledger
    }

    /// Who reads the service's tasks.
    #[cfg(feature = "serve")]
    pub(super) fn reading(&self) -> Arc<source::walk::Reading> {
        self.reading.clone()
    }

    /// The service's runtime, where one is known.
    pub(super) fn runtime(&self) -> Option<Handle> {
        self.runtime.clone()
    }

    /// Whether the service's allocator is jemalloc, and sampled.
    pub(super) const fn has_heap(&self) -> bool {
        #[cfg(feature = "heap")]
        let has = self.heap.is_some();
        #[cfg(not(feature = "heap"))]
        let has = false;
        has
    }

    /// Whether the service's allocator is jemalloc, sampled or not.
    pub(super) fn on_jemalloc(&self) -> bool {
        #[cfg(feature = "heap")]
        let is = self.has_heap() || source::heap::is_allocator();
        #[cfg(not(feature = "heap"))]
        let is = self.has_heap();
        is
    }

    /// What the engines say of themselves, for scrapers.
    pub(super) fn figures(&self) -> Vec<Family> {
        #[cfg(feature = "heap")]
        let figures = self.heap.as_ref().map(|heap| super::figures::heap(&heap.stats())).unwrap_or_default();
        #[cfg(not(feature = "heap"))]
        let figures = Vec::new();
        #[cfg(all(
            feature = "lock-profile",
            target_os = "linux",
            any(target_arch = "x86_64", target_arch = "aarch64")
        ))]
        let figures = {
            let locks = self.locks.iter().flat_map(|locks| super::figures::locks(&locks.stats()));
            figures.into_iter().chain(locks).collect()
        };
        figures
    }

    /// What could not be started, for the index page.
    pub(super) fn problems(&self) -> &[(String, String)] {
        &self.problems
    }

    #[cfg(feature = "heap")]
    fn start_heap(&mut self) {
        match source::Heap::start(&source::heap::Options::default()) {
            Ok(heap) => {
                let heap = Arc::new(heap);
                self.sources.push(heap.clone());
                self.sources.push(Arc::new(source::Allocs::of(heap.clone())));
                self.heap = Some(heap);
            }
            Err(error) => self.go_without("heap profiles", &error),
        }
    }

    #[cfg(feature = "cpu")]
    fn start_cpu(&mut self, config: &Config) {
        let options = source::CpuOptions {
            hz: config.cpu_hz,
            engine: source::Engine::from_name(config.cpu_engine).unwrap_or_default(),
            always_hz: config.cpu_always,
            keep: config.cpu_keep,
        };
        let started = source::Cpu::start(options).or_else(|error| {
            // An engine that was asked for and does not work here is no reason to go without profiles.
            self.go_without(&format!("CPU engine {}", options.engine), &error);
            source::Cpu::start(source::CpuOptions { engine: source::Engine::Auto, ..options })
        });
        match started {
            Ok(cpu) => {
                tracing::debug!("flamewatch: CPU sampler: {}", cpu.engine());
                self.sources.push(Arc::new(cpu.labeled(context::labels)));
            }
            Err(error) => self.go_without("CPU profiles", &error),
        }
    }

    #[cfg(any(feature = "heap", feature = "cpu"))]
    fn go_without(&mut self, what: &str, error: &Error) {
        tracing::warn!("flamewatch: no {what}: {error:#}");
        self.problems.push((format!("no {what}"), format!("{error:#}")));
    }
}

/// A thread and a queue for each sink the settings name, and for the service's `own`. The log is always told.
pub(super) fn deliveries(config: &Config, own: Vec<Box<dyn Sink>>) -> Result<Vec<Delivery>, Error> {
    let mut sinks: Vec<Box<dyn Sink>> = vec![Box::new(sink::Log::new())];
    #[cfg(feature = "slack")]
    sinks.extend(slack(config)?);
    #[cfg(not(feature = "slack"))]
    if config.slack_webhook.is_some() || config.slack_bot.token.is_some() {
        tracing::warn!("flamewatch: Slack is set, but this build has no `slack` feature");
    }
    sinks.extend(outlets::of(config)?);
    if let Some(path) = &config.dir {
        sinks.push(Box::new(sink::Dir::new(path)));
    }
    sinks.extend(own);
    let options =
        sink::Options { on_thread_start: Some(crate::sys::thread::withdraw), ..sink::Options::default() };
    sinks.into_iter().map(|sink| Delivery::start(sink, options)).collect()
}

/// The Slack that the settings ask for: with a token as a bot, else by webhook.
#[cfg(feature = "slack")]
fn slack(config: &Config) -> Result<Option<Box<dyn Sink>>, Error> {
    if let (Some(token), Some(channel)) = (&config.slack_bot.token, &config.slack_bot.channel) {
        if config.slack_webhook.is_some() {
            tracing::warn!("flamewatch: Slack has a token and a webhook; the webhook is left unused");
        }
        let mut bot = sink::SlackBot::new(&token.0, channel)?;
        if let Some(url) = &config.slack_bot.api {
            bot = bot.api(url)?;
        }
        if let Some(spread) = config.slack_bot.spread {
            bot = bot.spread(spread);
        }
        return Ok(Some(Box::new(bot)));
    }
    let Some(url) = &config.slack_webhook else { return Ok(None) };
    Ok(Some(Box::new(sink::Slack::new(&url.0)?)))
}
