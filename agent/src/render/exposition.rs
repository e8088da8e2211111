//! Lines of Prometheus' text format.

use std::fmt::Write as _;
use std::io::{self, Write};

/// Writes the two lines that come before a metric's samples.
pub(super) fn head(name: &str, kind: &str, help: &str, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}")
}

/// Writes one sample.
pub(super) fn sample(name: &str, labels: &[(&str, &str)], value: f64, out: &mut dyn Write) -> io::Result<()> {
    let mut text = String::new();
    for (key, value) in labels {
        let comma = if text.is_empty() { "" } else { "," };
        let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        let _infallible = write!(text, "{comma}{key}=\"{value}\"");
    }
    writeln!(out, "{name}{{{text}}} {value}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_cannot_end_its_line() {
        let mut out = Vec::new();
        sample("up", &[("a", "x\"} 1\nup{a=\"\\"), ("b", "é")], 0.5, &mut out).expect("a sample");
        let line = "up{a=\"x\\\"} 1\\nup{a=\\\"\\\\\",b=\"é\"} 0.5\n";
        assert_eq!(String::from_utf8(out).expect("text"), line);
    }
}
