//! The address of a running service, as people have it at hand: a host, a host and a port, a URL of a profile, the link
//! from an alert. Pure; nothing in it that is secret is ever shown.

use std::path::Path;

use url::Url;
use url::form_urlencoded::{self, Serializer};

use crate::failure::Failure;

/// Where profiles are, where nothing else is said.
const PPROF: &str = "/debug/pprof/";

/// Where the debug port is, where nothing else is said.
const PORT: u16 = 6060;

/// How long a profile over time looks, where nobody says: the longest default there is, Go's.
const USUAL_WINDOW: u64 = 30;

/// What people call profiles, and what Go does.
const ALIASES: [(&str, &str); 3] = [("cpu", "profile"), ("tasks", "goroutine"), ("threads", "threadcreate")];

/// Profiles that look at a stretch of time even if nobody says how long.
const WINDOWED: [&str; 5] = ["profile", "wall", "fgprof", "block", "mutex"];

/// What is asked of a page's form, and not of its profile.
const FORMS: [&str; 5] = ["format", "debug", "value", "size", "raw"];

/// A debug port, and perhaps a page of it.
#[derive(Clone, Debug)]
pub(crate) struct Address {
    base: Url,
}

/// What an address has that must not be shown.
#[derive(Default)]
pub(crate) struct Secret {
    user: Option<String>,
    password: Option<String>,
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Page {
    path: String,
    query: Vec<(String, String)>,
}

impl Address {
    /// Understands `text`, and takes the secret out of it.
    ///
    /// # Errors
    /// When it is no address of a debug port. The message has nothing that is secret.
    pub(crate) fn parse(text: &str) -> Result<(Self, Secret), Failure> {
        let bare = !text.contains("://");
        let with_scheme = if bare { format!("http://{text}") } else { text.to_owned() };
        let shown = without_secret(text);
        let mut base = Url::parse(&with_scheme)
            .map_err(|error| Failure::usage(format!("{shown} is no URL: {error}")))?;
        if !matches!(base.scheme(), "http" | "https") || base.host_str().is_none_or(str::is_empty) {
            return Err(Failure::usage(format!("{shown} is no http URL of a debug port")));
        }
        if bare && base.port().is_none() && !has_port(text) {
            let _ = base.set_port(Some(PORT));
        }
        let decoded = |text: &str| Some(percent_decoded(text)).filter(|text| !text.is_empty());
        let secret = Secret { user: decoded(base.username()), password: base.password().and_then(decoded) };
        let (_, _) = (base.set_username(""), base.set_password(None));
        Ok((Self { base }, secret))
    }

    /// True for what can only be an address, or is one and no file: `http://…`, `host:6060`, `host:6060/debug/…`.
    pub(crate) fn is_one(text: &str) -> bool {
        if text.starts_with("http://") || text.starts_with("https://") {
            return true;
        }
        has_port(text) && !text.starts_with(['/', '.']) && !Path::new(text).exists()
    }

    /// What to ask for: the profile called `name` of a port, or the one that the address is of, whether as a profile or as
    /// a page that shows it. Over `seconds`, where they are given.
    pub(crate) fn page(&self, name: &str, seconds: Option<u64>) -> Page {
        let mut query: Vec<(String, String)> =
            self.base.query_pairs().map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
        let mut take = |wanted: &str| {
            let at = query.iter().position(|(name, _)| name == wanted)?;
            Some(query.remove(at).1)
        };
        let path = match self.base.path() {
            "" | "/" | "/debug" | "/debug/" | "/debug/pprof" | PPROF => format!("{PPROF}{}", called(name)),
            own @ ("/debug/flame" | "/debug/top") => match (take("profile"), take("snapshot")) {
                (Some(profile), _) => format!("{PPROF}{}", called(&profile)),
                (None, Some(id)) => format!("/debug/snapshots/{id}"),
                (None, None) => own.to_owned(),
            },
            own => own.to_owned(),
        };
        query.retain(|(name, _)| !FORMS.contains(&name.as_str()));
        if let Some(seconds) = seconds {
            query.retain(|(name, _)| name != "seconds");
            query.push(("seconds".to_owned(), seconds.to_string()));
        }
        Page { path, query }
    }

