//! How an agent is set up in code. The environment has the last word, so that the person on call can change a
//! setting without a build.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::Error;
use crate::agent::Agent;
use crate::config::{Bind, Config, Place, Secret, TlsFiles};
use crate::gauge::Gauge;
use crate::sink::Sink;
use crate::watch::Rule;

/// Starts an agent from the environment and safe defaults: the one line most services need.
///
/// Hold on to what it returns: dropping the [`Agent`] ends it. Call it inside the tokio runtime, so that the agent
/// can count the runtime's tasks; outside one it counts those spawned through [`crate::spawn`].
///
/// | variable | what it sets | default |
/// |---|---|---|
/// | `FLAMEWATCH` | `off` makes the agent do nothing | `on` |
/// | `FLAMEWATCH_SERVICE` | the service's name in alerts and pages | the program's name |
/// | `FLAMEWATCH_VERSION` | the service's version | none |
/// | `FLAMEWATCH_REVISION` | the revision of its source, such as a commit's hash | none |
/// | `FLAMEWATCH_BIND` | where the debug port listens: an address, or `unix:/PATH`; `off` for none | `127.0.0.1:6060` |
/// | `FLAMEWATCH_TOKEN` | what callers of the debug port must know; needed off loopback | none |
/// | `FLAMEWATCH_TLS_CERT`, `FLAMEWATCH_TLS_KEY` | the files of its certificate and key, for HTTPS | none |
/// | `FLAMEWATCH_URL` | the debug port's address as people reach it, for links in alerts | the bound address |
/// | `FLAMEWATCH_SLACK_WEBHOOK` | the Slack incoming webhook that gets alerts | none |
/// | `FLAMEWATCH_WEBHOOK` | the URL that gets alerts as Alertmanager's webhooks do | none |
/// | `FLAMEWATCH_WEBHOOK_SECRET` | what signs them, see [`Webhook`](crate::sink::Webhook) | none |
/// | `FLAMEWATCH_WEBHOOK_TEMPLATE` | the file with another body for them, see there | none |
/// | `FLAMEWATCH_PAGERDUTY_KEY` | the integration key of the PagerDuty service that gets alerts | none |
/// | `FLAMEWATCH_PAGERDUTY_URL` | where PagerDuty's Events API is | `https://events.pagerduty.com` |
/// | `FLAMEWATCH_PYROSCOPE` | the Pyroscope that gets the profiles of alerts | none |
/// | `FLAMEWATCH_PYROSCOPE_TENANT` | its tenant | none |
/// | `FLAMEWATCH_SLACK_TOKEN` | a Slack bot's token, `xoxb-…`; with a channel it is used instead of the webhook | none |
/// | `FLAMEWATCH_SLACK_CHANNEL` | the id of the channel that the bot posts to | none |
/// | `FLAMEWATCH_SLACK_SPREAD` | how far replicas spread their messages, to share one; `0s` for one replica | `15s` |
/// | `FLAMEWATCH_SLACK_API` | where Slack's Web API is, for GovSlack | `https://slack.com/api` |
/// | `FLAMEWATCH_INBOUND` | where profiles can be asked for, by the next three; `off` for nowhere | `off` |
/// | `FLAMEWATCH_SLACK_SIGNING_SECRET` | what signs Slack's slash command, `POST /slack` | none |
/// | `FLAMEWATCH_SLACK_CHANNELS` | the ids of the channels that it may come from | none |
/// | `FLAMEWATCH_TRIGGER_TOKEN` | what a monitor must know, as a Bearer token, `POST /trigger` | none |
/// | `FLAMEWATCH_DIR` | the folder that keeps alerts, their profiles, what was told and what has not arrived, past the end of the process | none |
/// | `FLAMEWATCH_PLAN` | the plan of this program's futures, or a folder with plans | beside the executable, else made once |
/// | `FLAMEWATCH_DEBUG_DIR` | the folder with debug files of stripped binaries | `/usr/lib/debug` alone |
/// | `FLAMEWATCH_TICK` | how often the gauges are read | `5s` |
/// | `FLAMEWATCH_WARM_UP` | how long after the start no rule is judged | `2m` |
/// | `FLAMEWATCH_HOLD` | how long a rule must hold before it fires | `2m` |
/// | `FLAMEWATCH_COOLDOWN` | how long what comes back after an alert is still the same incident | `1h` |
/// | `FLAMEWATCH_CLEAR_HOLD` | how long all must be well before an alert is resolved | `10m` |
/// | `FLAMEWATCH_GROWTH_WINDOW` | how far back growth is measured | `10m` |
/// | `FLAMEWATCH_HEAP_GROWTH` | bytes a minute the heap may grow; `off` for no rule | `4MiB` |
/// | `FLAMEWATCH_TASK_GROWTH` | tasks a minute; `off` for no rule | `30` |
/// | `FLAMEWATCH_THREAD_GROWTH` | threads a minute; `off` for no rule | `10` |
/// | `FLAMEWATCH_FD_GROWTH` | file descriptors a minute; `off` for no rule | `30` |
/// | `FLAMEWATCH_RSS_SHARE` | share of the memory limit; `off` for no rule | `0.85` |
/// | `FLAMEWATCH_CPU_SHARE` | share of the cgroup's CPU quota, or of all its CPUs; `off` for no rule | `0.9` |
/// | `FLAMEWATCH_CPU_CEILING` | share of the CPU time above which no alert takes a CPU profile or names one | `off` |
/// | `FLAMEWATCH_MEMORY_LIMIT` | bytes that RSS is held against, where no cgroup or machine has less; `off` for none | none |
/// | `FLAMEWATCH_WORKER_BLOCKED` | how long a tokio worker may stay in one poll; `off` for no look-out | `500ms` |
/// | `FLAMEWATCH_LEAKS` | `off` judges nobody by what outlives what | `on` |
/// | `FLAMEWATCH_LEAK_TIMESCALE` | how many times as fast as time passes leaks are judged; for demonstrations | `1` |
/// | `FLAMEWATCH_CPU_HZ` | CPU samples a second | `99` |
/// | `FLAMEWATCH_LOCK_RATE` | how long a wait for a lock is always looked at (feature `lock-profile`); `off` | `1ms` |
///
/// # Errors
/// `Invalid` for a variable with a value that is not allowed: the error names the variable, the value and what is
/// allowed. `Io` when a `FLAMEWATCH_BIND` that was given cannot be bound.
pub fn start() -> Result<Agent, Error> {
    Agent::builder().start()
}

