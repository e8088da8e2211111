//! The debug port's socket: bound before the agent's thread starts, so that a wrong address is an error at start.

#[cfg(feature = "serve")]
mod open {
    use std::net::{SocketAddr, TcpListener};
    use std::sync::Arc;

    use tokio::sync::Notify;

    use crate::config::{Bind, Config, DEFAULT_BIND};
    use crate::desk::Desk;
    pub(in crate::agent) use crate::serve::Limits;
    use crate::serve::{self, Access};
    use crate::{Error, ErrorKind};

    /// A bound socket and who may talk to it.
    #[derive(Debug)]
    pub(in crate::agent) struct Port {
        listener: TcpListener,
        address: SocketAddr,
        access: Access,
    }

    /// Binds the port the settings ask for. The default one may be taken, by another service on the same host: then
    /// there is no port and the log says so. One that was asked for by name must work.
    pub(in crate::agent) fn open(config: &Config) -> Result<Option<Port>, Error> {
        let (wanted, by_name) = match config.bind {
            Bind::Off => return Ok(None),
            Bind::Default => (DEFAULT_BIND, false),
            Bind::At(address) => (address, true),
        };
        let token = config.token.as_ref().map(|secret| secret.0.clone());
        Access::check(wanted, token.as_deref())?;
        match bind(wanted) {
            Ok((listener, address)) => {
                let access = Access::new(address, token, config.url.as_deref().and_then(host));
                Ok(Some(Port { listener, address, access }))
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

    /// The host in a URL: the name under which people's browsers will ask.
    fn host(url: &str) -> Option<String> {
        let rest = url.split_once("://")?.1;
        let authority = rest.split('/').next()?;
        let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        let port =
            host.rfind(':').filter(|colon| host.get(colon + 1..).is_some_and(|port| !port.contains(']')));
        port.map_or(Some(host), |colon| host.get(..colon)).map(str::to_owned)
    }

    fn bind(wanted: SocketAddr) -> std::io::Result<(TcpListener, SocketAddr)> {
        let listener = TcpListener::bind(wanted)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        Ok((listener, address))
    }

    impl Port {
        /// Where it listens.
        pub(in crate::agent) fn address(&self) -> SocketAddr {
            self.address
        }

        /// Answers requests until `stop`.
        pub(in crate::agent) async fn answer(self, desk: Arc<Desk>, limits: Limits, stop: Arc<Notify>) {
            match tokio::net::TcpListener::from_std(self.listener) {
                Ok(listener) => {
                    serve::run(listener, desk, self.access, limits, async move { stop.notified().await })
                        .await
                }
                Err(error) => tracing::error!("flamewatch: the debug port cannot be served: {error}"),
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
}

#[cfg(not(feature = "serve"))]
mod open {
    use std::net::SocketAddr;
    use std::sync::Arc;

    use tokio::sync::Notify;

    use crate::Error;
    use crate::config::{Bind, Config};
    use crate::desk::Desk;

    /// Nothing to limit.
    #[derive(Clone, Debug, Default)]
    pub(in crate::agent) struct Limits(());

    /// No port: this build has no `serve` feature.
    #[derive(Debug)]
    pub(in crate::agent) enum Port {}

    /// Nothing to bind in this build; an address that was asked for by name is told so.
    pub(in crate::agent) fn open(config: &Config) -> Result<Option<Port>, Error> {
        if let Bind::At(address) = config.bind {
            tracing::warn!("flamewatch: no debug port on {address}, built without the `serve` feature");
        }
        Ok(None)
    }

    impl Port {
        pub(in crate::agent) fn address(&self) -> SocketAddr {
            match *self {}
        }

        pub(in crate::agent) async fn answer(self, _desk: Arc<Desk>, _limits: Limits, _stop: Arc<Notify>) {
            match self {}
        }
    }
}

pub(super) use open::{Limits, Port, open};
