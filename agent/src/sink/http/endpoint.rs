//! Where a sink posts: an address, and the password that stood in it. Neither its path nor its password is ever shown.

use std::fmt;
use std::time::Instant;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use percent_encoding::percent_decode_str;
use ureq::http::Request;
use url::Url;

use super::{Answer, client, is_loopback, send};
use crate::sink::Outcome;

/// One address, and the client for it.
pub(in crate::sink) struct Endpoint {
    url: Url,
    /// What its user and password make.
    authorization: Option<String>,
    client: ureq::Agent,
}

/// Whether an address may be plain http off this host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(
    not(all(feature = "webhook", feature = "pagerduty", feature = "pyroscope")),
    allow(dead_code, reason = "each sink needs one of them")
)]
pub(in crate::sink) enum Plain {
    /// What is posted is no secret, as within a cluster.
    Allowed,
    /// What is posted is a secret, or holds one.
    OnThisHost,
}

impl Endpoint {
    /// The one at `text`, `https://user:password@host/path`.
    ///
    /// # Errors
    /// What is wrong with it, without it.
    pub(in crate::sink) fn parse(text: &str, plain: Plain) -> Result<Self, String> {
        let mut url = Url::parse(text.trim()).map_err(|error| format!("is not a URL: {error}"))?;
        match url.scheme() {
            "https" => {}
            "http" if plain == Plain::Allowed || is_loopback(&url) => {}
            "http" => return Err(String::from("must be an https URL")),
            _ => return Err(String::from("must be an https or http URL")),
        }
        if url.host_str().is_none_or(str::is_empty) {
            return Err(String::from("names no host"));
        }
        let authorization = authorization(&url)?;
        // Neither fails for an address with a host.
        let _ = (url.set_username(""), url.set_password(None));
        url.set_fragment(None);
        let client = client();
        Ok(Self { url, authorization, client })
    }

    /// The same with `path` below what it has.
    #[cfg(any(feature = "pagerduty", feature = "pyroscope"))]
    pub(in crate::sink) fn below(mut self, path: &str) -> Self {
        let whole = format!("{}{path}", self.url.path().trim_end_matches('/'));
        self.url.set_path(&whole);
        self
    }

    pub(in crate::sink) fn host(&self) -> &str {
        self.url.host_str().unwrap_or_default()
    }

