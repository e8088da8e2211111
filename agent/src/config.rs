//! What can be set, what it is when nobody sets it, and which environment variable overrides it.
//! Reading the environment is a function of a look-up, so that every error is tested without touching the process.

mod port;
mod slack;
mod values;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use crate::{Error, ErrorKind};

use values::{bytes, duration, hertz, http_url, on_or_off, or_off, positive, share};

pub(crate) use port::{Bind, Place, TlsFiles};

/// Where the debug port listens when nobody says otherwise: loopback only.
pub const DEFAULT_BIND: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 6060);
/// How often the gauges are read.
pub const DEFAULT_TICK: Duration = Duration::from_secs(5);
/// No rule is judged before a process is this old: start-up is not a leak.
pub const DEFAULT_WARM_UP: Duration = Duration::from_secs(120);
/// A rule must hold this long before it fires.
pub const DEFAULT_HOLD: Duration = Duration::from_secs(120);
/// A rule that fired does not fire again for this long.
pub const DEFAULT_COOLDOWN: Duration = Duration::from_secs(60 * 60);
/// A rule that fired is over when its condition has been false for this long.
pub const DEFAULT_CLEAR_HOLD: Duration = Duration::from_secs(10 * 60);
/// How far back a growth rule looks.
pub const DEFAULT_GROWTH_WINDOW: Duration = Duration::from_secs(10 * 60);
/// The heap may grow by this many bytes a minute: 4 MiB, which fills 1 GiB in four hours.
pub const DEFAULT_HEAP_GROWTH: u64 = 4 * 1024 * 1024;
/// The tasks alive may grow by this many a minute, those that have lived for half a growth window by a sixth of it.
pub const DEFAULT_TASK_GROWTH: f64 = 30.0;
/// The threads may grow by this many a minute.
pub const DEFAULT_THREAD_GROWTH: f64 = 10.0;
/// The open file descriptors may grow by this many a minute.
pub const DEFAULT_FD_GROWTH: f64 = 30.0;
/// The resident memory may take this share of the memory limit.
pub const DEFAULT_RSS_SHARE: f64 = 0.85;
/// The process may use this share of the CPU time it may have, of its cgroup's quota or of its CPUs.
pub const DEFAULT_CPU_SHARE: f64 = 0.9;
/// A worker of an async runtime may stay in one poll this long.
pub const DEFAULT_WORKER_BLOCKED: Duration = Duration::from_millis(500);
/// CPU samples a second.
pub const DEFAULT_CPU_HZ: u32 = 99;
/// Waits for locks that last this long are always looked at, shorter ones by chance (feature `lock-profile`).
pub const DEFAULT_LOCK_RATE: Duration = Duration::from_millis(1);
/// How long CPU samples are kept that are taken all the time.
pub const DEFAULT_CPU_KEEP: Duration = Duration::from_secs(5 * 60);

/// How often numbers are sent to StatsD, InfluxDB and the crate `metrics`.
pub const DEFAULT_EXPORT_EVERY: Duration = Duration::from_secs(10);

/// What may take the CPU samples; the first is the default.
const CPU_ENGINES: [&str; 4] = ["auto", "timers", "perf", "pprof"];

/// Every setting, with its default.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(crate) enabled: bool,
    pub(crate) service: String,
    pub(crate) version: Option<String>,
    pub(crate) revision: Option<String>,
    pub(crate) bind: Bind,
    pub(crate) tls: TlsFiles,
    pub(crate) token: Option<Secret>,
    pub(crate) url: Option<String>,
    pub(crate) slack_webhook: Option<Secret>,
    pub(crate) slack_bot: slack::SlackBot,
    pub(crate) webhook: Option<Secret>,
    pub(crate) webhook_secret: Option<Secret>,
    pub(crate) webhook_template: Option<PathBuf>,
    pub(crate) pagerduty_key: Option<Secret>,
    pub(crate) pagerduty_url: Option<String>,
    pub(crate) pyroscope: Option<Secret>,
    pub(crate) pyroscope_tenant: Option<String>,
    pub(crate) inbound: Option<SocketAddr>,
    pub(crate) slack_signing_secret: Option<Secret>,
    pub(crate) slack_channels: Vec<String>,
    pub(crate) trigger_token: Option<Secret>,
    pub(crate) dir: Option<PathBuf>,
    pub(crate) debug_dir: Option<PathBuf>,
    pub(crate) plan: Option<PathBuf>,
    pub(crate) tick: Duration,
    pub(crate) warm_up: Duration,
    pub(crate) hold: Duration,
    pub(crate) cooldown: Duration,
    pub(crate) clear_hold: Duration,
    pub(crate) growth_window: Duration,
    pub(crate) heap_growth: Option<u64>,
    pub(crate) task_growth: Option<f64>,
    pub(crate) thread_growth: Option<f64>,
    pub(crate) fd_growth: Option<f64>,
    pub(crate) rss_share: Option<f64>,
    pub(crate) memory_limit: Option<u64>,
    pub(crate) cpu_share: Option<f64>,
    pub(crate) cpu_ceiling: Option<f64>,
    pub(crate) worker_blocked: Option<Duration>,
    pub(crate) leaks: bool,
    pub(crate) leak_timescale: f64,
    pub(crate) cpu_hz: u32,
    /// One of [`CPU_ENGINES`].
    pub(crate) cpu_engine: &'static str,
    pub(crate) cpu_always: Option<u32>,
    pub(crate) cpu_keep: Duration,
    pub(crate) lock_rate: Option<Duration>,
    pub(crate) statsd: Option<String>,
    pub(crate) influx: Option<Secret>,
    pub(crate) influx_token: Option<Secret>,
    pub(crate) export_every: Duration,
}

