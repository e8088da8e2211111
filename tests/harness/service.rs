//! A fixture with the agent in it, which watches so closely that seconds show what takes minutes in production.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::port::{Answer, free, get_as};
use crate::{Fixture, Running};

/// A leak fires after warm-up, window and hold: about 16 s. A machine that is busy with tests is no fault.
const CLOSELY: [(&str, &str); 7] = [
    ("FLAMEWATCH_CPU_SHARE", "off"),
    ("FLAMEWATCH_TICK", "500ms"),
    ("FLAMEWATCH_WARM_UP", "2s"),
    ("FLAMEWATCH_HOLD", "3s"),
    ("FLAMEWATCH_GROWTH_WINDOW", "12s"),
    ("FLAMEWATCH_HEAP_GROWTH", "8MiB"),
    ("FLAMEWATCH_TASK_GROWTH", "60"),
];

/// A running service and its debug port.
#[derive(Debug)]
pub struct Service {
    /// The program.
    pub running: Running,
    port: SocketAddr,
    /// Where it keeps what shall outlive it.
    dir: Option<PathBuf>,
    token: Option<String>,
}

impl Service {
    /// Starts the optimized fixture `bin` with `env` besides the settings above.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn start(bin: &str, env: &[(&str, &str)]) -> Self {
        Self::of(&Fixture::optimized(bin), env)
    }

    /// The same of `fixture`. It is asked with the token that `env` sets.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn of(fixture: &Fixture, env: &[(&str, &str)]) -> Self {
        let port = free();
        let bind = port.to_string();
        let dir = env.iter().find(|(name, _)| *name == "FLAMEWATCH_DIR").map(|(_, dir)| PathBuf::from(dir));
        let token = env.iter().find(|(name, _)| *name == "FLAMEWATCH_TOKEN");
        let token = token.map(|(_, token)| (*token).to_owned());
        let all = CLOSELY.into_iter().chain([("FLAMEWATCH_BIND", bind.as_str())]).chain(env.iter().copied());
        Self { running: fixture.spawn(all), port, dir, token }
    }

    /// Where its debug port is.
    #[must_use]
    pub const fn debug_address(&self) -> SocketAddr {
        self.port
    }

    /// The URL of `path` on its debug port.
    #[must_use]
    pub fn debug_url(&self, path: &str) -> String {
        format!("http://{}{path}", self.port)
    }

    /// What its debug port answers to `path`.
    ///
    /// # Panics
    /// When it does not answer.
    #[must_use]
    pub fn ask(&self, path: &str) -> Answer {
        get_as(self.token.as_deref(), &self.debug_url(path)).unwrap_or_else(|| panic!("no answer to {path}"))
    }

    /// The line `name` of the tables on its overview.
    #[must_use]
    pub fn status(&self, name: &str) -> Option<String> {
        let page = self.ask("/debug/").text();
        let row = page.split("<tr><th>").find_map(|row| row.strip_prefix(name)?.strip_prefix("<td>"))?;
        row.split("</tr>").next().map(str::to_owned)
    }
}

/// What it has kept is held to the contract, whatever the test was about.
impl Drop for Service {
    fn drop(&mut self) {
        if let Some(dir) = self.dir.as_ref().filter(|_| !std::thread::panicking()) {
            crate::check_kept(dir);
        }
    }
}
