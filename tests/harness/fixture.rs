//! A fixture program in its own process: built by cargo, started, asked for its address, ended when dropped.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::channel;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use crate::port::until;

/// How long a fixture may take to say where it listens, or to end when it should.
const START: Duration = Duration::from_secs(30);

/// A fixture program that is built.
#[derive(Clone, Debug)]
pub struct Fixture {
    executable: PathBuf,
    arguments: Vec<String>,
    /// Where its stderr goes, if not to ours.
    complaints: Option<PathBuf>,
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
        Self::at(executable(bin, !cfg!(debug_assertions)))
    }

    /// The same as services are shipped, with optimization: what a profile says of a debug build says little.
    ///
    /// # Panics
    /// When it does not compile.
    pub fn optimized(bin: &str) -> Self {
        Self::at(executable(bin, true))
    }

    /// The program that this project has for people, which is no fixture.
    ///
    /// # Panics
    /// When it does not compile.
    pub fn program() -> Self {
        Self::at(compiled("flamewatch-cli", "flamewatch", !cfg!(debug_assertions)))
    }

    const fn at(executable: PathBuf) -> Self {
        Self { executable, arguments: Vec::new(), complaints: None }
    }

    /// The same, writing what it prints to stderr into the file `path`.
    #[must_use]
    pub fn complaining_in(mut self, path: impl Into<PathBuf>) -> Self {
        self.complaints = Some(path.into());
        self
    }

    /// The same with `arguments` on its command line.
    #[must_use]
    pub fn with_arguments<'a>(mut self, arguments: impl IntoIterator<Item = &'a str>) -> Self {
        self.arguments = arguments.into_iter().map(str::to_owned).collect();
        self
    }

    /// The same program as many are shipped, in `folder`: without debug info and symbols.
    ///
    /// # Panics
    /// When it cannot be written.
    #[must_use]
    pub fn stripped(&self, folder: &Path) -> Self {
        std::fs::create_dir_all(folder).expect("a folder");
        let executable = folder.join(self.executable.file_name().expect("a file"));
        let status =
            Command::new("objcopy").arg("--strip-all").arg(&self.executable).arg(&executable).status();
        assert!(
            status.expect("objcopy, of binutils").success(),
            "{} cannot be stripped",
            self.executable.display()
        );
        Self { executable, ..self.clone() }
    }

    /// The program, for tests that start it in their own way.
    #[must_use]
    pub fn executable(&self) -> &Path {
        &self.executable
    }

    /// Starts it with `env` added to ours, and waits for its line `listening ADDRESS`.
    ///
    /// # Panics
    /// When it ends, or says nothing for 30 s.
    pub fn spawn<'a>(&self, env: impl IntoIterator<Item = (&'a str, &'a str)>) -> Running {
        let mut running = self.started(self.command().envs(env).stdout(Stdio::piped()));
        let out = running.child.stdout.take().expect("piped");
        running.address =
            address(out).unwrap_or_else(|| panic!("{} says no address", self.executable.display()));
        running
    }

    /// Starts it with `env` added to ours, waits until it ends, and returns how, with what it printed and what it
    /// complained of.
    ///
    /// # Panics
    /// When it has not ended after 30 s.
    pub fn run<'a>(&self, env: impl IntoIterator<Item = (&'a str, &'a str)>) -> (ExitStatus, String, String) {
        let mut command = self.command();
        let mut running = self.started(command.envs(env).stdout(Stdio::piped()).stderr(Stdio::piped()));
        let status = until("the program's end", START, || running.child.try_wait().expect("a child"));
        let out = all(running.child.stdout.take().expect("piped"));
        (status, out, all(running.child.stderr.take().expect("piped")))
    }

    /// Starts it without waiting for anything; what it prints is piped.
    pub(crate) fn start(&self) -> Running {
        self.started(self.command().stdout(Stdio::piped()))
    }

    /// Without the settings of whoever runs the tests.
    fn command(&self) -> Command {
        let mut command = Command::new(&self.executable);
        command.args(&self.arguments).stdin(Stdio::null());
        if let Some(path) = &self.complaints {
            command.stderr(File::create(path).expect("a file"));
        }
        let ours = std::env::vars_os().map(|(name, _)| name);
        ours.filter(|name| name.to_string_lossy().starts_with("FLAMEWATCH")).for_each(|name| {
            command.env_remove(name);
        });
        command
    }

    /// The child is owned from here, so that it ends even if it never does what is expected.
    fn started(&self, command: &mut Command) -> Running {
        let child = command.spawn();
        let child =
            child.unwrap_or_else(|error| panic!("cannot start {}: {error}", self.executable.display()));
        Running { child, address: SocketAddr::from(([127, 0, 0, 1], 0)) }
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

    /// Sends it SIGTERM, as whoever runs services does.
    ///
    /// # Panics
    /// When it has ended.
    pub fn ask_to_end(&self) {
        let command = format!("kill -TERM {}", self.id());
        assert!(Command::new("sh").args(["-c", &command]).status().expect("a shell").success());
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

impl Running {
    /// Waits until it ends by itself, and returns what it printed.
    pub(crate) fn printed(mut self) -> String {
        let out = all(self.child.stdout.take().expect("piped"));
        assert!(self.child.wait().expect("a child").success(), "{out}");
        out
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Where the binary `bin` of the fixtures package is, built once a test run.
pub(crate) fn executable(bin: &str, optimized: bool) -> PathBuf {
    static BUILT: Mutex<Option<HashMap<(String, bool), PathBuf>>> = Mutex::new(None);
    let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    let built = built.get_or_insert_default();
    let executable = built.entry((bin.to_owned(), optimized));
    executable.or_insert_with(|| compiled("flamewatch-fixtures", bin, optimized)).clone()
}

/// Runs cargo, and takes the executable's path from its own account of what it made. Optimized it is built as a service
/// would, else as a part of the workspace, whose crates are there already: alone it would have them with other features.
/// `PROFILE` names the profile of what is optimized: `release`, or `abort`, where a panic ends the process.
fn compiled(package: &str, bin: &str, optimized: bool) -> PathBuf {
    let mut command = cargo();
    command.args(["build", "--bin", bin, "--message-format", "json"]);
    if optimized {
        let profile = std::env::var("PROFILE").ok().filter(|name| !name.is_empty());
        command.args(["--profile", profile.as_deref().unwrap_or("release"), "--package", package]);
    } else {
        command.arg("--workspace");
    }
    let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output().expect("cargo runs");
    assert!(output.status.success(), "cannot build {bin}");
    let lines = String::from_utf8(output.stdout).expect("cargo writes UTF-8");
    let mut messages = lines.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let made = messages.rfind(|message| message["target"]["name"] == bin);
    let executable = made.and_then(|message| message["executable"].as_str().map(PathBuf::from));
    executable.unwrap_or_else(|| panic!("cargo names no executable for {bin}"))
}

/// The cargo that runs the tests.
#[must_use]
pub fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // Cargo tells a test who it is. Told on, build scripts that look at it would run again in every other build.
    let told = std::env::vars_os().map(|(name, _)| name);
    told.filter(|name| {
        ["CARGO_PKG_", "CARGO_MANIFEST_"].iter().any(|ours| name.to_string_lossy().starts_with(ours))
    })
    .for_each(|name| {
        command.env_remove(name);
    });
    command
}

fn all(mut out: impl Read) -> String {
    let mut text = String::new();
    out.read_to_string(&mut text).expect("text");
    text
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
