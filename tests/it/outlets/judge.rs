//! What the receivers hold posts to: the fields that Prometheus' documentation and Alertmanager's `webhook.Message` have, the
//! limits of PagerDuty's Events API v2, what Pyroscope's push API takes. Signatures are checked by Python's own hmac.

use std::collections::BTreeSet;
use std::io::Write;
use std::process::{Command, Stdio};

use flamewatch_tests::Post;
use serde_json::{Map, Value};

type Verdict = Result<(), String>;

/// Judges a post by its path.
pub(crate) fn of_all(
    secret: &'static str,
    key: &'static str,
) -> impl Fn(&Post) -> (u16, String) + Send + Sync {
    move |post| match post.path.as_str() {
        "/v2/enqueue" => pagerduty(post, key),
        "/push.v1.PusherService/Push" => pyroscope(post),
        _ => alertmanager(post, secret),
    }
}

pub(crate) fn alertmanager(post: &Post, secret: &str) -> (u16, String) {
    answer(200, is_json(post).and_then(|()| message(&post.json()?)).and_then(|()| signed(post, secret)))
}

pub(crate) fn pagerduty(post: &Post, key: &str) -> (u16, String) {
    answer(202, is_json(post).and_then(|()| event(post, key)))
}

pub(crate) fn pyroscope(post: &Post) -> (u16, String) {
    answer(200, is_json(post).and_then(|()| push(post)))
}

/// None of the passwords, keys and secrets of these tests is in `text`.
#[track_caller]
pub(crate) fn holds_no_secret(text: &str) {
    for secret in ["hunter2", "whsec_", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", super::KEY, "d2F0Y2g6"] {
        assert!(!text.contains(secret), "{secret} is in {text}");
    }
}

fn answer(status: u16, verdict: Verdict) -> (u16, String) {
    verdict.map_or_else(|why| (400, why), |()| (status, "{}".to_owned()))
}

fn is_json(post: &Post) -> Verdict {
    same("content-type", &post.header("content-type").to_owned(), &"application/json".to_owned())
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, found: &T, expected: &T) -> Verdict {
    if found == expected { Ok(()) } else { Err(format!("{what}: {found:?}, not {expected:?}")) }
}

fn holds(what: &str, is_so: bool) -> Verdict {
    if is_so { Ok(()) } else { Err(what.to_owned()) }
}

/// `value` is an object with these fields and no others.
fn fields<'v>(value: &'v Value, what: &str, expected: &[&str]) -> Result<&'v Map<String, Value>, String> {
    let object = value.as_object().ok_or_else(|| format!("{what} is no object"))?;
    let found: BTreeSet<&str> = object.keys().map(String::as_str).collect();
    same(what, &found, &expected.iter().copied().collect())?;
    Ok(object)
}

fn text<'v>(value: &'v Value, what: &str) -> Result<&'v str, String> {
    value.as_str().ok_or_else(|| format!("{what} is no text: {value}"))
}

/// `webhook.Message` of Alertmanager with its `template.Data`.
fn message(body: &Value) -> Verdict {
    let all = [
        "alerts",
        "commonAnnotations",
        "commonLabels",
        "externalURL",
        "groupKey",
        "groupLabels",
        "receiver",
        "status",
        "truncatedAlerts",
        "version",
    ];
    fields(body, "the message", &all)?;
    same("version", &text(&body["version"], "version")?, &"4")?;
    holds("truncatedAlerts is no number", body["truncatedAlerts"].is_u64())?;
    holds("groupKey is empty", !text(&body["groupKey"], "groupKey")?.is_empty())?;
    holds("receiver is empty", !text(&body["receiver"], "receiver")?.is_empty())?;
    text(&body["externalURL"], "externalURL")?;
    let alerts = body["alerts"].as_array().ok_or("alerts is no list")?;
    holds("there is no alert", !alerts.is_empty())?;
    for alert in alerts {
        one(alert, body)?;
    }
    let firing = alerts.iter().any(|alert| alert["status"] == "firing");
    same(
        "the group's status",
        &text(&body["status"], "status")?,
        &if firing { "firing" } else { "resolved" },
    )?;
    names(&body["commonAnnotations"])
}

