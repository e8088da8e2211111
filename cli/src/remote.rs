//! A debug port elsewhere, asked as `go tool pprof` asks one: one request, with an end, and an answer of bounded size.
//! What an address means is in [`crate::address`].

use std::io::ErrorKind;
use std::time::Duration;

use crate::address::{Address, Page};
use crate::failure::Failure;
use crate::progress::Progress;

/// The largest answer: 64 MiB, sixteen times what flamewatch ever writes.
const MAX_ANSWER: u64 = 64 << 20;

/// How long an answer may take beyond the time that it looks at.
const PATIENCE: Duration = Duration::from_secs(30);

/// The variable that has the port's token, where the URL has no password.
const TOKEN: &str = "FLAMEWATCH_TOKEN";

/// What to do where two sides do not understand each other.
const OTHER_SCHEME: &str = ". Is it http where https was asked for, or the other way round?";

/// What to do where a name is nobody's.
const NO_HOST: &str = ". There is no host of that name, seen from here";

/// A debug port.
pub(crate) struct Remote {
    address: Address,
    token: Option<String>,
    agent: ureq::Agent,
}

impl Remote {
    /// The port at `url`, such as `http://127.0.0.1:6060`, or `127.0.0.1:6060`. A password in it, or `FLAMEWATCH_TOKEN`, is
    /// the token.
    pub(crate) fn new(url: &str) -> Result<Self, Failure> {
        let variable = std::env::var(TOKEN).ok().filter(|token| !token.is_empty());
        let (address, secret) = Address::parse(url)?;
        let token = secret.among(variable);
        let config = ureq::Agent::config_builder().http_status_as_error(false);
        // A proxy has a loopback of its own.
        let config = if address.is_loopback() { config.proxy(None) } else { config };
        Ok(Self { address, token, agent: config.build().new_agent() })
    }

    /// What to ask for, where the profile called `name` is wanted. See [`Address::page`].
    pub(crate) fn page(&self, name: &str, seconds: Option<u64>) -> Page {
        self.address.page(name, seconds)
    }

    /// The answer to `page`.
    ///
    /// # Errors
    /// When there is none, or one that is not 200; says what the other side says, in one line, and what to do.
    pub(crate) fn get(&self, page: &Page) -> Result<Vec<u8>, Failure> {
        let (shown, path) = (self.shown(), page.path());
        let _progress = Progress::begin(match page.seconds() {
            0 => format!("waiting for {shown}{path}"),
            seconds => format!("waiting for {shown}{path}, which looks at {seconds} s"),
        });
        let patience = PATIENCE + Duration::from_secs(page.seconds());
        let request = self.agent.get(self.address.url(page)).config().timeout_global(Some(patience));
        let mut request = request.build();
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let mut response = request.call().map_err(|error| {
            Failure::new(format!("cannot ask {shown}: {error}{}", self.advice_on(&error)))
        })?;
        let status = response.status().as_u16();
        let body = response.body_mut().with_config().limit(MAX_ANSWER).read_to_vec();
        let body = body.map_err(|error| Failure::new(format!("{shown} broke off: {error}")))?;
        if status == 200 {
            return Ok(body);
        }
        let (said, advice) = (first_line(&body), self.advice(status));
        let said = if said.is_empty() { said } else { format!(": {said}") };
        Err(Failure::new(format!("{shown}{path} answered {status}{said}{advice}")))
    }

    /// `http://127.0.0.1:6060`, without anything that is secret.
    pub(crate) fn shown(&self) -> String {
        self.address.shown()
    }

    /// `127.0.0.1:6060`
    pub(crate) fn host(&self) -> String {
        self.address.host()
    }

    /// What to do where nobody answers.
    fn advice_on(&self, error: &ureq::Error) -> &'static str {
        match error {
            ureq::Error::Io(error) if error.kind() == ErrorKind::ConnectionRefused => {
                ". Nobody listens there: does the service run, with the port open (FLAMEWATCH_BIND)? It listens on \
                 its own loopback unless told otherwise: kubectl port-forward, or ssh -L, reaches it"
            }
            ureq::Error::Timeout(_) => ". It is busy or cannot be reached from here",
            ureq::Error::HostNotFound => NO_HOST,
            ureq::Error::Io(error) if error.to_string().contains("lookup") => NO_HOST,
            ureq::Error::Io(error) if error.kind() == ErrorKind::InvalidData => OTHER_SCHEME,
            ureq::Error::Protocol(_) | ureq::Error::Tls(_) | ureq::Error::Rustls(_) => OTHER_SCHEME,
            _ => "",
        }
    }

    /// What to do about an answer.
    fn advice(&self, status: u16) -> String {
        match (status, &self.token) {
            (401, None) => format!(" (set {TOKEN})"),
            (401, Some(_)) => format!(" (the token is another: look at {TOKEN}, or at the one in the URL)"),
            (404, _) => {
                format!(
                    " ({}/debug/pprof/ lists what there is; is it a port of flamewatch's or Go's?)",
                    self.shown()
                )
            }
            (421, _) => " (ask it by address, or tell it this name with FLAMEWATCH_URL)".to_owned(),
            (429, _) => " (others are asking too)".to_owned(),
            _ => String::new(),
        }
    }
}

/// What the other side says, without what it could do to a terminal.
fn first_line(body: &[u8]) -> String {
    let said = String::from_utf8_lossy(body.get(..4096).unwrap_or(body)).into_owned();
    let line = said.lines().next().unwrap_or_default().chars();
    line.filter(|letter| !letter.is_control()).take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_cannot_move_the_cursor() {
        assert_eq!(first_line(b"no \x1b[2Jsuch profile\nmore"), "no [2Jsuch profile");
        assert_eq!(first_line(&[b'x'; 9000]).len(), 200);
        assert_eq!(first_line(b""), "");
    }
}
