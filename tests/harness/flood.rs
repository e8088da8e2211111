//! Crowds of clients of a port, none of whom behaves well.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use socket2::{Domain, Socket, Type};

/// How often one who dribbles sends a letter.
const DRIBBLE: Duration = Duration::from_millis(100);

/// How long anybody waits for an answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// A crowd. Dropping it sends everybody away.
#[derive(Debug)]
pub struct Crowd {
    state: Arc<State>,
    threads: Vec<JoinHandle<Option<u16>>>,
}

#[derive(Debug, Default)]
struct State {
    ending: AtomicBool,
    made: AtomicUsize,
    cut: AtomicUsize,
}

impl Crowd {
    /// `count` connections that send their heads letter by letter and come again when they are cut off.
    #[must_use]
    pub fn dribbling(port: SocketAddr, count: usize) -> Self {
        Self::of(1, move |state| {
            let mut sockets: Vec<Socket> = (0..count).map(|_| state.connect(port)).collect();
            while !state.ending.load(Ordering::Relaxed) {
                for socket in &mut sockets {
                    match socket.send(b"G") {
                        Ok(_) => {}
                        Err(error)
                            if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::NotConnected) => {}
                        Err(_) => {
                            state.cut.fetch_add(1, Ordering::Relaxed);
                            *socket = state.connect(port);
                        }
                    }
                }
                thread::sleep(DRIBBLE);
            }
            None
        })
    }

    /// `count` clients that ask for `path` at once and wait for the answer.
    #[must_use]
    pub fn asking(port: SocketAddr, path: &'static str, count: usize) -> Self {
        Self::of(count, move |_| Some(ask(port, path)))
    }

    /// `count` clients that ask for `path`, and are gone after `stay`, again and again.
    #[must_use]
    pub fn leaving(port: SocketAddr, path: &'static str, count: usize, stay: Duration) -> Self {
        Self::of(count, move |state| {
            while !state.ending.load(Ordering::Relaxed) {
                let asked = request(port, path);
                state.made.fetch_add(1, Ordering::Relaxed);
                thread::sleep(stay);
                drop(asked);
            }
            None
        })
    }

    fn of(count: usize, work: impl Fn(&State) -> Option<u16> + Clone + Send + 'static) -> Self {
        let state = Arc::<State>::default();
        let start = |_| {
            let (state, work) = (state.clone(), work.clone());
            thread::spawn(move || work(&state))
        };
        Self { threads: (0..count).map(start).collect(), state }
    }

    /// How many connections it has made.
    #[must_use]
    pub fn made(&self) -> usize {
        self.state.made.load(Ordering::Relaxed)
    }

    /// How many of them the other side has ended.
    #[must_use]
    pub fn cut(&self) -> usize {
        self.state.cut.load(Ordering::Relaxed)
    }

    /// What everybody was answered, 0 where there was no answer.
    ///
    /// # Panics
    /// When one of them panicked.
    #[must_use]
    pub fn answers(mut self) -> Vec<u16> {
        let threads = std::mem::take(&mut self.threads);
        threads.into_iter().filter_map(|thread| thread.join().expect("no panic")).collect()
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.state.ending.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

impl State {
    /// A connection that is being made, waited for by nobody.
    fn connect(&self, port: SocketAddr) -> Socket {
        let socket = Socket::new(Domain::for_address(port), Type::STREAM, None).expect("a socket");
        socket.set_nonblocking(true).expect("a flag");
        let _ = socket.connect(&port.into());
        self.made.fetch_add(1, Ordering::Relaxed);
        socket
    }
}

/// How often each status was answered.
#[must_use]
pub fn statuses(answers: Vec<u16>) -> BTreeMap<u16, usize> {
    let mut counts = BTreeMap::new();
    answers.into_iter().for_each(|status| *counts.entry(status).or_default() += 1);
    counts
}

/// The status that a GET of `path` is answered with; 0 when there is no whole answer. A 429 without `Retry-After` is none.
#[must_use]
pub fn ask(port: SocketAddr, path: &str) -> u16 {
    let mut answer = Vec::new();
    if request(port, path).and_then(|mut stream| stream.read_to_end(&mut answer).ok()).is_none() {
        return 0;
    }
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n").unwrap_or(0);
    let head = String::from_utf8_lossy(&answer[..end]).to_ascii_lowercase();
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    if status == 429 && !head.contains("\r\nretry-after: ") { 0 } else { status }
}

fn request(port: SocketAddr, path: &str) -> Option<TcpStream> {
    let mut stream = TcpStream::connect_timeout(&port, PATIENCE).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {port}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).ok()?;
    Some(stream)
}
