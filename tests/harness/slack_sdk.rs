//! The models of Slack's own SDK for Python: who says whether our messages are what Slack takes.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

/// What the SDK complains of in `messages`, an object of messages by name, a line each; `None` where there is no SDK and
/// nothing may be installed.
///
/// # Panics
/// Without the SDK, unless `FLAMEWATCH_NO_INSTALL` is set, which is said then.
#[must_use]
pub fn complaints(messages: &Value) -> Option<Vec<String>> {
    let harness = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = harness.join("../target/tools/slack-sdk/bin/python");
    if !python.is_file() {
        let advice = "no Slack SDK found: run scripts/check tools";
        assert!(std::env::var_os("FLAMEWATCH_NO_INSTALL").is_some(), "{advice}");
        let _ = writeln!(std::io::stderr(), "NOT CHECKED, {advice}");
        return None;
    }
    let mut child = Command::new(python)
        .arg("-B")
        .arg(harness.join("harness/slack_models.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("Python starts");
    let mut input = child.stdin.take().expect("a pipe");
    input.write_all(messages.to_string().as_bytes()).expect("Python reads");
    drop(input);
    let output = child.wait_with_output().expect("Python ends");
    assert!(output.status.success(), "the SDK's validators ran: {}", output.status);
    Some(String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect())
}
