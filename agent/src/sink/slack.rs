//! Alerts to a Slack incoming webhook: one URL, text only, the five-minute start. The webhook's URL is a secret;
//! it is in no error, log line or `Debug` output of ours (ureq shows paths at its TRACE level and nowhere else).
//! The mode beside it, which has a token instead of a URL, is in `bot`.

mod answer;
mod bot;
mod connector;
mod escape;
mod message;
mod remedy;

use std::fmt;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use slack_morphism::api::SlackApiPostWebhookMessageRequest;
use slack_morphism::errors::SlackClientError;
use slack_morphism::{ClientResult, SlackClient, SlackMessageContent};
use url::Url;

use self::connector::Connector;
use crate::sink::http::{self, is_loopback};
use crate::sink::{Alert, Outcome, Sink};
use crate::{Error, ErrorKind};

pub use bot::SlackBot;

/// The environment variable that holds the webhook's URL.
const VARIABLE: &str = "FLAMEWATCH_SLACK_WEBHOOK";

/// Posts alerts to a Slack incoming webhook.
///
/// It blocks the calling thread and needs no async runtime. It brings its own certificate roots and its own
/// HTTP client, so it works in containers without CA files and beside any other TLS set-up of the service.
pub struct Slack {
    webhook: Url,
    client: ureq::Agent,
}

impl Slack {
    /// A sink that posts to the webhook at `url`, `https://hooks.slack.com/services/…`. Nothing is sent yet.
    ///
    /// # Errors
    /// `Invalid` for anything but an https URL; plain http is let through for loopback hosts only.
    pub fn new(url: &str) -> Result<Self, Error> {
        let webhook = Url::parse(url.trim())
            .map_err(|error| invalid("the Slack webhook is not a URL").because(error.to_string()))?;
        match webhook.scheme() {
            "https" => {}
            "http" if is_loopback(&webhook) => {}
            _ => return Err(invalid("the Slack webhook must be an https URL")),
        }
        if webhook.host_str().is_none_or(str::is_empty) {
            return Err(invalid("the Slack webhook names no host"));
        }
        let client = http::client();
        Ok(Self { webhook, client })
    }

    /// A sink for the webhook in `FLAMEWATCH_SLACK_WEBHOOK`; none when that is unset or empty.
    ///
    /// # Errors
    /// As [`Slack::new`]; the error names the variable.
    pub fn from_env() -> Result<Option<Self>, Error> {
        let Some(value) = std::env::var_os(VARIABLE) else { return Ok(None) };
        let value = value.to_str().ok_or_else(|| invalid("FLAMEWATCH_SLACK_WEBHOOK is not UTF-8"))?;
        if value.trim().is_empty() {
            return Ok(None);
        }
        let sink = Self::new(value)
            .map_err(|error| invalid("cannot use FLAMEWATCH_SLACK_WEBHOOK").because(format!("{error:#}")))?;
        Ok(Some(sink))
    }

    fn host(&self) -> &str {
        self.webhook.host_str().unwrap_or_default()
    }

    fn post(&self, message: SlackMessageContent, deadline: Instant) -> ClientResult<()> {
        let client = SlackClient::new(Connector::new(self.client.clone(), deadline));
        let message = SlackApiPostWebhookMessageRequest::new(message);
        ready(client.post_webhook_message(&self.webhook, &message)).map(drop)
    }
}

impl Sink for Slack {
    fn name(&self) -> &str {
        "slack"
    }

    fn deliver(&mut self, alert: &Alert, deadline: Instant) -> Outcome {
        let mut result = self.post(message::laid_out(alert), deadline);
        // Should Slack ever refuse our layout, the words alone are still worth sending.
        if result.as_ref().is_err_and(answer::refuses_layout) {
            result = self.post(message::words_only(alert), deadline);
        }
        answer::of_webhook(result, self.host())
    }
}

impl fmt::Debug for Slack {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Slack").field("host", &self.host()).finish_non_exhaustive()
    }
}

/// Polls `future` once. Our connector blocks inside the poll, so there is nothing to wait for; a future that
/// waits all the same is an error instead of a thread that sleeps for ever.
fn ready<T>(future: impl Future<Output = ClientResult<T>>) -> ClientResult<T> {
    let mut future = std::pin::pin!(future);
    match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => result,
        Poll::Pending => Err(SlackClientError::SystemError(connector::failure("the Slack client waits"))),
    }
}

