//! The methods of Slack's Web API that we use. Requests are slack-morphism's types; of the answers we read only what we
//! need, lest a message that was posted be posted again because something else in the answer could not be read.

use std::fmt;
use std::time::Instant;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use slack_morphism::api::{
    SlackApiChatDeleteRequest, SlackApiChatPostMessageRequest, SlackApiFilesComplete,
    SlackApiFilesCompleteUploadExternalRequest, SlackApiFilesDeleteRequest,
    SlackApiFilesGetUploadUrlExternalRequest, SlackApiFilesUploadViaUrlRequest,
};
use slack_morphism::{
    ClientResult, SlackApiToken, SlackApiTokenValue, SlackChannelId, SlackClient, SlackFileId,
    SlackMessageContent, SlackMessageMetadata, SlackTs,
};
use url::Url;

use super::super::connector::Connector;
use super::super::ready;
use super::mark::{Message, PassedOver};
use crate::sink::http;

/// How many messages a page of history has at most, and a thread. A page is read up to 2 MiB.
const PAGE: &str = "100";
const THREAD: &str = "200";

/// A bot, its channel, and where the Web API is.
pub(super) struct Web {
    client: ureq::Agent,
    api: Url,
    token: SlackApiToken,
    channel: SlackChannelId,
}

/// Where a message is.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub(super) struct Posted {
    pub(super) channel: String,
    pub(super) ts: String,
}

/// A page of history.
#[derive(Debug, Deserialize)]
#[serde(bound(deserialize = "B: Deserialize<'de> + Default"))]
pub(super) struct Page<B> {
    pub(super) messages: Vec<Message<B>>,
    #[serde(default)]
    pub(super) has_more: bool,
    #[serde(default)]
    response_metadata: Next,
}

#[derive(Debug, Default, Deserialize)]
struct Next {
    #[serde(default)]
    next_cursor: String,
}

/// An answer that says no more than that it is one.
#[derive(Deserialize)]
struct Done {}

/// A message in the place of another one. The blocks may be such as Slack gave us, with what it added.
#[derive(Serialize)]
struct Update<'a> {
    channel: &'a str,
    ts: &'a str,
    text: &'a str,
    blocks: &'a [Value],
    metadata: SlackMessageMetadata,
}

impl Web {
    pub(super) fn new(api: Url, token: String, channel: String) -> Self {
        let client = http::client();
        let token = SlackApiToken::new(SlackApiTokenValue(token));
        Self { client, api, token, channel: SlackChannelId(channel) }
    }

    /// The same bot, with its Web API elsewhere.
    pub(super) fn at(&self, api: Url) -> Self {
        Self { client: self.client.clone(), api, token: self.token.clone(), channel: self.channel.clone() }
    }

    pub(super) fn host(&self) -> &str {
        self.api.host_str().unwrap_or_default()
    }

    /// The message `ts` of our channel.
    pub(super) fn here(&self, ts: &str) -> Posted {
        Posted { channel: self.channel.0.clone(), ts: ts.to_owned() }
    }

    pub(super) fn post(
        &self,
        content: SlackMessageContent,
        thread: Option<&str>,
        deadline: Instant,
    ) -> ClientResult<Posted> {
        let thread = thread.map(|ts| SlackTs(ts.to_owned()));
        let request = SlackApiChatPostMessageRequest::new(self.channel.clone(), content)
            .opt_thread_ts(thread)
            .with_unfurl_links(false)
            .with_unfurl_media(false);
        self.call("chat.postMessage", &request, deadline)
    }

    pub(super) fn update(
        &self,
        message: &Posted,
        text: &str,
        blocks: &[Value],
        metadata: SlackMessageMetadata,
        deadline: Instant,
    ) -> ClientResult<()> {
        let request = Update { channel: &message.channel, ts: &message.ts, text, blocks, metadata };
        self.call("chat.update", &request, deadline).map(|Done {}| ())
    }

