//! Points in time as pages, profiles and file names write them, in UTC.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The last second that four digits of a year can tell.
const END_OF_9999: Duration = Duration::from_secs(253_402_300_799);

/// `2026-09-21T14:26:40Z`, RFC 3339. What lies outside the years 1970 to 9999 becomes their first or last second.
pub(crate) fn readable(moment: SystemTime) -> String {
    let moment = moment.clamp(UNIX_EPOCH, UNIX_EPOCH + END_OF_9999);
    humantime::format_rfc3339_seconds(moment).to_string()
}

/// `20260921T142640Z`, which sorts as it passes.
pub(crate) fn sortable(moment: SystemTime) -> String {
    readable(moment).replace(['-', ':'], "")
}

/// `14:02 UTC`, with the day where it was not in the last 12 hours.
pub(crate) fn clock(at: SystemTime) -> String {
    let recent = SystemTime::now().duration_since(at).is_ok_and(|age| age < Duration::from_secs(12 * 3600));
    let readable = readable(at);
    let (day, time) = (readable.get(..10).unwrap_or_default(), readable.get(11..16).unwrap_or_default());
    if recent { format!("{time} UTC") } else { format!("{day} {time} UTC") }
}

/// The moment so long after the beginning of 1970; that beginning for one that no clock can tell.
pub(crate) fn since_1970(time: Duration) -> SystemTime {
    UNIX_EPOCH.checked_add(time).unwrap_or(UNIX_EPOCH)
}

/// A duration as one would say it: `40 s`, `7 min`, `3 h 20 min`.
pub(crate) fn spoken(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match (seconds / 3600, seconds / 60 % 60, seconds) {
        (0, 0, seconds) => format!("{seconds} s"),
        (0, 1, seconds) => format!("{seconds} s"),
        (0, minutes, _) => format!("{minutes} min"),
        (hours, 0, _) => format!("{hours} h"),
        (hours, minutes, _) => format!("{hours} h {minutes} min"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_moment_is_too_early_or_too_late_to_write() {
        assert_eq!(readable(UNIX_EPOCH + Duration::from_secs(951_782_400)), "2000-02-29T00:00:00Z");
        assert_eq!(sortable(UNIX_EPOCH + Duration::from_secs(951_782_400)), "20000229T000000Z");
        assert_eq!(readable(UNIX_EPOCH - Duration::from_secs(1)), "1970-01-01T00:00:00Z");
        assert_eq!(readable(UNIX_EPOCH + END_OF_9999 * 2), "9999-12-31T23:59:59Z");
    }
}
