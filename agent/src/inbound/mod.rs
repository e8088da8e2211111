//! "Profile this now", asked from outside: Slack's slash command and a monitor's trigger are two doors, and behind both is
//! one gate. Off unless it is asked for, and on a socket of its own, since Slack must reach it and must not reach the
//! debug port.

mod doors;
mod gate;
mod order;
mod slash;
mod trigger;

use std::fmt;
use std::future::Future;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use tokio::sync::mpsc::{self, Receiver};

use crate::config::Config;
use crate::serve::accept;
use crate::serve::listener::Listener;
use crate::{Error, ErrorKind};

pub(crate) use gate::{Counts, Gate, Turn};
pub(crate) use order::Order;

use doors::Doors;
use slash::Slash;
use trigger::Trigger;

/// The socket, bound before the agent's thread starts, so that a wrong address is an error at start.
pub(crate) struct Inbound {
    listener: TcpListener,
    address: SocketAddr,
    slash: Option<Slash>,
    trigger: Option<Trigger>,
    gate: Arc<Gate>,
}

impl Inbound {
    /// Binds the socket the settings ask for; none when they ask for none.
    ///
    /// # Errors
    /// `Invalid` for a socket without a door, or a slash command without channels. `Io` when it cannot be bound.
    pub(crate) fn open(config: &Config) -> Result<Option<Self>, Error> {
        let Some(wanted) = config.inbound else { return Ok(None) };
        let slash =
            config.slack_signing_secret.as_ref().map(|secret| Slash::new(&secret.0, &config.slack_channels));
        let trigger = config.trigger_token.as_ref().map(|token| Trigger::new(&token.0));
        if slash.is_none() && trigger.is_none() {
            let advice = "set FLAMEWATCH_SLACK_SIGNING_SECRET for the slash command, FLAMEWATCH_TRIGGER_TOKEN for a monitor, or both";
            return Err(invalid(format!(
                "FLAMEWATCH_INBOUND is {wanted}, but nobody could be let in: {advice}"
            )));
        }
        if slash.is_some() && config.slack_channels.is_empty() {
            let advice = "set FLAMEWATCH_SLACK_CHANNELS to the ids of the channels that may ask for profiles, such as C0123456789";
            return Err(invalid(format!("the slash command is let in from nowhere: {advice}")));
        }
        let unbound = |error: std::io::Error| {
            let context = format!("cannot bind the inbound socket to {wanted} (FLAMEWATCH_INBOUND)");
            Error::new(ErrorKind::Io, context).because(error)
        };
        let listener = TcpListener::bind(wanted).map_err(unbound)?;
        listener.set_nonblocking(true).map_err(unbound)?;
        let address = listener.local_addr().map_err(unbound)?;
        Ok(Some(Self { listener, address, slash, trigger, gate: Arc::default() }))
    }

    /// Where it listens.
    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// What came of what was asked.
    pub(crate) fn gate(&self) -> Arc<Gate> {
        self.gate.clone()
    }

    /// The orders that are let in, and the work of letting them in, which ends with `stop`.
    pub(crate) fn answer(
        self,
        stop: impl Future<Output = ()>,
    ) -> (Receiver<(Order, Turn)>, impl Future<Output = ()>) {
        // One runs at a time, so one place is enough.
        let (orders, taken) = mpsc::channel(1);
        let doors = Doors { slash: self.slash, trigger: self.trigger, gate: self.gate, orders };
        let work = async move {
            match tokio::net::TcpListener::from_std(self.listener) {
                Ok(listener) => accept::serve(Listener::Tcp(listener), doors::router(doors), stop).await,
                Err(error) => tracing::error!("flamewatch: the inbound socket cannot be served: {error}"),
            }
        };
        (taken, work)
    }
}

impl fmt::Debug for Inbound {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Inbound").field("address", &self.address).finish_non_exhaustive()
    }
}

fn invalid(message: String) -> Error {
    Error::new(ErrorKind::Invalid, message)
}

#[cfg(test)]
mod tests;
