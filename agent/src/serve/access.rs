//! Who may ask the debug port: the token, the names it answers to, and no page of another site.

use std::borrow::Cow;
use std::hint::black_box;

use axum::http::header::{AUTHORIZATION, HOST, ORIGIN};
use axum::http::{HeaderMap, Method, Request, StatusCode, Uri};
use base64::Engine;
use base64::prelude::BASE64_STANDARD as BASE64;

use super::answer::Refusal;
use crate::config::Place;
use crate::{Error, ErrorKind};

/// The names that always mean this machine.
const LOOPBACK: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

/// A shorter token can be guessed.
const LEAST_TOKEN: usize = 16;

/// Who is let in.
#[derive(Clone, Default)]
pub(crate) struct Access {
    token: Option<String>,
    hosts: Vec<String>,
    any_address: bool,
    /// Part of a server of the service's own, which has names that we do not know.
    mounted: bool,
}

impl std::fmt::Debug for Access {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let token = self.token.as_ref().map(|_| "...");
        formatter
            .debug_struct("Access")
            .field("token", &token)
            .field("hosts", &self.hosts)
            .finish_non_exhaustive()
    }
}

impl Access {
    /// Access to a port at `bound`: with `token` where there is one, under the loopback names, the bound address and
    /// `hosts`. Bound to every address, the port answers to any address, but to no name it was not told: a name is
    /// what an attacker's page can point here, an address is not.
    pub(crate) fn new(bound: &Place, token: Option<String>, hosts: impl IntoIterator<Item = String>) -> Self {
        let own = match bound {
            Place::Tcp(address) => Some(address.ip()),
            Place::Unix(_) => None,
        };
        let shown = own.map(|ip| if ip.is_ipv6() { format!("[{ip}]") } else { ip.to_string() });
        let known = LOOPBACK.map(str::to_owned).into_iter().chain(shown).chain(hosts);
        let hosts = known.map(|host| host.to_ascii_lowercase()).collect();
        Self {
            token: token.filter(|token| !token.is_empty()),
            hosts,
            any_address: own.is_some_and(|ip| ip.is_unspecified()),
            mounted: false,
        }
    }

    /// Access to the pages in a server of the service's own, under any name that it has: who can reach that server is not
    /// known here, so nobody is let in without `token`. A browser sends one to no other name than it was typed in for,
    /// which keeps out the pages that point a name of theirs here.
    pub(crate) fn mounted(token: Option<String>) -> Self {
        Self { token: token.filter(|token| !token.is_empty()), mounted: true, ..Self::default() }
    }

    /// Refuses a place that others can reach when there is no token to keep them out. Who may open a unix socket its
    /// mode says.
    pub(crate) fn check(place: &Place, token: Option<&str>) -> Result<(), Error> {
        let is_ours = match place {
            Place::Tcp(address) => address.ip().to_canonical().is_loopback(),
            Place::Unix(_) => true,
        };
        let token = token.filter(|token| !token.is_empty());
        if token.is_some_and(|token| token.len() < LEAST_TOKEN) {
            let problem = format!("the debug port's token has less than {LEAST_TOKEN} characters");
            return Err(Error::new(ErrorKind::Invalid, problem));
        }
        if is_ours || token.is_some() {
            return Ok(());
        }
        let advice =
            "profiles tell a lot about a service; set FLAMEWATCH_TOKEN, or bind 127.0.0.1 (FLAMEWATCH_BIND)";
        Err(Error::new(
            ErrorKind::Invalid,
            format!("cannot open the debug port on {place} without a token: {advice}"),
        ))
    }

    /// True when a token is asked for.
    pub(super) const fn is_guarded(&self) -> bool {
        self.token.is_some()
    }

    /// Lets `request` pass or says why not.
    pub(super) fn admit<B>(&self, request: &Request<B>) -> Result<(), Refusal> {
        let host = request.headers().get(HOST).and_then(|host| host.to_str().ok()).unwrap_or("");
        let target = request.uri().authority().map_or(host, |authority| authority.as_str());
        let is_named = self.mounted || self.answers_to(host) && self.answers_to(target);
        if !is_named {
            return Err(Refusal::new(
                StatusCode::MISDIRECTED_REQUEST,
                "this port does not answer to that name",
            ));
        }
        // HTTP/2 has no Host but says the name as part of the address.
        if is_foreign(request, if host.is_empty() { target } else { host }) {
            return Err(Refusal::new(StatusCode::FORBIDDEN, "asked for by a page of another site"));
        }
        match &self.token {
            None if self.mounted => {
                Err(Refusal::new(StatusCode::FORBIDDEN, "these pages need a token: set FLAMEWATCH_TOKEN"))
            }
            Some(token)
                if !shown(request.headers()).any(|shown| same(shown.as_bytes(), token.as_bytes())) =>
            {
                Err(Refusal::new(
                    StatusCode::UNAUTHORIZED,
                    "a token is needed: Basic, with any user, or Bearer",
                ))
            }
            _ => Ok(()),
        }
    }

