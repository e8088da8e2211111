//! Fetches from a real server on loopback, which answers as each test says.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use super::*;
use crate::file::scratch::Folder;

const ID: &str = "0123456789abcdef0123456789abcdef01234567";
const FOUND: &str = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\nConnection: close\r\n\r\ndebug info";
const MISSING: &str = "HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\nConnection: close\r\n\r\nsorry";
const BROKEN: &str = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
const HALF: &str = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\nConnection: close\r\n\r\ndebug";
const ENDLESS: &str = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\ndebug info";
/// Nothing is said, and the connection kept.
const SILENT: &str = "";

#[test]
fn a_file_is_fetched_once() {
    let (cache, server) = (Folder::new(), Scripted::new(&[FOUND, FOUND]));
    for _ in 0..2 {
        let path = server.fetch(&cache).expect("fetched").expect("a file");
        assert_eq!(path, cache.join(ID).join("debuginfo"));
        assert_eq!(fs::read_to_string(path).expect("read"), "debug info");
    }
    assert_eq!(server.asked(), [format!("GET /buildid/{ID}/debuginfo HTTP/1.1")]);
    assert_eq!(files(&cache), ["debuginfo"]);
}

#[test]
fn each_kind_has_its_name() {
    let (cache, server) = (Folder::new(), Scripted::new(&[FOUND]));
    let path =
        fetch(&[server.server("/sub/")], &ID.to_uppercase(), Kind::Executable, &cache, &Limits::default());
    assert_eq!(path.expect("fetched").expect("a file"), cache.join(ID).join("executable"));
    assert_eq!(server.asked(), [format!("GET /sub/buildid/{ID}/executable HTTP/1.1")]);
}

#[test]
fn a_missing_file_is_asked_for_once_an_hour() {
    let (cache, server) = (Folder::new(), Scripted::new(&[MISSING, FOUND]));
    for _ in 0..2 {
        assert_eq!(server.fetch(&cache).expect("an answer"), None);
    }
    assert_eq!(server.asked().len(), 1);
    let known = File::options().write(true).open(cache.join(ID).join("debuginfo")).expect("remembered");
    known.set_modified(SystemTime::now() - MISSING_FOR).expect("an older one");
    assert!(server.fetch(&cache).expect("fetched").is_some());
    assert_eq!(server.asked().len(), 1);
}

#[test]
fn the_next_server_is_asked() {
    for first in [MISSING, BROKEN, HALF] {
        let (cache, second) = (Folder::new(), Scripted::new(&[FOUND]));
        let first = Scripted::new(&[first]);
        let servers = [first.server(""), second.server("")];
        let path = fetch(&servers, ID, Kind::Debuginfo, &cache, &Limits::default()).expect("fetched");
        assert_eq!(fs::read_to_string(path.expect("a file")).expect("read"), "debug info");
        assert_eq!((first.asked().len(), second.asked().len()), (1, 1));
    }
}

#[test]
fn a_failure_is_not_remembered() {
    for answer in [BROKEN, HALF, "no HTTP at all\r\n\r\n"] {
        let (cache, server) = (Folder::new(), Scripted::new(&[answer, FOUND]));
        let result = server.fetch(&cache);
        assert!(matches!(&result, Err(Failure::Server(url, _)) if *url == server.url), "{result:?}");
        assert_eq!(files(&cache), [""; 0]);
        assert!(server.fetch(&cache).expect("fetched").is_some());
    }
}

#[test]
fn a_failure_counts_when_the_other_servers_have_nothing() {
    let (broken, missing) = (Scripted::new(&[BROKEN]), Scripted::new(&[MISSING]));
    let servers = [broken.server(""), missing.server("")];
    let result = fetch(&servers, ID, Kind::Debuginfo, &Folder::new(), &Limits::default());
    match result {
        Err(Failure::Server(url, ureq::Error::StatusCode(503))) => assert_eq!(url, broken.url),
        result => panic!("{result:?}"),
    }
}

#[test]
fn a_file_above_the_limit_is_left_where_it_is() {
    for (name, answer) in [("announced", FOUND), ("endless", ENDLESS)] {
        let (cache, server) = (Folder::new(), Scripted::new(&[answer, answer]));
        let result = server.fetch_within(&cache, &Limits { bytes: 9, ..Limits::default() });
        assert!(matches!(result, Err(Failure::OverBudget)), "{name}: {result:?}");
        assert_eq!(files(&cache), [""; 0], "{name}");
        let fits = server.fetch_within(&cache, &Limits { bytes: 10, ..Limits::default() });
        assert!(fits.expect("fetched").is_some(), "{name}");
    }
}

