//! Alerts to a webhook of the user's own, in the body of Alertmanager's or in one that a template makes, signed where there
//! is a secret. Links go along, files do not.

mod body;
mod signature;
mod template;

use std::collections::VecDeque;
use std::fmt;
use std::path::Path;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::sink::http::{Endpoint, Plain};
use crate::sink::{Alert, Kind, Outcome, Sink, State, host};
use crate::{Error, ErrorKind};
use signature::Signer;
use template::Template;

/// How many incidents' beginnings are remembered.
const MAX_BEGINNINGS: usize = 64;

/// Posts alerts as JSON, by default in the body of Alertmanager's webhook (version 4): each incident is a group of its own
/// with one alert, whose labels are `alertname` (the rule), `service`, `instance` (the host), `incident`, `group` and
/// `severity`.
///
/// What answers 2xx has the alert, unless it answers with an HTML page, as what wants people to sign in does. Such a page,
/// a redirect, 408, 429 and 5xx, and what does not answer, are tried again; any other 4xx drops the alert.
///
/// With [`Webhook::signed`] a post bears `X-Flamewatch-Signature: sha256=` with the HMAC-SHA256 of the body in hex, as
/// GitHub's do; and `webhook-id`, `webhook-timestamp` and `webhook-signature`, as the specification Standard Webhooks wants
/// them: what it signs is the id, the time and the body, so that a receiver that refuses old times and ids that it has
/// seen is safe from posts that are repeated.
pub struct Webhook {
    endpoint: Endpoint,
    signer: Option<Signer>,
    template: Option<Template>,
    host: String,
    /// When incidents began, the oldest first.
    beginnings: VecDeque<(String, SystemTime)>,
}

/// What the body says besides the alert.
struct About<'a> {
    host: &'a str,
    /// When the incident began.
    since: SystemTime,
}

impl Webhook {
    /// A sink that posts to `url`, `https://user:password@host/path`, http within a network of one's own. Nothing is sent
    /// yet.
    ///
    /// # Errors
    /// `Invalid` for anything but an https or http URL.
    pub fn new(url: &str) -> Result<Self, Error> {
        let endpoint = Endpoint::parse(url, Plain::Allowed)
            .map_err(|what| Error::new(ErrorKind::Invalid, format!("the webhook {what}")))?;
        Ok(Self { endpoint, signer: None, template: None, host: host::name(), beginnings: VecDeque::new() })
    }

    /// The same, which signs what it posts with `secret`: its bytes, or those that stand in base64 behind `whsec_`.
    ///
    /// # Errors
    /// `Invalid` for fewer than 16 bytes.
    pub fn signed(mut self, secret: &str) -> Result<Self, Error> {
        let signer = Signer::new(secret)
            .map_err(|what| Error::new(ErrorKind::Invalid, format!("the webhook's secret {what}")))?;
        self.signer = Some(signer);
        Ok(self)
    }

    /// The same, which posts what the JSON document `template` makes of an alert. In its strings stand `{{headline}}`,
    /// `{{state}}`, `{{kind}}`, `{{service}}`, `{{rule}}`, `{{severity}}`, `{{id}}`, `{{group}}`, `{{host}}`, `{{at}}`,
    /// `{{since}}`, `{{time_left}}`, `{{details}}`, `{{suspects}}`, `{{context}}` and `{{snapshot_url}}`.
    ///
    /// # Errors
    /// `Invalid` for what is no JSON, and for what stands in double braces and is none of these; it says where.
    pub fn template(mut self, template: &str) -> Result<Self, Error> {
        let template = Template::parse(template)
            .map_err(|what| Error::new(ErrorKind::Invalid, format!("the webhook's template {what}")))?;
        self.template = Some(template);
        Ok(self)
    }

    /// The same with the template in the file at `path`.
    ///
    /// # Errors
    /// As [`Webhook::template`]; `Io` for a file that cannot be read.
    pub fn template_file(self, path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let failed = |kind| Error::new(kind, format!("cannot use the webhook's template {}", path.display()));
        let text = std::fs::read_to_string(path).map_err(|error| failed(ErrorKind::Io).because(error))?;
        self.template(&text).map_err(|error| failed(error.kind()).because(error))
    }

    fn body(&mut self, alert: &Alert) -> Vec<u8> {
        let since = self.since(alert);
        let about = About { host: &self.host, since };
        let body = match &self.template {
            Some(template) => serde_json::to_vec(&template.fill(alert, &about)),
            None => serde_json::to_vec(&body::message(alert, about.host, about.since)),
        };
        // Neither holds anything that JSON cannot.
        body.unwrap_or_default()
    }

