//! Who a post is from: HMAC-SHA256 of its body, once as GitHub does it, which is easy to check, and once as the
//! specification Standard Webhooks 1.0 does it, which also signs the time and an id, so that nobody can post it again.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// How a secret of Standard Webhooks begins: what follows is the key in base64.
const PREFIX: &str = "whsec_";

/// What signs. Shows nothing.
pub(super) struct Signer(Hmac<Sha256>);

impl Signer {
    /// One with `secret`: its bytes, or those that stand in base64 behind `whsec_`.
    ///
    /// # Errors
    /// For a secret too short to be one, or broken base64.
    pub(super) fn new(secret: &str) -> Result<Self, &'static str> {
        let secret = secret.trim();
        let key = match secret.strip_prefix(PREFIX) {
            Some(base64) => BASE64_STANDARD.decode(base64).map_err(|_| "has no base64 behind whsec_")?,
            None => secret.as_bytes().to_vec(),
        };
        if key.len() < 16 {
            return Err("is shorter than 16 bytes");
        }
        // HMAC takes keys of any length, so there is no other error.
        Hmac::new_from_slice(&key).map(Self).map_err(|_| "is no key")
    }

    /// The headers for `body`, which is posted at `now`. `id` is the message's, the same at every attempt.
    pub(super) fn headers(&self, id: &str, now: SystemTime, body: &[u8]) -> Vec<(&'static str, String)> {
        let seconds = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let signed = |parts: &[&[u8]]| {
            let mut mac = self.0.clone();
            parts.iter().for_each(|part| mac.update(part));
            mac.finalize().into_bytes()
        };
        let alone = signed(&[body]);
        let whole = signed(&[format!("{id}.{seconds}.").as_bytes(), body]);
        vec![
            ("x-flamewatch-signature", format!("sha256={}", hex(&alone))),
            ("webhook-id", id.to_owned()),
            ("webhook-timestamp", seconds.to_string()),
            ("webhook-signature", format!("v1,{}", BASE64_STANDARD.encode(whole))),
        ]
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn headers(secret: &str, id: &str, seconds: u64, body: &str) -> Vec<String> {
        let signer = Signer::new(secret).unwrap_or_else(|error| panic!("{error}"));
        let at = UNIX_EPOCH + Duration::from_secs(seconds);
        signer.headers(id, at, body.as_bytes()).into_iter().map(|(_, value)| value).collect()
    }

    /// The example of GitHub's documentation, "Validating webhook deliveries".
    #[test]
    fn as_github_does_it() {
        let signed = headers("It's a Secret to Everybody", "a1", 1, "Hello, World!");
        assert_eq!(signed[0], "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17");
    }

    /// The example of the specification's own libraries.
    #[test]
    fn as_standard_webhooks_does_it() {
        let signed = headers(
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            r#"{"test": 2432232314}"#,
        );
        assert_eq!(
            signed[1..],
            ["msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="]
        );
    }

    #[test]
    fn a_secret_is_one() {
        assert_eq!(Signer::new("short").err(), Some("is shorter than 16 bytes"));
        assert_eq!(Signer::new("whsec_c2hvcnQ=").err(), Some("is shorter than 16 bytes"));
        assert_eq!(Signer::new("whsec_%%%").err(), Some("has no base64 behind whsec_"));
    }
}
