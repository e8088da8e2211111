//! slack-morphism on our own HTTP: it believes nothing but Slack's own `ok`.

use std::pin::Pin;
use std::time::Instant;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use slack_morphism::errors::{
    SlackClientError, SlackClientHttpError, SlackClientSystemError, SlackRateLimitError, map_serde_error,
};
use slack_morphism::multipart_form::FileMultipartData;
use slack_morphism::{
    ClientResult, SlackClientApiCallContext, SlackClientHttpConnector, SlackClientId, SlackClientSecret,
};
use ureq::http::{Request, StatusCode};
use url::Url;

use crate::sink::http::{self, Answer};

type Reply<'a, T> = Pin<Box<dyn Future<Output = ClientResult<T>> + Send + 'a>>;

/// An error of ours that shows as `message`.
pub(super) fn failure(message: impl Into<String>) -> SlackClientSystemError {
    SlackClientSystemError::new().with_message(message.into())
}

/// Posts once, before its deadline.
pub(super) struct Connector {
    client: ureq::Agent,
    deadline: Instant,
}

impl Connector {
    pub(super) const fn new(client: ureq::Agent, deadline: Instant) -> Self {
        Self { client, deadline }
    }

    fn post(&self, url: &Url, body: &[u8]) -> ClientResult<()> {
        let request = Request::post("/")
            .header("content-type", "application/json; charset=utf-8")
            .body(body)
            .map_err(|_| system("a request cannot be made"))?;
        judge(http::send(&self.client, url, request, self.deadline).map_err(system)?)
    }
}

fn system(message: impl Into<String>) -> SlackClientError {
    SlackClientError::SystemError(failure(message))
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
    Box::pin(std::future::ready(Err(system("a webhook can only be posted to"))))
}

/// Success is status 200 with the body `ok`, as Slack documents it: a proxy's sign-in page is 200 as well.
fn judge(answer: Answer) -> ClientResult<()> {
    let body = answer.body.trim_ascii();
    match answer.status {
        200 if answer.whole && body == b"ok" => Ok(()),
        429 => Err(SlackClientError::RateLimitError(
            SlackRateLimitError::new().opt_retry_after(answer.retry_after),
        )),
        status => {
            let status = StatusCode::from_u16(status).map_err(|_| system("an odd status"))?;
            let error = SlackClientHttpError::new(status).opt_http_response_body(code(body));
            Err(SlackClientError::HttpError(error))
        }
    }
}

/// The answer when it is one of Slack's codes, such as `channel_is_archived`. Anything else is left out: an error
/// page may well repeat the path, and the path is the secret.
fn code(answer: &[u8]) -> Option<String> {
    let is_code = (1..=40).contains(&answer.len())
        && answer.iter().all(|byte| byte.is_ascii_lowercase() || *byte == b'_');
    is_code.then(|| String::from_utf8_lossy(answer).into_owned())
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
}
