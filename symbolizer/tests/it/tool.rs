//! The programs that the tests run. One that is missing fails the test that needs it, and says so.

use std::path::Path;
use std::process::{Command, Output};

/// Runs `command`, which must succeed, and returns what it printed.
#[track_caller]
pub(crate) fn run(command: &mut Command) -> String {
    let output = output(command);
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// Runs `command` and returns how it ended.
#[track_caller]
pub(crate) fn output(command: &mut Command) -> Output {
    let name = command.get_program().to_string_lossy().into_owned();
    command.output().unwrap_or_else(|error| {
        panic!("cannot run `{name}` ({error}); `scripts/check tools` installs what the tests need")
    })
}

/// Runs `name` with `arguments`, separated by blanks, in `directory`.
#[track_caller]
pub(crate) fn run_in(directory: &Path, name: &str, arguments: &str) -> String {
    run(Command::new(name).args(arguments.split_whitespace()).current_dir(directory))
}

/// Copies a program, to be run. Another process does it: what this one has open for writing is open as well in the
/// child that another test starts in the same moment, and such a file is not run ("text file busy").
#[track_caller]
pub(crate) fn copy(from: &Path, to: &Path) {
    run(Command::new("cp").arg("--remove-destination").arg(from).arg(to));
}

/// The compiler that compiled these tests.
pub(crate) fn rustc() -> Command {
    Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()))
}
