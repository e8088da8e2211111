//! A fixture program in its own process: built by cargo, started, asked for its address, ended when dropped.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::channel;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// How long a fixture may take to say where it listens.
const START: Duration = Duration::from_secs(30);

/// A fixture program that is built.
#[derive(Clone, Debug)]
pub struct Fixture {
    executable: PathBuf,
}

/// A fixture program that runs. Dropping it ends it.
#[derive(Debug)]
pub struct Running {
    child: Child,
    address: SocketAddr,
}

impl Fixture {
    /// Builds the binary `bin` of the fixtures package, once a test run.
    ///
    /// # Panics
    /// When it does not compile.
    pub fn build(bin: &str) -> Self {
        static BUILT: Mutex<Option<HashMap<String, PathBuf>>> = Mutex::new(None);
        let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
        let built = built.get_or_insert_default();
        let executable = built.entry(bin.to_owned()).or_insert_with(|| compiled(bin)).clone();
        Self { executable }
    }

    /// The program, for tests that start it in their own way.
    #[must_use]
    pub fn executable(&self) -> &Path {
        &self.executable
    }

    /// Starts it without arguments and with `env` added to ours, and waits for its line `listening ADDRESS`.
    ///
    /// # Panics
    /// When it ends, or says nothing for 30 s.
    pub fn spawn<'a>(&self, env: impl IntoIterator<Item = (&'a str, &'a str)>) -> Running {
        let mut child = Command::new(&self.executable)
            .envs(env)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {}: {error}", self.executable.display()));
        let out = child.stdout.take().expect("piped");
        // The child is owned from here, so that it ends even if it never says where it listens.
        let mut running = Running { child, address: SocketAddr::from(([127, 0, 0, 1], 0)) };
        running.address =
            address(out).unwrap_or_else(|| panic!("{} says no address", self.executable.display()));
        running
    }
}

impl Running {
    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL of `path`, which begins with a slash.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Its resident memory in bytes.
    ///
    /// # Panics
    /// When it has ended.
    #[must_use]
    pub fn rss(&self) -> u64 {
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", self.id())).expect("a running process");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS");
        let kib: u64 = line.trim().trim_end_matches(" kB").parse().expect("a number");
        kib * 1024
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs cargo, and takes the executable's path from its own account of what it made.
fn compiled(bin: &str) -> PathBuf {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["build", "--package", "flamewatch-fixtures", "--bin", bin, "--message-format", "json"]);
    if !cfg!(debug_assertions) {
        command.arg("--release");
    }
    let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output().expect("cargo runs");
    assert!(output.status.success(), "cannot build {bin}");
    let lines = String::from_utf8(output.stdout).expect("cargo writes UTF-8");
    let mut messages = lines.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let made = messages.rfind(|message| message["target"]["name"] == bin);
    let executable = made.and_then(|message| message["executable"].as_str().map(PathBuf::from));
    executable.unwrap_or_else(|| panic!("cargo names no executable for {bin}"))
}

/// The address in the first line of `out`. What follows is read and thrown away, lest the program block on it.
fn address(out: ChildStdout) -> Option<SocketAddr> {
    let (found, first) = channel();
    thread::spawn(move || {
        let mut out = BufReader::new(out);
        let mut line = String::new();
        let _ = out.read_line(&mut line);
        let _ = found.send(line);
        let mut rest = [0; 4096];
        while out.read(&mut rest).is_ok_and(|count| count > 0) {}
    });
    first.recv_timeout(START).ok()?.trim().strip_prefix("listening ")?.parse().ok()
}