/// Sets up an [`Agent`]. Environment variables (see [`start`]) override what is set here.
#[derive(Debug)]
#[must_use = "call start() to start the agent"]
pub struct Builder {
    pub(crate) config: Config,
    pub(crate) extras: Extras,
}

/// What a service adds of its own.
#[derive(Default)]
pub(crate) struct Extras {
    pub(crate) rules: Vec<Rule>,
    pub(crate) gauges: Vec<Box<dyn Gauge>>,
    pub(crate) sinks: Vec<Box<dyn Sink>>,
}

impl Builder {
    pub(crate) fn new() -> Self {
        Self { config: Config::default(), extras: Extras::default() }
    }

    /// The service's name in alerts and pages. Default: the program's name.
    pub fn service(mut self, name: impl Into<String>) -> Self {
        self.config.service = name.into();
        self
    }

    /// The service's version. Default: none.
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.config.version = Some(version.into());
        self
    }

    /// The revision of the source that the service was built from, such as a commit's hash. It stands beside the version in
    /// alerts, pages and the remarks of profiles. Default: none.
    pub fn revision(mut self, revision: impl Into<String>) -> Self {
        self.config.revision = Some(revision.into());
        self
    }

    /// Where the debug port listens; port 0 picks a free one. Default: `127.0.0.1:6060`.
    pub fn bind(mut self, address: SocketAddr) -> Self {
        self.config.bind = Bind::At(Place::Tcp(address));
        self
    }

    /// The debug port as a unix socket at `path`, which the service's user alone may open (mode 0600). One that a dead
    /// process has left there is replaced; it is removed when the agent ends.
    pub fn bind_unix(mut self, path: impl Into<PathBuf>) -> Self {
        self.config.bind = Bind::At(Place::Unix(path.into()));
        self
    }

    /// The debug port speaks HTTPS, with the chain in the file `certificate` and the key in the file `key`, both in PEM.
    /// They are read again when they change. Needs the feature `tls`. Default: plain HTTP.
    pub fn tls(mut self, certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        self.config.tls = TlsFiles { certificate: Some(certificate.into()), key: Some(key.into()) };
        self
    }

    /// Waits for locks that last this long are always looked at, and shorter ones by chance, with the feature
    /// `lock-profile`; `None` for none. One nanosecond looks at every wait. Default: 1 ms, which costs at most a fifth of a
    /// percent of the time waited.
    pub fn lock_rate(mut self, rate: impl Into<Option<Duration>>) -> Self {
        self.config.lock_rate = rate.into();
        self
    }

    /// No debug port at all.
    pub fn without_port(mut self) -> Self {
        self.config.bind = Bind::Off;
        self
    }

    /// What callers of the debug port must know, as a Bearer token or a Basic password. Default: nothing, which is
    /// refused for any address but loopback.
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.config.token = Some(Secret(token.into()));
        self
    }

    /// The folder that keeps alerts and their profiles. Default: none.
    pub fn dir(mut self, path: impl Into<PathBuf>) -> Self {
        self.config.dir = Some(path.into());
        self
    }

    /// One more folder with separate debug files, for a service that ships stripped: `<dir>/.build-id/ab/cdef….debug`,
    /// or the file that the binary names, in the same place below `dir`. `/usr/lib/debug` is looked at after it.
    pub fn debug_dir(mut self, path: impl Into<PathBuf>) -> Self {
        self.config.debug_dir = Some(path.into());
        self
    }

    /// How often the gauges are read. Default: 5 seconds.
    pub fn tick(mut self, tick: Duration) -> Self {
        self.config.tick = tick.max(Duration::from_millis(100));
        self
    }

    /// How long after the start no rule is judged. Default: 2 minutes.
    pub fn warm_up(mut self, warm_up: Duration) -> Self {
        self.config.warm_up = warm_up;
        self
    }

    /// Adds a rule to the default ones.
    pub fn watch(mut self, rule: Rule) -> Self {
        self.extras.rules.push(rule);
        self
    }

    /// Adds a gauge of the service's own, for rules and pages. It is read on
    /// worker threads of the agent, one at a time, not always the same one.
    pub fn gauge(mut self, gauge: impl Gauge + 'static) -> Self {
        self.extras.gauges.push(Box::new(gauge));
        self
    }

    /// Adds a place that alerts go to.
    pub fn sink(mut self, sink: impl Sink + 'static) -> Self {
        self.extras.sinks.push(Box::new(sink));
        self
    }

    /// Starts the agent on a thread of its own.
    ///
    /// # Errors
    /// As [`start`]; and `Invalid` for a rule that makes no sense.
    pub fn start(mut self) -> Result<Agent, Error> {
        self.config.apply(|name| std::env::var(name).ok())?;
        Agent::from_parts(self.config, self.extras)
    }
}

impl std::fmt::Debug for Extras {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<&str> = self.sinks.iter().map(|sink| sink.name()).collect();
        formatter
            .debug_struct("Extras")
            .field("rules", &self.rules)
            .field("sinks", &names)
            .finish_non_exhaustive()
    }
}
