//! Fixture programs that run to their end and report what they found: built, run, and ended after a limit.

use std::io::Read;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::fixture::executable;

/// How a fixture is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Build {
    /// As everything is when tests run.
    Debug,
    /// As services are shipped: without frame pointers.
    Optimized,
}

/// Runs the fixture `name` and gives back what it reports on standard output, one line of JSON.
///
/// # Panics
/// When it cannot be built, fails, reports something else, or is not done after `limit`; then it is ended.
#[must_use]
pub fn findings(name: &str, arguments: &[&str], build: Build, limit: Duration) -> Value {
    let mut child = Command::new(executable(name, build == Build::Optimized))
        .args(arguments)
        .env_remove("_RJEM_MALLOC_CONF")
        .stdout(Stdio::piped())
        .spawn()
        .expect("the fixture starts");
    let mut out = child.stdout.take().expect("a pipe");
    let reader = thread::spawn(move || {
        let mut text = String::new();
        out.read_to_string(&mut text).map(|_| text)
    });
    let end = Instant::now() + limit;
    let status = loop {
        if let Some(status) = child.try_wait().expect("our own child") {
            break status;
        }
        if Instant::now() > end {
            child.kill().expect("our own child");
            panic!("{name} is not done after {limit:?}");
        }
        thread::sleep(Duration::from_millis(10));
    };
    assert!(status.success(), "{name}: {status}");
    let text = reader.join().expect("the reader does not panic").expect("text");
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name} reported {text:?}: {error}"))
}
