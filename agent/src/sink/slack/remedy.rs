//! Slack's error codes: which of them pass by themselves, and what a person must do about the others.

/// Whether the code is about Slack's own troubles, which pass.
pub(super) fn passes(code: &str) -> bool {
    matches!(
        code,
        "internal_error" | "fatal_error" | "service_unavailable" | "request_timeout" | "team_added_to_org"
    )
}

/// Whether it is about how a message is laid out, or about what it carries unseen: its words alone may be welcome.
pub(super) fn is_of_layout(code: &str) -> bool {
    matches!(
        code,
        "invalid_blocks"
            | "invalid_blocks_format"
            | "msg_blocks_too_long"
            | "msg_too_long"
            | "invalid_metadata_format"
            | "invalid_metadata_schema"
            | "metadata_too_large"
            | "metadata_must_be_sent_from_app"
    )
}

/// Whether what was to be answered or changed is not there (any more).
pub(super) fn is_gone(code: &str) -> bool {
    matches!(code, "thread_not_found" | "message_not_found" | "cant_update_message" | "edit_window_closed")
}

/// What to do about a refusal.
pub(super) fn of(code: &str) -> &'static str {
    match code {
        "invalid_auth" | "not_authed" | "token_revoked" | "token_expired" | "account_inactive" => {
            "make a new bot token and set FLAMEWATCH_SLACK_TOKEN to it"
        }
        "not_in_channel" => "invite the bot to the channel of FLAMEWATCH_SLACK_CHANNEL",
        "channel_not_found" => {
            "FLAMEWATCH_SLACK_CHANNEL must be the id of a channel that the bot is in; invite it to a private one"
        }
        "is_archived" => "unarchive the channel or set FLAMEWATCH_SLACK_CHANNEL to another",
        "missing_scope" | "no_permission" => {
            "give the app the scopes chat:write, files:write and channels:history (groups:history for a private channel), \
             and install it again"
        }
        "not_allowed_token_type" => "FLAMEWATCH_SLACK_TOKEN must be a bot token, xoxb-…",
        "accesslimited" | "ekm_access_denied" | "org_login_required" | "team_access_not_granted" => {
            "ask an admin of the workspace"
        }
        code if code.starts_with("restricted_action") => {
            "posting is restricted; ask an admin of the workspace"
        }
        code if is_of_layout(code) => "it does not take our message; please report this with the code",
        _ => "please report this with the code",
    }
}