/// A value that must not appear in a log, a page or an error.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(pub(crate) String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("(secret)")
    }
}

/// The environment variables that are understood, with what each allows.
pub(crate) const VARIABLES: &[(&str, &str)] = &[
    ("FLAMEWATCH", "on or off"),
    ("FLAMEWATCH_BIND", "ADDRESS:PORT such as 127.0.0.1:6060, unix:/PATH, or off"),
    ("FLAMEWATCH_CLEAR_HOLD", "a duration such as 10m"),
    ("FLAMEWATCH_COOLDOWN", "a duration such as 1h"),
    ("FLAMEWATCH_CPU_ALWAYS", "a whole number from 1 to 999 such as 19, or off"),
    ("FLAMEWATCH_CPU_CEILING", "a share of the CPU time there is, from 0.05 to 1, or off"),
    ("FLAMEWATCH_CPU_ENGINE", "auto, timers, perf or pprof"),
    ("FLAMEWATCH_CPU_HZ", "a whole number from 1 to 999"),
    ("FLAMEWATCH_CPU_KEEP", "a duration from 10s to 1h"),
    ("FLAMEWATCH_CPU_SHARE", "a share of the CPU time there is, from 0.05 to 1, or off"),
    ("FLAMEWATCH_DEBUG_DIR", "a folder with separate debug files"),
    ("FLAMEWATCH_DIR", "a folder for alerts, their profiles and what was told; replicas may share it"),
    ("FLAMEWATCH_EXPORT_EVERY", "a duration from 1s to 1h"),
    ("FLAMEWATCH_FD_GROWTH", "file descriptors a minute such as 30, or off"),
    ("FLAMEWATCH_GROWTH_WINDOW", "a duration from 10s to 1day"),
    ("FLAMEWATCH_HEAP_GROWTH", "bytes a minute such as 4MiB, or off"),
    ("FLAMEWATCH_HOLD", "a duration such as 2m"),
    ("FLAMEWATCH_INBOUND", "ADDRESS:PORT such as 0.0.0.0:6061 for requests for profiles, or off"),
    ("FLAMEWATCH_INFLUX", "an InfluxDB's URL for writing: http, https or udp"),
    ("FLAMEWATCH_INFLUX_TOKEN", "an InfluxDB's token"),
    ("FLAMEWATCH_LEAKS", "on or off"),
    ("FLAMEWATCH_LEAK_TIMESCALE", "a number from 1 to 3600"),
    ("FLAMEWATCH_LOCK_RATE", "a duration from 1ns to 1s such as 1ms, or off"),
    ("FLAMEWATCH_MEMORY_LIMIT", "bytes of resident memory such as 512MiB, or off"),
    ("FLAMEWATCH_PAGERDUTY_KEY", "an integration key for PagerDuty's Events API v2: 32 letters and digits"),
    (
        "FLAMEWATCH_PAGERDUTY_URL",
        "the https URL of PagerDuty's Events API such as https://events.eu.pagerduty.com",
    ),
    ("FLAMEWATCH_PLAN", "a file that `flamewatch plan` has written, or a folder with such files"),
    ("FLAMEWATCH_PYROSCOPE", "a Pyroscope's http or https URL"),
    ("FLAMEWATCH_PYROSCOPE_TENANT", "a tenant's name, in ASCII and without blanks"),
    ("FLAMEWATCH_REVISION", "the revision of the service's source"),
    ("FLAMEWATCH_RSS_SHARE", "a share of the memory limit from 0.05 to 1, or off"),
    ("FLAMEWATCH_SERVICE", "a name"),
    ("FLAMEWATCH_SLACK_API", "the https URL of Slack's Web API, such as https://slack-gov.com/api"),
    ("FLAMEWATCH_SLACK_CHANNEL", "a channel's id such as C0123456789, not its name"),
    ("FLAMEWATCH_SLACK_CHANNELS", "ids of Slack channels such as C0123456789, with commas between"),
    ("FLAMEWATCH_SLACK_SIGNING_SECRET", "a Slack app's signing secret, at least 16 characters"),
    ("FLAMEWATCH_SLACK_SPREAD", "a duration from 0s to 1m such as 15s"),
    ("FLAMEWATCH_SLACK_TOKEN", "a bot token, which begins with xoxb-"),
    ("FLAMEWATCH_SLACK_WEBHOOK", "an incoming webhook's https URL"),
    ("FLAMEWATCH_STATSD", "HOST:PORT of a StatsD server"),
    ("FLAMEWATCH_TASK_GROWTH", "tasks a minute such as 30, or off"),
    ("FLAMEWATCH_THREAD_GROWTH", "threads a minute such as 10, or off"),
    ("FLAMEWATCH_TICK", "a duration from 100ms to 5m"),
    ("FLAMEWATCH_TLS_CERT", "a file with a certificate chain in PEM"),
    ("FLAMEWATCH_TLS_KEY", "a file with the certificate's private key in PEM"),
    ("FLAMEWATCH_TOKEN", "at least 16 characters"),
    ("FLAMEWATCH_TRIGGER_TOKEN", "at least 16 characters"),
    ("FLAMEWATCH_URL", "the http or https URL under which people reach the debug port"),
    ("FLAMEWATCH_VERSION", "the service's version"),
    ("FLAMEWATCH_WARM_UP", "a duration such as 2m"),
    ("FLAMEWATCH_WEBHOOK", "the http or https URL of what takes Alertmanager's webhooks"),
    ("FLAMEWATCH_WEBHOOK_SECRET", "at least 16 bytes, or such bytes in base64 behind whsec_"),
    (
        "FLAMEWATCH_WEBHOOK_TEMPLATE",
        "a file with a JSON document that has {{headline}} and its like in its strings",
    ),
    ("FLAMEWATCH_WORKER_BLOCKED", "a duration from 50ms to 1m such as 500ms, or off"),
];

