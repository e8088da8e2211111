//! Units of the numbers that profiles, gauges and alerts show, and how they are written for people.

/// The unit of a number. Renderers scale by it; nothing else interprets it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Unit {
    /// A count of things: objects, samples, tasks.
    Count,
    /// Bytes of memory.
    Bytes,
    /// Time in nanoseconds.
    Nanoseconds,
    /// A share, where 1.0 is the whole.
    Ratio,
}

impl Unit {
    /// The unit's name as pprof's readers know it (`profile.proto`, `ValueType.unit`).
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::Bytes => "bytes",
            Self::Nanoseconds => "nanoseconds",
            Self::Ratio => "ratio",
        }
    }

    /// The unit with this pprof name; a name we do not know counts as [`Unit::Count`].
    #[must_use]
    pub fn from_name(name: &str) -> Self {
        match name {
            "bytes" => Self::Bytes,
            "nanoseconds" => Self::Nanoseconds,
            "ratio" => Self::Ratio,
            _ => Self::Count,
        }
    }

    /// `value` for people: `1.4 GiB`, `12.3 s`, `4,711`, `87 %`.
    #[must_use]
    pub fn show(self, value: f64) -> String {
        match self {
            Self::Count => grouped(value),
            Self::Bytes => scaled(value, 1024.0, &["B", "KiB", "MiB", "GiB", "TiB"]),
            Self::Nanoseconds => scaled(value, 1000.0, &["ns", "µs", "ms", "s"]),
            Self::Ratio => format!("{:.0} %", value * 100.0),
        }
    }
}

fn scaled(value: f64, step: f64, units: &[&str]) -> String {
    let mut scaled = value;
    let mut unit = units.first().copied().unwrap_or("");
    for next in units.iter().skip(1) {
        if scaled.abs() < step {
            break;
        }
        scaled /= step;
        unit = next;
    }
    let decimals = if scaled.abs() >= 100.0 || scaled == scaled.trunc() { 0 } else { 1 };
    format!("{scaled:.decimals$} {unit}")
}

fn grouped(value: f64) -> String {
    if value != value.trunc() && value.abs() < 100.0 {
        return format!("{value:.1}");
    }
    let digits = format!("{:.0}", value.abs());
    let mut text = String::from(if value < 0.0 { "-" } else { "" });
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(unit: Unit, value: f64, expected: &str) {
        assert_eq!(unit.show(value), expected);
    }

    #[test]
    fn shown_for_people() {
        check(Unit::Bytes, 0.0, "0 B");
        check(Unit::Bytes, 1023.0, "1023 B");
        check(Unit::Bytes, 1_610_612_736.0, "1.5 GiB");
        check(Unit::Bytes, -2_097_152.0, "-2 MiB");
        check(Unit::Nanoseconds, 1_500_000.0, "1.5 ms");
        check(Unit::Count, 1_234_567.0, "1,234,567");
        check(Unit::Count, -195.0, "-195");
        check(Unit::Count, 0.25, "0.2");
        check(Unit::Ratio, 0.87, "87 %");
    }
}
