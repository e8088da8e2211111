//! Sizes, spans and points in time as people read them. Pure.

/// `57.1 MiB`; a size without a fraction has none.
pub(crate) fn bytes(size: f64) -> String {
    let mut scaled = size;
    let mut unit = "B";
    for next in ["KiB", "MiB", "GiB", "TiB"] {
        if scaled.abs() < 1024.0 {
            break;
        }
        scaled /= 1024.0;
        unit = next;
    }
    let whole = unit == "B" || scaled.abs() >= 100.0;
    if whole { format!("{scaled:.0} {unit}") } else { format!("{scaled:.1} {unit}") }
}

/// The same with its sign: `+57.1 MiB`.
pub(crate) fn signed(size: f64) -> String {
    let sign = if size < 0.0 { "-" } else { "+" };
    format!("{sign}{}", bytes(size.abs()))
}

/// `48 s`, `42 min`, `3 h 10 min`, `2 d 4 h`.
pub(crate) fn span(seconds: f64) -> String {
    let minutes = (seconds / 60.0).round();
    let parts = |large: f64, small: f64, names: [&str; 2]| match small {
        0.0 => format!("{large} {}", names[0]),
        _ => format!("{large} {} {small} {}", names[0], names[1]),
    };
    match seconds {
        ..10.0 => format!("{seconds:.1} s"),
        ..120.0 => format!("{seconds:.0} s"),
        _ if minutes < 120.0 => format!("{minutes} min"),
        _ if minutes < 48.0 * 60.0 => parts((minutes / 60.0).floor(), minutes % 60.0, ["h", "min"]),
        _ => {
            let hours = (minutes / 60.0).round();
            parts((hours / 24.0).floor(), hours % 24.0, ["d", "h"])
        }
    }
}

/// `97 %`.
pub(crate) fn share(share: f64) -> String {
    match share {
        ..0.005 if share > 0.0 => "less than 1 %".to_owned(),
        _ => format!("{:.0} %", share * 100.0),
    }
}

/// A standard error beside its value, in the form of flamewatch's own pages: `±5%`.
pub(crate) fn error(error: f64, value: f64) -> String {
    match error / value.abs() {
        share if share.is_nan() || share < 0.01 => "±<1%".to_owned(),
        share if share > 1.0 => "±>100%".to_owned(),
        share => format!("±{:.0}%", share * 100.0),
    }
}

/// `2023-11-14 22:13:20`, in UTC, of nanoseconds since 1970.
pub(crate) fn date(nanos: i64) -> String {
    let seconds = nanos.div_euclid(1_000_000_000);
    let (days, of_day) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // Howard Hinnant's `civil_from_days`: years begin in March, so that the leap day is a year's last.
    let shifted = days + 719_468;
    let (era, of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(shown: &str, expected: &str) {
        assert_eq!(shown, expected);
    }

    #[test]
    fn shown_for_people() {
        check(&bytes(0.0), "0 B");
        check(&bytes(1536.0), "1.5 KiB");
        check(&bytes(312.4 * 1024.0 * 1024.0), "312 MiB");
        check(&signed(-2048.0), "-2.0 KiB");
        check(&signed(10.0), "+10 B");
        check(&span(4.25), "4.2 s");
        check(&span(48.0), "48 s");
        check(&span(2520.0), "42 min");
        check(&span(11_400.0), "3 h 10 min");
        check(&span(7200.0), "2 h");
        check(&span(187_200.0), "2 d 4 h");
        check(&share(0.97), "97 %");
        check(&share(0.001), "less than 1 %");
        check(&error(5.0, -100.0), "±5%");
        check(&error(0.0, 0.0), "±<1%");
        check(&error(3.0, 2.0), "±>100%");
        check(&date(1_700_000_000_000_000_000), "2023-11-14 22:13:20");
        check(&date(1_709_164_800_000_000_000), "2024-02-29 00:00:00");
        check(&date(-1), "1969-12-31 23:59:59");
    }
}
