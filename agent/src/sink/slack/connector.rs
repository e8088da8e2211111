//! The HTTP under slack-morphism: one blocking POST with a deadline, on whatever thread it is called.
//! It follows no redirect, keeps no connection, and believes nothing but Slack's own `ok`.

use std::io::{ErrorKind, Read};
use std::pin::Pin;
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use slack_morphism::errors::{
    SlackClientError, SlackClientHttpError, SlackClientSystemError, SlackRateLimitError, map_serde_error,
};
use slack_morphism::multipart_form::FileMultipartData;
use slack_morphism::{
    ClientResult, SlackClientApiCallContext, SlackClientHttpConnector, SlackClientId, SlackClientSecret,
};
use ureq::http::Response;
use ureq::tls::{RootCerts, TlsConfig};
use url::Url;

/// The most of an answer that is read. Slack's are two to forty bytes.
const MAX_ANSWER: u64 = 64 * 1024;

/// No post takes longer, however far away its deadline is.
const MAX_POST: Duration = Duration::from_secs(60);

/// The longest rest that Slack is granted; past it the request is more likely a mistake than a wish.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(600);

type Reply<'a, T> = Pin<Box<dyn Future<Output = ClientResult<T>> + Send + 'a>>;

/// The client all posts share. It does nothing until the first post, so making it cannot fail.
///
/// Alerts are rare, so no connection is kept open between them. The certificate roots are compiled in: a container
/// without CA files can post. Of several TLS providers in the process ureq takes the installed one, else ring;
/// it never asks rustls to guess, which panics when a service links two.
pub(super) fn agent(loopback: bool) -> ureq::Agent {
    let tls = TlsConfig::builder().root_certs(RootCerts::WebPki).build();
    let mut config = ureq::Agent::config_builder()
        .tls_config(tls)
        .http_status_as_error(false)
        .max_redirects(0)
        .max_idle_connections(0)
        .user_agent(concat!("flamewatch/", env!("CARGO_PKG_VERSION")));
    if loopback {
        config = config.proxy(None);
    }
    config.build().new_agent()
}

/// An error of ours that shows as `message`.
pub(super) fn failure(message: impl Into<String>) -> SlackClientSystemError {
    SlackClientSystemError::new().with_message(message.into())
}

/// Posts once, before its deadline.
pub(super) struct Connector {
    agent: ureq::Agent,
    deadline: Instant,
}

impl Connector {
    pub(super) const fn new(agent: ureq::Agent, deadline: Instant) -> Self {
        Self { agent, deadline }
    }

    fn post(&self, url: &Url, body: &[u8]) -> ClientResult<()> {
        let left = self.deadline.saturating_duration_since(Instant::now()).min(MAX_POST);
        if left.is_zero() {
            return Err(SlackClientError::SystemError(failure("no time was left to post")));
        }
        // One time-out over everything would make ureq look the host up on a thread of its own, and panic where no
        // more threads can be had: just when a thread leak is to be told. The phases add up to what is left; the
        // look-up comes on top and ends by the system resolver's own limits.
        let mut response = self
            .agent
            .post(url.as_str())
            .config()
            .timeout_connect(Some(left * 8 / 20))
            .timeout_send_request(Some(left / 20))
            .timeout_send_body(Some(left * 2 / 20))
            .timeout_recv_response(Some(left * 7 / 20))
            .timeout_recv_body(Some(left * 2 / 20))
            .build()
            .content_type("application/json; charset=utf-8")
            .send(body)
            .map_err(|error| unreachable_host(url, &error))?;
        judge(&mut response)
    }
}

impl SlackClientHttpConnector for Connector {
    fn http_post_uri<'a, RQ, RS>(
        &'a self,
        full_uri: Url,
        request_body: &'a RQ,
        _context: SlackClientApiCallContext<'a>,
    ) -> Reply<'a, RS>
    where
        RQ: Serialize + Send + Sync,
        RS: for<'de> Deserialize<'de> + Send + 'a,
    {
        Box::pin(async move {
            let body = serde_json::to_vec(request_body).map_err(|error| map_serde_error(error, None))?;
            self.post(&full_uri, &body)?;
            empty()
        })
    }

    fn http_get_uri<'a, RS>(&'a self, _uri: Url, _context: SlackClientApiCallContext<'a>) -> Reply<'a, RS>
    where
        RS: for<'de> Deserialize<'de> + Send + 'a,
    {
        unused()
    }

    fn http_get_with_client_secret<'a, RS>(
        &'a self,
        _uri: Url,
        _client_id: &'a SlackClientId,
        _client_secret: &'a SlackClientSecret,
    ) -> Reply<'a, RS>
    where
        RS: for<'de> Deserialize<'de> + Send + 'a,
    {
        unused()
    }

    fn http_post_uri_multipart_form<'a, 'p, RS, PT, TS>(
        &'a self,
        _uri: Url,
        _file: Option<FileMultipartData<'p>>,
        _params: &'p PT,
        _context: SlackClientApiCallContext<'a>,
    ) -> Reply<'a, RS>
    where
        RS: for<'de> Deserialize<'de> + Send + 'a,
        PT: IntoIterator<Item = (&'p str, Option<TS>)> + Clone,
        TS: AsRef<str> + 'p + Send,
    {
        unused()
    }

    fn http_post_uri_binary<'a, 'p, RS>(
        &'a self,
        _uri: Url,
        _content_type: String,
        _data: &'a [u8],
        _context: SlackClientApiCallContext<'a>,
    ) -> Reply<'a, RS>
    where
        RS: for<'de> Deserialize<'de> + Send + 'a,
    {
        unused()
    }
}