    pub(super) fn delete(&self, message: &Posted, deadline: Instant) -> ClientResult<()> {
        let channel = SlackChannelId(message.channel.clone());
        let request = SlackApiChatDeleteRequest::new(channel, SlackTs(message.ts.clone()));
        self.call("chat.delete", &request, deadline).map(|Done {}| ())
    }

    /// A page of what was posted after `oldest`, the newest first, and where the next page begins.
    pub(super) fn history(
        &self,
        oldest: &str,
        cursor: Option<&str>,
        deadline: Instant,
    ) -> ClientResult<(Vec<Message<PassedOver>>, Option<String>)> {
        let query = [("oldest", Some(oldest)), ("limit", Some(PAGE)), ("cursor", cursor)];
        let page: Page<PassedOver> = self.ask("conversations.history", &query, deadline)?;
        let next = page.response_metadata.next_cursor;
        Ok((page.messages, Some(next).filter(|next| page.has_more && !next.is_empty())))
    }

    /// A message and its thread, the oldest first.
    pub(super) fn replies(&self, ts: &str, deadline: Instant) -> ClientResult<Page<Value>> {
        self.ask("conversations.replies", &[("ts", Some(ts)), ("limit", Some(THREAD))], deadline)
    }

    /// Puts a file into a thread, in three steps.
    pub(super) fn upload(
        &self,
        name: &str,
        title: &str,
        bytes: &[u8],
        thread: &Posted,
        deadline: Instant,
    ) -> ClientResult<String> {
        let client = self.open(deadline);
        let session = client.open_session(&self.token);
        let place = SlackApiFilesGetUploadUrlExternalRequest::new(name.to_owned(), bytes.len());
        let place = ready(session.get_upload_url_external(&place))?;
        let file = SlackApiFilesUploadViaUrlRequest::new(
            place.upload_url,
            bytes.to_vec(),
            String::from("application/octet-stream"),
        );
        ready(session.files_upload_via_url(&file))?;
        let file = SlackApiFilesComplete::new(place.file_id.clone()).with_title(title.to_owned());
        let request = SlackApiFilesCompleteUploadExternalRequest::new(vec![file])
            .with_channel_id(SlackChannelId(thread.channel.clone()))
            .with_thread_ts(SlackTs(thread.ts.clone()));
        self.call("files.completeUploadExternal", &request, deadline).map(|Done {}| place.file_id.0)
    }

    pub(super) fn delete_file(&self, id: &str, deadline: Instant) -> ClientResult<()> {
        let request = SlackApiFilesDeleteRequest::new(SlackFileId(id.to_owned()));
        self.call("files.delete", &request, deadline).map(|Done {}| ())
    }

    fn open(&self, deadline: Instant) -> SlackClient<Connector> {
        SlackClient::new(Connector::of_api(self.client.clone(), deadline, self.api.clone()))
    }

    fn call<Q, A>(&self, method: &str, request: &Q, deadline: Instant) -> ClientResult<A>
    where
        Q: Serialize + Send + Sync,
        A: for<'de> Deserialize<'de> + Send,
    {
        let client = self.open(deadline);
        let session = client.open_session(&self.token);
        ready(session.http_session_api.http_post(method, request, None))
    }

    /// Asks about the channel.
    fn ask<A: for<'de> Deserialize<'de> + Send>(
        &self,
        method: &str,
        query: &[(&str, Option<&str>)],
        deadline: Instant,
    ) -> ClientResult<A> {
        let client = self.open(deadline);
        let session = client.open_session(&self.token);
        let channel = [("channel", Some(self.channel.0.as_str())), ("include_all_metadata", Some("true"))];
        let query: Vec<(&str, Option<&str>)> = channel.into_iter().chain(query.iter().copied()).collect();
        ready(session.http_session_api.http_get(method, &query, None))
    }
}

/// Without the token.
impl fmt::Debug for Web {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Web")
            .field("host", &self.host())
            .field("channel", &self.channel.0)
            .finish_non_exhaustive()
    }
}
