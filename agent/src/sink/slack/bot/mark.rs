//! What our messages carry unseen, so that other replicas, and this one after a restart, find them in the channel's
//! history: the mark of an alert, read with care, since others write into the same channel.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Deserialize;
use serde_json::Value;
use slack_morphism::SlackMessageMetadata;

use crate::sink::{Alert, State};

/// The kind of our messages, as Slack calls it.
const EVENT: &str = "flamewatch_alert";

/// The mark of one message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    /// The fault, equal in all replicas.
    pub(super) group: String,
    /// The incident.
    pub(super) alert: String,
    /// Who posted it.
    pub(super) replica: String,
    /// This one message, so that it is not posted twice.
    pub(super) post: String,
    pub(super) state: State,
    /// When the incident began, in seconds since 1970.
    pub(super) since: u64,
}

/// A message as the history tells it: what we need of it, and nothing that could fail to be read.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Message<B = Value> {
    pub(super) ts: String,
    #[serde(default)]
    metadata: Option<Metadata>,
    /// What it says, or [`PassedOver`] where that is not wanted: a page of history has megabytes of it.
    #[serde(default)]
    pub(super) blocks: B,
}

/// What a message says, passed over.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct PassedOver;

impl<'de> Deserialize<'de> for PassedOver {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        serde::de::IgnoredAny::deserialize(deserializer).map(|_| Self)
    }
}

#[derive(Clone, Debug, Deserialize)]
struct Metadata {
    #[serde(default)]
    event_type: Value,
    #[serde(default)]
    event_payload: Value,
}

impl Mark {
    /// The mark of the message that tells `alert`, posted by `replica`.
    pub(super) fn of(alert: &Alert, replica: &str) -> Self {
        let since = alert.at.duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut hasher = DefaultHasher::new();
        (&alert.id, alert.kind.as_str(), since.as_nanos(), &alert.headline).hash(&mut hasher);
        Self {
            group: alert.group.clone(),
            alert: alert.id.clone(),
            replica: replica.to_owned(),
            post: format!("{:016x}", hasher.finish()),
            state: alert.state,
            since: since.as_secs(),
        }
    }

    /// As Slack keeps it.
    pub(super) fn metadata(&self) -> SlackMessageMetadata {
        let fields = [
            ("group", self.group.clone()),
            ("alert", self.alert.clone()),
            ("replica", self.replica.clone()),
            ("post", self.post.clone()),
            ("state", self.state.as_str().to_owned()),
            ("since", self.since.to_string()),
        ];
        let payload: HashMap<String, String> =
            fields.into_iter().map(|(name, value)| (name.to_owned(), shortened(value))).collect();
        SlackMessageMetadata::new(EVENT.to_owned()).with_event_payload(payload)
    }

    /// How long after its beginning `moment` is.
    pub(super) fn age(&self, moment: SystemTime) -> Duration {
        let moment = moment.duration_since(UNIX_EPOCH).unwrap_or_default();
        moment.saturating_sub(Duration::from_secs(self.since))
    }
}

impl<B> Message<B> {
    /// Our mark, if it is one of ours.
    pub(super) fn mark(&self) -> Option<Mark> {
        let Metadata { event_type, event_payload } = self.metadata.as_ref()?;
        if event_type.as_str() != Some(EVENT) {
            return None;
        }
        let text = |name: &str| event_payload[name].as_str().map(str::to_owned);
        Some(Mark {
            group: text("group")?,
            alert: text("alert")?,
            replica: text("replica").unwrap_or_default(),
            post: text("post").unwrap_or_default(),
            state: if text("state")? == State::Firing.as_str() { State::Firing } else { State::Resolved },
            since: text("since").and_then(|since| since.parse().ok()).unwrap_or_default(),
        })
    }
}

/// Metadata is bounded by Slack, and so are its parts by us.
fn shortened(text: String) -> String {
    text.chars().take(500).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let mut alert = Alert::new("7f3a-1", State::Firing, "shop", "heap growing");
        alert.group = "shop/heap growing//1.2".into();
        let mark = Mark::of(&alert, "shop-7d9f, process 7");
        let message = json!({"ts": "1.000001", "text": "t", "metadata": mark.metadata()});
        let message: Message = serde_json::from_value(message).expect("a message");
        assert_eq!(message.mark(), Some(mark.clone()));
        assert_eq!(mark.age(alert.at + Duration::from_secs(90)).as_secs() / 10, 9);
        let mut other = alert.clone();
        other.headline = "more".into();
        assert_ne!(Mark::of(&other, "r").post, mark.post, "each message has its own name");
    }

    #[test]
    fn the_messages_of_others_are_read_and_left_alone() {
        for metadata in [
            json!(null),
            json!({"event_type": "deploy", "event_payload": {"group": "x", "alert": "y", "state": "firing"}}),
            json!({"event_type": 7, "event_payload": [1, {"deep": true}]}),
            json!({"event_type": EVENT, "event_payload": {"group": 7}}),
        ] {
            let message =
                json!({"ts": "1.2", "user": "U1", "metadata": metadata, "blocks": [{"type": "new"}]});
            let message: Message = serde_json::from_value(message).expect("a message");
            assert_eq!(message.mark(), None);
        }
    }
}
