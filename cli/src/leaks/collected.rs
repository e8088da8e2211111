//! The sums of all snapshots, by place and way. One snapshot after the other is added and forgotten, so that the memory
//! is that of one snapshot and of the places there are.

use std::collections::HashMap;

use super::place::{Guide, Place, Way};
use super::series::{Series, Sums};
use super::snapshot::Values;
use crate::stacks::Stacks;

/// The most bytes kept: 256 MiB, some hundred thousand places over a hundred snapshots.
const MAX_BYTES: usize = 256 << 20;

/// What a row costs besides its names.
const ROW: usize = 256;

/// The place of all that comes when the memory is full.
pub(super) const REST: &str = "(more places than are kept)";

/// Where flamewatch puts the stacks that are too small to be listed one by one.
pub(super) const OTHER: &str = "(other)";

/// What the places hold at each snapshot.
#[derive(Debug)]
pub(super) struct Collected {
    /// How many snapshots will come.
    snapshots: usize,
    places: HashMap<Place, HashMap<Way, Vec<Sums>>>,
    left: usize,
}

impl Place {
    /// True for a heap of stacks from many places, of which nothing can be said.
    pub(super) fn is_mixed(&self) -> bool {
        self.file.is_empty() && [REST, OTHER].contains(&&*self.function)
    }
}

impl Collected {
    pub(super) fn new(snapshots: usize) -> Self {
        Self { snapshots, places: HashMap::new(), left: MAX_BYTES }
    }

    /// Adds the snapshot with this position.
    pub(super) fn add(&mut self, position: usize, stacks: &Stacks<'_>, values: Values) {
        let mut guide = Guide::default();
        for (stack, sample) in stacks.iter() {
            let (bytes, objects, allocated) = values.read(sample);
            let sums = Sums { allocated, ..Sums::of(bytes, objects, values.period) };
            let (place, way) = guide.place(&stack);
            if let Some(sum) = self.row(place, way).get_mut(position) {
                *sum += sums;
            }
        }
    }

    /// Each place as a series over the snapshots in this order.
    pub(super) fn series(
        self,
        order: &[usize],
        minutes: &[f64],
        counts_allocated: bool,
    ) -> Vec<(Place, Vec<Way>, Series)> {
        let ordered =
            |row: Vec<Sums>| order.iter().map(|index| row.get(*index).copied().unwrap_or_default()).collect();
        let series = |(place, ways): (Place, HashMap<Way, Vec<Sums>>)| {
            let mut ways: Vec<_> = ways.into_iter().collect();
            // So that equal inputs give equal answers.
            ways.sort_by(|(one, _), (other, _)| one.cmp(other));
            let (ways, rows): (Vec<Way>, Vec<Vec<Sums>>) =
                ways.into_iter().map(|(way, row)| (way, ordered(row))).unzip();
            (place, ways, Series { minutes: minutes.to_vec(), rows, counts_allocated })
        };
        let mut all: Vec<_> = self.places.into_iter().map(series).collect();
        all.sort_by(|(one, ..), (other, ..)| one.cmp(other));
        all
    }

    fn row(&mut self, place: Place, way: Way) -> &mut Vec<Sums> {
        let known = self.places.get(&place).is_some_and(|ways| ways.contains_key(&way));
        let cost = place.function.len() + place.file.len() + way.through.len();
        let cost = cost + ROW + self.snapshots * size_of::<Sums>();
        let (place, way) = if known || cost <= self.left {
            self.left -= if known { 0 } else { cost };
            (place, way)
        } else {
            let place = Place { function: REST.to_owned(), file: String::new() };
            (place, Way { line: 0, through: String::new() })
        };
        let ways = self.places.entry(place).or_default();
        ways.entry(way).or_insert_with(|| vec![Sums::default(); self.snapshots])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_bounded() {
        let mut collected = Collected::new(1000);
        let name = |number: usize| Place { function: format!("f{number}"), file: "x".repeat(4000) };
        for number in 0..20_000 {
            let way = Way { line: 1, through: String::new() };
            collected.row(name(number), way)[7].held += 1.0;
        }
        let (kept, all) = (collected.places.len(), collected.series(&[7], &[0.0], false));
        assert!((5_000..10_000).contains(&kept), "{kept}");
        let rest = all.iter().find(|(place, ..)| place.is_mixed()).expect("the rest");
        let held = rest.2.at(0).held;
        assert_eq!(held, (20_000 - kept + 1) as f64, "what has no room is still counted");
    }
}
