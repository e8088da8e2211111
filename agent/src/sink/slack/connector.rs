//! slack-morphism on our own HTTP: it believes nothing but Slack's own `ok`, and shows the bot's token to nobody but the
//! Web API.

use std::pin::Pin;
use std::time::Instant;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use slack_morphism::errors::{
    SlackClientApiError, SlackClientError, SlackClientHttpError, SlackClientSystemError, SlackRateLimitError,
    map_serde_error,
};
use slack_morphism::multipart_form::FileMultipartData;
use slack_morphism::{
    ClientResult, SlackApiToken, SlackClientApiCallContext, SlackClientHttpConnector, SlackClientId,
    SlackClientSecret,
};
use ureq::http::request::Builder;
use ureq::http::{Request, StatusCode};
use url::Url;

use crate::sink::http::{self, Answer, is_loopback};

type Reply<'a, T> = Pin<Box<dyn Future<Output = ClientResult<T>> + Send + 'a>>;

/// An error of ours that shows as `message`.
pub(super) fn failure(message: impl Into<String>) -> SlackClientSystemError {
    SlackClientSystemError::new().with_message(message.into())
}

/// The most of an answer to a question about messages that is read.
const MAX_HISTORY: u64 = 2 * 1024 * 1024;

/// Asks once, before its deadline.
pub(super) struct Connector {
    client: ureq::Agent,
    deadline: Instant,
    /// Where the Web API is; a webhook knows where it is.
    api: Option<Url>,
}

impl Connector {
    /// For a webhook.
    pub(super) const fn new(client: ureq::Agent, deadline: Instant) -> Self {
        Self { client, deadline, api: None }
    }

    /// For the Web API at `api`.
    pub(super) const fn of_api(client: ureq::Agent, deadline: Instant, api: Url) -> Self {
        Self { client, deadline, api: Some(api) }
    }

    fn send(&self, url: &Url, request: Builder, body: &[u8]) -> ClientResult<Answer> {
        let request = request.body(body).map_err(|_| system("a request cannot be made"))?;
        http::send(&self.client, url, request, self.deadline).map_err(system)
    }
}

fn system(message: impl Into<String>) -> SlackClientError {
    SlackClientError::SystemError(failure(message))
}

/// The token goes to the Web API, and to nobody else.
fn authorized(request: Builder, token: &SlackApiToken) -> Builder {
    request.header("authorization", format!("Bearer {}", token.token_value.0))
}

impl SlackClientHttpConnector for Connector {
    fn http_post_uri<'a, RQ, RS>(
        &'a self,
        full_uri: Url,
        request_body: &'a RQ,
        context: SlackClientApiCallContext<'a>,
    ) -> Reply<'a, RS>
    where
        RQ: Serialize + Send + Sync,
        RS: for<'de> Deserialize<'de> + Send + 'a,
    {
        Box::pin(async move {
            let body = serde_json::to_vec(request_body).map_err(|error| map_serde_error(error, None))?;
            let request = Request::post("/").header("content-type", "application/json; charset=utf-8");
            let Some(token) = context.token else {
                judge(self.send(&full_uri, request, &body)?)?;
                return empty();
            };
            judge_call(self.send(&full_uri, authorized(request, token), &body)?)
        })
    }

    fn http_get_uri<'a, RS>(&'a self, uri: Url, context: SlackClientApiCallContext<'a>) -> Reply<'a, RS>
    where
        RS: for<'de> Deserialize<'de> + Send + 'a,
    {
        Box::pin(async move {
            let token = context.token.ok_or_else(|| system("a webhook can only be posted to"))?;
            let request = authorized(Request::get("/"), token).body([].as_slice());
            let request = request.map_err(|_| system("a request cannot be made"))?;
            let answer = http::send_for(&self.client, &uri, request, self.deadline, MAX_HISTORY);
            judge_call(answer.map_err(system)?)
        })
    }

    fn http_post_uri_binary<'a, 'p, RS>(
        &'a self,
        uri: Url,
        content_type: String,
        data: &'a [u8],
        _context: SlackClientApiCallContext<'a>,
    ) -> Reply<'a, RS>
    where
        RS: for<'de> Deserialize<'de> + Send + 'a,
    {
        Box::pin(async move {
            let on_this_host = self.api.as_ref().is_some_and(is_loopback) && is_loopback(&uri);
            if uri.scheme() != "https" && !on_this_host {
                return Err(system("Slack wants a file sent in the open"));
            }
            let request = Request::post("/").header("content-type", content_type);
            let answer = self.send(&uri, request, data)?;
            if answer.status == 200 { empty() } else { Err(refused(&answer)) }
        })
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

    fn create_method_uri_path(&self, method: &str) -> ClientResult<Url> {
        let api = self.api.as_ref().ok_or_else(|| system("a webhook has no methods"))?;
        Url::parse(&format!("{}/{method}", api.as_str().trim_end_matches('/')))
            .map_err(|_| system("the address of Slack's Web API is no URL"))
    }
}

/// A webhook answers two letters; the typed answer is an empty object.
fn empty<T: DeserializeOwned>() -> ClientResult<T> {
    serde_json::from_str("{}").map_err(|error| map_serde_error(error, None))
}

fn unused<'a, T: Send + 'a>() -> Reply<'a, T> {
    Box::pin(std::future::ready(Err(system("the agent does not use this"))))
}

/// Success is status 200 with the body `ok`, as Slack documents it: a proxy's sign-in page is 200 as well.
fn judge(answer: Answer) -> ClientResult<()> {
    match answer.status {
        200 if answer.whole && answer.body.trim_ascii() == b"ok" => Ok(()),
        _ => Err(refused(&answer)),
    }
}

/// Success is status 200 with `"ok": true` in an object, and what was asked for beside it.
fn judge_call<T: DeserializeOwned>(answer: Answer) -> ClientResult<T> {
    if answer.status != 200 || !answer.whole {
        return Err(refused(&answer));
    }
    let Ok(Verdict { ok, error }) = serde_json::from_slice(&answer.body) else {
        return Err(refused(&answer));
    };
    if ok {
        return serde_json::from_slice(&answer.body).map_err(|_| refused(&answer));
    }
    let error = error.unwrap_or_default();
    if matches!(error.as_str(), "ratelimited" | "rate_limited") {
        return Err(limited(&answer));
    }
    let code = code(error.as_bytes()).unwrap_or_else(|| String::from("no code"));
    Err(SlackClientError::ApiError(SlackClientApiError::new(code)))
}

/// How each answer of the Web API begins.
#[derive(Deserialize)]
struct Verdict {
    ok: bool,
    error: Option<String>,
}

fn refused(answer: &Answer) -> SlackClientError {
    if answer.status == 429 {
        return limited(answer);
    }
    let Ok(status) = StatusCode::from_u16(answer.status) else { return system("an odd status") };
    let code = code(answer.body.trim_ascii());
    SlackClientError::HttpError(SlackClientHttpError::new(status).opt_http_response_body(code))
}

fn limited(answer: &Answer) -> SlackClientError {
    SlackClientError::RateLimitError(SlackRateLimitError::new().opt_retry_after(answer.retry_after))
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