impl Default for Config {
    fn default() -> Self {
        Self {
            enabled: true,
            service: program_name(),
            version: None,
            revision: None,
            bind: Bind::Default,
            tls: TlsFiles::default(),
            token: None,
            url: None,
            slack_webhook: None,
            slack_bot: slack::SlackBot::default(),
            webhook: None,
            webhook_secret: None,
            webhook_template: None,
            pagerduty_key: None,
            pagerduty_url: None,
            pyroscope: None,
            pyroscope_tenant: None,
            inbound: None,
            slack_signing_secret: None,
            slack_channels: Vec::new(),
            trigger_token: None,
            dir: None,
            debug_dir: None,
            plan: None,
            tick: DEFAULT_TICK,
            warm_up: DEFAULT_WARM_UP,
            hold: DEFAULT_HOLD,
            cooldown: DEFAULT_COOLDOWN,
            clear_hold: DEFAULT_CLEAR_HOLD,
            growth_window: DEFAULT_GROWTH_WINDOW,
            heap_growth: Some(DEFAULT_HEAP_GROWTH),
            task_growth: Some(DEFAULT_TASK_GROWTH),
            thread_growth: Some(DEFAULT_THREAD_GROWTH),
            fd_growth: Some(DEFAULT_FD_GROWTH),
            rss_share: Some(DEFAULT_RSS_SHARE),
            memory_limit: None,
            cpu_share: Some(DEFAULT_CPU_SHARE),
            cpu_ceiling: None,
            worker_blocked: Some(DEFAULT_WORKER_BLOCKED),
            leaks: true,
            leak_timescale: 1.0,
            cpu_hz: DEFAULT_CPU_HZ,
            cpu_engine: CPU_ENGINES[0],
            cpu_always: None,
            cpu_keep: DEFAULT_CPU_KEEP,
            lock_rate: Some(DEFAULT_LOCK_RATE),
            statsd: None,
            influx: None,
            influx_token: None,
            export_every: DEFAULT_EXPORT_EVERY,
        }
    }
}

