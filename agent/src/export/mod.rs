//! Numbers sent on their way every few seconds: to StatsD, to InfluxDB, to the recorder of the crate `metrics`. On a thread
//! of its own, so that a receiver that hangs holds up nobody; what cannot be sent in time is dropped and counted.

#[cfg(feature = "metrics")]
mod facade;
#[cfg(feature = "influx")]
mod influx;
mod numbers;
#[cfg(feature = "statsd")]
mod statsd;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use numbers::Rounds;
pub(crate) use numbers::{Number, Numbers};

/// Where to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Targets {
    /// `host:port` of a StatsD server.
    pub(crate) statsd: Option<String>,
    /// `http(s)://…` or `udp://host:port` of an InfluxDB.
    pub(crate) influx: Option<String>,
    pub(crate) influx_token: Option<String>,
    /// In front of every StatsD key, and the tag `service` of InfluxDB.
    pub(crate) service: String,
    pub(crate) every: Duration,
}

/// One receiver.
#[derive(Debug)]
enum Receiver {
    #[cfg(feature = "statsd")]
    Statsd(statsd::Statsd),
    #[cfg(feature = "influx")]
    Influx(influx::Influx),
    #[cfg(feature = "metrics")]
    Facade(facade::Facade),
}

/// Sends numbers until it is dropped.
#[derive(Debug)]
pub(crate) struct Exporter {
    rounds: SyncSender<Vec<Number>>,
    every: Duration,
    next: Duration,
    accounts: Arc<Vec<Account>>,
    /// Rounds that found the last one still on its way.
    dropped: u64,
}

/// What became of what was sent to one receiver.
#[derive(Debug)]
struct Account {
    name: &'static str,
    sent: AtomicU64,
    failed: AtomicU64,
    last_error: Mutex<Option<String>>,
}

impl Exporter {
    /// Starts to send to `targets`; `None` where there are none. What this build cannot send to is said in `problems`.
    pub(crate) fn start(targets: &Targets, problems: &mut Vec<(String, String)>) -> Option<Self> {
        let receivers = receivers(targets, problems);
        if receivers.is_empty() {
            return None;
        }
        let accounts: Arc<Vec<Account>> = Arc::new(receivers.iter().map(Account::of).collect());
        let (rounds, inbox) = sync_channel::<Vec<Number>>(1);
        let book = accounts.clone();
        let body = move || {
            crate::sys::thread::withdraw();
            let mut receivers = receivers;
            let mut since = Rounds::default();
            while let Ok(numbers) = inbox.recv() {
                let numbers = since.next(numbers);
                for (receiver, account) in receivers.iter_mut().zip(book.iter()) {
                    account.note(receiver.send(&numbers));
                }
            }
        };
        let thread = std::thread::Builder::new().name("flamewatch-export".to_owned()).spawn(body);
        if let Err(error) = thread {
            problems.push(("no numbers sent".to_owned(), format!("cannot start a thread: {error}")));
            return None;
        }
        Some(Self { rounds, every: targets.every, next: Duration::ZERO, accounts, dropped: 0 })
    }

    /// Sends what `numbers` gives, if it is time. Never waits.
    pub(crate) fn offer(&mut self, now: Duration, numbers: impl FnOnce() -> Vec<Number>) {
        if now < self.next {
            return;
        }
        self.next = now + self.every;
        if let Err(TrySendError::Full(_)) = self.rounds.try_send(numbers()) {
            self.dropped += 1;
        }
    }

    /// A line for each receiver.
    pub(crate) fn status(&self) -> Vec<(String, String)> {
        let line = |account: &Account| (format!("export: {}", account.name), account.show(self.dropped));
        self.accounts.iter().map(line).collect()
    }
}

impl Receiver {
    const fn name(&self) -> &'static str {
        match self {
            #[cfg(feature = "statsd")]
            Self::Statsd(_) => "statsd",
            #[cfg(feature = "influx")]
            Self::Influx(_) => "influx",
            #[cfg(feature = "metrics")]
            Self::Facade(_) => "metrics",
            #[cfg(not(any(feature = "statsd", feature = "influx", feature = "metrics")))]
            _ => "",
        }
    }

    #[cfg_attr(
        not(any(feature = "statsd", feature = "influx", feature = "metrics")),
        allow(unused_variables, clippy::unnecessary_wraps, reason = "there is no receiver in this build")
    )]
    fn send(&mut self, numbers: &Numbers) -> io::Result<()> {
        match self {
            #[cfg(feature = "statsd")]
            Self::Statsd(statsd) => statsd.send(numbers),
            #[cfg(feature = "influx")]
            Self::Influx(influx) => influx.send(numbers),
            #[cfg(feature = "metrics")]
            Self::Facade(facade) => {
                facade.send(numbers);
                Ok(())
            }
            #[cfg(not(any(feature = "statsd", feature = "influx", feature = "metrics")))]
            _ => Ok(()),
        }
    }
}

fn receivers(targets: &Targets, problems: &mut Vec<(String, String)>) -> Vec<Receiver> {
    #[allow(unused_mut, reason = "there are none in some builds")]
    let mut receivers = Vec::new();
    if let Some(address) = &targets.statsd {
        #[cfg(feature = "statsd")]
        match statsd::Statsd::new(address, &targets.service) {
            Ok(statsd) => receivers.push(Receiver::Statsd(statsd)),
            Err(error) => problems.push(("no statsd".to_owned(), format!("{address}: {error}"))),
        }
        #[cfg(not(feature = "statsd"))]
        problems.push(without("statsd", "FLAMEWATCH_STATSD", address));
    }
    if let Some(url) = &targets.influx {
        #[cfg(feature = "influx")]
        match influx::Influx::new(url, targets.influx_token.as_deref(), &targets.service) {
            Ok(influx) => receivers.push(Receiver::Influx(influx)),
            Err(error) => problems.push(("no influx".to_owned(), error.to_string())),
        }
        #[cfg(not(feature = "influx"))]
        problems.push(without("influx", "FLAMEWATCH_INFLUX", url));
    }
    #[cfg(feature = "metrics")]
    receivers.push(Receiver::Facade(facade::Facade::default()));
    receivers
}

#[cfg(not(all(feature = "statsd", feature = "influx")))]
fn without(feature: &str, variable: &str, _value: &str) -> (String, String) {
    (
        format!("no {feature}"),
        format!("{variable} is set, but this build lacks flamewatch's feature `{feature}`"),
    )
}

impl Account {
    fn of(receiver: &Receiver) -> Self {
        Self {
            name: receiver.name(),
            sent: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            last_error: Mutex::default(),
        }
    }

    fn note(&self, result: io::Result<()>) {
        match result {
            Ok(()) => {
                self.sent.fetch_add(1, Ordering::Relaxed);
            }
            Err(error) => {
                self.failed.fetch_add(1, Ordering::Relaxed);
                *self.last_error.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.to_string());
            }
        }
    }

    fn show(&self, dropped: u64) -> String {
        let (sent, failed) = (self.sent.load(Ordering::Relaxed), self.failed.load(Ordering::Relaxed));
        let mut text = format!("{sent} rounds sent");
        if failed > 0 {
            text.push_str(&format!(", {failed} failed"));
        }
        if dropped > 0 {
            text.push_str(&format!(", {dropped} dropped"));
        }
        if let Some(error) = &*self.last_error.lock().unwrap_or_else(PoisonError::into_inner) {
            text.push_str(&format!("; last error: {error}"));
        }
        text
    }
}
