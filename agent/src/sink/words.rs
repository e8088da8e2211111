//! Words of alerts as more than one sink needs them.

use crate::sink::{Alert, Site};

/// A suspect a line: `+1.1 GiB orders::remember at orders.rs:88`.
pub(super) fn suspects(alert: &Alert) -> String {
    let line = |site: &Site| {
        let place = site.place.as_ref().map(|place| format!(" at {place}")).unwrap_or_default();
        format!("{} {}{place}", site.growth, site.function)
    };
    alert.sites.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// `text`, of which at most `most` bytes are kept.
pub(super) fn clipped(mut text: String, most: usize) -> String {
    if text.len() > most {
        let room = most.saturating_sub('…'.len_utf8());
        let end = (0..=room).rev().find(|end| text.is_char_boundary(*end));
        text.truncate(end.unwrap_or_default());
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::State;

    #[test]
    fn a_suspect_a_line() {
        let mut alert = Alert::new("a1", State::Firing, "shop", "heap leak");
        alert.sites = vec![Site::new("f", Some("f.rs:1".to_owned()), "+1"), Site::new("g", None, "+2")];
        assert_eq!(suspects(&alert), "+1 f at f.rs:1\n+2 g");
    }

    #[test]
    fn clipped_between_letters() {
        #[track_caller]
        fn check(most: usize, expected: &str) {
            assert_eq!(clipped("éééé".to_owned(), most), expected);
        }
        check(8, "éééé");
        check(7, "éé…");
        check(6, "é…");
        check(3, "…");
    }
}
