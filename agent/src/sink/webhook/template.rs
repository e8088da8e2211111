//! A body of the user's own: a JSON document in whose strings `{{headline}}` and its like stand for what an alert says. As
//! they are replaced within strings that are strings already, nothing that an alert says can break out of one. A template
//! is checked when it is read; filling it in cannot fail.

use serde_json::Value;

use crate::moment::readable;
use crate::sink::Alert;
use crate::sink::severity::Severity;
use crate::sink::words::suspects;

use super::About;

/// The most bytes of a template.
const MAX_BYTES: usize = 64 * 1024;

/// What an alert says by the name of a placeholder. Several lines are one text with line breaks.
type Say = fn(&Alert, &About<'_>) -> String;

/// Every placeholder.
const PLACEHOLDERS: [(&str, Say); 16] = [
    ("at", |alert, _| readable(alert.at)),
    ("context", |alert, _| alert.context.join("\n")),
    ("details", |alert, _| alert.details.join("\n")),
    ("group", |alert, _| alert.group.clone()),
    ("headline", |alert, _| alert.headline.clone()),
    ("host", |_, about| about.host.to_owned()),
    ("id", |alert, _| alert.id.clone()),
    ("kind", |alert, _| alert.kind.as_str().to_owned()),
    ("rule", |alert, _| alert.rule.clone()),
    ("service", |alert, _| alert.service.clone()),
    ("severity", |alert, _| Severity::of_rule(&alert.rule).as_str().to_owned()),
    ("since", |_, about| readable(about.since)),
    ("snapshot_url", |alert, _| alert.snapshot_url.clone().unwrap_or_default()),
    ("state", |alert, _| alert.state.as_str().to_owned()),
    ("suspects", |alert, _| suspects(alert)),
    ("time_left", |alert, _| alert.time_left.clone().unwrap_or_default()),
];

/// A template that was checked.
#[derive(Clone, Debug)]
pub(super) struct Template(Value);

impl Template {
    /// The one in `text`.
    ///
    /// # Errors
    /// What is wrong and where: the line and column of what is no JSON, the path of a string with what is no placeholder.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if text.len() > MAX_BYTES {
            return Err(format!("is longer than {} KiB", MAX_BYTES >> 10));
        }
        let document: Value = serde_json::from_str(text).map_err(|error| format!("is no JSON: {error}"))?;
        check(&document, &mut String::new())?;
        Ok(Self(document))
    }

    /// The body for `alert`.
    pub(super) fn fill(&self, alert: &Alert, about: &About<'_>) -> Value {
        let say = |name: &str| find(name).map(|say| say(alert, about)).unwrap_or_default();
        filled(&self.0, &say)
    }
}

fn find(name: &str) -> Option<Say> {
    PLACEHOLDERS.iter().find(|(other, _)| *other == name).map(|(_, say)| *say)
}

/// Walks `value`, which stands at `path`, in search of what is no placeholder.
fn check(value: &Value, path: &mut String) -> Result<(), String> {
    let length = path.len();
    match value {
        Value::String(text) => pieces(text).try_for_each(|piece| match piece {
            Piece::Name(name) if find(name).is_none() => Err(unknown(name, path)),
            Piece::Unclosed => Err(format!("has {{{{ without }}}} at {}", shown(path))),
            Piece::Name(_) | Piece::Text(_) => Ok(()),
        }),
        Value::Array(values) => values.iter().enumerate().try_for_each(|(index, value)| {
            path.push_str(&format!("/{index}"));
            check(value, path)?;
            path.truncate(length);
            Ok(())
        }),
        Value::Object(fields) => fields.iter().try_for_each(|(key, value)| {
            if key.contains("{{") {
                return Err(format!(
                    "has a placeholder in a key at {}: they stand in values only",
                    shown(path)
                ));
            }
            path.push('/');
            path.push_str(key);
            check(value, path)?;
            path.truncate(length);
            Ok(())
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) => Ok(()),
    }
}

fn unknown(name: &str, path: &str) -> String {
    let known: Vec<&str> = PLACEHOLDERS.iter().map(|(name, _)| *name).collect();
    let short: String = name.chars().take(40).collect();
    format!("has {{{{{short}}}}} at {}, which is none of {}", shown(path), known.join(", "))
}

fn shown(path: &str) -> &str {
    if path.is_empty() { "the top" } else { path }
}

fn filled(value: &Value, say: &dyn Fn(&str) -> String) -> Value {
    match value {
        Value::String(text) => {
            let fill = |piece: Piece<'_>| match piece {
                Piece::Text(text) => text.to_owned(),
                Piece::Name(name) => say(name),
                Piece::Unclosed => String::new(),
            };
            Value::String(pieces(text).map(fill).collect())
        }
        Value::Array(values) => values.iter().map(|value| filled(value, say)).collect(),
        Value::Object(fields) => {
            fields.iter().map(|(key, value)| (key.clone(), filled(value, say))).collect()
        }
        plain => plain.clone(),
    }
}