    /// `host` is a `Host` header: a name or an address, and perhaps a port, which is not looked at.
    fn answers_to(&self, host: &str) -> bool {
        let name = match host.rfind(':') {
            Some(colon) if !host.ends_with(']') => host.get(..colon).unwrap_or(host),
            _ => host,
        };
        let name = name.to_ascii_lowercase();
        let bare = name.trim_start_matches('[').trim_end_matches(']');
        self.hosts.contains(&name) || self.any_address && bare.parse::<std::net::IpAddr>().is_ok()
    }
}

/// True for what a page of another site asks. A link to a snapshot, followed from a chat, is not that: it opens a
/// page of its own, cannot be read by the site it stands on, and costs no sampling.
fn is_foreign<B>(request: &Request<B>, host: &str) -> bool {
    let header = |name: &str| request.headers().get(name).map(|value| value.to_str().unwrap_or(""));
    let origin = request.headers().get(ORIGIN).map(|origin| origin.to_str().unwrap_or(""));
    if origin.is_some_and(|origin| origin.split_once("://").is_none_or(|(_, origin)| origin != host)) {
        return true;
    }
    let followed = request.method() == Method::GET
        && header("sec-fetch-mode") == Some("navigate")
        && header("sec-fetch-dest") == Some("document")
        && is_of_a_snapshot(request.uri());
    header("sec-fetch-site").is_some_and(|site| !matches!(site, "same-origin" | "none")) && !followed
}

/// True for the pages that show a snapshot and can collect nothing.
fn is_of_a_snapshot(uri: &Uri) -> bool {
    let says_snapshot = || uri.query().unwrap_or("").split('&').any(|part| part.starts_with("snapshot="));
    match uri.path() {
        "/debug/flame" | "/debug/top" => says_snapshot(),
        path => path.starts_with("/debug/snapshots"),
    }
}

/// The tokens that a request shows: the password of Basic, the whole of Bearer.
fn shown(headers: &HeaderMap) -> impl Iterator<Item = Cow<'_, str>> {
    headers.get_all(AUTHORIZATION).iter().filter_map(|value| {
        let (scheme, rest) = value.to_str().ok()?.split_once(' ')?;
        match scheme.to_ascii_lowercase().as_str() {
            "bearer" => Some(Cow::Borrowed(rest.trim())),
            "basic" => {
                let decoded = String::from_utf8(BASE64.decode(rest.trim()).ok()?).ok()?;
                decoded.split_once(':').map(|(_, password)| Cow::Owned(password.to_owned()))
            }
            _ => None,
        }
    })
}

