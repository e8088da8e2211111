//! InfluxDB: one point with all gauges, and one for each route, in line protocol (InfluxDB v2 documentation, "Line
//! protocol"), over HTTP or UDP. The writer is a few lines of our own: what there is as a crate brings a parser along.

use std::fmt::Write as _;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs, UdpSocket};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::numbers::Numbers;

/// How long a server may take to answer.
const DEADLINE: Duration = Duration::from_secs(5);

/// Lines are sent in datagrams of at most so many bytes: what every network takes in one piece.
const DATAGRAM: usize = 1_400;

/// An InfluxDB.
#[derive(Debug)]
pub(super) struct Influx {
    way: Way,
    service: String,
}

enum Way {
    Http { agent: ureq::Agent, url: String, token: Option<String> },
    Udp { socket: UdpSocket, target: SocketAddr },
}

impl Influx {
    /// One at `url`: `http://host:8086/api/v2/write?org=…&bucket=…`, `http://host:8086/write?db=…` or `udp://host:8089`.
    pub(super) fn new(url: &str, token: Option<&str>, service: &str) -> io::Result<Self> {
        let parsed = url::Url::parse(url).map_err(io::Error::other)?;
        let way = match parsed.scheme() {
            "udp" => {
                let host = parsed.host_str().unwrap_or_default();
                let target = (host, parsed.port().unwrap_or(8_089)).to_socket_addrs()?.next();
                let target = target.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "no such host"))?;
                let any = if target.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
                let socket = UdpSocket::bind(any)?;
                socket.set_nonblocking(true)?;
                Way::Udp { socket, target }
            }
            "http" | "https" => {
                let config = ureq::Agent::config_builder().timeout_global(Some(DEADLINE)).max_redirects(0);
                let token = token.map(|token| format!("Token {token}"));
                Way::Http { agent: config.build().new_agent(), url: url.to_owned(), token }
            }
            other => return Err(io::Error::other(format!("{other}: must be http, https or udp"))),
        };
        Ok(Self { way, service: service.to_owned() })
    }

    /// Sends one round.
    pub(super) fn send(&self, numbers: &Numbers) -> io::Result<()> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let lines = lines(numbers, &self.service, now);
        match &self.way {
            Way::Udp { socket, target } => {
                for datagram in datagrams(&lines) {
                    socket.send_to(datagram.as_bytes(), target)?;
                }
                Ok(())
            }
            Way::Http { agent, url, token } => {
                let mut request = agent.post(url).content_type("text/plain; charset=utf-8");
                if let Some(token) = token {
                    request = request.header("Authorization", token);
                }
                // The error names the status or what went wrong, never the URL, which can hold a password.
                let sent = request.send(lines.concat().as_bytes());
                sent.map(drop).map_err(|error| match error {
                    ureq::Error::StatusCode(status) => io::Error::other(format!("HTTP status {status}")),
                    ureq::Error::Io(error) => error,
                    _ => io::Error::other("the request failed"),
                })
            }
        }
    }
}

/// Without the URL and the token.
impl std::fmt::Debug for Way {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Http { .. } => "Http",
            Self::Udp { .. } => "Udp",
        })
    }
}

fn lines(numbers: &Numbers, service: &str, now: Duration) -> Vec<String> {
    let at = now.as_nanos();
    let service = tag(service);
    let mut lines = Vec::new();
    let gauges = numbers.gauges.iter().filter(|(_, value)| value.is_finite());
    let fields: Vec<String> = gauges.map(|(name, value)| format!("{}={value}", tag(name))).collect();
    if !fields.is_empty() {
        lines.push(format!("flamewatch,service={service} {} {at}\n", fields.join(",")));
    }
    for route in &numbers.routes {
        let mut line = format!("flamewatch_routes,service={service}");
        let _ = write!(line, ",method={},route={}", tag(&route.method), tag(&route.path));
        let _ = writeln!(
            line,
            " calls={}i,seconds={},in_flight={}i,tasks={}i {at}",
            route.all_calls,
            route.all_time.as_secs_f64(),
            route.in_flight,
            route.tasks
        );
        lines.push(line);
    }
    lines
}

