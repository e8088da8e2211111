//! What a setting's text means, or that it means nothing that is allowed.

use std::time::Duration;

pub(super) fn on_or_off(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "on" | "true" | "yes" | "1" => Some(true),
        "off" | "false" | "no" | "0" => Some(false),
        _ => None,
    }
}

pub(super) fn or_off<T>(text: &str, parse: impl Fn(&str) -> Option<T>) -> Option<Option<T>> {
    if on_or_off(text) == Some(false) { Some(None) } else { parse(text).map(Some) }
}

pub(super) fn duration(text: &str, least: Duration, most: Duration) -> Option<Duration> {
    humantime::parse_duration(text).ok().filter(|duration| (least..=most).contains(duration))
}

pub(super) fn hertz(text: &str) -> Option<u32> {
    text.parse().ok().filter(|hertz| (1..=999).contains(hertz))
}

pub(super) fn bytes(text: &str) -> Option<u64> {
    text.parse::<bytesize::ByteSize>().ok().map(|size| size.as_u64()).filter(|bytes| *bytes > 0)
}

pub(super) fn positive(text: &str) -> Option<f64> {
    text.parse::<f64>().ok().filter(|number| number.is_finite() && *number > 0.0)
}

pub(super) fn share(text: &str) -> Option<f64> {
    positive(text).filter(|share| (0.05..=1.0).contains(share))
}

pub(super) fn http_url(text: &str) -> Option<String> {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"))?;
    (!rest.is_empty()).then(|| text.trim_end_matches('/').to_owned())
}
