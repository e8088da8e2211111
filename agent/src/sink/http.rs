//! The HTTP under every sink that speaks it: one blocking request with a deadline, on whatever thread it is made.
//! It follows no redirect, keeps no connection, reads a bounded answer, and has errors without a path, which is often the
//! secret.

#[cfg(any(feature = "webhook", feature = "pagerduty", feature = "pyroscope"))]
mod endpoint;
mod proxy;

use std::io::{ErrorKind, Read};
use std::time::{Duration, Instant};

use ureq::http::{HeaderMap, Request, Response};
use ureq::tls::{RootCerts, TlsConfig};
use url::{Host, Url};

#[cfg(any(feature = "webhook", feature = "pagerduty", feature = "pyroscope"))]
pub(super) use endpoint::{Endpoint, Plain};

/// The most of an answer that is read where nothing else is said.
const MAX_ANSWER: u64 = 256 * 1024;

/// No request takes longer, however far away its deadline is.
const MAX_TIME: Duration = Duration::from_secs(60);

/// The longest rest that another side is granted; past it the request is more likely a mistake than a wish.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(600);

/// What the other side answered.
pub(super) struct Answer {
    pub(super) status: u16,
    /// The rest that it asks for, at most 10 min. A date is not understood.
    pub(super) retry_after: Option<Duration>,
    pub(super) body: Vec<u8>,
    /// Whether that is all it said, and it did not break off.
    #[cfg_attr(
        not(feature = "slack"),
        allow(dead_code, reason = "only Slack says in the body that it is done")
    )]
    pub(super) whole: bool,
}

/// The client of one sink. It does nothing until the first request, so making it cannot fail.
///
/// Alerts are rare, so no connection is kept open between them. The certificate roots are compiled in: a container
/// without CA files can post. Of several TLS providers in the process ureq takes the installed one, else ring;
/// it never asks rustls to guess, which panics when a service links two. A proxy is chosen anew for each request.
pub(super) fn client() -> ureq::Agent {
    let tls = TlsConfig::builder().root_certs(RootCerts::WebPki).build();
    let config = ureq::Agent::config_builder()
        .tls_config(tls)
        .http_status_as_error(false)
        .max_redirects(0)
        .max_idle_connections(0)
        .proxy(None)
        .user_agent(concat!("flamewatch/", env!("CARGO_PKG_VERSION")));
    config.build().new_agent()
}

/// Makes `request` to `url` before `deadline`. Its own address is ignored. Unless `client` has a proxy it is taken from
/// the environment:
/// `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`, `NO_PROXY`.
///
/// # Errors
/// What kept us from an answer, for people, with the host and without the path.
pub(super) fn send(
    client: &ureq::Agent,
    url: &Url,
    request: Request<&[u8]>,
    deadline: Instant,
) -> Result<Answer, String> {
    send_for(client, url, request, deadline, MAX_ANSWER)
}

/// The same, for an answer of at most `most` bytes.
pub(super) fn send_for(
    client: &ureq::Agent,
    url: &Url,
    request: Request<&[u8]>,
    deadline: Instant,
    most: u64,
) -> Result<Answer, String> {
    let left = deadline.saturating_duration_since(Instant::now()).min(MAX_TIME);
    if left.is_zero() {
        return Err(String::from("no time was left to post"));
    }
    let (mut parts, body) = request.into_parts();
    parts.uri = url.as_str().parse().map_err(|_| String::from("the address is no URI"))?;
    let proxy = match client.config().proxy() {
        Some(proxy) => Some(proxy.clone()),
        None => proxy::of(url, |name| std::env::var(name).ok())?,
    };
    // One time-out over everything would make ureq look the host up on a thread of its own, and panic where no
    // more threads can be had: just when a thread leak is to be told. The phases add up to what is left; the
    // look-up comes on top and ends by the system resolver's own limits.
    let request = client
        .configure_request(Request::from_parts(parts, body))
        .proxy(proxy)
        .timeout_connect(Some(left * 8 / 20))
        .timeout_send_request(Some(left / 20))
        .timeout_send_body(Some(left * 2 / 20))
        .timeout_recv_response(Some(left * 7 / 20))
        .timeout_recv_body(Some(left * 2 / 20))
        .build();
    let mut response = client.run(request).map_err(|error| unreachable(url, &error))?;
    Ok(read(&mut response, most))
}

impl Answer {
    /// Whether it is a page for people, such as one to sign in, whatever its status says.
    #[cfg(any(feature = "webhook", feature = "pagerduty", feature = "pyroscope"))]
    fn is_page(&self) -> bool {
        let begins = |tag: &[u8]| {
            self.body.trim_ascii_start().get(..tag.len()).is_some_and(|head| head.eq_ignore_ascii_case(tag))
        };
        begins(b"<!doctype html") || begins(b"<html")
    }
}

