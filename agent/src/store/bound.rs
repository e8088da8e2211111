//! Which snapshots go when there are too many. Pure: it knows times and sizes, no files.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use super::snapshot::About;

/// How many snapshots of one incident are kept: the first, the last, and three between.
pub(crate) const MAX_SERIES: usize = 5;

/// How much may be kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) snapshots: usize,
    pub(crate) bytes: u64,
}

/// Which of `snapshots`, told oldest first, go until `bounds` hold. The newest is never among them.
pub(super) fn surplus<'s>(snapshots: impl Iterator<Item = &'s About>, bounds: Bounds) -> Vec<bool> {
    let all: Vec<&About> = snapshots.collect();
    let mut gone = vec![false; all.len()];
    let mut mark = |index: usize| gone.get_mut(index).map(|gone| *gone = true);
    let mut left: Vec<usize> = (0..all.len()).collect();
    for crowded in crowded(&all) {
        mark(crowded);
        left.retain(|index| *index != crowded);
    }
    let size = |index: &usize| all.get(*index).map_or(0, |about| about.bytes);
    let mut bytes: u64 = left.iter().map(size).fold(0, u64::saturating_add);
    let mut count = left.len();
    for oldest in left.iter().take(left.len().saturating_sub(1)) {
        if count <= bounds.snapshots && bytes <= bounds.bytes {
            break;
        }
        mark(*oldest);
        count -= 1;
        bytes = bytes.saturating_sub(size(oldest));
    }
    gone
}

/// Those that stand closest to their neighbors in a series that is too long.
fn crowded(all: &[&About]) -> Vec<usize> {
    let mut series: HashMap<&str, Vec<(usize, SystemTime)>> = HashMap::new();
    for (index, about) in all.iter().enumerate() {
        series.entry(&about.series).or_default().push((index, about.taken));
    }
    let mut crowded = Vec::new();
    for mut members in series.into_values() {
        while members.len() > MAX_SERIES {
            let Some(closest) = closest(&members) else { break };
            crowded.push(members.remove(closest).0);
        }
    }
    crowded
}

/// The one between the first and the last whose neighbors are closest to each other.
fn closest(members: &[(usize, SystemTime)]) -> Option<usize> {
    let gap = |window: &[(usize, SystemTime)]| match window {
        [(_, before), _, (_, after)] => after.duration_since(*before).unwrap_or(Duration::ZERO),
        _ => Duration::MAX,
    };
    let gaps = members.windows(3).map(gap).enumerate();
    gaps.min_by_key(|(_, gap)| *gap).map(|(index, _)| index + 1)
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    fn about(series: &str, second: u64, bytes: u64) -> About {
        About {
            id: second.to_string(),
            taken: UNIX_EPOCH + Duration::from_secs(second),
            trigger: String::new(),
            says: Vec::new(),
            kind: "heap".to_owned(),
            named: true,
            bytes,
            series: series.to_owned(),
            run: String::new(),
            service: String::new(),
            version: None,
            pid: 1,
        }
    }

    #[track_caller]
    fn check(snapshots: &[About], bounds: (usize, u64), left: &[&str]) {
        let bounds = Bounds { snapshots: bounds.0, bytes: bounds.1 };
        let gone = surplus(snapshots.iter(), bounds);
        let stay = snapshots.iter().zip(gone).filter(|(_, gone)| !gone).map(|(about, _)| about.id.as_str());
        assert_eq!(stay.collect::<Vec<_>>(), left);
    }

    #[test]
    fn the_oldest_go_and_the_newest_stays() {
        let three = [about("a", 1, 10), about("b", 2, 10), about("c", 3, 10)];
        check(&three, (3, 30), &["1", "2", "3"]);
        check(&three, (2, 30), &["2", "3"]);
        check(&three, (3, 29), &["2", "3"]);
        check(&three, (3, 0), &["3"]);
        check(&[], (0, 0), &[]);
    }

    #[test]
    fn of_a_series_the_first_the_last_and_three_between_stay() {
        let at = |seconds: &[u64]| seconds.iter().map(|second| about("a", *second, 1)).collect::<Vec<_>>();
        check(&at(&[0, 10, 20, 30, 40]), (99, 99), &["0", "10", "20", "30", "40"]);
        check(&at(&[0, 10, 20, 30, 31, 40]), (99, 99), &["0", "10", "20", "30", "40"]);
        check(&at(&[0, 1, 2, 3, 4, 5, 6, 7, 100]), (99, 99), &["0", "2", "4", "7", "100"]);
        // Another incident is another series.
        let mut two = at(&[0, 10, 20, 30, 40]);
        two.push(about("b", 50, 1));
        check(&two, (99, 99), &["0", "10", "20", "30", "40", "50"]);
    }

    /// As they come in: what is left after an hour of one a minute is spread over that hour.
    #[test]
    fn a_series_stays_spread_while_it_grows() {
        let mut kept: Vec<About> = Vec::new();
        for minute in 0..60 {
            kept.push(about("a", minute * 60, 1));
            let gone = surplus(kept.iter(), Bounds { snapshots: 99, bytes: 99 });
            let mut gone = gone.into_iter();
            kept.retain(|_| !gone.next().unwrap_or(false));
        }
        let minutes: Vec<u64> =
            kept.iter().map(|about| about.id.parse::<u64>().expect("a number") / 60).collect();
        let widest = minutes.windows(2).map(|pair| pair[1] - pair[0]).max();
        assert!(minutes.len() == MAX_SERIES && minutes[0] == 0 && minutes[4] == 59, "{minutes:?}");
        assert!(widest.is_some_and(|widest| widest <= 32), "{minutes:?}");
    }
}
