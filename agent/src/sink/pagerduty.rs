//! Alerts to PagerDuty, through its Events API v2 (PagerDuty's documentation, "Send an alert event"). The key is in the
//! body, and the body in no log.

use std::fmt;
use std::time::Instant;

use serde_json::{Value, json};

use crate::moment::readable;
use crate::sink::http::{Endpoint, Plain};
use crate::sink::severity::Severity;
use crate::sink::words::{clipped, suspects};
use crate::sink::{Alert, Kind, Outcome, Sink, State, host};
use crate::{Error, ErrorKind};

/// Where events go unless told otherwise.
const HOME: &str = "https://events.pagerduty.com";

/// The most bytes of a summary; PagerDuty counts letters and refuses 1,025.
const MAX_SUMMARY: usize = 1_024;

/// The most bytes of a dedup key; of letters 255 are allowed.
const MAX_KEY: usize = 255;

/// The most bytes of any other text, of which there are ten; with all of them escaped an event stays below PagerDuty's
/// 512,000 bytes.
const MAX_TEXT: usize = 6 * 1024;

/// Opens a PagerDuty incident for each incident, and resolves it.
///
/// The dedup key is [`Alert::id`]: all messages of an incident have it, and no other replica's do. So a reminder, and what
/// comes back, is added to what is open and pages nobody again, as PagerDuty does with events of a key that is open; where
/// a person has resolved by hand what is still so, the next reminder opens it anew. Replicas with the same fault open one
/// incident each: one that shared its key would be resolved by the first replica to be well again.
pub struct PagerDuty {
    endpoint: Endpoint,
    key: String,
    host: String,
}

impl PagerDuty {
    /// A sink with the integration key `key` of a service's integration "Events API v2". Nothing is sent yet.
    ///
    /// # Errors
    /// `Invalid` for anything but 32 letters and digits.
    pub fn new(key: &str) -> Result<Self, Error> {
        let key = key.trim();
        if key.len() != 32 || !key.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(Error::new(ErrorKind::Invalid, "the PagerDuty key is not 32 letters and digits"));
        }
        Ok(Self { endpoint: endpoint(HOME)?, key: key.to_owned(), host: host::name() })
    }

    /// The same, which sends to `url` and not to `https://events.pagerduty.com`: `https://events.eu.pagerduty.com` is for
    /// accounts of the EU.
    ///
    /// # Errors
    /// `Invalid` for anything but an https URL; plain http is let through for loopback hosts only.
    pub fn at(mut self, url: &str) -> Result<Self, Error> {
        self.endpoint = endpoint(url)?;
        Ok(self)
    }

    fn event(&self, alert: &Alert) -> Value {
        let dedup_key = clipped(alert.id.clone(), MAX_KEY);
        if alert.state == State::Resolved {
            return json!({"routing_key": self.key, "event_action": "resolve", "dedup_key": dedup_key});
        }
        let links: Vec<Value> =
            alert.snapshot_url.iter().map(|url| json!({"href": url, "text": "flame graph"})).collect();
        json!({
            "routing_key": self.key,
            "event_action": "trigger",
            "dedup_key": dedup_key,
            "client": "flamewatch",
            "payload": {
                "summary": clipped(summary(alert), MAX_SUMMARY),
                "source": text(self.host.clone()),
                "severity": Severity::of(alert).as_str(),
                "timestamp": readable(alert.at),
                "component": text(alert.service.clone()),
                "group": text(alert.group.clone()),
                "class": text(alert.rule.clone()),
                "custom_details": {
                    "message": alert.kind.as_str(),
                    "time_left": alert.time_left,
                    "suspects": text(suspects(alert)),
                    "details": text(alert.details.join("\n")),
                    "context": text(alert.context.join("\n")),
                },
            },
            "links": links,
        })
    }
}

impl Sink for PagerDuty {
    fn name(&self) -> &str {
        "pagerduty"
    }

    fn deliver(&mut self, alert: &Alert, deadline: Instant) -> Outcome {
        if alert.kind == Kind::Asked {
            // A profile that somebody has asked for is no reason to wake anybody.
            return Outcome::Sent;
        }
        let body = self.event(alert).to_string();
        let answer = self.endpoint.post(&[], body.as_bytes(), deadline);
        self.endpoint.outcome(answer, |status| status == 202, remedy)
    }
}