/// The host and the port of the proxy that a request to `url` takes, if it takes one.
///
/// # Errors
/// Which variable is wrong.
pub(super) fn proxy(url: &Url) -> Result<Option<(String, u16)>, String> {
    let proxy = proxy::of(url, |name| std::env::var(name).ok())?;
    Ok(proxy.map(|proxy| (proxy.host().to_owned(), proxy.port())))
}

/// Whether `url` is of this host.
pub(super) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

fn read(response: &mut Response<ureq::Body>, most: u64) -> Answer {
    let (status, retry_after) = (response.status().as_u16(), retry_after(response.headers()));
    let mut body = Vec::new();
    let whole = response.body_mut().as_reader().take(most).read_to_end(&mut body);
    Answer { status, retry_after, whole: whole.is_ok_and(|length| (length as u64) < most), body }
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get("retry-after")?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(MAX_RETRY_AFTER))
}

/// What kept us from an answer. ureq's own words are not shown, since some of them repeat the URL.
fn unreachable(url: &Url, error: &ureq::Error) -> String {
    let host = url.host_str().unwrap_or_default();
    match error {
        ureq::Error::Timeout(phase) => format!("{host} did not answer in time ({phase})"),
        ureq::Error::HostNotFound => format!("cannot find {host}"),
        // rustls reports a bad certificate and a server without TLS so; its words hold no path.
        ureq::Error::Io(error) if error.kind() == ErrorKind::InvalidData => {
            format!("cannot talk to {host} securely: {error}")
        }
        ureq::Error::Io(error) => format!("cannot talk to {host}: {}", error.kind()),
        ureq::Error::Rustls(error) => format!("cannot talk to {host} securely: {error}"),
        ureq::Error::Tls(error) => format!("cannot talk to {host} securely: {error}"),
        ureq::Error::Protocol(_) => format!("{host} speaks no HTTP"),
        ureq::Error::InvalidProxyUrl => String::from("the proxy in the environment is not a URL"),
        ureq::Error::ConnectProxyFailed(_) => format!("the proxy does not let us through to {host}"),
        _ => format!("cannot reach {host}"),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::TcpListener;

    use super::*;

    /// What a proxy is asked for when `url` is posted to through it, and what comes of it when it answers with `answer`.
    fn through_proxy(url: &str, answer: &'static str) -> (String, String) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let proxy = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a client");
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                let mut more = [0; 512];
                let length = stream.read(&mut more).expect("a request");
                assert!(length > 0, "it breaks off: {request:?}");
                request.extend_from_slice(&more[..length]);
            }
            let _ = stream.write_all(answer.as_bytes());
            String::from_utf8_lossy(&request).into_owned()
        });
        let url = Url::parse(url).expect("a URL");
        let value = format!("http://us%40er:hunter2@{address}");
        let proxied = proxy::of(&url, |name| (name == "ALL_PROXY").then(|| value.clone())).expect("a proxy");
        let request = Request::post("/").body(&b"{}"[..]).expect("a request");
        let deadline = Instant::now() + Duration::from_secs(5);
        let client = ureq::Agent::config_builder().proxy(proxied).build().new_agent();
        let failed = send(&client, &url, request, deadline).err().unwrap_or_default();
        (proxy.join().expect("no panic").to_lowercase(), failed)
    }

    #[test]
    fn a_proxy_is_asked_for_the_host_with_its_password_which_is_not_shown() {
        for (url, host) in [
            ("https://receiver.invalid/secret", "receiver.invalid:443"),
            ("http://receiver.invalid/secret", "receiver.invalid:80"),
        ] {
            let (asked, failed) = through_proxy(url, "HTTP/1.1 407 Sign in\r\nContent-Length: 0\r\n\r\n");
            assert!(asked.starts_with(&format!("connect {host} http/1.1")), "{asked}");
            assert!(asked.contains("proxy-authorization: basic dxnazxi6ahvudgvymg=="), "{asked}");
            assert!(!asked.contains("secret"), "{asked}");
            assert_eq!(failed, "the proxy does not let us through to receiver.invalid");
        }
    }

    #[test]
    fn what_is_no_proxy_is_told_and_not_waited_for() {
        let (_, failed) = through_proxy("https://receiver.invalid/secret", "SSH-2.0-OpenSSH_9.6\r\n");
        assert!(failed.contains("receiver.invalid") || failed.contains("proxy"), "{failed}");
        assert!(!failed.contains("hunter2") && !failed.contains("secret"), "{failed}");
    }

    #[test]
    fn retry_after_is_capped_and_dates_are_ignored() {
        #[track_caller]
        fn check(header: &str, expected: Option<u64>) {
            let mut headers = HeaderMap::new();
            headers.insert("retry-after", header.parse().expect("a header"));
            assert_eq!(retry_after(&headers), expected.map(Duration::from_secs));
        }
        check("2", Some(2));
        check("7200", Some(600));
        check("18446744073709551615", Some(600));
        check("-1", None);
        check("Wed, 21 Oct 2026 07:28:00 GMT", None);
    }
}
