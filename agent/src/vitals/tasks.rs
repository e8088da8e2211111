//! The tasks of `flamewatch::spawn`, and those that the runtime's hooks tell of, by the line that spawned them.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use crate::figure::Family;
use crate::profile::Function;
use crate::spawn::{Registry, SiteCount};

/// The most lines told apart, those with the most tasks alive; the others are one sum. A scraper keeps every label it
/// has ever seen, so that a few dozen are plenty.
const MAX_SITES: usize = 50;

/// The label of that sum.
const OTHERS: &str = "(other)";

/// Tasks alive by line, and all there ever were.
pub(super) fn families() -> Vec<Family> {
    of(&Registry::global().counts())
}

fn of(counts: &[SiteCount]) -> Vec<Family> {
    let mut sites: BTreeMap<(String, &'static str), u64> = BTreeMap::new();
    for count in counts {
        // The compiler may have made several copies of one line.
        *sites.entry((site(count), count.kind.label().unwrap_or("task"))).or_default() += count.alive;
    }
    let mut sites: Vec<_> = sites.into_iter().collect();
    sites.sort_by_key(|(_, alive)| Reverse(*alive));
    let others: u64 = sites.iter().skip(MAX_SITES).map(|(_, alive)| alive).sum();
    let mut alive = Family::gauge("flamewatch_tasks_alive", "Tasks alive, by the line that spawned them.");
    for ((site, kind), count) in sites.iter().take(MAX_SITES) {
        alive = alive.with([("site", site), ("kind", kind)], *count as f64);
    }
    if sites.len() > MAX_SITES {
        alive = alive.with([("site", OTHERS), ("kind", "")], others as f64);
    }
    // By line it could fall: a line that is no longer among the first would be gone from one sum and new in another.
    let spawned: u64 = counts.iter().map(|count| count.spawned).sum();
    vec![
        alive,
        Family::counter(
            "flamewatch_tasks_spawned_total",
            "Tasks that were ever spawned, of those that flamewatch counts.",
        )
        .of(spawned as f64),
    ]
}

/// `shop/src/orders.rs:88`.
fn site(count: &SiteCount) -> String {
    let place = count.place.and_then(|place| Function::new("", place.file(), place.line()).short_place());
    place.unwrap_or_else(|| OTHERS.to_owned())
}

#[cfg(test)]
mod tests {
    use std::panic::Location;

    use super::*;
    use crate::spawn::Kind;

    #[test]
    fn a_line_is_told_once_and_there_are_not_too_many() {
        let here = Location::caller();
        let count = |place, alive| SiteCount {
            number: 0,
            place,
            function: None,
            kind: Kind::Task,
            alive,
            spawned: alive + 1,
        };
        let families = of(&[count(Some(here), 3), count(Some(here), 4), count(None, 1)]);
        let shown: Vec<_> =
            families[0].figures.iter().map(|figure| (&*figure.labels[0].1, figure.value)).collect();
        assert_eq!(shown.iter().map(|(_, value)| *value).collect::<Vec<_>>(), [7.0, 1.0]);
        assert!(shown[0].0.ends_with(&format!("vitals/tasks.rs:{}", here.line())) && shown[1].0 == OTHERS);
        assert_eq!(families[1].figures[0].value, 11.0);
    }
}
