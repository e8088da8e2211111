//! The agent: one thread with a runtime of its own, a loop over ticks, and what it hands to whom.
//! It knows everyone; nobody below knows it.

mod afterlife;
#[cfg(feature = "inbound")]
mod asked;
mod baseline;
mod bulletin;
mod checkup;
mod dispatch;
mod equipment;
mod figures;
mod investigation;
mod ladder;
mod leak_alert;
mod leaks;
mod lookout;
mod memory;
mod newsroom;
mod outlets;
mod plateaus;
mod port;
mod restraint;
mod rules;
#[cfg(all(feature = "cpu", target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
mod watchdog;
mod watchroom;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use tokio::sync::Notify;

use crate::builder::{Builder, Extras};
use crate::config::Config;
use crate::{Error, ErrorKind};

pub use checkup::doctor;
use watchroom::Watchroom;

/// How long dropping an [`Agent`] waits for its thread; after that the thread is left to end by itself.
const PATIENCE: Duration = Duration::from_secs(2);

/// One agent a process: two would post everything twice. (The heap engine guards its hooks itself.)
static RUNNING: AtomicBool = AtomicBool::new(false);

/// The running agent. Dropping it ends its threads, closes the debug port and takes the hooks out.
#[derive(Debug)]
#[must_use = "dropping it ends the agent"]
pub struct Agent {
    address: Option<SocketAddr>,
    /// `None` when the agent was switched off.
    running: Option<Running>,
    #[cfg(feature = "serve")]
    pages: crate::serve::Pages,
}

#[derive(Debug)]
struct Running {
    stop: Arc<Notify>,
    ended: Receiver<()>,
}

impl Agent {
    /// An agent to set up in code.
    pub fn builder() -> Builder {
        Builder::new()
    }

    /// Where the debug port listens; `None` without one, and where it is a unix socket.
    #[must_use]
    pub fn debug_address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// What the debug port serves, for a server that the service has anyway, at `/debug/` and, if it has none of its own,
    /// `/metrics`. Asks for the token (`FLAMEWATCH_TOKEN`) always, also on loopback: see [`Pages`](crate::Pages). The port of
    /// its own can then be closed by [`Builder::without_port`]; it is the better way to ask, though, because a service
    /// whose workers are all blocked accepts no request.
    ///
    /// ```no_run
    /// # async fn mounted(agent: flamewatch::Agent) {
    /// let app = axum::Router::<()>::new()
    ///     // … the service's own routes …
    ///     .route_service("/debug/", agent.pages())
    ///     .route_service("/debug/{*page}", agent.pages());
    /// # }
    /// ```
    #[cfg(feature = "serve")]
    #[must_use]
    pub fn pages(&self) -> crate::serve::Pages {
        self.pages.clone()
    }

    pub(crate) fn from_parts(config: Config, extras: Extras) -> Result<Self, Error> {
        #[cfg(feature = "serve")]
        let (pages, mount) = crate::serve::mount();
        if !config.enabled {
            tracing::info!("flamewatch: switched off by FLAMEWATCH=off");
            return Ok(Self {
                address: None,
                running: None,
                #[cfg(feature = "serve")]
                pages,
            });
        }
        for name in Config::unknown(std::env::vars_os().filter_map(|(name, _)| name.into_string().ok())) {
            tracing::warn!("flamewatch: {name} is not a variable of ours; is it misspelt?");
        }
        let claim = Claim::take()?;
        #[cfg(target_os = "linux")]
        crate::sys::trial::try_early();
        crate::gauge::set_limit(config.memory_limit);
        let port = port::open(&config)?;
        let address = port.as_ref().and_then(port::Port::address);
        #[cfg(feature = "inbound")]
        let inbound = crate::inbound::Inbound::open(&config)?;
        #[cfg(not(feature = "inbound"))]
        if let Some(address) = config.inbound {
            tracing::warn!("flamewatch: nobody is let in on {address}, built without the `inbound` feature");
        }
        let watchroom = Watchroom::open(config, extras, port)?;
        #[cfg(feature = "serve")]
        let watchroom = watchroom.mounted(mount);
        #[cfg(feature = "inbound")]
        let watchroom = watchroom.letting_in(inbound);
        let stop = Arc::new(Notify::new());
        let (ends, ended) = sync_channel(1);
        let stopped = stop.clone();
        std::thread::Builder::new()
            .name("flamewatch-agent".to_owned())
            .spawn(move || run(watchroom, &stopped, &ends, claim))
            .map_err(|error| Error::new(ErrorKind::Io, "cannot start the agent's thread").because(error))?;
        Ok(Self {
            address,
            running: Some(Running { stop, ended }),
            #[cfg(feature = "serve")]
            pages,
        })
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let Some(running) = self.running.take() else { return };
        running.stop.notify_one();
        if running.ended.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
            tracing::warn!("flamewatch: the agent's thread is still busy and is left to end by itself");
        }
    }
}

/// The right to be the process's only agent; given back when dropped.
struct Claim;

impl Claim {
    fn take() -> Result<Self, Error> {
        // Acquire pairs with the Release of the agent before us.
        match RUNNING.compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed) {
            Ok(_) => Ok(Self),
            Err(_) => {
                Err(Error::new(ErrorKind::Busy, "an agent is running in this process already; keep that one"))
            }
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        // Release pairs with the Acquire of the agent after us.
        RUNNING.store(false, Ordering::Release);
    }
}

/// The agent's thread. A panic in it ends the agent, and nothing else.
fn run(watchroom: Watchroom, stop: &Notify, ends: &SyncSender<()>, claim: Claim) {
    crate::sys::thread::withdraw();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .thread_name("flamewatch-work")
        .on_thread_start(crate::sys::thread::withdraw)
        .max_blocking_threads(16)
        .thread_keep_alive(Duration::from_secs(10))
        .build();
    match runtime {
        Ok(runtime) => {
            runtime.block_on(watchroom.run(stop));
            // Work under way, such as a profile that somebody waits for, is not waited for.
            runtime.shutdown_background();
        }
        Err(error) => {
            tracing::error!("flamewatch: cannot start, the agent's runtime cannot be built: {error}")
        }
    }
    drop(claim);
    let _ = ends.send(());
}
