//! A receiver of posts, in the test's own process: it keeps what came and answers as it is told. It is an HTTP proxy, too,
//! that leads every host to itself, so that a test can ask for hosts that there are not.

use std::fmt;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use serde_json::Value;

/// What was posted.
#[derive(Clone, Debug, Default)]
pub struct Post {
    /// Where to, without the host.
    pub path: String,
    /// The headers, their names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body as it came.
    pub body: Vec<u8>,
    /// What the proxy was asked for, and how, when it came through it: `receiver.invalid:80`.
    pub through: Option<String>,
    /// The user and password that the proxy was told, as it was told them.
    pub proxy_authorization: Option<String>,
    /// The status that it was answered with.
    pub status: u16,
}

/// A receiver. Dropping it ends it.
pub struct Receiver {
    address: SocketAddr,
    posts: Arc<Mutex<Vec<Post>>>,
    ending: Arc<AtomicBool>,
}

type Judge = dyn Fn(&Post) -> (u16, String) + Send + Sync;

impl Receiver {
    /// One that answers with the status and the body that `judge` finds.
    ///
    /// # Panics
    /// When there is no port to be had.
    #[must_use]
    pub fn start(judge: impl Fn(&Post) -> (u16, String) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let receiver = Self { address, posts: Arc::default(), ending: Arc::default() };
        let (posts, ending, judge) = (receiver.posts.clone(), receiver.ending.clone(), Arc::new(judge));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if ending.load(Ordering::Relaxed) {
                    return;
                }
                let (posts, judge): (_, Arc<Judge>) = (posts.clone(), judge.clone());
                thread::spawn(move || {
                    let mut stream = stream;
                    if serve(&stream, &posts, &*judge).is_none() {
                        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n");
                    }
                });
            }
        });
        receiver
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL of `path` on it.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Every post to `path`, in the order in which they came.
    #[must_use]
    pub fn posts(&self, path: &str) -> Vec<Post> {
        let posts = self.posts.lock().unwrap_or_else(PoisonError::into_inner);
        posts.iter().filter(|post| post.path == path).cloned().collect()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.ending.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(self.address);
    }
}

impl fmt::Debug for Receiver {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Receiver").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Post {
    /// The header called `name`, empty where there is none.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(other, _)| other == name).map_or("", |(_, value)| value)
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn json(&self) -> Result<Value, String> {
        serde_json::from_slice(&self.body).map_err(|error| error.to_string())
    }
}

/// Reads one request, through a `CONNECT` before it if there is one, and answers it. `None` for what is no request.
fn serve(mut stream: &TcpStream, posts: &Mutex<Vec<Post>>, judge: &Judge) -> Option<()> {
    stream.set_read_timeout(Some(Duration::from_secs(20))).ok()?;
    let mut reader = BufReader::new(stream);
    let mut post = Post::default();
    let (mut method, mut target, mut headers) = head(&mut reader)?;
    if method == "CONNECT" {
        post.proxy_authorization = find(&headers, "proxy-authorization");
        post.through = Some(target);
        stream.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").ok()?;
        (method, target, headers) = head(&mut reader)?;
    }
    let length = find(&headers, "content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    post.body = vec![0; length];
    reader.read_exact(&mut post.body).ok()?;
    (post.path, post.headers) = (target, headers);
    let (status, body) = if method == "POST" { judge(&post) } else { (405, String::new()) };
    post.status = status;
    posts.lock().unwrap_or_else(PoisonError::into_inner).push(post);
    let answer = format!(
        "HTTP/1.1 {status} Answered\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(answer.as_bytes()).ok()
}

type Head = (String, String, Vec<(String, String)>);

/// The method, the target and the headers; `None` for what is no HTTP.
fn head(reader: &mut impl BufRead) -> Option<Head> {
    let line = |reader: &mut dyn BufRead| {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|length| *length > 0)?;
        Some(line.trim_end().to_owned())
    };
    let first = line(reader)?;
    let mut words = first.split(' ');
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = Vec::new();
    loop {
        let header = line(reader)?;
        let Some((name, value)) = header.split_once(':') else { break };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    Some((method, target, headers))
}

fn find(headers: &[(String, String)], name: &str) -> Option<String> {
    headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.clone())
}