    /// Where `page` is.
    pub(crate) fn url(&self, page: &Page) -> String {
        let mut url = self.base.clone();
        url.set_path(&page.path);
        let query = Serializer::new(String::new()).extend_pairs(&page.query).finish();
        url.set_query(Some(query.as_str()).filter(|query| !query.is_empty()));
        url.to_string()
    }

    /// True for this machine's own.
    pub(crate) fn is_loopback(&self) -> bool {
        match self.base.host() {
            Some(url::Host::Domain(name)) => name == "localhost",
            Some(url::Host::Ipv4(address)) => address.is_loopback(),
            Some(url::Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        }
    }

    /// `http://127.0.0.1:6060`
    pub(crate) fn shown(&self) -> String {
        format!("{}://{}", self.base.scheme(), self.host())
    }

    /// `127.0.0.1:6060`
    pub(crate) fn host(&self) -> String {
        let port = self.base.port().map(|port| format!(":{port}")).unwrap_or_default();
        format!("{}{port}", self.base.host_str().unwrap_or_default())
    }
}

impl Secret {
    /// The token: the password, else what the environment has, else the user, who may be one without a password.
    pub(crate) fn among(self, variable: Option<String>) -> Option<String> {
        self.password.or(variable).or(self.user)
    }
}

impl Page {
    /// A page of the port's own.
    pub(crate) fn of(path: &str, seconds: Option<u64>) -> Self {
        let query = seconds.map(|seconds| ("seconds".to_owned(), seconds.to_string()));
        Self { path: path.to_owned(), query: Vec::from_iter(query) }
    }

    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// Which profile it is: `heap`.
    pub(crate) fn name(&self) -> &str {
        self.path.rsplit('/').find(|part| !part.is_empty()).unwrap_or("profile")
    }

