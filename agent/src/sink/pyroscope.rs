//! The profiles that explain alerts to a Pyroscope, through its push API in JSON (Grafana's documentation, "Pyroscope server
//! HTTP API"), so that one that is there is the fleet's store of them. Words and pictures stay behind.

use std::fmt;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::time::{Instant, UNIX_EPOCH};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use crate::sink::http::{Endpoint, Plain};
use crate::sink::{Alert, Attachment, Outcome, Sink, host};
use crate::{Error, ErrorKind};

/// How a profile's name ends.
const ENDING: &str = ".pb.gz";

/// Pushes the profiles of alerts to a Pyroscope. An alert without one counts as sent.
///
/// They are under `service_name="<service>/alerts"` and not under the service's own name, because most of them tell what
/// has grown, not what there is: summed up with scraped profiles they would bend both. Labels: `rule`, `incident` (the
/// alert's id) and `instance` (the host).
pub struct Pyroscope {
    endpoint: Endpoint,
    tenant: Option<String>,
    host: String,
}

impl Pyroscope {
    /// A sink that pushes to the Pyroscope at `url`: `http://pyroscope:4040`, `https://user:password@host`. Nothing is sent yet.
    ///
    /// # Errors
    /// `Invalid` for anything but an https or http URL.
    pub fn new(url: &str) -> Result<Self, Error> {
        let endpoint = Endpoint::parse(url, Plain::Allowed)
            .map_err(|what| Error::new(ErrorKind::Invalid, format!("the Pyroscope address {what}")))?;
        let endpoint = endpoint.below("/push.v1.PusherService/Push");
        Ok(Self { endpoint, tenant: None, host: host::name() })
    }

    /// The same, which names the tenant `tenant` in the header `X-Scope-OrgID`.
    ///
    /// # Errors
    /// `Invalid` for what cannot stand in a header.
    pub fn tenant(mut self, tenant: &str) -> Result<Self, Error> {
        if tenant.is_empty() || !tenant.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Error::new(ErrorKind::Invalid, "the Pyroscope tenant is not a word of ASCII"));
        }
        self.tenant = Some(tenant.to_owned());
        Ok(self)
    }

    fn push(&self, alert: &Alert) -> Option<Value> {
        let profiles =
            alert.attachments.iter().filter_map(|file| Some((file.name.strip_suffix(ENDING)?, &**file)));
        let series: Vec<Value> = profiles.map(|(kind, file)| self.series(alert, kind, file)).collect();
        (!series.is_empty()).then(|| json!({ "series": series }))
    }

    fn series(&self, alert: &Alert, kind: &str, file: &Attachment) -> Value {
        let service = format!("{}/alerts", alert.service);
        let labels = [
            ("__name__", name(kind).as_str()),
            ("incident", alert.id.as_str()),
            ("instance", self.host.as_str()),
            ("rule", alert.rule.as_str()),
            ("service_name", service.as_str()),
        ]
        .map(|(name, value)| json!({"name": name, "value": value}));
        let sample = json!({"ID": id(alert, kind), "rawProfile": BASE64_STANDARD.encode(&file.bytes)});
        json!({"labels": labels, "samples": [sample]})
    }
}

impl Sink for Pyroscope {
    fn name(&self) -> &str {
        "pyroscope"
    }

    fn deliver(&mut self, alert: &Alert, deadline: Instant) -> Outcome {
        let Some(push) = self.push(alert) else { return Outcome::Sent };
        let headers: Vec<_> = self.tenant.iter().map(|tenant| ("x-scope-orgid", tenant.clone())).collect();
        let answer = self.endpoint.post(&headers, push.to_string().as_bytes(), deadline);
        self.endpoint.outcome(answer, |status| status == 200, remedy)
    }
}