impl Config {
    /// Overrides every setting for which `look_up` knows a variable. An empty variable counts as not set.
    ///
    /// # Errors
    /// `Invalid` for a value that is not allowed; names the variable, the value (unless secret) and what is allowed.
    pub(crate) fn apply(&mut self, look_up: impl Fn(&str) -> Option<String>) -> Result<(), Error> {
        let env = Environment { look_up: &look_up };
        let minute = Duration::from_secs(60);
        let day = 24 * 60 * minute;
        env.read("FLAMEWATCH", &mut self.enabled, on_or_off)?;
        env.read("FLAMEWATCH_SERVICE", &mut self.service, |text| Some(text.to_owned()))?;
        env.read("FLAMEWATCH_VERSION", &mut self.version, |text| Some(Some(text.to_owned())))?;
        env.read("FLAMEWATCH_REVISION", &mut self.revision, |text| Some(Some(text.to_owned())))?;
        env.read("FLAMEWATCH_BIND", &mut self.bind, port::bind)?;
        self.tls.apply(&env)?;
        env.read_secret("FLAMEWATCH_TOKEN", &mut self.token, |text| text.len() >= 16)?;
        env.read("FLAMEWATCH_URL", &mut self.url, |text| http_url(text).map(Some))?;
        env.read_secret("FLAMEWATCH_SLACK_WEBHOOK", &mut self.slack_webhook, |text| {
            http_url(text).is_some()
        })?;
        self.slack_bot.apply(&env)?;
        env.read_secret("FLAMEWATCH_WEBHOOK", &mut self.webhook, |text| http_url(text).is_some())?;
        env.read_secret("FLAMEWATCH_WEBHOOK_SECRET", &mut self.webhook_secret, |text| text.len() >= 16)?;
        env.read("FLAMEWATCH_WEBHOOK_TEMPLATE", &mut self.webhook_template, |text| {
            Some(Some(PathBuf::from(text)))
        })?;
        env.read_secret("FLAMEWATCH_PAGERDUTY_KEY", &mut self.pagerduty_key, |text| {
            text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
        })?;
        env.read("FLAMEWATCH_PAGERDUTY_URL", &mut self.pagerduty_url, |text| http_url(text).map(Some))?;
        env.read_secret("FLAMEWATCH_PYROSCOPE", &mut self.pyroscope, |text| http_url(text).is_some())?;
        env.read("FLAMEWATCH_PYROSCOPE_TENANT", &mut self.pyroscope_tenant, |text| {
            text.bytes().all(|byte| byte.is_ascii_graphic()).then(|| Some(text.to_owned()))
        })?;
        env.read("FLAMEWATCH_INBOUND", &mut self.inbound, |text| or_off(text, |text| text.parse().ok()))?;
        env.read_secret("FLAMEWATCH_SLACK_SIGNING_SECRET", &mut self.slack_signing_secret, |text| {
            text.len() >= 16
        })?;
        env.read("FLAMEWATCH_SLACK_CHANNELS", &mut self.slack_channels, slack::channels)?;
        env.read_secret("FLAMEWATCH_TRIGGER_TOKEN", &mut self.trigger_token, |text| text.len() >= 16)?;
        env.read("FLAMEWATCH_DIR", &mut self.dir, |text| Some(Some(PathBuf::from(text))))?;
        env.read("FLAMEWATCH_DEBUG_DIR", &mut self.debug_dir, |text| Some(Some(PathBuf::from(text))))?;
        env.read("FLAMEWATCH_PLAN", &mut self.plan, |text| Some(Some(PathBuf::from(text))))?;
        env.read("FLAMEWATCH_TICK", &mut self.tick, |text| {
            duration(text, Duration::from_millis(100), 5 * minute)
        })?;
        env.read("FLAMEWATCH_WARM_UP", &mut self.warm_up, |text| duration(text, Duration::ZERO, day))?;
        env.read("FLAMEWATCH_HOLD", &mut self.hold, |text| duration(text, Duration::ZERO, day))?;
        env.read("FLAMEWATCH_COOLDOWN", &mut self.cooldown, |text| duration(text, Duration::ZERO, 7 * day))?;
        env.read("FLAMEWATCH_CLEAR_HOLD", &mut self.clear_hold, |text| duration(text, Duration::ZERO, day))?;
        env.read("FLAMEWATCH_GROWTH_WINDOW", &mut self.growth_window, |text| {
            duration(text, Duration::from_secs(10), day)
        })?;
        env.read("FLAMEWATCH_HEAP_GROWTH", &mut self.heap_growth, |text| or_off(text, bytes))?;
        env.read("FLAMEWATCH_TASK_GROWTH", &mut self.task_growth, |text| or_off(text, positive))?;
        env.read("FLAMEWATCH_THREAD_GROWTH", &mut self.thread_growth, |text| or_off(text, positive))?;
        env.read("FLAMEWATCH_FD_GROWTH", &mut self.fd_growth, |text| or_off(text, positive))?;
        env.read("FLAMEWATCH_RSS_SHARE", &mut self.rss_share, |text| or_off(text, share))?;
        env.read("FLAMEWATCH_CPU_CEILING", &mut self.cpu_ceiling, |text| or_off(text, share))?;
        env.read("FLAMEWATCH_CPU_SHARE", &mut self.cpu_share, |text| or_off(text, share))?;
        env.read("FLAMEWATCH_MEMORY_LIMIT", &mut self.memory_limit, |text| or_off(text, bytes))?;
        env.read("FLAMEWATCH_STATSD", &mut self.statsd, |text| {
            text.contains(':').then(|| Some(text.to_owned()))
        })?;
        env.read_secret("FLAMEWATCH_INFLUX", &mut self.influx, |text| {
            ["http://", "https://", "udp://"].iter().any(|scheme| text.starts_with(scheme))
        })?;
        env.read_secret("FLAMEWATCH_INFLUX_TOKEN", &mut self.influx_token, |text| !text.is_empty())?;
        env.read("FLAMEWATCH_EXPORT_EVERY", &mut self.export_every, |text| {
            duration(text, Duration::from_secs(1), 60 * minute)
        })?;
        env.read("FLAMEWATCH_WORKER_BLOCKED", &mut self.worker_blocked, |text| {
            or_off(text, |text| duration(text, Duration::from_millis(50), minute))
        })?;
        env.read("FLAMEWATCH_LEAKS", &mut self.leaks, on_or_off)?;
        env.read("FLAMEWATCH_LEAK_TIMESCALE", &mut self.leak_timescale, |text| {
            positive(text).filter(|scale| (1.0..=3_600.0).contains(scale))
        })?;
        env.read("FLAMEWATCH_CPU_HZ", &mut self.cpu_hz, hertz)?;
        env.read("FLAMEWATCH_CPU_ENGINE", &mut self.cpu_engine, |text| {
            CPU_ENGINES.into_iter().find(|engine| *engine == text)
        })?;
        env.read("FLAMEWATCH_CPU_ALWAYS", &mut self.cpu_always, |text| or_off(text, hertz))?;
        env.read("FLAMEWATCH_CPU_KEEP", &mut self.cpu_keep, |text| {
            duration(text, Duration::from_secs(10), 60 * minute)
        })?;
        env.read("FLAMEWATCH_LOCK_RATE", &mut self.lock_rate, |text| {
            or_off(text, |text| duration(text, Duration::from_nanos(1), Duration::from_secs(1)))
        })
    }

