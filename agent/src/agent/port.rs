//! The debug port's socket: bound before the agent's thread starts, so that a wrong address is an error at start.

#[cfg(feature = "serve")]
mod open;

#[cfg(not(feature = "serve"))]
mod open {
    use std::fmt;
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

    /// Nothing to bind in this build; a place that was asked for by name is told so.
    pub(in crate::agent) fn open(config: &Config) -> Result<Option<Port>, Error> {
        if let Bind::At(place) = &config.bind {
            tracing::warn!("flamewatch: no debug port on {place}, built without the `serve` feature");
        }
        Ok(None)
    }

    impl Port {
        pub(in crate::agent) fn address(&self) -> Option<SocketAddr> {
            match *self {}
        }

        pub(in crate::agent) fn url(&self) -> Option<String> {
            match *self {}
        }

        pub(in crate::agent) async fn answer(self, _desk: Arc<Desk>, _limits: Limits, _stop: Arc<Notify>) {
            match self {}
        }
    }

    impl fmt::Display for Port {
        fn fmt(&self, _formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            match *self {}
        }
    }
}

pub(super) use open::{Limits, Port, open};
