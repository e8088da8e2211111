//! One stream of samples for everybody who wants some: each reader has a window with its own beginning and end, and sees
//! every sample in between. The stream runs on a thread of its own while there is a reader, at the highest rate that any
//! of them wants; with the last it stops its timers, gives back its memory and ends.

mod images;
mod newborn;
mod pump;
mod threads;
mod window;

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::engine::ticker::Kind;
use super::recording::Recording;
use crate::source::Window;
use crate::{Error, ErrorKind};
pub(in crate::source) use newborn::tell;
use pump::Pump;

/// How long the stream may take to answer: it only ever drains, and scans threads.
const PATIENCE: Duration = Duration::from_secs(5);

/// What is asked of the stream's thread.
#[derive(Debug)]
enum Command {
    /// A window from now on.
    Open { id: u64, hertz: u32, opened: Sender<Result<(), Error>> },
    /// Its end: what it saw goes to its reader.
    Close { id: u64, recording: Sender<Recording> },
    /// What it saw since the last time, and go on.
    Rotate { id: u64, recording: Sender<Recording> },
    /// Nobody waits for it any more.
    Leave { id: u64 },
}

/// A window on the stream. Dropping it gives it up.
#[derive(Debug)]
pub(super) struct Reader {
    id: u64,
    commands: Sender<Command>,
}

/// Where commands go while the stream runs, and the process it belongs to: a forked child has no such thread.
struct Running {
    commands: Sender<Command>,
    process: u32,
}

static RUNNING: Mutex<Option<Running>> = Mutex::new(None);

/// Opens a window at `hertz` at least. Where a stream runs already, it goes on with its own engine.
///
/// # Errors
/// `Io` when there is no signal to be had or no thread can be started.
pub(super) fn open(kind: Kind, why: &str, hertz: u32) -> Result<Reader, Error> {
    let id = next_id();
    let (opened, answer) = channel();
    let commands = send(kind, why, Command::Open { id, hertz, opened })?;
    let reader = Reader { id, commands };
    answer.recv_timeout(PATIENCE).map_err(|_| stuck())??;
    Ok(reader)
}

impl Reader {
    /// Ends the window and takes what it saw.
    ///
    /// # Errors
    /// `TimedOut` when the stream does not answer.
    pub(super) fn close(self) -> Result<Recording, Error> {
        let id = self.id;
        self.ask(|recording| Command::Close { id, recording })
    }

    /// Takes what it saw since it began or since the last time.
    ///
    /// # Errors
    /// As for [`Reader::close`].
    pub(super) fn rotate(&self) -> Result<Recording, Error> {
        let id = self.id;
        self.ask(|recording| Command::Rotate { id, recording })
    }

    fn ask(&self, command: impl FnOnce(Sender<Recording>) -> Command) -> Result<Recording, Error> {
        let (recording, answer) = channel();
        self.commands.send(command(recording)).map_err(|_| stuck())?;
        answer.recv_timeout(PATIENCE).map_err(|_| stuck())
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        // After `close` the stream does not know the number any more, and does nothing.
        let _ = self.commands.send(Command::Leave { id: self.id });
    }
}

/// Samples for the length of `window`.
///
/// # Errors
/// `TimedOut` when the window was ended early; else as for [`open`].
pub(super) fn record(kind: Kind, why: &str, hertz: u32, window: &Window) -> Result<Recording, Error> {
    let reader = open(kind, why, hertz)?;
    if !window.wait() {
        return Err(Error::new(ErrorKind::TimedOut, "the CPU window was ended early"));
    }
    reader.close()
}

fn stuck() -> Error {
    Error::new(ErrorKind::TimedOut, "the CPU sampler does not answer; try again in a moment")
}

fn next_id() -> u64 {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

fn running() -> MutexGuard<'static, Option<Running>> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Sends `command` to the stream, which is started if it does not run.
fn send(kind: Kind, why: &str, command: Command) -> Result<Sender<Command>, Error> {
    let mut running = running();
    let process = std::process::id();
    let mut command = command;
    if let Some(Running { commands, .. }) = running.as_ref().filter(|running| running.process == process) {
        match commands.send(command) {
            Ok(()) => return Ok(commands.clone()),
            Err(refused) => command = refused.0,
        }
    }
    let (commands, inbox) = channel();
    let pump = Pump::begin(kind, why)?;
    std::thread::Builder::new()
        .name("flamewatch-cpu".to_owned())
        .spawn(move || run(pump, &inbox))
        .map_err(|error| Error::new(ErrorKind::Io, "cannot start the CPU sampler's thread").because(error))?;
    commands.send(command).map_err(|_| stuck())?;
    *running = Some(Running { commands: commands.clone(), process });
    Ok(commands)
}

/// The stream's thread.
fn run(mut pump: Pump, inbox: &Receiver<Command>) {
    crate::sys::thread::withdraw();
    loop {
        match inbox.recv_timeout(pump.pause()) {
            Ok(command) => pump.obey(command),
            Err(RecvTimeoutError::Timeout) => pump.turn(),
            Err(RecvTimeoutError::Disconnected) => break,
        }
        if pump.is_idle() && retire(inbox, &mut pump) {
            break;
        }
    }
}

/// With the last reader gone: true when nobody can send any more. Whoever comes now starts another stream.
fn retire(inbox: &Receiver<Command>, pump: &mut Pump) -> bool {
    let mut running = running();
    while let Ok(command) = inbox.try_recv() {
        pump.obey(command);
    }
    if !pump.is_idle() {
        return false;
    }
    *running = None;
    // Under the lock: the next stream must find the signal free, and the ring empty.
    pump.stop();
    crate::sys::thread::give_back();
    true
}
