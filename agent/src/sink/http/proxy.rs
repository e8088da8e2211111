//! Which proxy a request takes, by the variables that curl and Go read: `HTTPS_PROXY` or `HTTP_PROXY` by the scheme of the
//! address, `ALL_PROXY` for what has no other, `NO_PROXY` for hosts that take none. ureq's own reading takes the first that
//! is set whatever the scheme, and of one that is no URL it says nothing and goes without. Values alone: the environment
//! is asked through a look-up.

use url::{Host, Url};

/// The proxy for a request to `url`, if it takes one. A host of this machine takes none.
///
/// # Errors
/// Which variable is wrong and what is expected there, without its value, which may hold a password.
pub(super) fn of(url: &Url, look_up: impl Fn(&str) -> Option<String>) -> Result<Option<ureq::Proxy>, String> {
    let set = |name: &'static str| {
        look_up(name).filter(|value| !value.trim().is_empty()).map(|value| (name, value))
    };
    let own = match url.scheme() {
        "https" => set("https_proxy").or_else(|| set("HTTPS_PROXY")),
        // The upper-case name can be set by whoever calls a CGI program, as curl and Go know: there it is not ours.
        _ if look_up("REQUEST_METHOD").is_some() => set("http_proxy"),
        _ => set("http_proxy").or_else(|| set("HTTP_PROXY")),
    };
    let any = || set("all_proxy").or_else(|| set("ALL_PROXY"));
    let Some((name, value)) = own.or_else(any) else { return Ok(None) };
    let without = set("no_proxy").or_else(|| set("NO_PROXY")).is_some_and(|(_, list)| is_listed(url, &list));
    if without || super::is_loopback(url) {
        return Ok(None);
    }
    parsed(value.trim()).map(Some).map_err(|what| format!("{name} {what}"))
}

fn parsed(value: &str) -> Result<ureq::Proxy, &'static str> {
    const WRONG: &str = "is not the URL of a proxy (not shown): http://HOST:PORT is expected";
    let full = if value.contains("://") { value.to_owned() } else { format!("http://{value}") };
    let url = Url::parse(&full).map_err(|_| WRONG)?;
    match url.scheme() {
        "http" | "https" => ureq::Proxy::new(&full).map_err(|_| WRONG),
        "socks" | "socks4" | "socks4a" | "socks5" | "socks5h" => {
            Err("is a SOCKS proxy, which is not supported: http://HOST:PORT is expected")
        }
        _ => Err(WRONG),
    }
}

/// Whether `list` names the host of `url`: `*`, `shop.example` with everything below it, `.shop.example` or
/// `*.shop.example` for what is below alone, an address; each with a port or without.
fn is_listed(url: &Url, list: &str) -> bool {
    let Some(host) = url.host() else { return false };
    let host = match host {
        Host::Domain(name) => name.trim_end_matches('.').to_ascii_lowercase(),
        Host::Ipv4(address) => address.to_string(),
        Host::Ipv6(address) => address.to_string(),
    };
    let port = url.port_or_known_default();
    let entries =
        list.split(',').map(|entry| entry.trim().to_ascii_lowercase()).filter(|entry| !entry.is_empty());
    entries.into_iter().any(|entry| {
        let (name, wanted) = name_and_port(&entry);
        let port_fits = wanted.is_none() || wanted == port;
        let below = |parent: &str| host.strip_suffix(parent).is_some_and(|rest| rest.ends_with('.'));
        port_fits
            && (name == "*"
                || match name.strip_prefix("*.").or_else(|| name.strip_prefix('.')) {
                    Some(parent) => below(parent),
                    None => host == name || below(name),
                })
    })
}