    /// Names among `names` that begin like ours but are none: most likely misspelt.
    pub(crate) fn unknown(names: impl Iterator<Item = String>) -> Vec<String> {
        let known = |name: &String| VARIABLES.iter().any(|(variable, _)| variable == name);
        names.filter(|name| name.starts_with("FLAMEWATCH_") && !known(name)).collect()
    }
}

struct Environment<'look_up> {
    look_up: &'look_up dyn Fn(&str) -> Option<String>,
}

impl Environment<'_> {
    fn read<T>(&self, name: &str, setting: &mut T, parse: impl Fn(&str) -> Option<T>) -> Result<(), Error> {
        let Some(text) = self.text(name) else { return Ok(()) };
        *setting = parse(&text).ok_or_else(|| refusal(name, &format!("{text:?}")))?;
        Ok(())
    }

    fn read_secret(
        &self,
        name: &str,
        setting: &mut Option<Secret>,
        allowed: impl Fn(&str) -> bool,
    ) -> Result<(), Error> {
        let Some(text) = self.text(name) else { return Ok(()) };
        if !allowed(&text) {
            return Err(refusal(name, &format!("a value of {} characters (not shown)", text.len())));
        }
        *setting = Some(Secret(text));
        Ok(())
    }

    fn text(&self, name: &str) -> Option<String> {
        (self.look_up)(name).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
    }
}

fn refusal(name: &str, value: &str) -> Error {
    let allowed = VARIABLES.iter().find(|(variable, _)| *variable == name).map_or("", |(_, allowed)| allowed);
    Error::new(ErrorKind::Invalid, format!("{name} is {value}, but must be {allowed}"))
}

fn program_name() -> String {
    let path = std::env::current_exe().unwrap_or_default();
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    // A replaced binary reads as `service (deleted)`.
    name.strip_suffix(" (deleted)").map_or(name.clone(), str::to_owned)
}

#[cfg(test)]
mod tests;
