//! What the channel's history says: which message is the parent of a fault that several replicas have, and who of them is
//! still not well. Pure: messages in, decisions out.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::mark::{Mark, Message};
use crate::sink::State;

/// For how long a message gathers those of other replicas.
pub(super) const GATHERS: Duration = Duration::from_secs(60 * 60);

/// Our messages in the channel that are no answers, the oldest first.
#[derive(Debug, Default)]
pub(super) struct History(Vec<(String, Mark)>);

impl History {
    pub(super) fn of<B>(messages: &[Message<B>]) -> Self {
        let mut ours: Vec<(String, Mark)> =
            messages.iter().filter_map(|message| Some((message.ts.clone(), message.mark()?))).collect();
        ours.sort_by(|(one, _), (other, _)| one.cmp(other));
        Self(ours)
    }

    /// The message called `post`.
    pub(super) fn posted(&self, post: &str) -> Option<&str> {
        self.first(|mark| mark.post == post)
    }

    /// The first open message about the same fault as `mark`, young enough at `now` to gather more.
    pub(super) fn parent(&self, mark: &Mark, now: SystemTime) -> Option<&str> {
        let young = after(now, GATHERS);
        let found = self.0.iter().find(|(ts, other)| {
            other.group == mark.group && other.state == State::Firing && ts.as_str() >= young.as_str()
        });
        found.map(|(ts, _)| ts.as_str())
    }

    /// The first message of the incident of `mark`, or else the last one about the same fault.
    pub(super) fn incident(&self, mark: &Mark) -> Option<&str> {
        let of_group =
            || self.0.iter().rfind(|(_, other)| !mark.group.is_empty() && other.group == mark.group);
        self.first(|other| other.alert == mark.alert).or_else(|| of_group().map(|(ts, _)| ts.as_str()))
    }

    fn first(&self, is: impl Fn(&Mark) -> bool) -> Option<&str> {
        self.0.iter().find(|(_, mark)| is(mark)).map(|(ts, _)| ts.as_str())
    }
}

/// Who is in a thread, and how they are.
#[derive(Debug, Default)]
pub(super) struct Members(BTreeMap<String, (String, State)>);

impl Members {
    /// Those of `thread`, a message and its answers: of each the last word counts.
    pub(super) fn of(thread: &[Message]) -> Self {
        let marks = thread.iter().filter_map(Message::mark);
        Self(marks.map(|mark| (mark.alert, (mark.replica, mark.state))).collect())
    }

    /// The replicas that have not said that they are well, without the one of the incident `alert`.
    pub(super) fn others_firing(&self, alert: &str) -> Vec<&str> {
        let others = self.0.iter().filter(|(id, (_, state))| *id != alert && *state == State::Firing);
        others.map(|(_, (replica, _))| replica.as_str()).collect()
    }
}

/// The `ts` of what is `age` old at `now`.
pub(super) fn after(now: SystemTime, age: Duration) -> String {
    let since = now.duration_since(UNIX_EPOCH).unwrap_or_default().saturating_sub(age);
    format!("{}.{:06}", since.as_secs(), since.subsec_micros())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const NOW: u64 = 1_790_000_000;

    fn message(age: u64, group: &str, alert: &str, state: State) -> Message {
        let payload = json!({
            "group": group, "alert": alert, "replica": format!("of {alert}"), "state": state.as_str(),
            "post": format!("p-{alert}-{}", state.as_str()),
        });
        let metadata = json!({"event_type": "flamewatch_alert", "event_payload": payload});
        let message: Value = json!({"ts": format!("{}.000000", NOW - age), "metadata": metadata});
        serde_json::from_value(message).expect("a message")
    }

    fn mark(group: &str, alert: &str) -> Mark {
        message(0, group, alert, State::Firing).mark().expect("a mark")
    }

    #[track_caller]
    fn check(messages: &[Message], parent: Option<u64>, incident: Option<u64>) {
        let history = History::of(messages);
        let now = UNIX_EPOCH + Duration::from_secs(NOW);
        let ts = |age: Option<u64>| age.map(|age| format!("{}.000000", NOW - age));
        let me = mark("g", "me");
        assert_eq!(history.parent(&me, now).map(str::to_owned), ts(parent), "parent");
        assert_eq!(history.incident(&me).map(str::to_owned), ts(incident), "incident");
    }

    #[test]
    fn the_oldest_open_one_of_the_last_hour_is_the_parent() {
        use State::{Firing, Resolved};
        check(&[], None, None);
        check(&[message(10, "g", "a", Firing), message(20, "g", "b", Firing)], Some(20), Some(10));
        check(&[message(10, "g", "a", Resolved)], None, Some(10));
        check(&[message(4_000, "g", "a", Firing)], None, Some(4_000));
        check(&[message(10, "other", "a", Firing)], None, None);
        check(&[message(10, "g", "a", Firing), message(5_000, "g", "me", Firing)], Some(10), Some(5_000));
    }

    #[test]
    fn a_message_is_found_by_its_name() {
        let history = History::of(&[message(10, "g", "a", State::Firing)]);
        assert_eq!(history.posted("p-a-firing").map(str::len), Some(17));
        assert_eq!(history.posted("p-a-resolved"), None);
    }

    #[test]
    fn the_last_word_of_each_replica_counts() {
        use State::{Firing, Resolved};
        let thread = [
            message(50, "g", "a", Firing),
            message(40, "g", "b", Firing),
            message(30, "g", "c", Firing),
            message(20, "g", "b", Resolved),
            message(15, "g", "c", Resolved),
            message(10, "g", "c", Firing),
        ];
        assert_eq!(Members::of(&thread).others_firing("a"), ["of c"]);
        assert_eq!(Members::of(&thread).others_firing("c"), ["of a"]);
        assert_eq!(Members::of(&thread[..1]).others_firing("a"), Vec::<&str>::new());
    }
}
