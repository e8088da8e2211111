//! An alert in the body of Alertmanager's webhook, version 4 (Prometheus' documentation, "webhook_config"), so that what
//! receives Alertmanager's alerts receives ours: one alert a message, in a group of its own.

use std::collections::BTreeMap;
use std::time::SystemTime;

use serde::Serialize;

use crate::moment::readable;
use crate::sink::severity::Severity;
use crate::sink::words::{clipped, suspects};
use crate::sink::{Alert, State};

/// The most bytes of an annotation. Receivers put them into messages, and no alert of ours comes near.
const MAX_TEXT: usize = 16 * 1024;

/// How Alertmanager writes a time that is not there.
const NEVER: &str = "0001-01-01T00:00:00Z";

type Texts = BTreeMap<&'static str, String>;

/// `webhook.Message` of Alertmanager.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Message {
    receiver: &'static str,
    status: &'static str,
    alerts: [One; 1],
    group_labels: Texts,
    common_labels: Texts,
    common_annotations: Texts,
    #[serde(rename = "externalURL")]
    external_url: String,
    version: &'static str,
    group_key: String,
    truncated_alerts: u64,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct One {
    status: &'static str,
    labels: Texts,
    annotations: Texts,
    starts_at: String,
    ends_at: String,
    #[serde(rename = "generatorURL")]
    generator_url: String,
    fingerprint: String,
}

/// The message of `alert` from `host`, whose incident began at `since`.
pub(super) fn message(alert: &Alert, host: &str, since: SystemTime) -> Message {
    let labels = labels(alert, host);
    // What tells one group from another: an incident is one, so that what one replica says is over stays open for others.
    let of_group = |name: &&str| ["alertname", "incident", "service"].contains(name);
    let group_labels: Texts = labels.clone().into_iter().filter(|(name, _)| of_group(name)).collect();
    let annotations = annotations(alert);
    let url = alert.snapshot_url.clone().unwrap_or_default();
    Message {
        receiver: "flamewatch",
        status: alert.state.as_str(),
        group_key: format!("{{}}:{}", in_braces(&group_labels)),
        group_labels,
        common_labels: labels.clone(),
        common_annotations: annotations.clone(),
        external_url: port(&url),
        version: "4",
        truncated_alerts: 0,
        alerts: [One {
            status: alert.state.as_str(),
            fingerprint: format!("{:016x}", fingerprint(&labels)),
            labels,
            annotations,
            starts_at: readable(since.min(alert.at)),
            ends_at: if alert.state == State::Resolved { readable(alert.at) } else { NEVER.to_owned() },
            generator_url: url,
        }],
    }
}

/// Whose values are the same in all messages of an incident, as Alertmanager knows an alert again by them.
fn labels(alert: &Alert, host: &str) -> Texts {
    BTreeMap::from([
        ("alertname", alert.rule.clone()),
        ("group", alert.group.clone()),
        ("incident", alert.id.clone()),
        ("instance", host.to_owned()),
        ("service", alert.service.clone()),
        ("severity", Severity::of_rule(&alert.rule).as_str().to_owned()),
    ])
    .into_iter()
    .filter(|(_, value)| !value.is_empty())
    .map(|(name, value)| (name, clipped(value, MAX_TEXT)))
    .collect()
}

fn annotations(alert: &Alert) -> Texts {
    let all = BTreeMap::from([
        ("summary", alert.headline.clone()),
        ("description", alert.details.join("\n")),
        ("time_left", alert.time_left.clone().unwrap_or_default()),
        ("suspects", suspects(alert)),
        ("context", alert.context.join("\n")),
        ("message", alert.kind.as_str().to_owned()),
        ("snapshot_url", alert.snapshot_url.clone().unwrap_or_default()),
    ]);
    let all = all.into_iter().filter(|(_, value)| !value.is_empty());
    all.map(|(name, value)| (name, clipped(value, MAX_TEXT))).collect()
}

/// `{alertname="heap leak", service="shop"}`, as Alertmanager writes the labels of a group.
fn in_braces(labels: &Texts) -> String {
    let pairs: Vec<String> = labels.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
    format!("{{{}}}", pairs.join(", "))
}

