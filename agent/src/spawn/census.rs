//! Who lives now: all tasks by what they have in common, or the oldest one by one. Reading stops nobody.

use std::collections::{BinaryHeap, HashMap};
use std::hash::{BuildHasherDefault, Hasher};

use super::hooks;
use super::magazine::SLAB;
use super::slab::{Row, State};

/// What tasks of one group have in common. The numbers are those of [`Row`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Group {
    pub(crate) site: u32,
    pub(crate) tag: u32,
    pub(crate) name: u32,
    pub(crate) state: State,
}

/// Every listed task, counted by its group. A million tasks take about 10 ms.
pub(crate) fn groups() -> Vec<(Group, u64)> {
    group(rows())
}

/// The same of those that were born by `ms` of the coarse clock.
pub(crate) fn groups_born_before(ms: u64) -> Vec<(Group, u64)> {
    group(rows().filter(|row| row.born_ms <= ms))
}

/// The `most` oldest of the listed tasks, the oldest first, and how many are listed in all.
pub(crate) fn oldest(most: usize) -> (Vec<Row>, u64) {
    oldest_of(rows(), most)
}

/// Every listed task: those that have a slot, and those that the runtime's hooks have told of.
pub(crate) fn rows() -> impl Iterator<Item = Row> {
    SLAB.rows().chain(hooks::rows())
}

/// How many of the listed tasks have been in one and the same poll for `length`.
#[cfg(all(feature = "cpu", target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
pub(crate) fn in_one_poll(length: std::time::Duration) -> u64 {
    let length = u64::try_from(length.as_millis()).unwrap_or(u64::MAX);
    let begun = crate::sys::clock::coarse_ms().saturating_sub(length);
    SLAB.rows().filter(|row| row.state == State::Running && row.since_ms <= begun).count() as u64
}

fn group(rows: impl Iterator<Item = Row>) -> Vec<(Group, u64)> {
    let mut groups: HashMap<Group, u64, BuildHasherDefault<Mix>> = HashMap::default();
    // Tasks of a kind often lie side by side: one look-up for a whole run of them.
    let mut run: Option<(Group, u64)> = None;
    for Row { site, tag, name, state, .. } in rows {
        let next = Group { site, tag, name, state };
        match &mut run {
            Some((group, count)) if *group == next => *count += 1,
            _ => {
                if let Some((group, count)) = run.replace((next, 1)) {
                    *groups.entry(group).or_default() += count;
                }
            }
        }
    }
    if let Some((group, count)) = run {
        *groups.entry(group).or_default() += count;
    }
    groups.into_iter().collect()
}

fn oldest_of(rows: impl Iterator<Item = Row>, most: usize) -> (Vec<Row>, u64) {
    let mut oldest: BinaryHeap<ByBirth> = BinaryHeap::new();
    let mut listed = 0;
    for row in rows {
        listed += 1;
        if oldest.len() < most {
            oldest.push(ByBirth(row));
        } else if oldest.peek().is_some_and(|youngest| row.born_ms < youngest.0.born_ms) {
            oldest.pop();
            oldest.push(ByBirth(row));
        }
    }
    (oldest.into_sorted_vec().into_iter().map(|ByBirth(row)| row).collect(), listed)
}

/// A row that is greater the later its task was born.
struct ByBirth(Row);

impl ByBirth {
    const fn key(&self) -> (u64, u32, u64) {
        (self.0.born_ms, self.0.site, self.0.since_ms)
    }
}

impl PartialEq for ByBirth {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for ByBirth {}

impl PartialOrd for ByBirth {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for ByBirth {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}

/// A hasher for a few numbers of ours; the standard one would be half of the whole census.
#[derive(Default)]
struct Mix(u64);

impl Hasher for Mix {
    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 29)
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64(u64::from(*byte)));
    }

    fn write_u32(&mut self, number: u32) {
        self.write_u64(u64::from(number));
    }

    fn write_isize(&mut self, number: isize) {
        self.write_u64(number.unsigned_abs() as u64);
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = (self.0.rotate_left(23) ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(site: u32, state: State, born_ms: u64) -> Row {
        Row { site, tag: 0, name: 0, state, born_ms, since_ms: born_ms, polls: 0, busy_ns: 0 }
    }

    #[test]
    fn tasks_are_counted_by_what_they_have_in_common() {
        let states = [State::New, State::Waiting, State::Waiting];
        let rows = (0..999).map(|index| row(index % 2, states[index as usize % 3], 7));
        let mut groups = group(rows);
        groups.sort_by_key(|(group, _)| (group.site, group.state));
        let counts: Vec<_> = groups.iter().map(|(group, count)| (group.site, group.state, *count)).collect();
        let expected =
            [(0, State::New, 167), (0, State::Waiting, 333), (1, State::New, 166), (1, State::Waiting, 333)];
        assert_eq!(counts, expected);
        assert_eq!(group(std::iter::empty()), []);
    }

    #[test]
    fn the_oldest_come_first() {
        let rows = || [5, 3, 9, 1, 7].map(|born| row(0, State::New, born)).into_iter();
        let born = |most| oldest_of(rows(), most).0.iter().map(|row| row.born_ms).collect::<Vec<_>>();
        assert_eq!(born(3), [1, 3, 5]);
        assert_eq!(born(9), [1, 3, 5, 7, 9]);
        assert_eq!(oldest_of(rows(), 0), (Vec::new(), 5));
    }
}