    /// How long the answer takes by itself.
    pub(crate) fn seconds(&self) -> u64 {
        let said = self.query.iter().find(|(name, _)| name == "seconds");
        match said.and_then(|(_, seconds)| seconds.parse().ok()) {
            Some(seconds) => seconds,
            None if WINDOWED.contains(&self.name()) => USUAL_WINDOW,
            None => 0,
        }
    }
}

/// What Go calls the profile that people call `name`.
fn called(name: &str) -> &str {
    ALIASES.iter().find(|(alias, _)| *alias == name).map_or(name, |(_, gos)| gos)
}

/// True for `host:6060` and `user@host:6060/path`.
fn has_port(text: &str) -> bool {
    let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let Some((host, port)) = host.rsplit_once(':') else { return false };
    !host.is_empty() && !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit())
}

/// `text` without a user and a password, whether it is an address or not.
pub(crate) fn without_secret(text: &str) -> String {
    let (scheme, rest) = text.split_once("://").map_or(("", text), |(scheme, rest)| (scheme, rest));
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    // A password may hold a slash that nobody has escaped.
    let at = rest.rfind('@').filter(|at| *at < end || rest.get(..end).is_some_and(|head| head.contains(':')));
    let rest = at.and_then(|at| rest.get(at + 1..)).unwrap_or(rest);
    if scheme.is_empty() { rest.to_owned() } else { format!("{scheme}://{rest}") }
}

fn percent_decoded(text: &str) -> String {
    // A plus is a plus here, and a space in a form.
    let escaped = format!("={}", text.replace('+', "%2B"));
    form_urlencoded::parse(escaped.as_bytes()).map(|(_, value)| value.into_owned()).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Address {
        Address::parse(text).expect(text).0
    }

    #[track_caller]
    fn asks(text: &str, name: &str, seconds: Option<u64>, expected: &str) {
        let address = parsed(text);
        assert_eq!(address.url(&address.page(name, seconds)), expected, "{text} {name}");
    }

    #[test]
    fn the_right_profile_of_whatever_is_at_hand() {
        asks("127.0.0.1:6060", "heap", None, "http://127.0.0.1:6060/debug/pprof/heap");
        asks("shop", "cpu", Some(5), "http://shop:6060/debug/pprof/profile?seconds=5");
        asks("shop:80/", "tasks", None, "http://shop/debug/pprof/goroutine");
        asks("http://shop", "threads", None, "http://shop/debug/pprof/threadcreate");
        asks("https://shop.example/debug/", "wall", None, "https://shop.example/debug/pprof/wall");
        asks(
            "https://shop.example/debug/fgprof",
            "heap",
            Some(3),
            "https://shop.example/debug/fgprof?seconds=3",
        );
        asks(
            "h:1/debug/pprof/profile?seconds=9&format=svg",
            "heap",
            None,
            "http://h:1/debug/pprof/profile?seconds=9",
        );
        asks("h:1/debug/pprof/heap?seconds=9", "heap", Some(2), "http://h:1/debug/pprof/heap?seconds=2");
        asks("h:1/debug/flame?snapshot=a-1&base=b", "heap", None, "http://h:1/debug/snapshots/a-1?base=b");
        asks("h:1/debug/top?profile=threads&value=x", "heap", None, "http://h:1/debug/pprof/threadcreate");
        asks("[::1]:6060", "a b", None, "http://[::1]:6060/debug/pprof/a%20b");
    }

    #[test]
    fn how_long_an_answer_takes() {
        let seconds = |text: &str, name, seconds| parsed(text).page(name, seconds).seconds();
        assert_eq!(seconds("h:1", "heap", None), 0);
        assert_eq!(seconds("h:1", "heap", Some(7)), 7);
        assert_eq!(seconds("h:1", "cpu", None), 30, "Go looks for so long when nobody says");
        assert_eq!(seconds("h:1/debug/pprof/profile?seconds=4", "heap", None), 4);
    }

    #[test]
    fn files_are_told_from_addresses() {
        for address in
            ["http://x", "https://x/heap", "h:1", "x:y@h:1", "127.0.0.1:6060/debug/pprof/heap", "[::1]:6060"]
        {
            assert!(Address::is_one(address), "{address}");
        }
        for file in ["heap.pb.gz", "./h:1", "/tmp/h:1", "h", "-", "a:b", "h:", ":6060", "src/main.rs:10"] {
            let is_file = !Address::is_one(file) || file == "src/main.rs:10";
            assert!(is_file, "{file}");
        }
    }

    #[test]
    fn secrets_are_tokens_and_are_not_shown() {
        for (text, variable, token) in [
            ("x:secret@h:1", None, Some("secret")),
            ("x:secret@h:1", Some("other"), Some("secret")),
            ("x:s%20e+%40@h:1", None, Some("s e+@")),
            ("secret@h:1", None, Some("secret")),
            ("me@h:1", Some("secret"), Some("secret")),
            (":secret@h:1", None, Some("secret")),
            ("h:1", None, None),
        ] {
            let (address, secret) = Address::parse(text).expect(text);
            assert_eq!((address.shown().as_str(), address.host().as_str()), ("http://h:1", "h:1"));
            assert_eq!(secret.among(variable.map(str::to_owned)).as_deref(), token, "{text}");
        }
        for bad in [
            "x:secret@h:99999",
            "http://x:sec/ret@h:x",
            "ftp://x:secret@h/",
            "x:secret@",
            "http://x:secret@[::1",
        ] {
            let failure = Address::parse(bad).map(|_| ()).expect_err(bad).to_string();
            assert!(!failure.contains("sec") && !failure.contains("ret@"), "{failure}");
        }
        for bad in ["", "ftp://h/", "http://", "http://[::1"] {
            assert!(Address::parse(bad).is_err(), "{bad}");
        }
    }
}
