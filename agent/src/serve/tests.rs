//! The port asked over TCP, as its clients ask: whole requests in, whole answers out.

mod alerts;
mod clients;
mod doctor;
mod doors;
mod fuzz;
mod limits;
mod lists;
mod modules;
mod mounted;
mod pages;
mod profiles;
mod security;
mod viewer;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, UNIX_EPOCH};

use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::{Access, Limits, Listener};
use crate::config::Place;
use crate::desk::{Chart, Desk, Identity, Mark};
use crate::doctor::Report;
use crate::profile::{Frame, Function, Profile, ValueType};
use crate::render::{Format, Options};
use crate::source::{Source, Window};
use crate::store::Snapshot;
use crate::{Error, ErrorKind, Unit};

const SCRIPT: &str = "<script>alert(1)</script>";

/// What a browser takes.
const BROWSER: (&str, &str) = ("Accept", "text/html,application/xhtml+xml,*/*;q=0.8");

/// A source that counts how often it is asked, and how often it was left before its window ended.
#[derive(Default)]
struct Fake {
    name: &'static str,
    windowed: bool,
    asked: AtomicUsize,
    left: AtomicUsize,
    crowd: Arc<Crowd>,
}

/// How many sources are asked what is there now, at this moment and at most.
#[derive(Default)]
struct Crowd {
    now: AtomicUsize,
    most: AtomicUsize,
}

impl Source for Fake {
    fn name(&self) -> &'static str {
        self.name
    }

    fn about(&self) -> &'static str {
        SCRIPT
    }

    fn count(&self) -> Option<u64> {
        Some(4711)
    }

    fn windowed(&self) -> bool {
        self.windowed
    }

    fn collect(&self, window: &Window) -> Result<Profile, Error> {
        let asked = self.asked.fetch_add(1, Ordering::SeqCst);
        if self.name == "broken" {
            return Err(Error::new(ErrorKind::Unsupported, "cannot profile").because("no allocator"));
        }
        if !self.windowed {
            let now = self.crowd.now.fetch_add(1, Ordering::SeqCst) + 1;
            self.crowd.most.fetch_max(now, Ordering::SeqCst);
            std::thread::sleep(Duration::from_millis(20));
            self.crowd.now.fetch_sub(1, Ordering::SeqCst);
        }
        if !window.wait() {
            self.left.fetch_add(1, Ordering::SeqCst);
            return Err(Error::new(ErrorKind::TimedOut, "the window was canceled"));
        }
        let mut profile = shop(i64::try_from(asked).expect("few") + 1).with_kind(self.name);
        profile.lasted = self.windowed.then(|| window.length());
        Ok(profile)
    }
}

/// A heap of `mib` MiB whose function, label and comment try to be HTML.
fn shop(mib: i64) -> Profile {
    let values = ["alloc_objects", "alloc_space", "inuse_objects", "inuse_space"];
    let unit = |name: &str| if name.ends_with("space") { Unit::Bytes } else { Unit::Count };
    let mut profile = Profile::new("heap", values.map(|name| ValueType::new(name, unit(name))));
    let names = ["_rjem_malloc", SCRIPT, "shop::main"];
    let file = |name: &str| if name == "_rjem_malloc" { "" } else { "src/shop.rs" };
    let frames = names.map(|name| Frame::named(Function::new(name, file(name), 7)));
    let weights = [9 * mib, (9 * mib) << 20, mib, mib << 20];
    profile.add(frames.into_iter().chain([Frame::label("route", SCRIPT)]), &weights, 1);
    profile
}

fn snapshot(id: &str, kind: &str, mib: i64) -> Snapshot {
    let mut pprof = Vec::new();
    Format::Pprof.render(&shop(mib), &Options::default(), &mut pprof).expect("rendering into memory");
    let (taken, trigger) = (UNIX_EPOCH + Duration::from_secs(1_700_000_000), SCRIPT.to_owned());
    let (rule, says) = (id.to_owned(), vec![SCRIPT.to_owned()]);
    Snapshot { id: id.to_owned(), taken, trigger, rule, says, kind: kind.to_owned(), pprof, named: true }
}

/// A port of its own, on a thread with a runtime of one thread, as the agent runs it.
struct Running {
    place: Place,
    sources: Vec<Arc<Fake>>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Running {
    /// One that listens where `open` says, which is called in its runtime.
    fn start(token: Option<&str>, open: impl FnOnce() -> (Listener, Place) + Send + 'static) -> Self {
        Self::filled(token, |_| (), open)
    }

    fn filled(
        token: Option<&str>,
        fill: impl FnOnce(&Desk),
        open: impl FnOnce() -> (Listener, Place) + Send + 'static,
    ) -> Self {
        let crowd = Arc::<Crowd>::default();
        let fake =
            |name, windowed| Arc::new(Fake { name, windowed, crowd: crowd.clone(), ..Fake::default() });
        let sources = ["heap", "tasks", "threads", "broken"]
            .map(|name| fake(name, false))
            .into_iter()
            .chain([fake("profile", true)])
            .collect::<Vec<_>>();
        let desk = Arc::new(desk(&sources));
        fill(&desk);
        Self::of(desk, sources, token, open)
    }

    fn of(
        desk: Arc<Desk>,
        sources: Vec<Arc<Fake>>,
        token: Option<&str>,
        open: impl FnOnce() -> (Listener, Place) + Send + 'static,
    ) -> Self {
        let token = token.map(str::to_owned);
        let (stop, stopped) = oneshot::channel();
        let (bound, place) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let (listener, place) = open();
                bound.send(place.clone()).expect("the test waits");
                let stop = async { drop(stopped.await) };
                super::run(listener, desk, Access::new(&place, token, []), Limits::default(), stop).await;
            });
        });
        let place = place.recv().expect("the port is bound");
        Self { place, sources, stop: Some(stop), thread: Some(thread) }
    }

    /// How many sources were asked what is there now at the same time, at most.
    fn at_once(&self) -> usize {
        self.sources.iter().map(|source| source.crowd.most.load(Ordering::SeqCst)).max().unwrap_or(0)
    }

    fn connect(&self) -> TcpStream {
        let Place::Tcp(address) = self.place else { panic!("{} is no address", self.place) };
        let stream = TcpStream::connect(address).expect("a connection");
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a time-out");
        stream
    }

    fn stop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the port ends well");
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop();
    }
}

