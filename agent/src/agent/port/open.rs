//! The debug port of a build that has one.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use tokio::sync::Notify;

use crate::config::{Bind, Config, DEFAULT_BIND, Place};
use crate::desk::Desk;
pub(in crate::agent) use crate::serve::Limits;
use crate::serve::listener::Listener;
use crate::serve::local::Local;
#[cfg(feature = "tls")]
use crate::serve::tls::Tls;
use crate::serve::{self, Access};
use crate::{Error, ErrorKind};

/// A bound socket and who may talk to it.
#[derive(Debug)]
pub(in crate::agent) struct Port {
    socket: Socket,
    place: Place,
    access: Access,
    #[cfg(feature = "tls")]
    tls: Option<Arc<Tls>>,
}

#[derive(Debug)]
enum Socket {
    Tcp(TcpListener),
    Unix(Local),
}

/// Binds the port the settings ask for. The default one may be taken, by another service on the same host: then
/// there is no port and the log says so. One that was asked for by name must work.
pub(in crate::agent) fn open(config: &Config) -> Result<Option<Port>, Error> {
    let (wanted, by_name) = match &config.bind {
        Bind::Off => return Ok(None),
        Bind::Default => (&Place::Tcp(DEFAULT_BIND), false),
        Bind::At(place) => (place, true),
    };
    let token = config.token.as_ref().map(|secret| secret.0.clone());
    Access::check(wanted, token.as_deref())?;
    check_tls(config, wanted)?;
    #[cfg(feature = "tls")]
    let tls = config.tls.both().map(|(certificate, key)| Tls::open(certificate, key)).transpose()?;
    match bind(wanted) {
        Ok((socket, place)) => {
            let access = Access::new(&place, token, config.url.as_deref().and_then(host));
            Ok(Some(Port {
                socket,
                place,
                access,
                #[cfg(feature = "tls")]
                tls: tls.map(Arc::new),
            }))
        }
        Err(error) if !by_name => {
            tracing::warn!(
                "flamewatch: no debug port, {wanted} cannot be bound ({error}); set FLAMEWATCH_BIND"
            );
            Ok(None)
        }
        Err(error) => {
            let context = format!("cannot bind the debug port to {wanted} (FLAMEWATCH_BIND)");
            Err(Error::new(ErrorKind::Io, context).because(error))
        }
    }
}

/// Who asks for TLS is not to get a port without.
fn check_tls(config: &Config, wanted: &Place) -> Result<(), Error> {
    let problem = match wanted {
        _ if config.tls.both().is_none() => return Ok(()),
        Place::Unix(_) => "the debug port is a unix socket, where there is no TLS",
        Place::Tcp(_) if cfg!(not(feature = "tls")) => "this build has no `tls` feature",
        Place::Tcp(_) => return Ok(()),
    };
    Err(Error::new(ErrorKind::Invalid, format!("FLAMEWATCH_TLS_CERT is set, but {problem}")))
}

/// The host in a URL: the name under which people's browsers will ask.
fn host(url: &str) -> Option<String> {
    let rest = url.split_once("://")?.1;
    let authority = rest.split('/').next()?;
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let port = host.rfind(':').filter(|colon| host.get(colon + 1..).is_some_and(|port| !port.contains(']')));
    port.map_or(Some(host), |colon| host.get(..colon)).map(str::to_owned)
}

fn bind(wanted: &Place) -> io::Result<(Socket, Place)> {
    match wanted {
        Place::Tcp(address) => {
            let listener = TcpListener::bind(address)?;
            listener.set_nonblocking(true)?;
            let address = listener.local_addr()?;
            Ok((Socket::Tcp(listener), Place::Tcp(address)))
        }
        Place::Unix(path) => Ok((Socket::Unix(Local::bind(path)?), wanted.clone())),
    }
}

impl Port {
    /// Where it listens, if that is an address.
    pub(in crate::agent) fn address(&self) -> Option<SocketAddr> {
        match self.place {
            Place::Tcp(address) => Some(address),
            Place::Unix(_) => None,
        }
    }

    /// What to put before a path to get there, where a browser can.
    pub(in crate::agent) fn url(&self) -> Option<String> {
        #[cfg(feature = "tls")]
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        #[cfg(not(feature = "tls"))]
        let scheme = "http";
        self.address().map(|address| format!("{scheme}://{address}"))
    }

    /// Answers requests until `stop`.
    pub(in crate::agent) async fn answer(self, desk: Arc<Desk>, limits: Limits, stop: Arc<Notify>) {
        let access = self.access.clone();
        match self.listener() {
            Ok(listener) => {
                serve::run(listener, desk, access, limits, async move { stop.notified().await }).await;
            }
            Err(error) => tracing::error!("flamewatch: the debug port cannot be served: {error}"),
        }
    }

    fn listener(self) -> io::Result<Listener> {
        let listener = match self.socket {
            Socket::Tcp(listener) => tokio::net::TcpListener::from_std(listener)?,
            Socket::Unix(local) => return Listener::of_file(local),
        };
        #[cfg(feature = "tls")]
        if let Some(tls) = self.tls {
            return Ok(Listener::Tls(listener, tls));
        }
        Ok(Listener::Tcp(listener))
    }
}

/// For people.
impl fmt::Display for Port {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.url() {
            Some(url) => formatter.write_str(&url),
            None => self.place.fmt(formatter),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_of_a_url() {
        let check = |url: &str, expected: &str| assert_eq!(host(url).as_deref(), Some(expected), "{url}");
        check("https://debug.shop.example/x:1/", "debug.shop.example");
        check("http://10.0.0.7:6060", "10.0.0.7");
        check("http://[::1]:6060/", "[::1]");
        check("http://me@host", "host");
    }
}