fn one(alert: &Value, body: &Value) -> Verdict {
    let all = ["annotations", "endsAt", "fingerprint", "generatorURL", "labels", "startsAt", "status"];
    fields(alert, "an alert", &all)?;
    names(&alert["labels"])?;
    names(&alert["annotations"])?;
    holds("there is no alertname", alert["labels"]["alertname"].is_string())?;
    let labels = alert["labels"].as_object().ok_or("no labels")?;
    for group in [&body["groupLabels"], &body["commonLabels"]] {
        names(group)?;
        let group = group.as_object().ok_or("no group")?;
        holds(
            "a group's label is not the alert's",
            group.iter().all(|(name, value)| labels.get(name) == Some(value)),
        )?;
    }
    let (starts, ends) = (text(&alert["startsAt"], "startsAt")?, text(&alert["endsAt"], "endsAt")?);
    holds("a time is not RFC 3339", is_time(starts) && is_time(ends))?;
    let over = match text(&alert["status"], "status")? {
        "firing" => false,
        "resolved" => true,
        other => return Err(format!("status is {other}")),
    };
    same("has an end", &(ends != "0001-01-01T00:00:00Z"), &over)?;
    holds("it ends before it starts", !over || ends >= starts)?;
    let fingerprint = text(&alert["fingerprint"], "fingerprint")?;
    holds(
        "a fingerprint is 16 digits",
        fingerprint.len() == 16 && u64::from_str_radix(fingerprint, 16).is_ok(),
    )?;
    text(&alert["generatorURL"], "generatorURL").map(drop)
}

/// Texts by names that Prometheus allows.
fn names(value: &Value) -> Verdict {
    let object = value.as_object().ok_or_else(|| format!("no object: {value}"))?;
    object.iter().try_for_each(|(name, value)| {
        let letters = name.bytes().all(|byte| byte == b'_' || byte.is_ascii_alphanumeric());
        holds(
            "a name is not Prometheus'",
            letters && !name.starts_with(|first: char| first.is_ascii_digit()),
        )?;
        holds("a value is empty", !text(value, name)?.is_empty())
    })
}

/// `2026-09-21T14:26:40Z`.
fn is_time(text: &str) -> bool {
    text.len() == 20
        && text.char_indices().all(|(index, letter)| match index {
            4 | 7 => letter == '-',
            10 => letter == 'T',
            13 | 16 => letter == ':',
            19 => letter == 'Z',
            _ => letter.is_ascii_digit(),
        })
}

/// Both signatures, made again by Python from what its documentation has, and compared.
fn signed(post: &Post, secret: &str) -> Verdict {
    const PROGRAM: &str = "import sys, hmac, base64\n\
        key, head = base64.b64decode(sys.argv[1]), sys.argv[2].encode()\n\
        body = sys.stdin.buffer.read()\n\
        print('sha256=' + hmac.new(key, body, 'sha256').hexdigest())\n\
        print('v1,' + base64.b64encode(hmac.digest(key, head + body, 'sha256')).decode())";
    let key = secret.strip_prefix("whsec_").ok_or("a secret of Standard Webhooks")?;
    let seconds: u64 = post.header("webhook-timestamp").parse().map_err(|_| "no webhook-timestamp")?;
    let now =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_secs();
    holds("webhook-timestamp is not now", now.abs_diff(seconds) < 300)?;
    let head = format!("{}.{seconds}.", post.header("webhook-id"));
    let printed = python(PROGRAM, &[key, &head], &post.body)?;
    let lines: Vec<&str> = printed.lines().collect();
    same("signatures", &vec![post.header("x-flamewatch-signature"), post.header("webhook-signature")], &lines)
}

