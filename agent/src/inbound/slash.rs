//! Slack's slash command: a form, signed with the app's signing secret as
//! [Slack documents it](https://docs.slack.dev/authentication/verifying-requests-from-slack) (version `v0`).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::http::HeaderMap;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use url::form_urlencoded;

/// How far the time of a signature may be off, either way.
const TOLERANCE: u64 = 5 * 60;

/// Who may give the command.
pub(super) struct Slash {
    secret: String,
    channels: Vec<String>,
}

/// A command as it was given.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Command {
    pub(super) text: String,
    pub(super) user: String,
    pub(super) channel: String,
}

impl Slash {
    pub(super) fn new(secret: &str, channels: &[String]) -> Self {
        Self { secret: secret.to_owned(), channels: channels.to_vec() }
    }

    /// The signature of a request that is Slack's and was signed about `now`; `None` for any other.
    pub(super) fn signed<'h>(&self, headers: &'h HeaderMap, body: &[u8], now: SystemTime) -> Option<&'h str> {
        let header = |name: &str| headers.get(name)?.to_str().ok();
        let (time, signature) = (header("x-slack-request-timestamp")?, header("x-slack-signature")?);
        let seconds: u64 = time.parse().ok()?;
        let now = now.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs();
        if now.abs_diff(seconds) > TOLERANCE {
            return None;
        }
        let mut mac = Hmac::<Sha256>::new_from_slice(self.secret.as_bytes()).ok()?;
        for part in [b"v0:", time.as_bytes(), b":", body] {
            mac.update(part);
        }
        let shown = unhex(signature.strip_prefix("v0=")?)?;
        // In a time that tells nothing.
        mac.verify_slice(&shown).ok().map(|()| signature)
    }

    /// Whether people in `channel` may ask.
    pub(super) fn allows(&self, channel: &str) -> bool {
        self.channels.iter().any(|allowed| allowed == channel)
    }
}

impl Command {
    /// The command in the form `body`.
    pub(super) fn of(body: &[u8]) -> Self {
        let mut command = Self::default();
        for (name, value) in form_urlencoded::parse(body) {
            let field = match &*name {
                "text" => &mut command.text,
                "user_id" => &mut command.user,
                "channel_id" => &mut command.channel,
                _ => continue,
            };
            *field = value.into_owned();
        }
        command
    }

    /// Who gave it, as a message shows it: an id and nothing else, whatever was sent.
    pub(super) fn who(&self) -> String {
        let id: String = self.user.chars().filter(char::is_ascii_alphanumeric).take(20).collect();
        if id.is_empty() { "somebody in Slack".to_owned() } else { format!("Slack user {id}") }
    }
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    digits.chunks_exact(2).map(|pair| Some(digit(pair.first()?)? << 4 | digit(pair.get(1)?)?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of Slack's documentation.
    const SECRET: &str = "8f742231b10e8888abcd99yyyzzz85a5";
    const TIME: u64 = 1_531_420_618;
    const BODY: &str = "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";
    const SIGNATURE: &str = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503";

    fn is_let_in(time: &str, signature: &str, body: &str, now: u64) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert("x-slack-request-timestamp", time.parse().expect("a header"));
        headers.insert("x-slack-signature", signature.parse().expect("a header"));
        let now = UNIX_EPOCH + Duration::from_secs(now);
        Slash::new(SECRET, &[]).signed(&headers, body.as_bytes(), now).is_some()
    }

    #[test]
    fn what_slack_signs_is_let_in_and_nothing_else() {
        let time = TIME.to_string();
        assert!(is_let_in(&time, SIGNATURE, BODY, TIME));
        assert!(is_let_in(&time, SIGNATURE, BODY, TIME + TOLERANCE));
        assert!(!is_let_in(&time, SIGNATURE, BODY, TIME + TOLERANCE + 1), "stale");
        assert!(!is_let_in(&time, SIGNATURE, BODY, TIME - TOLERANCE - 1), "of the future");
        assert!(!is_let_in(&time, SIGNATURE, &BODY.replace("roadrunner", "coyote"), TIME));
        assert!(!is_let_in(&(TIME + 1).to_string(), SIGNATURE, BODY, TIME));
        for odd in ["-9223372036854775808", "18446744073709551616", "", "now"] {
            assert!(!is_let_in(odd, SIGNATURE, BODY, TIME), "{odd}");
        }
        for odd in [
            "",
            "v0=",
            "v0=a2",
            "v0=zz",
            "v1=a2114d57",
            "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b50",
        ] {
            assert!(!is_let_in(&time, odd, BODY, TIME), "{odd}");
        }
    }

    #[test]
    fn a_command_is_read() {
        let command = Command::of(BODY.as_bytes());
        assert_eq!((command.channel.as_str(), command.who().as_str()), ("G8PSS9T3V", "Slack user U2CERLKJA"));
        let hostile = Command::of(b"user_id=%3C!channel%3E%0A&text=cpu+5s&text=heap");
        assert_eq!((hostile.who().as_str(), hostile.text.as_str()), ("Slack user channel", "heap"));
        assert_eq!(Command::of(b"\xff%ff&&=").who(), "somebody in Slack");
    }
}