/// A tag's key or value, or a field's key: commas, equal signs and blanks behind a backslash; an empty one cannot be.
/// A backslash at the end would escape what follows, and a line cannot have a line break in it.
fn tag(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            ',' | '=' | ' ' => escaped.extend(['\\', letter]),
            '\\' => escaped.push('/'),
            control if control.is_control() => escaped.push('_'),
            other => escaped.push(other),
        }
    }
    if escaped.is_empty() { "none".to_owned() } else { escaped }
}

/// As many whole lines together as fit.
fn datagrams(lines: &[String]) -> Vec<String> {
    let mut datagrams: Vec<String> = Vec::new();
    for line in lines {
        match datagrams.last_mut().filter(|last| last.len() + line.len() <= DATAGRAM) {
            Some(last) => last.push_str(line),
            None => datagrams.push(line.clone()),
        }
    }
    datagrams
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;

    use influxdb_line_protocol::{FieldValue, parse_lines};

    use super::*;
    use crate::export::numbers::Route;

    fn numbers() -> Numbers {
        let route = Route {
            method: "GET".to_owned(),
            path: "/a b,c=d\\\n\"<script>".to_owned(),
            all_calls: 3,
            all_time: Duration::from_millis(60),
            tasks: 2,
            ..Route::default()
        };
        let gauges =
            vec![("rss".to_owned(), 1.5e9), ("cpu share".to_owned(), 0.25), ("odd".to_owned(), f64::NAN)];
        Numbers { gauges, routes: vec![route, Route::default()] }
    }

    #[test]
    fn influxdbs_own_parser_reads_every_line() {
        let text = lines(&numbers(), "my shop", Duration::from_nanos(1_700_000_000_000_000_123)).concat();
        let parsed: Vec<_> = parse_lines(&text).map(|line| line.expect("a line")).collect();
        assert_eq!(parsed.len(), 3);
        assert_eq!(parsed[0].series.measurement, "flamewatch");
        assert_eq!(parsed[0].tag_value("service").map(ToString::to_string).as_deref(), Some("my shop"));
        assert_eq!(parsed[0].timestamp, Some(1_700_000_000_000_000_123));
        assert_eq!(parsed[0].field_value("cpu share"), Some(&FieldValue::F64(0.25)));
        assert_eq!(parsed[0].field_set.len(), 2, "what is no number is left out");
        let route = parsed[1].tag_value("route").map(ToString::to_string);
        assert_eq!(route.as_deref(), Some("/a b,c=d/_\"<script>"));
        assert_eq!(parsed[1].field_value("calls"), Some(&FieldValue::I64(3)));
        assert_eq!(parsed[2].tag_value("method").map(ToString::to_string).as_deref(), Some("none"));
    }

    #[test]
    fn a_server_is_told_and_its_refusal_is_an_error_without_secrets() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let server = std::thread::spawn(move || {
            let mut requests = Vec::new();
            for status in ["204 No Content", "401 Unauthorized"] {
                let (mut stream, _) = listener.accept().expect("a client");
                let mut request = vec![0; 4_096];
                let length = stream.read(&mut request).expect("a request");
                requests.push(String::from_utf8_lossy(&request[..length]).into_owned());
                let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
                stream.write_all(answer.as_bytes()).expect("an answer");
            }
            requests
        });
        let url = format!("http://{address}/api/v2/write?bucket=b");
        let influx = Influx::new(&url, Some("s3cret"), "shop").expect("a client");
        influx.send(&numbers()).expect("sent");
        let refused = influx.send(&numbers()).expect_err("refused").to_string();
        assert_eq!(refused, "HTTP status 401");
        assert!(!format!("{influx:?}").contains("s3cret"));
        let requests = server.join().expect("no panic");
        assert!(requests[0].starts_with("POST /api/v2/write?bucket=b "), "{requests:?}");
        assert!(requests[0].to_lowercase().contains("authorization: token s3cret"), "{requests:?}");
    }

    #[test]
    fn datagrams_hold_whole_lines() {
        let lines: Vec<String> = (0..100).map(|index| format!("{index:099}\n")).collect();
        let datagrams = datagrams(&lines);
        assert_eq!(datagrams.concat(), lines.concat());
        assert!(datagrams.iter().all(|datagram| datagram.len() <= DATAGRAM && datagram.ends_with('\n')));
    }

    #[test]
    fn a_wrong_url_is_an_error() {
        assert!(Influx::new("ftp://host", None, "shop").is_err());
        assert!(Influx::new("no url", None, "shop").is_err());
    }
}