/// One on a free TCP port.
struct Server {
    running: Running,
    address: SocketAddr,
}

impl Server {
    fn start() -> Self {
        Self::with_token(None)
    }

    fn with_token(token: Option<&str>) -> Self {
        Self::with(token, |_| ())
    }

    /// One whose desk has been filled by `fill`.
    fn showing(fill: impl FnOnce(&Desk)) -> Self {
        Self::with(None, fill)
    }

    /// One of a process for which `examine` makes check-ups.
    fn examined(examine: impl Fn() -> Report + Send + Sync + 'static) -> Self {
        let sources = Vec::new();
        Self::of(Arc::new(desk(&sources).examined_by(examine)), sources, None)
    }

    fn with(token: Option<&str>, fill: impl FnOnce(&Desk)) -> Self {
        let (address, open) = Self::open();
        Self { running: Running::filled(token, fill, open), address }
    }

    fn of(desk: Arc<Desk>, sources: Vec<Arc<Fake>>, token: Option<&str>) -> Self {
        let (address, open) = Self::open();
        Self { running: Running::of(desk, sources, token, open), address }
    }

    /// A free port, and how to listen on it.
    fn open() -> (SocketAddr, impl FnOnce() -> (Listener, Place) + Send + 'static) {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.set_nonblocking(true).expect("a flag");
        let address = listener.local_addr().expect("an address");
        let open =
            move || (Listener::Tcp(TcpListener::from_std(listener).expect("a runtime")), Place::Tcp(address));
        (address, open)
    }

    fn source(&self, name: &str) -> &Fake {
        self.running.sources.iter().find(|source| source.name == name).expect("a source")
    }

    fn connect(&self) -> TcpStream {
        self.running.connect()
    }

    /// Sends the head of a request and leaves the answer to be read.
    fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> TcpStream {
        let mut stream = self.connect();
        let mut head = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n");
        if headers.iter().all(|(name, _)| *name != "Host") {
            head.push_str(&format!("Host: {}\r\n", self.address));
        }
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if method == "POST" {
            head.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        let whole = [head.as_bytes(), b"\r\n", body].concat();
        let _ = stream.write_all(&whole);
        stream
    }

    fn request(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        Answer::read(self.send(method, path, headers, body))
    }

    /// What a reader is answered, which must be fit for all of them.
    #[track_caller]
    fn get(&self, path: &str) -> Answer {
        let answer = self.request("GET", path, &[], b"");
        if answer.status != 0 {
            let lines = answer.head.lines().filter_map(|line| line.split_once(": "));
            let headers: Vec<_> =
                lines.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect();
            let (status, body) = (answer.status, &*answer.body);
            let held = flamewatch_contract::Answer { target: path, status, headers: &headers, body };
            flamewatch_contract::check_answer(&held, flamewatch_contract::Origin::Test);
        }
        answer
    }

    fn stop(&mut self) {
        self.running.stop();
    }
}

/// The desk of the tests: these sources, two heap snapshots and one of tasks.
fn desk(sources: &[Arc<Fake>]) -> Desk {
    let sources = sources.iter().map(|source| source.clone() as Arc<dyn Source>).collect();
    let desk = Desk::new(sources, Identity::of("shop", Some(SCRIPT)));
    for (id, kind, weight) in [("a1", "heap", 3), ("b2", "heap", 5), ("c3", "tasks", 1)] {
        desk.keep(snapshot(id, kind, weight));
    }
    desk.set_status(vec![("rss".to_owned(), SCRIPT.to_owned())]);
    desk.set_charts(Duration::from_secs(100), vec![chart("tasks", None), chart(SCRIPT, Some(50.0))]);
    desk
}

/// A gauge that has grown to 99 in 100 seconds, with a rule.
fn chart(gauge: &str, limit: Option<f64>) -> Chart {
    let mark =
        Mark { rule: format!("{gauge} high"), limit, standing: "firing".to_owned(), fires: limit.is_some() };
    Chart {
        gauge: gauge.to_owned(),
        unit: Unit::Count,
        value: Some(99.0),
        problem: None,
        marks: vec![mark],
        points: (0..100).map(|second| (f64::from(second), f64::from(second))).collect(),
    }
}

/// A whole answer.
#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Answer {
    fn read(mut stream: impl Read) -> Self {
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes);
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").unwrap_or(bytes.len());
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        Self { status, head, body: bytes.get(end + 4..).unwrap_or(&[]).to_vec() }
    }

    fn header(&self, name: &str) -> &str {
        let headers = self.head.lines().filter_map(|line| line.split_once(": "));
        headers.filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value).next().unwrap_or("")
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("text")
    }

    fn profile(&self) -> Profile {
        assert_eq!(self.status, 200, "{self:?}");
        crate::render::pprof::decode(&self.body).expect("a profile")
    }
}
