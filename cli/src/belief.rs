//! Whether a file that nothing proves is the one that perf recorded: perf printed names from the one it saw, and the
//! names in another build stand elsewhere.

use std::collections::BTreeSet;

use crate::naming::{Answer, Place};
use crate::profile::Profile;

/// The modules whose answers contradict more of the names that the input has than they confirm.
pub(crate) fn doubted(
    profile: &Profile,
    locations: &[usize],
    places: &[Place],
    answer: &Answer,
) -> BTreeSet<usize> {
    let mut balance = vec![0_i64; profile.modules.len()];
    for (asked, (index, place)) in locations.iter().zip(places).enumerate() {
        let location = profile.message.location.get(*index);
        let printed = location.and_then(|location| profile.printed.get(&location.id)?.last());
        let ours = answer.frames(asked).last();
        let (Some(printed), Some(ours), Some(module)) = (printed, ours, place.module) else { continue };
        if let Some(balance) = balance.get_mut(module) {
            *balance += if is_same(printed, &ours.name, &ours.mangled) { 1 } else { -1 };
        }
    }
    (0..).zip(balance).filter(|(_, balance)| *balance < 0).map(|(module, _)| module).collect()
}

/// True when `printed` may be a way to write the function `name`. Aliases of C functions differ by underscores.
fn is_same(printed: &str, name: &str, mangled: &str) -> bool {
    let word = |text: &'_ str| -> String {
        let without_hash =
            text.rsplit_once("::h").filter(|(_, hash)| hash.len() == 16).map_or(text, |(text, _)| text);
        let plain = without_hash.split(['(', '<']).find(|part| !part.is_empty()).unwrap_or(without_hash);
        let last = plain
            .split(|letter: char| !letter.is_alphanumeric() && letter != '_')
            .rfind(|word| !word.is_empty());
        last.unwrap_or_default().trim_matches('_').to_owned()
    };
    let printed = word(printed);
    printed.is_empty()
        || name.contains(&printed)
        || mangled.contains(&printed)
        || printed.contains(&word(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_function_is_written_in_many_ways() {
        for (printed, name, mangled) in [
            ("outer", "outer", ""),
            ("shop::orders::remember::h0123456789abcdef", "shop::orders::remember", "_ZN4shop…"),
            ("_RNvCs1234_7mycrate3foo", "mycrate::foo", "_RNvCs1234_7mycrate3foo"),
            ("<shop::Order as core::fmt::Debug>::fmt", "<shop::Order as core::fmt::Debug>::fmt", ""),
            ("foo::bar(int, char)", "foo::bar(int, char)", "_ZN3foo3barEic"),
            ("__read", "read", ""),
            ("read", "__GI___read", ""),
        ] {
            assert!(is_same(printed, name, mangled), "{printed} {name}");
        }
        assert!(!is_same("outer", "shop::orders::remember", "_ZN4shop"));
        assert!(!is_same("shop::orders::remember", "shop::orders::forget", ""));
    }
}