/// A webhook answers two letters; the typed answer is an empty object.
fn empty<T: DeserializeOwned>() -> ClientResult<T> {
    serde_json::from_str("{}").map_err(|error| map_serde_error(error, None))
}

fn unused<'a, T: Send + 'a>() -> Reply<'a, T> {
    Box::pin(std::future::ready(Err(SlackClientError::SystemError(failure(
        "a webhook can only be posted to",
    )))))
}

/// Success is status 200 with the body `ok`, as Slack documents it: a proxy's sign-in page is 200 as well.
fn judge(response: &mut Response<ureq::Body>) -> ClientResult<()> {
    let status = response.status();
    let retry_after = retry_after(response);
    let mut answer = Vec::new();
    let read = response.body_mut().as_reader().take(MAX_ANSWER).read_to_end(&mut answer);
    let answer = answer.trim_ascii();
    if status == 200 && read.is_ok() && answer == b"ok" {
        return Ok(());
    }
    if status == 429 {
        return Err(SlackClientError::RateLimitError(
            SlackRateLimitError::new().opt_retry_after(retry_after),
        ));
    }
    let error = SlackClientHttpError::new(status).opt_http_response_body(code(answer));
    Err(SlackClientError::HttpError(error))
}

fn retry_after(response: &Response<ureq::Body>) -> Option<Duration> {
    let seconds = response.headers().get("retry-after")?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(MAX_RETRY_AFTER))
}

/// The answer when it is one of Slack's codes, such as `channel_is_archived`. Anything else is left out: an error
/// page may well repeat the path, and the path is the secret.
fn code(answer: &[u8]) -> Option<String> {
    let is_code = (1..=40).contains(&answer.len())
        && answer.iter().all(|byte| byte.is_ascii_lowercase() || *byte == b'_');
    is_code.then(|| String::from_utf8_lossy(answer).into_owned())
}

/// What kept us from an answer. ureq's own words are not shown, since some of them repeat the URL.
fn unreachable_host(url: &Url, error: &ureq::Error) -> SlackClientError {
    let host = url.host_str().unwrap_or_default();
    let message = match error {
        ureq::Error::Timeout(phase) => format!("{host} did not answer in time ({phase})"),
        ureq::Error::HostNotFound => format!("cannot find {host}"),
        // rustls reports a bad certificate and a server without TLS so; its words hold no path.
        ureq::Error::Io(error) if error.kind() == ErrorKind::InvalidData => {
            format!("cannot talk to {host} securely: {error}")
        }
        ureq::Error::Io(error) => format!("cannot talk to {host}: {}", error.kind()),
        ureq::Error::Rustls(error) => format!("cannot talk to {host} securely: {error}"),
        ureq::Error::Tls(error) => format!("cannot talk to {host} securely: {error}"),
        ureq::Error::Protocol(_) => format!("{host} speaks no HTTP"),
        ureq::Error::InvalidProxyUrl => String::from("the proxy in the environment is not a URL"),
        ureq::Error::ConnectProxyFailed(_) => format!("the proxy does not let us through to {host}"),
        _ => format!("cannot reach {host}"),
    };
    SlackClientError::SystemError(failure(message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_codes_are_repeated() {
        assert_eq!(code(b"channel_is_archived").as_deref(), Some("channel_is_archived"));
        assert_eq!(code(b"no route for /services/T0/B0/SECRET"), None);
        assert_eq!(code(b"T0B0SECRET"), None);
        assert_eq!(code(b""), None);
    }

    #[test]
    fn retry_after_is_capped_and_dates_are_ignored() {
        #[track_caller]
        fn check(header: &str, expected: Option<u64>) {
            let response =
                Response::builder().header("Retry-After", header).body(ureq::Body::builder().data(""));
            let expected = expected.map(Duration::from_secs);
            assert_eq!(retry_after(&response.expect("a response")), expected);
        }
        check("2", Some(2));
        check("7200", Some(600));
        check("18446744073709551615", Some(600));
        check("-1", None);
        check("Wed, 21 Oct 2026 07:28:00 GMT", None);
    }
}
