//! What makes Slack a bot, and which channels there are.

use std::time::Duration;

use super::{Environment, Secret, duration, http_url};
use crate::{Error, ErrorKind};

/// A bot's settings: the token together with a channel, or neither.
#[derive(Clone, Debug, Default)]
pub(crate) struct SlackBot {
    pub(crate) token: Option<Secret>,
    pub(crate) channel: Option<String>,
    pub(crate) api: Option<String>,
    pub(crate) spread: Option<Duration>,
}

impl SlackBot {
    pub(super) fn apply(&mut self, env: &Environment<'_>) -> Result<(), Error> {
        env.read_secret("FLAMEWATCH_SLACK_TOKEN", &mut self.token, |text| text.starts_with("xoxb-"))?;
        env.read("FLAMEWATCH_SLACK_CHANNEL", &mut self.channel, |text| channel(text).map(Some))?;
        env.read("FLAMEWATCH_SLACK_API", &mut self.api, |text| http_url(text).map(Some))?;
        env.read("FLAMEWATCH_SLACK_SPREAD", &mut self.spread, |text| {
            duration(text, Duration::ZERO, Duration::from_secs(60)).map(Some)
        })?;
        let (set, missing) = match (&self.token, &self.channel) {
            (Some(_), None) => ("FLAMEWATCH_SLACK_TOKEN", "FLAMEWATCH_SLACK_CHANNEL"),
            (None, Some(_)) => ("FLAMEWATCH_SLACK_CHANNEL", "FLAMEWATCH_SLACK_TOKEN"),
            _ => return Ok(()),
        };
        let problem = format!("{set} is set, but {missing} is not: a Slack bot needs both");
        Err(Error::new(ErrorKind::Invalid, problem))
    }
}

/// Ids, since names change and can be taken by others.
pub(super) fn channels(text: &str) -> Option<Vec<String>> {
    text.split(',').map(str::trim).map(channel).collect()
}

fn channel(text: &str) -> Option<String> {
    let is_id =
        text.len() >= 2 && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
    is_id.then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[track_caller]
    fn refused(name: &'static str, value: &'static str, expected: &str) {
        let look_up = |wanted: &str| (wanted == name).then(|| value.to_owned());
        let error = Config::default().apply(look_up).expect_err("must be refused");
        assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::Invalid, expected));
    }

    #[test]
    fn a_bot_needs_a_token_and_a_channel() {
        let half = "is set, but FLAMEWATCH_SLACK_CHANNEL is not: a Slack bot needs both";
        refused("FLAMEWATCH_SLACK_TOKEN", "xoxb-1", &format!("FLAMEWATCH_SLACK_TOKEN {half}"));
        let half = "is set, but FLAMEWATCH_SLACK_TOKEN is not: a Slack bot needs both";
        refused("FLAMEWATCH_SLACK_CHANNEL", "C012", &format!("FLAMEWATCH_SLACK_CHANNEL {half}"));
        refused(
            "FLAMEWATCH_SLACK_CHANNEL",
            "#alerts",
            "FLAMEWATCH_SLACK_CHANNEL is \"#alerts\", but must be a channel's id such as C0123456789, not its name",
        );
        refused(
            "FLAMEWATCH_SLACK_TOKEN",
            "hunter2",
            "FLAMEWATCH_SLACK_TOKEN is a value of 7 characters (not shown), but must be a bot token, which begins with \
             xoxb-",
        );
        let mut config = Config::default();
        let set = [("FLAMEWATCH_SLACK_TOKEN", "xoxb-hunter2"), ("FLAMEWATCH_SLACK_CHANNEL", "C012")];
        let look_up =
            |wanted: &str| set.iter().find(|(name, _)| *name == wanted).map(|(_, value)| (*value).to_owned());
        config.apply(look_up).expect("both");
        assert!(!format!("{config:?}").contains("hunter2"));
    }
}
