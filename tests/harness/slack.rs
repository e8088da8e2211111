//! The Slack that enforces Slack's limits, and what arrived there.

use std::net::SocketAddr;

use serde_json::Value;

use crate::{Fixture, Running};

/// A fake Slack. Dropping it ends it.
#[derive(Debug)]
pub struct FakeSlack(Running);

impl FakeSlack {
    /// The token that its Web API takes.
    pub const TOKEN: &str = "xoxb-SECRET-TOKEN";
    /// The id of that channel.
    pub const CHANNEL: &str = "C0FLAMES";

    /// One on any port.
    #[must_use]
    pub fn start() -> Self {
        Self(Fixture::build("fake_slack").spawn([]))
    }

    /// One on this port.
    #[must_use]
    pub fn start_at(address: SocketAddr) -> Self {
        let port = address.port().to_string();
        Self(Fixture::build("fake_slack").with_arguments(["--port", &port]).spawn([]))
    }

    /// The webhook of a Slack at `address`.
    #[must_use]
    pub fn webhook_at(address: SocketAddr) -> String {
        format!("http://{address}/services/T0/B0/SECRET")
    }

    /// Its webhook.
    #[must_use]
    pub fn webhook(&self) -> String {
        Self::webhook_at(self.0.address())
    }

    /// Its Web API.
    #[must_use]
    pub fn api(&self) -> String {
        self.url("/api")
    }

    /// The URL of `path` on it.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        self.0.url(path)
    }

    /// Has it behave otherwise: `{"mode": "hang"}`.
    ///
    /// # Panics
    /// When it knows no such behavior.
    pub fn control(&self, wish: &Value) {
        let answer = ureq::post(self.url("/control")).send(wish.to_string());
        assert_eq!(answer.expect("an answer").status(), 200, "{wish}");
    }

    /// Every post to it: `{"at": …, "accepted": …, "status": …, "message": …}`.
    ///
    /// # Panics
    /// When it does not answer.
    #[must_use]
    pub fn sent(&self) -> Vec<Value> {
        let body = ureq::get(self.url("/sent")).call().expect("an answer").body_mut().read_to_string();
        serde_json::from_str(&body.expect("a body")).expect("json")
    }

    /// What came to its Web API: `{"messages": […], "files": […], "calls": […]}`.
    ///
    /// # Panics
    /// When it does not answer.
    #[must_use]
    pub fn state(&self) -> Value {
        let body = ureq::get(self.url("/state")).call().expect("an answer").body_mut().read_to_string();
        serde_json::from_str(&body.expect("a body")).expect("json")
    }

    /// What people see in its channel: the messages that are no answers, with those deleted that have answers left.
    #[must_use]
    pub fn channel(&self) -> Vec<Value> {
        self.shown(|message| message["thread_ts"].is_null())
    }

    /// The answers to the message `ts`.
    #[must_use]
    pub fn thread(&self, ts: &Value) -> Vec<Value> {
        self.shown(|message| message["thread_ts"] == *ts)
    }

    /// The bytes of the file `id`.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn file(&self, id: &str) -> Vec<u8> {
        let mut answer = ureq::get(self.url(&format!("/files/{id}"))).call().expect("a file");
        answer.body_mut().read_to_vec().expect("its bytes")
    }

    /// How often `method` was called.
    #[must_use]
    pub fn calls(&self, method: &str) -> usize {
        list(&self.state()["calls"]).iter().filter(|call| call["method"] == method).count()
    }

    fn shown(&self, wanted: impl Fn(&Value) -> bool) -> Vec<Value> {
        let mut messages = list(&self.state()["messages"]);
        messages.retain(|message| message["shown"] == true && wanted(message));
        messages
    }

    /// The messages that a Slack would show.
    #[must_use]
    pub fn accepted(&self) -> Vec<Value> {
        let accepted = self.sent().into_iter().filter(|post| post["accepted"] == true);
        accepted.map(|mut post| post["message"].take()).collect()
    }
}

fn list(value: &Value) -> Vec<Value> {
    value.as_array().cloned().unwrap_or_default()
}

/// The text of the block at `index` of `message`, empty where there is none.
#[must_use]
pub fn block(message: &Value, index: usize) -> &str {
    let block = &message["blocks"][index];
    let text = block["text"]["text"].as_str().or_else(|| block["elements"][0]["text"].as_str());
    text.unwrap_or_default()
}
