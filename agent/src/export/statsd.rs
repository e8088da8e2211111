//! StatsD: for each gauge `PREFIX.name`, and for each route `PREFIX.KEY.time` in milliseconds, `PREFIX.KEY.calls` and
//! `PREFIX.KEY.tasks`. Over UDP, many to a datagram, by the crate cadence.

use std::io;
use std::net::UdpSocket;

use cadence::prelude::*;
use cadence::{BufferedUdpMetricSink, MetricError, StatsdClient};

use super::numbers::{Numbers, key_part};

/// A StatsD server.
#[derive(Debug)]
pub(super) struct Statsd {
    client: StatsdClient,
}

impl Statsd {
    /// One at `address`, which is `host:port`.
    pub(super) fn new(address: &str, service: &str) -> io::Result<Self> {
        let target = std::net::ToSocketAddrs::to_socket_addrs(address)?
            .next()
            .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "no such host"))?;
        let any = if target.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
        let socket = UdpSocket::bind(any)?;
        socket.set_nonblocking(true)?;
        let sink = BufferedUdpMetricSink::from(target, socket).map_err(plain)?;
        Ok(Self { client: StatsdClient::from_sink(&key_part(service), sink) })
    }

    /// Sends one round.
    pub(super) fn send(&self, numbers: &Numbers) -> io::Result<()> {
        for (name, value) in &numbers.gauges {
            let name: Vec<String> = name.split('.').map(key_part).collect();
            self.client.gauge(&name.join("."), *value).map_err(plain)?;
        }
        for route in &numbers.routes {
            let key = route.key();
            if let Some(average) = route.average() {
                self.client.time(&format!("{key}.time"), average).map_err(plain)?;
                let calls = i64::try_from(route.calls).unwrap_or(i64::MAX);
                self.client.count(&format!("{key}.calls"), calls).map_err(plain)?;
            }
            self.client.gauge(&format!("{key}.tasks"), route.tasks).map_err(plain)?;
        }
        self.client.flush().map_err(plain)
    }
}

fn plain(error: MetricError) -> io::Error {
    io::Error::other(error.to_string())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::export::numbers::Route;

    /// Strictly by the protocol's page: `key:value|type`, a key without `:`, `|`, `@` and blanks.
    fn parse(line: &str) -> Option<(&str, f64, &str)> {
        let (key, rest) = line.split_once(':')?;
        let (value, kind) = rest.split_once('|')?;
        let clean = key.chars().all(|letter| letter.is_ascii_alphanumeric() || "._-".contains(letter));
        (clean && ["g", "c", "ms"].contains(&kind)).then_some((key, value.parse().ok()?, kind))
    }

    #[test]
    fn a_round_arrives_in_lines_of_the_protocol() {
        let server = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        server.set_read_timeout(Some(Duration::from_secs(5))).expect("a time-out");
        let address = server.local_addr().expect("an address").to_string();
        let statsd = Statsd::new(&address, "my shop").expect("a client");
        let route = Route {
            method: "POST".to_owned(),
            path: "/orders|x:1\n/{id}".to_owned(),
            calls: 4,
            time: Duration::from_millis(80),
            tasks: 9,
            ..Route::default()
        };
        let numbers = Numbers { gauges: vec![("rss.share".to_owned(), 0.5)], routes: vec![route] };
        statsd.send(&numbers).expect("sent");
        let mut buffer = [0; 4_096];
        let length = server.recv(&mut buffer).expect("a datagram");
        let text = String::from_utf8(buffer[..length].to_vec()).expect("text");
        let lines: Vec<_> =
            text.lines().map(|line| parse(line).unwrap_or_else(|| panic!("{line:?}"))).collect();
        assert_eq!(
            lines,
            [
                ("my_shop.rss.share", 0.5, "g"),
                ("my_shop.post.orders_x_1_.id.time", 20.0, "ms"),
                ("my_shop.post.orders_x_1_.id.calls", 4.0, "c"),
                ("my_shop.post.orders_x_1_.id.tasks", 9.0, "g"),
            ]
        );
    }

    #[test]
    fn an_address_that_is_none_is_an_error() {
        assert!(Statsd::new("nowhere", "shop").is_err());
    }
}
