//! Lines of Prometheus' text format.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::io::{self, Write};

use crate::figure::{Family, Kind};

/// The media type of these lines.
pub(crate) const MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Writes every one of `families` that has figures. Of figures with the same labels, as two rules of one name have, the
/// first stands: a scraper refuses the second.
pub(crate) fn families(families: &[Family], out: &mut dyn Write) -> io::Result<()> {
    for family in families.iter().filter(|family| !family.figures.is_empty()) {
        let kind = match family.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
        };
        head(family.name, kind, family.help, out)?;
        let mut told = HashSet::new();
        for figure in family.figures.iter().filter(|figure| told.insert(&figure.labels)) {
            let labels: Vec<_> = figure.labels.iter().map(|(key, value)| (*key, &**value)).collect();
            sample(family.name, &labels, figure.value, out)?;
        }
    }
    Ok(())
}

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
    let labels = if text.is_empty() { text } else { format!("{{{text}}}") };
    match value {
        f64::INFINITY => writeln!(out, "{name}{labels} +Inf"),
        f64::NEG_INFINITY => writeln!(out, "{name}{labels} -Inf"),
        value => writeln!(out, "{name}{labels} {value}"),
    }
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

    #[test]
    fn a_family_is_told_once_and_an_empty_one_not_at_all() {
        let mut out = Vec::new();
        let open = Family::gauge("open", "Open things.").of(3.0).with([("kind", "a\nb")], f64::INFINITY);
        let open = open.with([("kind", "a\nb")], 7.0);
        families(&[open, Family::counter("none_total", "Nothing.")], &mut out).expect("families");
        let text = "# HELP open Open things.\n# TYPE open gauge\nopen 3\nopen{kind=\"a\\nb\"} +Inf\n";
        assert_eq!(String::from_utf8(out).expect("text"), text);
    }
}
