//! A line on standard error for whoever waits: only on a terminal, only after a second, gone when it is done.

use std::io::{self, IsTerminal as _, Write as _};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Nothing is shown of what is done sooner.
const PATIENCE: Duration = Duration::from_secs(1);

/// Shows that the program works, until it is dropped.
#[derive(Debug)]
pub(crate) struct Progress {
    shown: Option<(Sender<()>, JoinHandle<()>)>,
}

impl Progress {
    /// Begins to count the seconds that `work` takes: `naming 4711 addresses`.
    pub(crate) fn begin(work: String) -> Self {
        if !io::stderr().is_terminal() {
            return Self { shown: None };
        }
        let (done, ended) = channel::<()>();
        let show = move || {
            let began = Instant::now();
            let mut width = 0;
            while ended.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
                let line = format!("{work}: {} s", began.elapsed().as_secs());
                width = line.len();
                let _ = write!(io::stderr(), "\r{line}");
            }
            if width > 0 {
                let _ = write!(io::stderr(), "\r{:width$}\r", "");
            }
        };
        let thread = thread::Builder::new().name("progress".to_owned()).spawn(show);
        Self { shown: thread.ok().map(|thread| (done, thread)) }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some((done, thread)) = self.shown.take() {
            drop(done);
            let _ = thread.join();
        }
    }
}