/// As Prometheus' `model.LabelSet.Fingerprint` makes it of sorted labels: FNV-1a, 64 bits.
fn fingerprint(labels: &Texts) -> u64 {
    let add = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    labels.iter().fold(0xcbf2_9ce4_8422_2325, |hash, (name, value)| {
        [name.as_bytes(), &[255], value.as_bytes(), &[255]].concat().iter().fold(hash, add)
    })
}

/// The address of the debug port that `url` leads to.
fn port(url: &str) -> String {
    url.split_once("/debug/").map_or(String::new(), |(port, _)| port.to_owned())
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use serde_json::{Value, json};

    use super::*;
    use crate::sink::{Kind, Site};

    fn alert(state: State) -> Alert {
        let mut alert = Alert::new("7f3a-1", state, "shop", "heap leak");
        alert.at = UNIX_EPOCH + Duration::from_secs(1_700_003_600);
        alert.headline = "heap leak in \"orders\": +2 MiB a minute".to_owned();
        alert
    }

    fn body(alert: &Alert) -> Value {
        let since = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        serde_json::to_value(message(alert, "pod-7", since)).expect("json")
    }

    #[test]
    fn every_field_of_alertmanager_is_there() {
        let mut alert = alert(State::Firing);
        alert.group = "shop/heap leak/orders/1.2".to_owned();
        alert.snapshot_url = Some("http://127.0.0.1:6060/debug/snapshots/7f3a-1?format=svg".to_owned());
        alert.details = vec!["one".to_owned(), "two".to_owned()];
        alert.sites = vec![Site::new("orders::keep", Some("orders.rs:31".to_owned()), "+1 GiB")];
        alert.kind = Kind::Reminder;
        let labels = json!({
            "alertname": "heap leak", "group": "shop/heap leak/orders/1.2", "incident": "7f3a-1",
            "instance": "pod-7", "service": "shop", "severity": "error",
        });
        let annotations = json!({
            "description": "one\ntwo", "message": "reminder", "summary": alert.headline,
            "suspects": "+1 GiB orders::keep at orders.rs:31", "snapshot_url": alert.snapshot_url,
        });
        let mut body = body(&alert);
        let fingerprint = body["alerts"][0]["fingerprint"].take();
        assert_eq!(fingerprint.as_str().map(str::len), Some(16));
        assert_eq!(
            body,
            json!({
                "version": "4",
                "groupKey": r#"{}:{alertname="heap leak", incident="7f3a-1", service="shop"}"#,
                "truncatedAlerts": 0,
                "status": "firing",
                "receiver": "flamewatch",
                "groupLabels": {"alertname": "heap leak", "incident": "7f3a-1", "service": "shop"},
                "commonLabels": labels,
                "commonAnnotations": annotations,
                "externalURL": "http://127.0.0.1:6060",
                "alerts": [{
                    "status": "firing",
                    "labels": labels,
                    "annotations": annotations,
                    "startsAt": "2023-11-14T22:13:20Z",
                    "endsAt": "0001-01-01T00:00:00Z",
                    "generatorURL": "http://127.0.0.1:6060/debug/snapshots/7f3a-1?format=svg",
                    "fingerprint": null,
                }],
            })
        );
    }

    #[test]
    fn what_is_over_is_the_same_alert_with_an_end() {
        let (firing, over) = (body(&alert(State::Firing)), body(&alert(State::Resolved)));
        for part in ["/groupKey", "/alerts/0/labels", "/alerts/0/fingerprint", "/alerts/0/startsAt"] {
            assert_eq!(firing.pointer(part), over.pointer(part), "{part}");
        }
        assert_eq!(over["status"], "resolved");
        assert_eq!(over["alerts"][0]["endsAt"], "2023-11-14T23:13:20Z");
    }

    /// What Prometheus' own test expects of these labels.
    #[test]
    fn a_fingerprint_is_that_of_prometheus() {
        let labels = BTreeMap::from([
            ("name", "garland, briggs".to_owned()),
            ("fear", "love is not enough".to_owned()),
        ]);
        assert_eq!(fingerprint(&labels), 5_799_056_148_416_392_346);
    }

    #[test]
    fn no_text_is_endless() {
        let mut alert = alert(State::Firing);
        alert.details = vec!["é".repeat(1 << 20)];
        let body = body(&alert).to_string();
        assert!(body.len() < 8 * MAX_TEXT, "{}", body.len());
    }
}