#[test]
fn the_disk_is_not_filled() {
    let (cache, server) = (Folder::new(), Scripted::new(&[FOUND]));
    let result = server.fetch_within(&cache, &Limits { spare_disk: u64::MAX, ..Limits::default() });
    assert!(matches!(result, Err(Failure::OverBudget)), "{result:?}");
}

#[test]
fn the_deadline_holds_for_all_servers_together() {
    let silent = [Scripted::new(&[SILENT]), Scripted::new(&[SILENT]), Scripted::new(&[SILENT])];
    let servers = silent.each_ref().map(|server| server.server(""));
    let limits = Limits { deadline: Duration::from_millis(300), ..Limits::default() };
    let begun = Instant::now();
    let result = fetch(&servers, ID, Kind::Debuginfo, &Folder::new(), &limits);
    assert!(matches!(result, Err(Failure::Server(_, ureq::Error::Timeout(_)))), "{result:?}");
    let took = begun.elapsed();
    assert!((limits.deadline..Duration::from_secs(10)).contains(&took), "{took:?}");
}

#[test]
fn nobody_is_asked_without_servers_or_for_what_is_no_build_id() {
    let (cache, server) = (Folder::new(), Scripted::new(&[FOUND]));
    assert_eq!(fetch(&[], ID, Kind::Debuginfo, &cache, &Limits::default()).expect("nothing"), None);
    for build_id in ["", "0123456", "012345678", "../../../etc/passwd", "0123456g", &"ab".repeat(65)] {
        let result = fetch(&[server.server("")], build_id, Kind::Debuginfo, &cache, &Limits::default());
        assert!(matches!(result, Err(Failure::BuildId)), "{build_id}: {result:?}");
    }
    assert!(server.asked().is_empty());
    assert_eq!(files(&cache), [""; 0]);
}

#[test]
fn a_server_is_http() {
    let urls = "https://debuginfod.example.org/ ima:enforcing file:///srv http://[::1]:8002/sub ftp://example.org \
        https:// http://example.org/?query http://example.org/#part /srv http://user:secret@example.org";
    let servers = Server::list(urls);
    let urls: Vec<_> =
        servers.iter().map(|server| (server.url.as_str(), server.secure, server.loopback)).collect();
    assert_eq!(
        urls,
        [("https://debuginfod.example.org", true, false), ("http://[::1]:8002/sub", false, true)]
    );
}

#[test]
fn a_cache_that_cannot_be_written_is_an_error() {
    let (folder, server) = (Folder::new(), Scripted::new(&[FOUND]));
    let cache = folder.join("file");
    File::create(&cache).expect("a file");
    match server.fetch(&cache) {
        Err(Failure::Cache(error)) => assert_eq!(error.kind(), io::ErrorKind::NotADirectory),
        result => panic!("{result:?}"),
    }
    assert!(server.asked().is_empty());
}

/// A server that gives each connection the next of its answers.
struct Scripted {
    url: String,
    requests: Receiver<String>,
}

impl Scripted {
    fn new(answers: &[&'static str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let (sender, requests) = channel();
        let answers = answers.to_vec();
        thread::spawn(move || {
            for (answer, connection) in answers.iter().zip(listener.incoming()) {
                let mut connection = connection.expect("a connection");
                sender.send(request(&connection)).expect("a test");
                connection.write_all(answer.as_bytes()).expect("answered");
                if *answer == SILENT {
                    // Until the client has had enough.
                    io::copy(&mut connection, &mut io::sink()).expect("an end");
                }
            }
        });
        Self { url, requests }
    }

    fn server(&self, path: &str) -> Server {
        Server::new(&format!("{}{path}", self.url)).expect("a server")
    }

    fn fetch(&self, cache: &Path) -> Result<Option<PathBuf>, Failure> {
        self.fetch_within(cache, &Limits { spare_disk: 0, ..Limits::default() })
    }

    fn fetch_within(&self, cache: &Path, limits: &Limits) -> Result<Option<PathBuf>, Failure> {
        fetch(&[self.server("")], ID, Kind::Debuginfo, cache, limits)
    }

    /// What was asked since the last time: the first line of each request.
    fn asked(&self) -> Vec<String> {
        self.requests.try_iter().collect()
    }
}

/// Reads a request to its end.
fn request(connection: &TcpStream) -> String {
    let mut lines = BufReader::new(connection).lines().map(|line| line.expect("a line"));
    let first = lines.next().expect("a request");
    lines.take_while(|line| !line.is_empty()).for_each(drop);
    first
}

/// The files in the cache, whatever they are called, without the directories of the build ids.
fn files(cache: &Path) -> Vec<String> {
    let dirs = fs::read_dir(cache).expect("a cache").map(|dir| dir.expect("an entry").path());
    let files = dirs.flat_map(|dir| fs::read_dir(dir).expect("a directory"));
    files.map(|file| file.expect("an entry").file_name().into_string().expect("UTF-8")).collect()
}