/// Compares in a time that depends on the length of `shown` alone.
pub(crate) fn same(shown: &[u8], token: &[u8]) -> bool {
    let difference = shown.iter().zip(token.iter().cycle()).fold(0, |sum, (a, b)| black_box(sum | (a ^ b)));
    difference == 0 && shown.len() == token.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "correct horse of battery";

    fn place(text: &str) -> Place {
        match text.strip_prefix("unix:") {
            Some(path) => Place::Unix(path.into()),
            None => Place::Tcp(text.parse().expect("an address")),
        }
    }

    fn access(bound: &str, token: Option<&str>) -> Access {
        Access::new(&place(bound), token.map(str::to_owned), ["Shop.internal".to_owned()])
    }

    #[track_caller]
    fn check(access: &Access, headers: &[(&str, &str)], expected: u16) {
        let mut request = Request::builder().uri("/debug/pprof/heap");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let status = access
            .admit(&request.body(()).expect("a request"))
            .map_or_else(|refusal| refusal.status(), |()| StatusCode::OK);
        assert_eq!(status.as_u16(), expected, "{headers:?}");
    }

    #[test]
    fn only_known_names_are_answered_to() {
        let local = access("127.0.0.1:6060", None);
        for host in
            ["127.0.0.1:6060", "localhost", "LOCALHOST:1", "[::1]:6060", "[::1]", "shop.internal:6060"]
        {
            check(&local, &[("host", host)], 200);
        }
        for host in
            ["evil.example", "10.1.2.3", "localhost.evil.example", "127.0.0.1.evil.example:6060", "::1", ""]
        {
            check(&local, &[("host", host)], 421);
        }
        check(&local, &[], 421);
        check(&access("10.1.2.3:6060", Some(TOKEN)), &[("host", "10.1.2.3:6060")], 401);
        check(&access("0.0.0.0:6060", Some(TOKEN)), &[("host", "10.9.9.9:6060")], 401);
        check(&access("[::]:6060", Some(TOKEN)), &[("host", "[fd00::1]:6060")], 401);
        check(&access("0.0.0.0:6060", Some(TOKEN)), &[("host", "evil.example")], 421);
        let file = access("unix:/run/debug.sock", None);
        check(&file, &[("host", "localhost")], 200);
        check(&file, &[("host", "shop.internal")], 200);
        check(&file, &[("host", "10.9.9.9")], 421);
        check(&file, &[("host", "evil.example")], 421);
        check(&access("unix:/run/debug.sock", Some(TOKEN)), &[("host", "localhost")], 401);
    }

    #[test]
    fn pages_of_other_sites_are_turned_away() {
        let local = access("127.0.0.1:6060", None);
        let host = ("host", "127.0.0.1:6060");
        check(&local, &[host, ("origin", "http://127.0.0.1:6060")], 200);
        check(&local, &[host, ("sec-fetch-site", "none")], 200);
        check(&local, &[host, ("sec-fetch-site", "same-origin")], 200);
        for origin in ["http://evil.example", "http://127.0.0.1:8080", "null", ""] {
            check(&local, &[host, ("origin", origin)], 403);
        }
        check(&local, &[host, ("sec-fetch-site", "cross-site")], 403);
        check(&local, &[host, ("sec-fetch-site", "same-site")], 403);
        let followed = [
            host,
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-mode", "navigate"),
            ("sec-fetch-dest", "document"),
        ];
        check(&local, &followed, 403);
    }

    #[test]
    fn the_token_comes_as_basic_or_bearer() {
        let guarded = access("127.0.0.1:6060", Some(TOKEN));
        let host = ("host", "localhost");
        let basic = |pair: &str| format!("Basic {}", BASE64.encode(pair.as_bytes()));
        check(&guarded, &[host], 401);
        check(&guarded, &[host, ("authorization", "Bearer correct horse of battery")], 200);
        check(&guarded, &[host, ("authorization", &basic("any:correct horse of battery"))], 200);
        check(&guarded, &[host, ("authorization", &basic(":correct horse of battery"))], 200);
        for wrong in [
            "Bearer ",
            "Bearer correct",
            "Bearer correct horse of batterycorrect horse of battery",
            "Basic !!!",
            "Digest correct horse of battery",
        ] {
            check(&guarded, &[host, ("authorization", wrong)], 401);
        }
        check(&guarded, &[host, ("authorization", &basic("correct horse of battery"))], 401);
        check(&guarded, &[host, ("authorization", &basic("any:wrong"))], 401);
        assert!(!format!("{guarded:?}").contains("horse"));
    }

    /// Many tries of each, and the fastest counts: what else runs can only make one slower.
    #[test]
    fn a_guess_takes_as_long_wherever_it_is_wrong() {
        let token = vec![b'x'; 1 << 16];
        let wrong_at = |at: usize| {
            let mut guess = token.clone();
            guess[at] = b'y';
            guess
        };
        let [first, last] = [wrong_at(0), wrong_at(token.len() - 1)].map(|guess| {
            let time = |_| {
                let begun = std::time::Instant::now();
                assert!(!same(black_box(&guess), black_box(&token)));
                begun.elapsed()
            };
            (0..200).map(time).min().expect("a time")
        });
        let ratio = first.as_secs_f64() / last.as_secs_f64();
        assert!((0.67..1.5).contains(&ratio), "{first:?} and {last:?}");
        assert!(same(&token, &token) && !same(&token[1..], &token) && !same(b"", &token));
    }

    #[test]
    fn a_short_token_is_none() {
        for (token, is_one) in
            [("", true), ("hunter2", false), ("fifteen-letters", false), ("correct-horse-battery", true)]
        {
            let error = Access::check(&place("127.0.0.1:6060"), Some(token));
            assert_eq!(error.is_ok(), is_one, "{token}");
            let text = error.map_or_else(|error| error.to_string(), |()| String::new());
            assert!(!text.contains("hunter2"), "{text}");
        }
    }

    #[test]
    fn a_port_that_others_can_reach_needs_a_token() {
        let check = |address: &str, token| Access::check(&place(address), token);
        for open in
            ["127.0.0.1:6060", "127.8.8.8:1", "[::1]:6060", "[::ffff:127.0.0.1]:6060", "unix:/run/debug.sock"]
        {
            assert!(check(open, None).is_ok(), "{open}");
        }
        for closed in ["0.0.0.0:6060", "10.0.0.1:6060", "[::]:6060"] {
            assert!(check(closed, Some(TOKEN)).is_ok(), "{closed}");
            for none in [None, Some("")] {
                let error = check(closed, none).expect_err(closed);
                assert!(error.to_string().contains("set FLAMEWATCH_TOKEN, or bind 127.0.0.1"), "{error}");
            }
        }
    }
}
