//! What Slack's answers mean for an alert: there, later, or never, and in the last case what a person must do.

use slack_morphism::ClientResult;
use slack_morphism::errors::{SlackClientError, SlackClientHttpError, SlackClientSystemError};

use super::remedy;
use crate::sink::Outcome;

/// The outcome of posting to a webhook of `host`.
pub(super) fn of_webhook(result: ClientResult<()>, host: &str) -> Outcome {
    match result {
        Ok(()) => Outcome::Sent,
        Err(SlackClientError::HttpError(error)) => of_status(&error, host),
        Err(error) => of_error(&error, host),
    }
}

/// What an error of the Web API at `host` means. It answers 200 and a code, or 429, or 5xx: any other status is not its own,
/// says nothing about the alert, and passes.
pub(super) fn of_call(error: &SlackClientError, host: &str) -> Outcome {
    match error {
        SlackClientError::ApiError(error) if remedy::passes(&error.code) => {
            later(format!("{host} answered {}", error.code))
        }
        SlackClientError::ApiError(error) => {
            let (code, remedy) = (&error.code, remedy::of(&error.code));
            Outcome::Drop { reason: format!("{host} refused ({code}): {remedy}") }
        }
        SlackClientError::HttpError(error) => later(not_slack(error.status_code.as_u16(), host)),
        other => of_error(other, host),
    }
}

/// True when Slack understood who we are but not how the message is laid out.
pub(super) fn refuses_layout(error: &SlackClientError) -> bool {
    match error {
        SlackClientError::ApiError(error) => remedy::is_of_layout(&error.code),
        SlackClientError::HttpError(error) => {
            error.http_response_body.as_deref().is_some_and(remedy::is_of_layout)
        }
        _ => false,
    }
}

/// The code that the Web API refused with.
pub(super) fn code(error: &SlackClientError) -> Option<&str> {
    match error {
        SlackClientError::ApiError(error) => Some(&error.code),
        _ => None,
    }
}

fn of_error(error: &SlackClientError, host: &str) -> Outcome {
    match error {
        SlackClientError::RateLimitError(limit) => {
            Outcome::Retry { after: limit.retry_after, reason: format!("{host} asks us to slow down (429)") }
        }
        SlackClientError::SystemError(SlackClientSystemError { message: Some(reason), .. }) => {
            Outcome::Retry { after: None, reason: reason.clone() }
        }
        // Our connector makes no others, and their words may repeat the URL.
        _ => later(String::from("the Slack client failed")),
    }
}

/// 4xx is Slack's own no and stays one. Everything else that is not `ok` (a proxy's page, a redirect to a sign-in,
/// a broken gateway) says nothing about the alert, and passes; the queue before us is bounded, so trying on is safe.
fn of_status(error: &SlackClientHttpError, host: &str) -> Outcome {
    let status = error.status_code.as_u16();
    match status {
        407 | 408 | 425 => later(not_slack(status, host)),
        400..=499 => Outcome::Drop { reason: refusal(status, error.http_response_body.as_deref(), host) },
        _ => later(not_slack(status, host)),
    }
}

fn not_slack(status: u16, host: &str) -> String {
    match status {
        200..=299 => format!("{host} answered {status}, but not Slack's `ok`: is a proxy in between?"),
        300..=399 => format!("{host} answered {status}, a redirect, which is not followed"),
        _ => format!("{host} answered {status}"),
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
    use std::time::Duration;

    use slack_morphism::errors::{SlackClientApiError, SlackRateLimitError};
    use ureq::http::StatusCode;

    use super::*;

    #[track_caller]
    fn check(status: u16, code: Option<&str>, expected: &str) {
        let status = StatusCode::from_u16(status).expect("a status");
        let error = SlackClientHttpError::new(status).opt_http_response_body(code.map(String::from));
        says(&of_webhook(Err(SlackClientError::HttpError(error)), "hooks.slack.com"), expected);
    }

    #[track_caller]
    fn says(outcome: &Outcome, expected: &str) {
        let shown = match outcome {
            Outcome::Retry { reason, .. } => format!("retry: {reason}"),
            Outcome::Drop { reason } => format!("drop: {reason}"),
            other => format!("{other:?}"),
        };
        assert!(shown.starts_with(expected), "{shown}");
    }

    #[test]
    fn of_every_kind_of_code() {
        #[track_caller]
        fn check(code: &str, expected: &str) {
            let error = SlackClientError::ApiError(SlackClientApiError::new(code.to_owned()));
            says(&of_call(&error, "slack.com"), expected);
        }
        check("internal_error", "retry: slack.com answered internal_error");
        check("service_unavailable", "retry: slack.com answered service_unavailable");
        check("invalid_auth", "drop: slack.com refused (invalid_auth): make a new bot token");
        check("not_in_channel", "drop: slack.com refused (not_in_channel): invite the bot");
        check("is_archived", "drop: slack.com refused (is_archived): unarchive");
        check("no_such_code", "drop: slack.com refused (no_such_code): please report");
        let status = SlackClientHttpError::new(StatusCode::FORBIDDEN);
        says(&of_call(&SlackClientError::HttpError(status), "slack.com"), "retry: slack.com answered 403");
        let limit = SlackRateLimitError::new().with_retry_after(Duration::from_secs(3));
        let limited = of_call(&SlackClientError::RateLimitError(limit), "slack.com");
        assert!(matches!(limited, Outcome::Retry { after: Some(after), .. } if after.as_secs() == 3));
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
