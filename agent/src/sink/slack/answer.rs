//! What Slack's answers mean for an alert: there, later, or never, and in the last case what a person must do.

use slack_morphism::ClientResult;
use slack_morphism::errors::{SlackClientError, SlackClientHttpError, SlackClientSystemError};

use crate::sink::Outcome;

/// The outcome of posting to `host`.
pub(super) fn outcome(result: ClientResult<()>, host: &str) -> Outcome {
    match result {
        Ok(()) => Outcome::Sent,
        Err(SlackClientError::RateLimitError(limit)) => {
            Outcome::Retry { after: limit.retry_after, reason: format!("{host} asks us to slow down (429)") }
        }
        Err(SlackClientError::HttpError(error)) => of_status(&error, host),
        Err(SlackClientError::SystemError(SlackClientSystemError { message: Some(reason), .. })) => {
            Outcome::Retry { after: None, reason }
        }
        // Our connector makes no others, and their words may repeat the URL.
        Err(_) => later(String::from("the Slack client failed")),
    }
}

/// True when Slack understood who we are but not how the message is laid out.
pub(super) fn refuses_layout(error: &SlackClientError) -> bool {
    let SlackClientError::HttpError(error) = error else { return false };
    matches!(error.http_response_body.as_deref(), Some("invalid_blocks" | "invalid_blocks_format"))
}

/// 4xx is Slack's own no and stays one. Everything else that is not `ok` (a proxy's page, a redirect to a sign-in,
/// a broken gateway) says nothing about the alert, and passes; the queue before us is bounded, so trying on is safe.
fn of_status(error: &SlackClientHttpError, host: &str) -> Outcome {
    let status = error.status_code.as_u16();
    match status {
        200..=299 => later(format!("{host} answered {status}, but not Slack's `ok`: is a proxy in between?")),
        300..=399 => later(format!("{host} answered {status}, a redirect, which is not followed")),
        407 | 408 | 425 => later(format!("{host} answered {status}")),
        400..=499 => Outcome::Drop { reason: refusal(status, error.http_response_body.as_deref(), host) },
        _ => later(format!("{host} answered {status}")),
    }
}

fn refusal(status: u16, code: Option<&str>, host: &str) -> String {
    let code = code.map(|code| format!(" {code}")).unwrap_or_default();
    let remedy = match status {
        400 => "it does not take our message; please report this with the code",
        403 => "posting is not allowed; ask an admin of the workspace",
        404 => {
            "the webhook or its channel is gone; make a new webhook and set FLAMEWATCH_SLACK_WEBHOOK to it"
        }
        410 => "the channel is archived; unarchive it or make a webhook for another",
        _ => "check that FLAMEWATCH_SLACK_WEBHOOK is a Slack webhook",
    };
    format!("{host} refused ({status}{code}): {remedy}")
}

fn later(reason: String) -> Outcome {
    Outcome::Retry { after: None, reason }
}

#[cfg(test)]
mod tests {
    use ureq::http::StatusCode;

    use super::*;

    #[track_caller]
    fn check(status: u16, code: Option<&str>, expected: &str) {
        let status = StatusCode::from_u16(status).expect("a status");
        let error = SlackClientHttpError::new(status).opt_http_response_body(code.map(String::from));
        let shown = match outcome(Err(SlackClientError::HttpError(error)), "hooks.slack.com") {
            Outcome::Retry { reason, .. } => format!("retry: {reason}"),
            Outcome::Drop { reason } => format!("drop: {reason}"),
            Outcome::Sent => String::from("sent"),
        };
        assert!(shown.starts_with(expected), "{shown}");
    }

    #[test]
    fn of_every_status() {
        check(200, None, "retry: hooks.slack.com answered 200, but not Slack's `ok`");
        check(302, None, "retry: hooks.slack.com answered 302, a redirect");
        check(
            400,
            Some("invalid_payload"),
            "drop: hooks.slack.com refused (400 invalid_payload): it does not take",
        );
        check(
            403,
            Some("action_prohibited"),
            "drop: hooks.slack.com refused (403 action_prohibited): posting",
        );
        check(404, None, "drop: hooks.slack.com refused (404): the webhook or its channel is gone");
        check(
            410,
            Some("channel_is_archived"),
            "drop: hooks.slack.com refused (410 channel_is_archived): the channel",
        );
        check(405, None, "drop: hooks.slack.com refused (405): check that");
        check(407, None, "retry: hooks.slack.com answered 407");
        check(500, Some("rollup_error"), "retry: hooks.slack.com answered 500");
        check(503, None, "retry: hooks.slack.com answered 503");
    }
}