enum Piece<'t> {
    Text(&'t str),
    /// What stands between the braces.
    Name(&'t str),
    Unclosed,
}

fn pieces(text: &str) -> impl Iterator<Item = Piece<'_>> {
    let mut parts = text.split("{{");
    let first = parts.next().map(Piece::Text).into_iter();
    first.chain(parts.flat_map(|part| {
        match part.split_once("}}") {
            Some((name, rest)) => [Some(Piece::Name(name.trim())), Some(Piece::Text(rest))],
            None => [Some(Piece::Unclosed), None],
        }
        .into_iter()
        .flatten()
    }))
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use serde_json::json;

    use super::*;
    use crate::sink::{Site, State};

    #[track_caller]
    fn refused(text: &str, expected: &str) {
        let error = Template::parse(text).expect_err("refused");
        assert!(error.starts_with(expected), "{error}");
    }

    #[test]
    fn what_is_wrong_and_where() {
        refused("{\n  \"text\": headline\n}", "is no JSON: expected value at line 2 column 11");
        refused(
            r#"{"blocks": [{"text": "{{headlin}}"}]}"#,
            "has {{headlin}} at /blocks/0/text, which is none of at, context",
        );
        refused(r#"{"a": {"b": 1, "c": "x {{rule"}}"#, "has {{ without }} at /a/c");
        refused(r#"{"{{rule}}": 1}"#, "has a placeholder in a key at the top");
        refused(r#""{{}}""#, "has {{}} at the top");
        refused(&format!("\"{}\"", "x".repeat(MAX_BYTES)), "is longer than 64 KiB");
    }

    #[test]
    fn nothing_that_an_alert_says_breaks_out() {
        let text = r#"{"text": "*{{ headline }}* ({{rule}}) {{", "n": [1, null, "{{state}}{{service}}"]}"#;
        refused(text, "has {{ without }} at /text");
        let template = Template::parse(&text.replace(" {{\"", "\"")).expect("good");
        let mut alert = Alert::new("a1", State::Firing, "{{rule}}", "heap leak");
        alert.headline = "\"}, {\"a\": \"\\\n{{state}}".to_owned();
        let about = About { host: "pod-7", since: UNIX_EPOCH };
        let body = template.fill(&alert, &about);
        let expected = json!({
            "text": format!("*{}* (heap leak)", alert.headline),
            "n": [1, null, "firing{{rule}}"],
        });
        assert_eq!(body, expected);
        assert_eq!(serde_json::from_str::<Value>(&body.to_string()).expect("json"), expected);
    }

    #[test]
    fn every_placeholder_says_something() {
        let mut alert = Alert::new("a1", State::Firing, "shop", "heap leak");
        (alert.group, alert.headline) = ("g".to_owned(), "h".to_owned());
        (alert.details, alert.context) = (vec!["d".to_owned()], vec!["c".to_owned()]);
        (alert.time_left, alert.snapshot_url) = (Some("t".to_owned()), Some("u".to_owned()));
        alert.sites = vec![Site::new("f", None, "+1"), Site::new("g", None, "+2")];
        let about = About { host: "pod-7", since: UNIX_EPOCH };
        for (name, say) in PLACEHOLDERS {
            assert!(!say(&alert, &about).is_empty(), "{name}");
        }
    }
}
