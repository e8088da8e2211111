//! Fixture programs that run to their end and report what they found: built, run, and ended after a limit.

use std::io::Read;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::fixture::cargo;

/// How a fixture is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Build {
    /// As everything is when tests run.
    Debug,
    /// Optimized, and a panic aborts.
    Abort,
}

impl Build {
    const fn arguments(self) -> &'static [&'static str] {
        match self {
            // The workspace's crates are there already.
            Self::Debug => &["--workspace"],
            // Without the rest of flamewatch there is far less to build in a second profile.
            Self::Abort => &[
                "--profile",
                "abort",
                "--package",
                "flamewatch-fixtures",
                "--no-default-features",
                "--features",
                "cpu,heap",
            ],
        }
    }

    const fn folder(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Abort => "abort",
        }
    }
}

/// Runs the fixture `name` and gives back what it reports on standard output, one line of JSON.
///
/// # Panics
/// When it cannot be built, fails, reports something else, or is not done after `limit`; then it is ended.
#[must_use]
pub fn findings(name: &str, arguments: &[&str], build: Build, limit: Duration) -> Value {
    let mut child = Command::new(binary(name, build))
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

fn binary(name: &str, build: Build) -> PathBuf {
    static ONE_BUILD_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _alone = ONE_BUILD_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let built = cargo()
        .args(["build", "--quiet", "--bin", name])
        .args(build.arguments())
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .status()
        .expect("cargo runs");
    assert!(built.success(), "{name} builds");
    // <target>/debug/deps/it-0123456789abcdef
    let test = std::env::current_exe().expect("a path");
    let target = test.ancestors().nth(3).expect("a target folder");
    target.join(build.folder()).join(name)
}
