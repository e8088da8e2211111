//! Names of folders and files on disk. They come from alerts, so they are made harmless here, and sort by time.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use crate::moment;
use crate::sink::{Alert, Kind};

/// The file that holds the alert itself.
pub(super) const DOCUMENT: &str = "alert.json";

/// What our folders end in. Nothing else in the directory is ours.
pub(super) const SUFFIX: &str = ".alert";

/// What a folder in the making begins with.
pub(super) const DRAFT: &str = ".draft-";

/// The folder of `alert`: `20260921T142640Z-firing-7f3a-1.alert`. What follows in the same second has another word.
pub(super) fn folder(alert: &Alert) -> String {
    let word = match alert.kind {
        Kind::Reply | Kind::Reminder => alert.kind.as_str(),
        _ => alert.state.as_str(),
    };
    format!("{}-{word}-{}{SUFFIX}", moment::sortable(alert.at), harmless(&alert.id))
}

/// A name for a folder in the making that no other thread or process uses.
pub(super) fn draft() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("{DRAFT}{}-{count}-{}", std::process::id(), moment::sortable(SystemTime::now()))
}

/// The name under which a file called `name` is kept, other than those that are `taken`.
pub(super) fn file(name: &str, taken: impl Fn(&str) -> bool) -> String {
    let name = harmless(name);
    let is_free = |name: &str| name != DOCUMENT && !taken(name);
    if is_free(&name) {
        return name;
    }
    (2_u32..).map(|number| format!("{number}-{name}")).find(|name| is_free(name)).unwrap_or(name)
}

/// `text` as a file name: letters, digits, `.`, `_` and `-`, no leading dot, at most 80 bytes.
fn harmless(text: &str) -> String {
    let keep = |character: char| {
        let is_harmless = character.is_ascii_alphanumeric() || matches!(character, '.' | '_' | '-');
        if is_harmless { character } else { '_' }
    };
    let name: String = text.trim_start_matches('.').chars().take(80).map(keep).collect();
    if name.is_empty() { String::from("unnamed") } else { name }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;
    use crate::sink::State;

    #[test]
    fn names_stay_in_their_folder() {
        let none = |_: &str| false;
        assert_eq!(file("../../etc/passwd", none), "_.._etc_passwd");
        assert_eq!(file("..", none), "unnamed");
        assert_eq!(file("a/b\0c d€", none), "a_b_c_d_");
        assert_eq!(file(&"x".repeat(300), none).len(), 80);
        assert_eq!(file("alert.json", none), "2-alert.json");
        assert_eq!(file("heap.svg", |name| name == "heap.svg"), "2-heap.svg");
        let mut alert = Alert::new("../a b", State::Firing, "shop", "heap growing");
        alert.at = UNIX_EPOCH;
        assert_eq!(folder(&alert), "19700101T000000Z-firing-_a_b.alert");
    }
}
