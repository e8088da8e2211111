//! A debug port elsewhere, asked as `go tool pprof` asks one: one request, with an end, and an answer of bounded size.

use std::io::Write as _;
use std::time::Duration;

use url::Url;

use crate::failure::Failure;

/// The largest answer: 64 MiB, sixteen times what flamewatch ever writes.
const MAX_ANSWER: u64 = 64 << 20;

/// How long an answer may take beyond the time that it looks at.
const PATIENCE: Duration = Duration::from_secs(30);

/// The variable that has the port's token, where the URL has no password.
const TOKEN: &str = "FLAMEWATCH_TOKEN";

/// Where profiles are, where nothing else is said.
const PPROF: &str = "/debug/pprof/";

/// A debug port.
pub(crate) struct Remote {
    base: Url,
    token: Option<String>,
    agent: ureq::Agent,
}

impl Remote {
    /// The port at `url`, such as `http://127.0.0.1:6060`, or `127.0.0.1:6060`. A password in it, or `FLAMEWATCH_TOKEN`, is
    /// the token.
    pub(crate) fn new(url: &str) -> Result<Self, Failure> {
        let with_scheme = if url.contains("://") { url.to_owned() } else { format!("http://{url}") };
        let mut base =
            Url::parse(&with_scheme).map_err(|error| Failure::usage(format!("{url} is no URL: {error}")))?;
        if !matches!(base.scheme(), "http" | "https") || base.host_str().is_none_or(str::is_empty) {
            return Err(Failure::usage(format!("{url} is no http URL of a debug port")));
        }
        let token = base.password().map(str::to_owned).or_else(|| std::env::var(TOKEN).ok());
        // Neither may be in a message.
        let (_, _) = (base.set_username(""), base.set_password(None));
        let agent = ureq::Agent::config_builder().http_status_as_error(false).build().new_agent();
        Ok(Self { base, token: token.filter(|token| !token.is_empty()), agent })
    }

    /// The path of the profile called `name`, or the URL's own when it has one.
    pub(crate) fn path_of(&self, name: &str) -> String {
        match self.base.path() {
            "" | "/" | "/debug" | "/debug/" | "/debug/pprof" | PPROF => format!("{PPROF}{name}"),
            own => own.to_owned(),
        }
    }

    /// The answer to `path`, which looks at `seconds`.
    ///
    /// # Errors
    /// When there is none, or one that is not 200; says what the other side says, in one line.
    pub(crate) fn get(&self, path: &str, query: Option<&str>, seconds: u64) -> Result<Vec<u8>, Failure> {
        let mut url = self.base.clone();
        url.set_path(path);
        if query.is_some() {
            url.set_query(query);
        }
        let mut request = self
            .agent
            .get(url.as_str())
            .config()
            .timeout_global(Some(PATIENCE + Duration::from_secs(seconds)))
            .build();
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let mut response =
            request.call().map_err(|error| Failure::new(format!("cannot ask {}: {error}", self.shown())))?;
        let status = response.status().as_u16();
        let body = response.body_mut().with_config().limit(MAX_ANSWER).read_to_vec();
        let body = body.map_err(|error| Failure::new(format!("{} broke off: {error}", self.shown())))?;
        if status == 200 {
            return Ok(body);
        }
        let said = String::from_utf8_lossy(&body);
        let said: String = said
            .lines()
            .next()
            .unwrap_or_default()
            .chars()
            .filter(|letter| !letter.is_control())
            .take(200)
            .collect();
        let advice = if status == 401 { format!(" (set {TOKEN})") } else { String::new() };
        Err(Failure::new(format!("{}{path} answered {status}: {said}{advice}", self.shown())))
    }

    /// `http://127.0.0.1:6060`, without anything that is secret.
    pub(crate) fn shown(&self) -> String {
        format!("{}://{}", self.base.scheme(), self.host())
    }

    /// `127.0.0.1:6060`
    pub(crate) fn host(&self) -> String {
        let port = self.base.port().map(|port| format!(":{port}")).unwrap_or_default();
        format!("{}{port}", self.base.host_str().unwrap_or_default())
    }
}

/// Tells people something; what programs read is not written here.
pub(crate) fn say(text: &str) {
    // With standard error closed there is nobody to tell.
    let _ = std::io::stderr().write_all(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_understood() {
        let remote = Remote::new("me:secret@127.0.0.1:6060").expect("an address");
        assert_eq!(
            (remote.shown().as_str(), remote.token.as_deref()),
            ("http://127.0.0.1:6060", Some("secret"))
        );
        assert_eq!(remote.path_of("heap"), "/debug/pprof/heap");
        let own = Remote::new("https://shop.example/debug/fgprof").expect("an address");
        assert_eq!((own.host().as_str(), own.path_of("heap").as_str()), ("shop.example", "/debug/fgprof"));
        for bad in ["", "ftp://h/", "http://", "http://[::1"] {
            assert!(Remote::new(bad).is_err(), "{bad}");
        }
    }
}