impl fmt::Debug for PagerDuty {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("PagerDuty").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

fn endpoint(url: &str) -> Result<Endpoint, Error> {
    let endpoint = Endpoint::parse(url, Plain::OnThisHost)
        .map_err(|what| Error::new(ErrorKind::Invalid, format!("the PagerDuty address {what}")))?;
    Ok(endpoint.below("/v2/enqueue"))
}

/// What wakes a person: the service, the time there is, the fault.
fn summary(alert: &Alert) -> String {
    let headline = if alert.headline.is_empty() { &alert.rule } else { &alert.headline };
    let left = alert.time_left.as_ref().map(|left| format!("{left}: ")).unwrap_or_default();
    format!("{}: {left}{headline}", alert.service)
}

fn text(text: String) -> String {
    clipped(text, MAX_TEXT)
}

const fn remedy(status: u16) -> &'static str {
    match status {
        400 => {
            "it does not take our event; check that FLAMEWATCH_PAGERDUTY_KEY is a key for the Events API v2"
        }
        403 | 404 => "check FLAMEWATCH_PAGERDUTY_URL: accounts of the EU have an address of their own",
        _ => "its own log says why",
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;
    use crate::sink::Site;

    const KEY: &str = "0123456789abcdef0123456789ABCDEF";

    fn sink() -> PagerDuty {
        PagerDuty { host: "pod-7".to_owned(), ..PagerDuty::new(KEY).expect("a sink") }
    }

    fn alert() -> Alert {
        let mut alert = Alert::new("7f3a-1", State::Firing, "shop", "heap leak");
        alert.headline = "heap leak in orders: +2 MiB a minute".to_owned();
        alert.time_left = Some("OOM in ~26 min (19 to 41)".to_owned());
        alert.at = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        alert
    }

    #[test]
    fn what_was_asked_for_pages_nobody() {
        let mut asked = alert();
        asked.kind = Kind::Asked;
        // Nobody is asked to connect: there is no time to.
        let mut sink = sink();
        assert_eq!(sink.deliver(&asked, Instant::now()), Outcome::Sent);
        assert_ne!(sink.deliver(&alert(), Instant::now()), Outcome::Sent);
    }

    #[test]
    fn all_of_an_incident_has_one_key() {
        let mut alert = alert();
        let first = sink().event(&alert);
        assert_eq!(
            first["payload"]["summary"],
            "shop: OOM in ~26 min (19 to 41): heap leak in orders: +2 MiB a minute"
        );
        assert_eq!(
            (&first["payload"]["severity"], &first["payload"]["source"]),
            (&json!("critical"), &json!("pod-7"))
        );
        assert_eq!((&first["event_action"], &first["links"]), (&json!("trigger"), &json!([])));
        for kind in [Kind::Reply, Kind::Reminder] {
            alert.kind = kind;
            let event = sink().event(&alert);
            assert_eq!((&event["event_action"], &event["dedup_key"]), (&json!("trigger"), &json!("7f3a-1")));
        }
        (alert.kind, alert.state) = (Kind::Resolved, State::Resolved);
        let expected = json!({"routing_key": KEY, "event_action": "resolve", "dedup_key": "7f3a-1"});
        assert_eq!(sink().event(&alert), expected);
    }

    #[test]
    fn no_event_is_larger_than_pagerduty_takes() {
        let mut alert = alert();
        // Six bytes of JSON for one.
        let long = "\u{1}".repeat(1 << 20);
        alert.id = "é".repeat(1_000);
        (alert.service, alert.rule, alert.group) = (long.clone(), long.clone(), long.clone());
        (alert.headline, alert.details, alert.context) =
            (long.clone(), vec![long.clone(); 9], vec![long.clone(); 9]);
        alert.sites = vec![Site::new(long.clone(), Some(long.clone()), "+1"); 9];
        let event = sink().event(&alert);
        assert!(event.to_string().len() <= 512_000, "{}", event.to_string().len());
        assert!(event["dedup_key"].as_str().is_some_and(|key| key.chars().count() <= 255));
        assert!(event["payload"]["summary"].as_str().is_some_and(|text| text.chars().count() <= 1_024));
    }

    #[test]
    fn a_key_is_checked_and_not_shown() {
        let error = PagerDuty::new("hunter2").expect_err("refused").to_string();
        assert_eq!(error, "the PagerDuty key is not 32 letters and digits");
        assert!(sink().at("http://events.pagerduty.com").is_err());
        assert_eq!(
            format!("{:?}", sink()),
            r#"PagerDuty { endpoint: Endpoint { host: "events.pagerduty.com", .. }, .. }"#
        );
    }
}
