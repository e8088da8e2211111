//! Which places in the code a profile points to: stacks grouped by the frame a reader should look at.
//! Pure functions of a named profile.

use std::cmp::Reverse;

use indexmap::IndexMap;

use crate::profile::{Function, Profile, Stack, owner};
use crate::sink::Site;

/// The profiles whose stacks are tasks.
const TASKS: [&str; 2] = ["goroutine", "lasting"];

/// A place in the code and what a profile charges to it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Suspect {
    pub(crate) function: String,
    pub(crate) place: Option<String>,
    pub(crate) value: i64,
    variance: f64,
}

/// What a profile says about growth: the places that grew, the worst first, and their sum.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Growth {
    pub(crate) suspects: Vec<Suspect>,
    /// The sum of all places that grew, in the value's unit.
    pub(crate) total: i64,
}

impl Growth {
    /// Groups the stacks of `delta` by the place they point to, by the value it shows first.
    pub(crate) fn of(delta: &Profile) -> Self {
        let mut places: IndexMap<(String, Option<String>), (i64, f64)> = IndexMap::new();
        for stack in delta.iter() {
            let key = match place(delta.kind(), &stack) {
                Some(function) => (function.name.clone(), function.short_place()),
                None => (
                    stack.frames().next().map_or_else(|| "(no stack)".to_owned(), |f| f.show().into_owned()),
                    None,
                ),
            };
            let sums = places.entry(key).or_default();
            sums.0 = sums.0.saturating_add(stack.value(delta.default_value));
            sums.1 += stack.variance(delta.default_value);
        }
        let mut suspects: Vec<Suspect> = places
            .into_iter()
            .filter(|(_, (value, _))| *value > 0)
            .map(|((function, place), (value, variance))| Suspect { function, place, value, variance })
            .collect();
        suspects.sort_by_key(|suspect| Reverse(suspect.value));
        let total = suspects.iter().fold(0_i64, |sum, suspect| sum.saturating_add(suspect.value));
        Self { suspects, total }
    }

    /// The worst `most` places, as an alert shows them. `is_delta` tells growth from what is there in all.
    pub(crate) fn sites(&self, profile: &Profile, is_delta: bool, most: usize) -> Vec<Site> {
        let sites = self.suspects.iter().take(most).map(|suspect| self.site(profile, is_delta, suspect));
        // The worst is told in any case; a small one of a sample or two is as likely nothing as something.
        let tells =
            |(index, site): &(usize, Site)| *index == 0 || site.share >= 0.05 || site.relative_error < 0.7;
        sites.enumerate().filter(tells).map(|(_, site)| site).collect()
    }

    fn site(&self, profile: &Profile, is_delta: bool, suspect: &Suspect) -> Site {
        let value = profile.values().get(profile.default_value);
        let unit = value.map_or(crate::Unit::Count, |value| value.unit());
        let (sign, share_of) = if is_delta { ("+", "the growth") } else { ("", "the total") };
        let growth = format!("{sign}{}", unit.show(suspect.value as f64));
        let mut site = Site::new(suspect.function.clone(), suspect.place.clone(), growth);
        site.share = if self.total > 0 { suspect.value as f64 / self.total as f64 } else { 0.0 };
        site.share_of = share_of;
        site.relative_error = suspect.variance.sqrt() / suspect.value.max(1) as f64;
        site
    }
}

/// The function that a stack points to. A task is told by who it is, not by what it waits for at this moment.
fn place<'profile>(kind: &str, stack: &Stack<'profile>) -> Option<&'profile Function> {
    if TASKS.contains(&kind) { owner::root(stack) } else { owner::suspect(stack) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Unit;
    use crate::profile::{Frame, Function, ValueType};

    fn frame(name: &str, file: &str, line: u32) -> Frame {
        Frame::named(Function::new(name, file, line))
    }

    fn heap() -> Profile {
        Profile::new("heap", [ValueType::new("inuse_space", Unit::Bytes)])
    }

    #[test]
    fn stacks_are_charged_to_the_innermost_frame_of_the_users_own() {
        let push = frame("alloc::vec::Vec<T,A>::push", "/rustc/1/library/alloc/src/vec/mod.rs", 9);
        let insert = frame("shop::cache::insert", "src/cache.rs", 88);
        let mut delta = heap();
        delta.add([push.clone(), insert.clone(), frame("shop::get", "src/main.rs", 3)], &[80 << 20], 160);
        delta.add([insert, frame("shop::put", "src/main.rs", 7)], &[10 << 20], 20);
        delta.add([push, frame("shop::log", "src/log.rs", 5)], &[10 << 20], 20);
        delta.add([frame("shop::shrinks", "src/main.rs", 9)], &[-(50 << 20)], 100);
        let sites = Growth::of(&delta).sites(&delta, true, 3);
        let rows: Vec<_> = sites.iter().map(|site| (site.function.as_str(), site.growth.as_str())).collect();
        assert_eq!(rows, [("shop::cache::insert", "+90 MiB"), ("shop::log", "+10 MiB")]);
        let worst = sites.first().expect("a site");
        assert_eq!((worst.place.as_deref(), worst.share_of), (Some("src/cache.rs:88"), "the growth"));
        let all = Growth::of(&delta).sites(&delta, false, 1);
        assert_eq!((all[0].growth.as_str(), all[0].share_of), ("90 MiB", "the total"));
        assert!((worst.share - 0.9).abs() < 1e-9);
        // 160 samples of half a MiB and 20 more: 180 half MiB are sure to one over the root of 180.
        assert!((worst.relative_error - 1.0 / 180_f64.sqrt()).abs() < 1e-9);
    }
}
