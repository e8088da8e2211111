//! Alerts to a Slack channel as a bot: a message for each incident that all its replicas share, its thread, its pictures,
//! and an edit to green when it is over. The token is a secret: it is in no error, log line or `Debug` output of ours (ureq
//! shows what it sends at its TRACE level and nowhere else), and goes to the Web API alone.
//!
//! A delivery takes several calls, and any of them may fail: what was done is kept in `work`, so that the next attempt goes
//! on from there. Whether a message whose answer was lost is in the channel, the channel's history tells.

mod follow;
mod gather;
mod history;
mod incidents;
mod look;
mod mark;
mod pictures;
mod turn;
mod web;
mod words;

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::{Duration, Instant};

use url::Url;

use self::incidents::Incidents;
use self::mark::Mark;
use self::turn::{Turn, Work};
use self::web::Web;
use super::invalid;
use crate::Error;
use crate::sink::http::is_loopback;
use crate::sink::{Alert, Outcome, Sink};

/// Slack's Web API.
const API: &str = "https://slack.com/api";

/// How far the replicas of a service spread their messages. Slack shows a message in its history within this time.
pub(super) const DEFAULT_SPREAD: Duration = Duration::from_secs(15);

/// The longest spread.
pub(super) const MAX_SPREAD: Duration = Duration::from_secs(60);

/// Posts alerts to a Slack channel as a bot.
///
/// It needs a bot token with the scopes `chat:write`, `files:write` (for pictures) and `channels:history` (`groups:history`
/// for a private channel; for finding the messages of other replicas, and its own after a restart), and the bot must be a
/// member of the channel. Without the latter two scopes it does without, and says so once in the log.
///
/// Replicas that have the same fault share one message: each waits for a moment of its own within the [spread]
/// (not at all when memory runs out within 10 minutes), looks for an open message of the last hour about the same fault,
/// and answers there; who finds none posts, and looks once more after the spread: the oldest message wins, and the others
/// move into its thread. The message turns green when the last of them is well.
///
/// [spread]: SlackBot::spread
pub struct SlackBot {
    web: Web,
    host: String,
    spread: Duration,
    incidents: Incidents,
    /// What the delivery under way has done.
    work: Option<Work>,
    /// False once Slack has said that the history is not for us.
    reads_history: bool,
    pictures_lost: u64,
}

impl SlackBot {
    /// A sink that posts with `token`, `xoxb-…`, to the channel with the id `channel`, `C0123456789`. Nothing is sent yet.
    ///
    /// # Errors
    /// `Invalid` for what is no bot token, and for what is no channel's id.
    pub fn new(token: &str, channel: &str) -> Result<Self, Error> {
        let (token, channel) = (token.trim(), channel.trim());
        let is_token = token.len() > 8 && token.bytes().all(|byte| byte.is_ascii_graphic());
        if !token.starts_with("xoxb-") || !is_token {
            return Err(invalid("the Slack token is not a bot token, which begins with xoxb-"));
        }
        let is_id = channel.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
        if !is_id || channel.len() < 2 {
            return Err(invalid(
                "the Slack channel must be a channel's id such as C0123456789, not its name",
            ));
        }
        let api = Url::parse(API).map_err(|_| invalid("the address of Slack's Web API is not a URL"))?;
        Ok(Self {
            web: Web::new(api, token.to_owned(), channel.to_owned()),
            host: host(),
            spread: DEFAULT_SPREAD,
            incidents: Incidents::default(),
            work: None,
            reads_history: true,
            pictures_lost: 0,
        })
    }

    /// The same, with the Web API at `url`: `https://slack-gov.com/api` for GovSlack.
    ///
    /// # Errors
    /// `Invalid` for anything but an https URL; plain http is let through for loopback hosts only.
    pub fn api(mut self, url: &str) -> Result<Self, Error> {
        let url = Url::parse(url.trim()).map_err(|error| {
            invalid("the address of Slack's Web API is not a URL").because(error.to_string())
        })?;
        if url.scheme() != "https" && !(url.scheme() == "http" && is_loopback(&url)) {
            return Err(invalid("the address of Slack's Web API must be an https URL"));
        }
        self.web = self.web.at(url);
        Ok(self)
    }

