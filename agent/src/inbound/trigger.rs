//! A monitor's trigger: a POST with a bearer token from whatever can send one, such as Datadog's webhooks and Alertmanager.
//! What to profile is said in the query (`?profile=heap&seconds=10`), or in the body, which is JSON if it is anything.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use serde_json::Value;
use url::form_urlencoded;

use super::order::{Order, Unclear};
use crate::serve::access;

/// The names under which monitors send what is the same in all tries of one alert: our own, Datadog's `$ALERT_CYCLE_KEY` as
/// people name it in a payload, and Alertmanager's.
const KEYS: [&str; 4] = ["key", "alert_cycle_key", "aggreg_key", "groupKey"];

/// The names under which they send whether it is over.
const STATES: [&str; 4] = ["state", "status", "transition", "alert_transition"];

/// The words for what is over.
const OVER: [&str; 4] = ["recovered", "resolved", "ok", "no data"];

/// Who may pull it.
pub(super) struct Trigger {
    token: String,
}

/// What a monitor wants.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wish {
    /// A profile. `mark` is the same in all tries of one alert.
    Profile { order: Order, mark: String },
    /// Nothing: it tells that something is over.
    Nothing,
}

impl Trigger {
    pub(super) fn new(token: &str) -> Self {
        Self { token: token.to_owned() }
    }

    /// Whether the bearer knows the token.
    pub(super) fn admits(&self, headers: &HeaderMap) -> bool {
        let shown =
            headers.get_all(AUTHORIZATION).iter().filter_map(|value| value.to_str().ok()?.split_once(' '));
        shown
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .any(|(_, shown)| access::same(shown.trim().as_bytes(), self.token.as_bytes()))
    }
}

impl Wish {
    /// What is asked for by `query` and `body`.
    pub(super) fn of(query: &str, body: &[u8]) -> Result<Self, Unclear> {
        let body: Value = match body.trim_ascii() {
            [] => Value::Null,
            text => serde_json::from_slice(text).map_err(|_| Unclear("the body is not JSON".to_owned()))?,
        };
        let text = |name: &str| body.get(name).and_then(Value::as_str);
        if STATES.iter().filter_map(|name| text(name)).any(is_over) {
            return Ok(Self::Nothing);
        }
        let asked = |wanted: &str| {
            form_urlencoded::parse(query.as_bytes())
                .find(|(name, _)| name == wanted)
                .map(|(_, value)| value.into_owned())
        };
        let word = asked("profile").or_else(|| text("profile").map(str::to_owned));
        let seconds = match asked("seconds") {
            Some(seconds) => {
                Some(seconds.parse().map_err(|_| Unclear("seconds must be a whole number".to_owned()))?)
            }
            None => body.get("seconds").and_then(Value::as_u64),
        };
        let order = Order::new(word.as_deref(), seconds, "a monitor".to_owned())?;
        let key = KEYS.iter().find_map(|name| text(name)).map(str::to_owned);
        // Without a key, what says the same is the same.
        let mark = key.map_or_else(|| body.to_string(), |key| key + &began(&body));
        Ok(Self::Profile { mark: fingerprint(&mark, &order), order })
    }
}

/// When what Alertmanager tells of began: its group has the same key for ever.
fn began(body: &Value) -> String {
    body.pointer("/alerts/0/startsAt").and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn is_over(state: &str) -> bool {
    OVER.iter().any(|over| state.eq_ignore_ascii_case(over))
}

/// Short, whatever was sent. Two wishes of one hour that are taken for one cost a profile, and are as likely as not to meet
/// in four billion.
fn fingerprint(mark: &str, order: &Order) -> String {
    let mut hasher = DefaultHasher::new();
    (mark, order.kind).hash(&mut hasher);
    format!("trigger {:x}", hasher.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile(query: &str, body: &str) -> (&'static str, u64, String) {
        match Wish::of(query, body.as_bytes()) {
            Ok(Wish::Profile { order, mark }) => (order.kind, order.length.as_secs(), mark),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_token_is_asked_for() {
        let trigger = Trigger::new("correct-horse-battery");
        let admits = |value: &str| {
            let headers = HeaderMap::from_iter([(AUTHORIZATION, value.parse().expect("a header"))]);
            trigger.admits(&headers)
        };
        assert!(admits("Bearer correct-horse-battery") && admits("bearer  correct-horse-battery "));
        for wrong in ["", "Bearer", "Bearer ", "Bearer correct-horse", "Basic correct-horse-battery"] {
            assert!(!admits(wrong), "{wrong}");
        }
        assert!(!trigger.admits(&HeaderMap::new()));
    }

    #[test]
    fn all_tries_of_one_alert_have_one_mark() {
        let datadog = r#"{"alert_cycle_key":"777","transition":"Triggered","title":"p99"}"#;
        let again = r#"{"title":"p99, try 2","alert_cycle_key":"777","transition":"Re-Triggered"}"#;
        let (kind, seconds, mark) = profile("profile=heap&seconds=10", datadog);
        assert_eq!((kind, seconds), ("heap", 10));
        assert_eq!(profile("profile=heap&seconds=10", again).2, mark);
        assert_ne!(profile("profile=cpu", again).2, mark);
        assert_eq!(profile("", r#"{"profile":"tasks","seconds":5}"#).1, 5);
        assert_eq!(profile("", "").0, "profile");
        let group =
            |at: &str| format!(r#"{{"status":"firing","groupKey":"g","alerts":[{{"startsAt":"{at}"}}]}}"#);
        assert_ne!(profile("", &group("1")).2, profile("", &group("2")).2);
    }

    #[test]
    fn what_is_over_asks_for_nothing() {
        for over in [r#"{"transition":"Recovered"}"#, r#"{"status":"resolved","groupKey":"g"}"#] {
            assert_eq!(Wish::of("", over.as_bytes()), Ok(Wish::Nothing), "{over}");
        }
        for unclear in ["profile=all", "seconds=soon"] {
            assert!(Wish::of(unclear, b"").is_err(), "{unclear}");
        }
        assert!(Wish::of("", b"key=1").is_err());
    }
}