    /// When the incident of `alert` began: when its first message that passed here said so.
    fn since(&mut self, alert: &Alert) -> SystemTime {
        if let Some((_, since)) = self.beginnings.iter().find(|(id, _)| *id == alert.id) {
            return *since;
        }
        if alert.state == State::Firing {
            if self.beginnings.len() >= MAX_BEGINNINGS {
                self.beginnings.pop_front();
            }
            self.beginnings.push_back((alert.id.clone(), alert.at));
        }
        alert.at
    }
}

impl Sink for Webhook {
    fn name(&self) -> &str {
        "webhook"
    }

    fn deliver(&mut self, alert: &Alert, deadline: Instant) -> Outcome {
        if alert.kind == Kind::Asked && self.template.is_none() {
            // A profile that somebody has asked for: in Alertmanager's terms it would fire and never end.
            return Outcome::Sent;
        }
        let body = self.body(alert);
        let signer = self.signer.as_ref();
        let headers = signer.map(|signer| signer.headers(&message_id(alert), SystemTime::now(), &body));
        let answer = self.endpoint.post(&headers.unwrap_or_default(), &body, deadline);
        self.endpoint.outcome(answer, |status| (200..300).contains(&status), remedy)
    }
}

impl fmt::Debug for Webhook {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Webhook").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

/// Names a message: the same at each attempt, another for each message of an incident.
fn message_id(alert: &Alert) -> String {
    let at = alert.at.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    let id: String =
        alert.id.chars().filter(|letter| letter.is_ascii_alphanumeric() || "-_".contains(*letter)).collect();
    format!("{id}_{}_{at}", alert.kind.as_str())
}

const fn remedy(status: u16) -> &'static str {
    match status {
        401 | 403 => "check the password in FLAMEWATCH_WEBHOOK and the secret that both sides have",
        404 | 405 | 410 => "check that FLAMEWATCH_WEBHOOK is the receiver's address",
        _ => "it does not take our message; its own log says why",
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::sink::Kind;

    #[test]
    fn what_is_wrong_is_said_without_secrets() {
        let error = Webhook::new("https:///hunter2/").map(drop);
        assert!(error.is_ok() || !format!("{error:?}").contains("hunter2"));
        let error = Webhook::new("receiver/hunter2").expect_err("refused").to_string();
        assert!(error.starts_with("the webhook is not a URL") && !error.contains("hunter2"), "{error}");
        let webhook = || Webhook::new("http://receiver/hunter2").expect("a sink");
        let error = webhook().signed("hunter2").expect_err("refused").to_string();
        assert_eq!(error, "the webhook's secret is shorter than 16 bytes");
        let error = webhook().template(r#"{"a": "{{b}}"}"#).expect_err("refused").to_string();
        assert!(error.starts_with("the webhook's template has {{b}} at /a"), "{error}");
        let error = webhook().template_file("/nowhere/t.json").expect_err("refused");
        assert_eq!(error.kind(), ErrorKind::Io);
        let shown = format!("{:?}", webhook().signed("correct-horse-battery").expect("signed"));
        assert_eq!(shown, r#"Webhook { endpoint: Endpoint { host: "receiver", .. }, .. }"#);
    }

    #[test]
    fn an_incident_begins_with_its_first_message() {
        let mut webhook = Webhook::new("http://receiver/").expect("a sink");
        let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        let mut alert = Alert::new("a1", State::Firing, "shop", "heap leak");
        alert.at = at(10);
        assert_eq!(webhook.since(&alert), at(10));
        (alert.at, alert.kind, alert.state) = (at(20), Kind::Resolved, State::Resolved);
        assert_eq!(webhook.since(&alert), at(10));
        alert.id = "unknown".to_owned();
        assert_eq!(webhook.since(&alert), at(20));
        for number in 0..1_000 {
            webhook.since(&Alert::new(number.to_string(), State::Firing, "shop", "heap leak"));
        }
        assert_eq!(webhook.beginnings.len(), MAX_BEGINNINGS);
    }

    #[test]
    fn a_message_has_one_id_at_all_attempts() {
        let mut alert = Alert::new("7f3a-1\r\nx: y", State::Firing, "shop", "heap leak");
        alert.at = UNIX_EPOCH + Duration::from_millis(1_234);
        assert_eq!(message_id(&alert), "7f3a-1xy_new_1234");
        alert.kind = Kind::Reminder;
        assert_eq!(message_id(&alert), "7f3a-1xy_reminder_1234");
    }
}