    /// How far the replicas of the service spread their messages, at most a minute; none of them waits longer than this
    /// before it posts. Zero for a service that has one replica. Default: 15 seconds.
    #[must_use]
    pub fn spread(mut self, spread: Duration) -> Self {
        self.spread = spread.min(MAX_SPREAD);
        self
    }

    /// What this replica is called in messages. Default: the host's name.
    #[must_use]
    pub fn host(mut self, name: impl Into<String>) -> Self {
        self.host = name.into();
        self
    }

    fn replica(&self) -> String {
        format!("{}, process {}", self.host, std::process::id())
    }

    /// The moment within the spread that is this replica's own.
    fn own_moment(&self) -> Duration {
        self.spread.mul_f64(self.luck())
    }

    /// From 0 to 1, the same again for this replica, and most likely another for each other.
    fn luck(&self) -> f64 {
        let mut hasher = DefaultHasher::new();
        self.replica().hash(&mut hasher);
        f64::from(u32::try_from(hasher.finish() >> 32).unwrap_or(u32::MAX)) / f64::from(u32::MAX)
    }
}

impl Sink for SlackBot {
    fn name(&self) -> &str {
        "slack"
    }

    fn deliver(&mut self, alert: &Alert, deadline: Instant) -> Outcome {
        let mark = Mark::of(alert, &self.replica());
        let work = self.work.take().filter(|work| work.is_of(&mark));
        let mut work = work.unwrap_or_else(|| Work::new(mark));
        let taken = Turn { bot: self, work: &mut work, alert, deadline }.take();
        match taken {
            Ok(()) => Outcome::Sent,
            Err(outcome) => {
                self.work = Some(work);
                outcome
            }
        }
    }
}

impl fmt::Debug for SlackBot {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("SlackBot")
            .field("web", &self.web)
            .field("host", &self.host)
            .finish_non_exhaustive()
    }
}

/// This host's name; in a container that of the pod.
fn host() -> String {
    let of_kernel = std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let name = of_kernel.or_else(|| std::env::var("HOSTNAME").ok()).unwrap_or_default();
    let name = name.trim();
    if name.is_empty() { String::from("an unknown host") } else { name.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    #[track_caller]
    fn refused(token: &str, channel: &str, expected: &str) {
        let error = SlackBot::new(token, channel).expect_err("refused");
        assert_eq!(error.kind(), ErrorKind::Invalid);
        let shown = format!("{error:#} {error:?}");
        assert!(shown.contains(expected) && !shown.contains("sEcReT"), "{shown}");
    }

    #[test]
    fn tokens_and_channels_are_told_from_other_things() {
        refused("xoxp-sEcReT-123", "C0123", "not a bot token");
        refused("xoxb-sEcReT 123", "C0123", "not a bot token");
        refused("https://hooks.slack.com/sEcReT", "C0123", "not a bot token");
        refused("xoxb-sEcReT-123", "#alerts", "not its name");
        refused("xoxb-sEcReT-123", "alerts", "not its name");
        let bot = SlackBot::new(" xoxb-sEcReT-123\n", "C0123").expect("a bot");
        assert!(format!("{bot:?}").contains(r#"host: "slack.com", channel: "C0123""#), "{bot:?}");
        assert!(!format!("{bot:?}").contains("sEcReT"), "{bot:?}");
        for url in ["http://slack.com/api", "http://127.0.0.1.evil.example/api", "slack.com"] {
            let bot = SlackBot::new("xoxb-sEcReT-123", "C0123").expect("a bot");
            assert!(bot.api(url).is_err(), "{url}");
        }
    }

    #[test]
    fn each_replica_has_its_own_moment() {
        let bot = |host: &str| SlackBot::new("xoxb-sEcReT-123", "C0123").expect("a bot").host(host);
        let moments: Vec<Duration> =
            (0..20).map(|number| bot(&format!("shop-{number}")).own_moment()).collect();
        assert!(moments.iter().all(|moment| *moment <= DEFAULT_SPREAD), "{moments:?}");
        assert_eq!(moments[3], bot("shop-3").own_moment());
        let early = moments.iter().filter(|moment| **moment < DEFAULT_SPREAD / 2).count();
        assert!((4..=16).contains(&early), "{moments:?}");
        assert_eq!(bot("a").spread(Duration::ZERO).own_moment(), Duration::ZERO);
    }
}