/// `[::1]:80`, `::1`, `host:80`, `host`.
fn name_and_port(entry: &str) -> (&str, Option<u16>) {
    if let Some((address, rest)) = entry.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return (address, rest.strip_prefix(':').and_then(|port| port.parse().ok()));
    }
    match entry.split_once(':') {
        Some((name, port)) if !port.contains(':') => match port.parse() {
            Ok(port) => (name, Some(port)),
            Err(_) => (entry, None),
        },
        _ => (entry, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(url: &str, environment: &[(&str, &str)]) -> Result<Option<String>, String> {
        let url = Url::parse(url).expect("a URL");
        let look_up = |name: &str| {
            environment.iter().find(|(other, _)| *other == name).map(|(_, value)| (*value).to_owned())
        };
        let proxy = of(&url, look_up)?;
        Ok(proxy.map(|proxy| format!("{}:{}", proxy.host(), proxy.port())))
    }

    #[track_caller]
    fn check(url: &str, environment: &[(&str, &str)], expected: Option<&str>) {
        assert_eq!(chosen(url, environment), Ok(expected.map(str::to_owned)), "{url} {environment:?}");
    }

    #[test]
    fn the_scheme_chooses_the_variable() {
        let both = [("HTTPS_PROXY", "http://s:1"), ("HTTP_PROXY", "http://p:2"), ("ALL_PROXY", "http://a:3")];
        check("https://hooks.slack.com/x", &both, Some("s:1"));
        check("http://receiver.local/x", &both, Some("p:2"));
        check("https://hooks.slack.com/x", &both[1..], Some("a:3"));
        check("https://hooks.slack.com/x", &both[1..2], None);
        check(
            "https://hooks.slack.com/x",
            &[("https_proxy", "low:1"), ("HTTPS_PROXY", "up:1")],
            Some("low:1"),
        );
        check("https://hooks.slack.com/x", &[("HTTPS_PROXY", " "), ("ALL_PROXY", "a:3")], Some("a:3"));
        check("https://hooks.slack.com/x", &[], None);
        let cgi = [("REQUEST_METHOD", "GET"), ("HTTP_PROXY", "http://evil:2")];
        check("http://receiver.local/x", &cgi, None);
    }

    #[test]
    fn no_proxy_is_obeyed() {
        #[track_caller]
        fn direct(url: &str, list: &str, expected: bool) {
            let environment = [("ALL_PROXY", "http://p:2"), ("NO_PROXY", list)];
            check(url, &environment, if expected { None } else { Some("p:2") });
        }
        direct("https://hooks.slack.com/x", "*", true);
        direct("https://hooks.slack.com/x", "example.org, slack.com", true);
        direct("https://HOOKS.slack.com/x", "Hooks.Slack.Com", true);
        direct("https://hooks.slack.com/x", ".slack.com", true);
        direct("https://slack.com/x", ".slack.com", false);
        direct("https://slack.com/x", "*.slack.com", false);
        direct("https://notslack.com/x", "slack.com", false);
        direct("https://hooks.slack.com/x", "slack.com:443", true);
        direct("https://hooks.slack.com/x", "slack.com:8443", false);
        direct("https://10.0.0.7/x", "10.0.0.7", true);
        direct("https://10.0.0.7/x", "10.0.0.70", false);
        direct("https://[fd00::7]/x", "[fd00::7]:443", true);
        direct("https://[fd00::7]/x", "fd00::7", true);
        direct("https://hooks.slack.com/x", " , ", false);
    }

    #[test]
    fn this_host_takes_none() {
        check("http://127.0.0.1:1/x", &[("ALL_PROXY", "http://p:2")], None);
        check("http://localhost:1/x", &[("ALL_PROXY", "not a URL at all")], None);
    }

    #[test]
    fn a_broken_one_is_named_and_not_shown() {
        for (value, expected) in [
            ("http://us er:hunter2@p:99999", "HTTPS_PROXY is not the URL of a proxy"),
            ("ftp://user:hunter2@p:1", "HTTPS_PROXY is not the URL of a proxy"),
            ("http://user:hunter2@", "HTTPS_PROXY is not the URL of a proxy"),
            ("socks5://user:hunter2@p:1", "HTTPS_PROXY is a SOCKS proxy, which is not supported"),
        ] {
            let refused =
                chosen("https://hooks.slack.com/x", &[("HTTPS_PROXY", value)]).expect_err("refused");
            assert!(refused.starts_with(expected) && !refused.contains("hunter2"), "{refused}");
        }
    }
}