    /// Posts `body`, which is JSON, before `deadline`.
    ///
    /// # Errors
    /// What kept us from an answer, without a secret.
    pub(in crate::sink) fn post(
        &self,
        headers: &[(&'static str, String)],
        body: &[u8],
        deadline: Instant,
    ) -> Result<Answer, String> {
        let mut request = Request::post("/").header("content-type", "application/json");
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        if let Some(authorization) = &self.authorization {
            request = request.header("authorization", authorization);
        }
        let request = request.body(body).map_err(|_| String::from("a request cannot be made"))?;
        send(&self.client, &self.url, request, deadline)
    }

    /// What `result` means for an alert. `done` are the statuses by which the other side says that it has it, and `remedy` says
    /// what a person has to do about one by which it says that it will never take it.
    ///
    /// 4xx is a no and stays one; to be tried again are those that say so: wait (408, 425, 429) and the proxy's own (407).
    /// A redirect is not followed, so the alert is not there; it is tried again because a sign-in before the receiver passes.
    pub(in crate::sink) fn outcome(
        &self,
        result: Result<Answer, String>,
        done: fn(u16) -> bool,
        remedy: fn(u16) -> &'static str,
    ) -> Outcome {
        let later = |after, reason| Outcome::Retry { after, reason };
        let host = self.host();
        let answer = match result {
            Ok(answer) => answer,
            Err(reason) => return later(None, reason),
        };
        let Answer { status, retry_after, .. } = answer;
        match status {
            status if done(status) && answer.is_page() => later(
                None,
                format!(
                    "{host} answered {status} with a page for people: is a sign-in or a proxy in between?"
                ),
            ),
            status if done(status) => Outcome::Sent,
            300..=399 => later(None, format!("{host} answered {status}, a redirect, which is not followed")),
            429 => later(retry_after, format!("{host} asks us to slow down (429)")),
            407 | 408 | 425 => later(retry_after, format!("{host} answered {status}")),
            400..=499 => Outcome::Drop { reason: format!("{host} refused ({status}): {}", remedy(status)) },
            _ => later(retry_after, format!("{host} answered {status}")),
        }
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Endpoint").field("host", &self.host()).finish_non_exhaustive()
    }
}

/// The header for the user and password in `url`, if it has any.
fn authorization(url: &Url) -> Result<Option<String>, String> {
    let (user, password) = (url.username(), url.password());
    if user.is_empty() && password.is_none() {
        return Ok(None);
    }
    let decoded = |text: &str| {
        let text = percent_decode_str(text).decode_utf8();
        text.map(|text| text.into_owned())
            .map_err(|_| String::from("has a user or password that is not UTF-8"))
    };
    let both = format!("{}:{}", decoded(user)?, decoded(password.unwrap_or_default())?);
    Ok(Some(format!("Basic {}", BASE64_STANDARD.encode(both))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn refused(text: &str, plain: Plain, expected: &str) {
        let error = Endpoint::parse(text, plain).expect_err("refused");
        assert!(error.starts_with(expected) && !error.contains("hunter2"), "{error}");
    }

    #[test]
    fn addresses_are_checked() {
        refused("receiver/hunter2", Plain::Allowed, "is not a URL");
        refused("file:///hunter2", Plain::Allowed, "must be an https or http URL");
        refused("http://receiver/hunter2", Plain::OnThisHost, "must be an https URL");
        refused("https://%ff:hunter2@receiver/", Plain::Allowed, "has a user or password");
        for (text, plain) in [
            (" https://receiver/x\n", Plain::OnThisHost),
            ("http://127.0.0.1:1/x", Plain::OnThisHost),
            ("http://receiver.monitoring.svc:8080/x", Plain::Allowed),
        ] {
            Endpoint::parse(text, plain).expect("let through");
        }
    }

    #[test]
    fn a_password_is_decoded_and_not_shown() {
        let endpoint =
            Endpoint::parse("https://us%40er:p%3Ahunter2@receiver/secret", Plain::OnThisHost).expect("good");
        assert_eq!(endpoint.authorization.as_deref(), Some("Basic dXNAZXI6cDpodW50ZXIy"));
        assert_eq!(format!("{endpoint:?}"), r#"Endpoint { host: "receiver", .. }"#);
        assert_eq!(endpoint.url.as_str(), "https://receiver/secret");
    }

    #[test]
    fn of_every_answer() {
        #[track_caller]
        fn check(status: u16, body: &str, expected: &str) {
            let endpoint = Endpoint::parse("https://receiver/x", Plain::OnThisHost).expect("good");
            let answer = Answer { status, retry_after: None, body: body.into(), whole: true };
            let outcome =
                endpoint.outcome(Ok(answer), |status| (200..300).contains(&status), |_| "look there");
            let shown = match outcome {
                Outcome::Sent | Outcome::Wait { .. } => String::from("sent"),
                Outcome::Retry { reason, .. } => format!("retry: {reason}"),
                Outcome::Drop { reason } => format!("drop: {reason}"),
            };
            assert!(shown.starts_with(expected), "{shown}");
        }
        check(200, "", "sent");
        check(204, "", "sent");
        check(202, r#"{"html": "<html>"}"#, "sent");
        check(200, "\n<!DOCTYPE html><title>Sign in", "retry: receiver answered 200 with a page for people");
        check(200, "<HTML lang=en>", "retry: receiver answered 200 with a page");
        check(302, "", "retry: receiver answered 302, a redirect");
        check(400, "", "drop: receiver refused (400): look there");
        check(404, "<html>", "drop: receiver refused (404): look there");
        check(407, "", "retry: receiver answered 407");
        check(408, "", "retry: receiver answered 408");
        check(429, "", "retry: receiver asks us to slow down");
        check(500, "", "retry: receiver answered 500");
        check(503, "", "retry: receiver answered 503");
    }
}
