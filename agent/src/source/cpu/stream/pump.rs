//! What the stream's thread does: takes samples out of the ring, gives them to every window, looks for new threads, and
//! keeps the pace that the readers want.

use std::time::{Duration, Instant};

use super::images::Images;
use super::threads::Threads;
use super::window::{Circumstances, OpenWindow};
use super::{Command, newborn};
use crate::source::cpu::engine::ticker::Kind;
use crate::sys::sampler::Session;
use crate::sys::sampler::timer::Tick;
use crate::{Error, ErrorKind};

/// How often it turns while somebody waits for a window and threads come and go: soon enough to find one that lives for
/// a moment.
const SOON: Duration = Duration::from_millis(5);

/// How often it turns while somebody waits for a window and the threads stay the same. To wake up costs 20 to 30 µs of
/// CPU, whatever there is to do: every 5 ms that was more than all samples of two busy threads together.
const STEADY: Duration = Duration::from_millis(20);

/// How often it turns when only slow readers are left, such as the one that keeps the past.
const LATER: Duration = Duration::from_millis(100);

/// A reader that wants fewer samples a second than this is a slow one.
const SLOW_HERTZ: u32 = 50;

/// The stream at work.
#[derive(Debug)]
pub(super) struct Pump {
    session: Option<Session>,
    kind: Kind,
    why: String,
    tick: Tick,
    threads: Threads,
    windows: Vec<OpenWindow>,
    hertz: u32,
    images: Option<Images>,
    /// Set when somebody has taken the signal over and there is no other.
    ousted: bool,
    /// How often somebody has.
    moved: u64,
}

impl Pump {
    pub(super) fn begin(kind: Kind, why: &str) -> Result<Self, Error> {
        let session = Session::begin()
            .map_err(|error| Error::new(ErrorKind::Busy, "cannot sample the CPU").because(error))?;
        let tick = session.tick();
        let (kind, why) = suited(kind, why, &session);
        Ok(Self {
            session: Some(session),
            kind,
            why,
            tick,
            threads: Threads::new(kind, tick),
            windows: Vec::new(),
            hertz: 0,
            images: Some(Images::watch()),
            ousted: false,
            moved: 0,
        })
    }

    /// How long until the next turn.
    pub(super) fn pause(&self) -> Duration {
        if self.windows.iter().all(|window| window.hertz < SLOW_HERTZ) {
            LATER
        } else if self.threads.come_and_go(Instant::now()) {
            SOON
        } else {
            STEADY
        }
    }

    pub(super) fn is_idle(&self) -> bool {
        self.windows.is_empty()
    }

    pub(super) fn obey(&mut self, command: Command) {
        self.turn();
        match command {
            Command::Open { id, hertz, opened } => {
                let _ = opened.send(self.open(id, hertz));
            }
            Command::Close { id, recording } => {
                if let Some(window) = self.take(id) {
                    let circumstances = self.circumstances();
                    let _ = recording.send(window.end(&mut self.threads, &circumstances));
                }
                self.adapt();
            }
            Command::Rotate { id, recording } => {
                if let Some(window) = self.take(id) {
                    let next = OpenWindow::begin(id, window.hertz, &mut self.threads);
                    self.windows.push(next);
                    let circumstances = self.circumstances();
                    let _ = recording.send(window.end(&mut self.threads, &circumstances));
                }
            }
            Command::Leave { id } => {
                if self.take(id).is_some() {
                    self.adapt();
                }
            }
        }
    }

    /// One turn: what waits is given out, what is new is found.
    pub(super) fn turn(&mut self) {
        let Some(session) = &mut self.session else { return };
        let (threads, windows) = (&mut self.threads, &mut self.windows);
        session.drain(|sample| {
            threads.sampled(sample.thread, sample.weight_ns);
            for window in &mut *windows {
                window.add(sample);
                if let Some(name) = threads.name(sample.thread) {
                    window.note_name(sample.thread, name);
                }
            }
        });
        if !session.claim().is_ours() {
            self.give_way();
        }
        if self.ousted || self.windows.is_empty() {
            return;
        }
        let now = Instant::now();
        self.threads.scan(now);
    }

    /// Somebody has installed a handler of their own, which the ticks would now reach: they end, and go on with another
    /// signal, where there is one.
    fn give_way(&mut self) {
        newborn::close();
        self.threads = Threads::new(self.kind, self.tick);
        let Some(session) = &mut self.session else { return };
        self.ousted = session.reclaim().is_err();
        self.moved += 1;
        self.tick = session.tick();
        (self.kind, self.why) = suited(self.kind, &self.why, session);
        self.threads = Threads::new(self.kind, self.tick);
        let hertz = std::mem::take(&mut self.hertz);
        if hertz > 0 {
            self.set_pace(hertz);
        }
    }

    /// Ends the ticks, and gives back the signal and the memory.
    pub(super) fn stop(&mut self) {
        newborn::close();
        self.threads = Threads::new(self.kind, self.tick);
        self.session = None;
        self.images = None;
    }

    fn open(&mut self, id: u64, hertz: u32) -> Result<(), Error> {
        if self.ousted {
            let context = "another profiler took over the signal of the CPU sampler; stop one of the two";
            return Err(Error::new(ErrorKind::Busy, context));
        }
        if hertz > self.hertz {
            self.set_pace(hertz);
        }
        self.threads.scan(Instant::now());
        self.windows.push(OpenWindow::begin(id, hertz, &mut self.threads));
        Ok(())
    }

    fn take(&mut self, id: u64) -> Option<OpenWindow> {
        let index = self.windows.iter().position(|window| window.id == id)?;
        Some(self.windows.swap_remove(index))
    }

    /// Slows down when nobody wants so many samples any more.
    fn adapt(&mut self) {
        let wanted = self.windows.iter().map(|window| window.hertz).max().unwrap_or(0);
        if wanted > 0 && wanted < self.hertz {
            self.set_pace(wanted);
        }
    }

    fn set_pace(&mut self, hertz: u32) {
        self.hertz = hertz;
        // Without a signal of ours nobody may begin to tick.
        if self.ousted {
            return;
        }
        let period = period(hertz);
        if let Some(session) = &self.session {
            session.set_period(period, matches!(self.kind, Kind::Perf(_)));
        }
        self.threads.set_period(period);
    }

    fn circumstances(&self) -> Circumstances {
        let mut comments = vec![format!("engine {}; {} Hz", self.why, self.hertz)];
        if let Some(session) = self.session.as_ref().filter(|session| !session.claim().is_usual()) {
            let number = session.claim().number();
            comments.push(format!(
                "SIGPROF is handled by somebody else and left alone; sampled by signal {number}"
            ));
        }
        if self.moved > 0 {
            comments.push(format!(
                "somebody took over the sampler's signal {} times: ticks around that moment are missing",
                self.moved
            ));
        }
        Circumstances { period: period(self.hertz), comments }
    }
}

/// A perf event whose realtime signal finds no room in the queue sends SIGIO instead, fcntl(2), which ends a process that
/// does not expect it. So without SIGPROF it is timers.
fn suited(kind: Kind, why: &str, session: &Session) -> (Kind, String) {
    match kind {
        Kind::Perf(_) if !session.claim().is_usual() => {
            (Kind::Timers, "timers: perf events need SIGPROF, which somebody else handles".to_owned())
        }
        _ => (kind, why.to_owned()),
    }
}

fn period(hertz: u32) -> Duration {
    Duration::from_secs(1) / hertz.max(1)
}

/// However the stream ends: nobody may begin to tick for it.
impl Drop for Pump {
    fn drop(&mut self) {
        newborn::close();
    }
}