fn invalid(context: &'static str) -> Error {
    Error::new(ErrorKind::Invalid, context)
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::time::Duration;

    use super::*;
    use crate::sink::State;

    const SECRET: &str = "T0AAAA/B0BBBB/sEcReT";

    #[track_caller]
    fn refused(url: &str, expected: &str) {
        let error = Slack::new(url).expect_err("refused");
        assert_eq!(error.kind(), ErrorKind::Invalid);
        let shown = format!("{error:#} {error:?}");
        assert!(shown.contains(expected), "{shown}");
        assert!(!shown.contains("sEcReT"), "{shown}");
    }

    #[test]
    fn only_https_or_loopback() {
        refused(&format!("hooks.slack.com/services/{SECRET}"), "not a URL");
        refused(&format!("http://hooks.slack.com/services/{SECRET}"), "must be an https URL");
        refused(&format!("http://127.0.0.1.evil.example/services/{SECRET}"), "must be an https URL");
        refused(&format!("http://169.254.169.254/{SECRET}"), "must be an https URL");
        refused(&format!("file:///{SECRET}"), "must be an https URL");
        refused(&format!("https://hooks.slack.com:port/{SECRET}"), "not a URL");
        for url in
            ["https://hooks.slack.com/a", "http://localhost:1/a", "http://127.0.0.2/a", "http://[::1]:1/a"]
        {
            Slack::new(&format!(" {url}\n")).expect("let through");
        }
    }

    #[test]
    fn debug_shows_the_host_only() {
        let slack = Slack::new(&format!("https://hooks.slack.com/services/{SECRET}")).expect("a sink");
        assert_eq!(format!("{slack:?}"), r#"Slack { host: "hooks.slack.com", .. }"#);
    }

    /// A server that takes one connection, reads a request and lets `answer` do as it likes.
    fn server(answer: impl FnOnce(TcpStream) + Send + 'static) -> Slack {
        server_by("http", answer)
    }

    fn server_by(scheme: &str, answer: impl FnOnce(TcpStream) + Send + 'static) -> Slack {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("{scheme}://{}/services/{SECRET}", listener.local_addr().expect("an address"));
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a client");
            let mut request = [0; 16 * 1024];
            let _ = stream.read(&mut request);
            answer(stream);
        });
        Slack::new(&url).expect("a sink")
    }

    fn deliver(mut slack: Slack, within: Duration) -> (Outcome, Duration) {
        let began = Instant::now();
        let alert = Alert::new("a1", State::Firing, "shop", "heap growing");
        let outcome = slack.deliver(&alert, began + within);
        let shown = format!("{outcome:?}");
        assert!(!shown.contains("sEcReT"), "{shown}");
        (outcome, began.elapsed())
    }

    #[track_caller]
    fn retried(answer: &'static str, expected: &str) {
        let slack = server(move |mut stream| {
            let _ = stream.write_all(answer.as_bytes());
        });
        match deliver(slack, Duration::from_secs(5)).0 {
            Outcome::Retry { reason, .. } => assert!(reason.contains(expected), "{reason}"),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn odd_servers_are_tried_again() {
        retried("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nokay", "200");
        retried("HTTP/1.1 204 No Content\r\n\r\n", "204");
        retried(
            "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/sEcReT\r\nContent-Length: 0\r\n\r\n",
            "302",
        );
        retried(
            "HTTP/1.1 307 Found\r\nLocation: http://127.0.0.1:1/sEcReT\r\nContent-Length: 0\r\n\r\n",
            "307",
        );
        retried("SSH-2.0-OpenSSH_9.6\r\n", "no HTTP");
        retried("", "127.0.0.1");
    }

    #[test]
    fn ok_with_white_space_is_ok() {
        let slack = server(|mut stream| {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nok\n");
        });
        assert_eq!(deliver(slack, Duration::from_secs(5)).0, Outcome::Sent);
    }

    #[test]
    fn a_server_without_tls_is_no_panic() {
        let slack = server_by("https", |mut stream| {
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        });
        let (outcome, _) = deliver(slack, Duration::from_secs(5));
        assert!(format!("{outcome:?}").contains("securely: received corrupt message"), "{outcome:?}");
    }

    #[test]
    fn a_dripping_server_is_left_at_the_deadline() {
        let slack = server(|mut stream| {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
            while stream.write_all(b"o").is_ok() {
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        let (outcome, took) = deliver(slack, Duration::from_secs(1));
        assert!(matches!(outcome, Outcome::Retry { .. }), "{outcome:?}");
        assert!(took < Duration::from_secs(2), "{took:?}");
    }

    #[test]
    fn an_endless_body_is_not_read_to_its_end() {
        let slack = server(|mut stream| {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
            while stream.write_all(&[b'o'; 8192]).is_ok() {}
        });
        let (outcome, took) = deliver(slack, Duration::from_secs(20));
        assert!(matches!(outcome, Outcome::Retry { .. }), "{outcome:?}");
        assert!(took < Duration::from_secs(2), "64 KiB and no more: {took:?}");
    }

    #[test]
    fn nobody_listens_and_no_time_left() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}/services/{SECRET}", listener.local_addr().expect("an address"));
        drop(listener);
        let slack = Slack::new(&url).expect("a sink");
        let (outcome, _) = deliver(slack, Duration::from_secs(5));
        assert!(format!("{outcome:?}").contains("connection refused"), "{outcome:?}");
        let (outcome, _) = deliver(Slack::new(&url).expect("a sink"), Duration::ZERO);
        assert!(matches!(outcome, Outcome::Retry { .. }), "{outcome:?}");
    }
}
