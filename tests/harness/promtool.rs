//! The real `promtool check metrics`: who says whether our metrics are what Prometheus reads.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What promtool complains of in `metrics`, a line each; `None` where there is no promtool and nothing may be installed.
///
/// # Panics
/// Without promtool, unless `FLAMEWATCH_NO_INSTALL` is set, which is said then.
#[must_use]
pub fn complaints(metrics: &[u8]) -> Option<Vec<String>> {
    let Some(program) = found() else {
        let advice = "no promtool found: run scripts/check tools, or install Debian's package prometheus";
        assert!(std::env::var_os("FLAMEWATCH_NO_INSTALL").is_some(), "{advice}");
        let _ = writeln!(std::io::stderr(), "NOT CHECKED, {advice}");
        return None;
    };
    let mut child = Command::new(program)
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool starts");
    child.stdin.take().expect("a pipe").write_all(metrics).expect("promtool reads");
    let output = child.wait_with_output().expect("promtool ends");
    let said = [output.stdout, output.stderr].concat();
    let mut lines: Vec<String> = String::from_utf8_lossy(&said).lines().map(str::to_owned).collect();
    if !output.status.success() && lines.is_empty() {
        lines.push(output.status.to_string());
    }
    Some(lines)
}

/// In `PATH`, or where scripts/check puts it.
fn found() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/tools/bin");
    std::env::split_paths(&path)
        .chain([tools])
        .map(|folder| folder.join("promtool"))
        .find(|file| file.is_file())
}