impl fmt::Debug for Pyroscope {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Pyroscope").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

/// What Pyroscope calls the profile `kind`: for those that Grafana's collectors scrape, their names.
fn name(kind: &str) -> String {
    match kind {
        "heap" | "allocs" => "memory".to_owned(),
        "profile" => "process_cpu".to_owned(),
        other => other.replace(|letter: char| !letter.is_ascii_alphanumeric(), "_"),
    }
}

/// The UUID of a profile: the same at every attempt.
fn id(alert: &Alert, kind: &str) -> String {
    let half = |salt: u8| {
        let mut hasher = DefaultHasher::new();
        let at = alert.at.duration_since(UNIX_EPOCH).unwrap_or_default();
        (salt, &alert.id, kind, at).hash(&mut hasher);
        hasher.finish()
    };
    // Version 8 is for numbers made in a way of one's own.
    let number =
        (u128::from(half(0)) << 64 | u128::from(half(1))) & !(0xf << 76 | 0x3 << 62) | 0x8 << 76 | 0x2 << 62;
    let hex = format!("{number:032x}");
    let part = |range| hex.get(range).unwrap_or_default();
    [part(0..8), part(8..12), part(12..16), part(16..20), part(20..32)].join("-")
}

const fn remedy(status: u16) -> &'static str {
    match status {
        400 | 422 => "it does not take the profile, which may be older than it takes",
        401 | 403 => "check the password in FLAMEWATCH_PYROSCOPE, and FLAMEWATCH_PYROSCOPE_TENANT",
        404 | 405 => "check that FLAMEWATCH_PYROSCOPE is a Pyroscope's address",
        _ => "its own log says why",
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::sink::State;

    fn sink() -> Pyroscope {
        Pyroscope { host: "pod-7".to_owned(), ..Pyroscope::new("http://pyroscope:4040/").expect("a sink") }
    }

    fn alert() -> Alert {
        let mut alert = Alert::new("7f3a-1", State::Firing, "shop", "heap leak");
        alert.at = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        alert
    }

    #[test]
    fn profiles_alone_are_pushed() {
        let mut alert = alert();
        assert_eq!(sink().push(&alert), None);
        assert_eq!(sink().deliver(&alert, Instant::now()), Outcome::Sent);
        alert.attachments.push(Arc::new(Attachment::new("heap.svg", b"<svg>".to_vec())));
        assert_eq!(sink().push(&alert), None);
        alert.attachments.push(Arc::new(Attachment::new("heap.pb.gz", b"profile".to_vec())));
        let label = |name: &str, value: &str| json!({"name": name, "value": value});
        let expected = json!({"series": [{
            "labels": [
                label("__name__", "memory"),
                label("incident", "7f3a-1"),
                label("instance", "pod-7"),
                label("rule", "heap leak"),
                label("service_name", "shop/alerts"),
            ],
            "samples": [{"ID": id(&alert, "heap"), "rawProfile": "cHJvZmlsZQ=="}],
        }]});
        assert_eq!(sink().push(&alert), Some(expected));
    }

    #[test]
    fn names_are_those_of_the_collectors() {
        assert_eq!(
            ["heap", "profile", "goroutine", "fg-prof"].map(name),
            ["memory", "process_cpu", "goroutine", "fg_prof"]
        );
    }

    #[test]
    fn an_id_is_a_uuid_and_stays() {
        let first = id(&alert(), "heap");
        assert_eq!(first, id(&alert(), "heap"));
        assert_ne!(first, id(&alert(), "profile"));
        let lengths: Vec<usize> = first.split('-').map(str::len).collect();
        assert_eq!(lengths, [8, 4, 4, 4, 12]);
        assert_eq!(first.as_bytes().get(14), Some(&b'8'), "{first}");
        assert!(first.as_bytes().get(19).is_some_and(|letter| b"89ab".contains(letter)), "{first}");
    }

    #[test]
    fn a_tenant_is_a_word() {
        assert!(sink().tenant("team-7").is_ok());
        assert!(sink().tenant("team\r\nx: y").is_err());
        assert!(sink().tenant("").is_err());
    }
}