/// An event of PagerDuty's Events API v2.
fn event(post: &Post, key: &str) -> Verdict {
    holds("the event is larger than 512,000 bytes", post.body.len() <= 512_000)?;
    let event = post.json()?;
    let all =
        ["client", "client_url", "dedup_key", "event_action", "images", "links", "payload", "routing_key"];
    known(&event, &all)?;
    same("routing_key", &text(&event["routing_key"], "routing_key")?, &key)?;
    let dedup = text(&event["dedup_key"], "dedup_key")?;
    holds("dedup_key is longer than 255 letters", (1..=255).contains(&dedup.chars().count()))?;
    match text(&event["event_action"], "event_action")? {
        "resolve" | "acknowledge" => return Ok(()),
        "trigger" => {}
        other => return Err(format!("event_action is {other}")),
    }
    let payload = &event["payload"];
    known(
        payload,
        &["class", "component", "custom_details", "group", "severity", "source", "summary", "timestamp"],
    )?;
    let summary = text(&payload["summary"], "summary")?.chars().count();
    holds("summary is longer than 1,024 letters", (1..=1_024).contains(&summary))?;
    holds("there is no source", !text(&payload["source"], "source")?.is_empty())?;
    let severity = text(&payload["severity"], "severity")?;
    holds("severity is none of four", ["critical", "error", "warning", "info"].contains(&severity))?;
    holds("timestamp is not ISO 8601", is_time(text(&payload["timestamp"], "timestamp")?))?;
    holds("custom_details is no object", payload["custom_details"].is_object())?;
    let links = event["links"].as_array().ok_or("links is no list")?;
    links.iter().try_for_each(|link| {
        fields(link, "a link", &["href", "text"])?;
        holds("a link leads nowhere", text(&link["href"], "href")?.starts_with("http"))
    })
}

/// `value` is an object without other fields than these.
fn known(value: &Value, names: &[&str]) -> Verdict {
    let object = value.as_object().ok_or_else(|| format!("no object: {value}"))?;
    object.keys().try_for_each(|name| holds(&format!("{name} is no field"), names.contains(&name.as_str())))
}

/// What Pyroscope's push API takes, and what we were to say besides.
fn push(post: &Post) -> Verdict {
    same("tenant", &post.header("x-scope-orgid"), &"team-7")?;
    same("authorization", &post.header("authorization"), &"Basic dXNlcjpweXJvLWh1bnRlcjI=")?;
    let body = post.json()?;
    let series = body["series"].as_array().ok_or("series is no list")?;
    holds("there is no series", !series.is_empty())?;
    for one in series {
        fields(one, "a series", &["labels", "samples"])?;
        let labels = one["labels"].as_array().ok_or("labels is no list")?;
        let label =
            |name: &str| labels.iter().find(|label| label["name"] == name).map(|label| &label["value"]);
        same("service_name", &label("service_name"), &Some(&"talkative/alerts".into()))?;
        same("__name__", &label("__name__"), &Some(&"memory".into()))?;
        for sample in one["samples"].as_array().ok_or("samples is no list")? {
            fields(sample, "a sample", &["ID", "rawProfile"])?;
            same("the length of a UUID", &text(&sample["ID"], "ID")?.len(), &36)?;
            flamewatch_tests::judge_pushed("memory", text(&sample["rawProfile"], "rawProfile")?)?;
        }
    }
    Ok(())
}

/// What the Python program `program` prints when it reads `input`.
fn python(program: &str, arguments: &[&str], input: &[u8]) -> Result<String, String> {
    let mut command = Command::new("python3");
    command.args(["-c", program]).args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().map_err(|error| format!("python3: {error}"))?;
    child.stdin.take().ok_or("no stdin")?.write_all(input).map_err(|error| error.to_string())?;
    let output = child.wait_with_output().map_err(|error| error.to_string())?;
    holds("python3 failed", output.status.success())?;
    String::from_utf8(output.stdout).map_err(|error| error.to_string())
}
