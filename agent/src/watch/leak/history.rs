//! What a key's past looked like, in slots of ten minutes and bounded: who passed the age borders, who died beyond them,
//! and how high it stood.

/// The length of a slot, and of a bin of ages, in minutes.
pub(super) const SLOT: f64 = 10.0;
pub(super) const SLOT_MINUTES: usize = 10;

/// The age borders, in minutes: what is older has tenure. Twice as old is what should die no more.
pub(super) const BORDERS: [f64; 3] = [10.0, 30.0, 90.0];

/// Slots kept for each border. The youngest border decides early or not at all.
const SHORT: usize = 12;
const LONG: usize = 24;

/// The most slots that are worth walking through.
const MOST: u32 = 24;

/// What happened at one border in one slot.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Slot {
    /// Grew older than the border.
    pub(super) entered: u32,
    /// Died beyond it.
    pub(super) left: u32,
    /// Died beyond twice the border.
    pub(super) died: u32,
    /// Sample-minutes lived beyond twice the border.
    pub(super) exposure: f32,
    /// The most that stood beyond the border.
    pub(super) peak: f32,
}

/// The slots of the three borders.
#[derive(Clone, Debug)]
pub(super) struct History {
    near: [Slot; SHORT],
    middle: [Slot; LONG],
    far: [Slot; LONG],
    /// The peaks of the slots that are kept no more.
    before: [f32; 3],
    /// The number of the slot under way.
    current: u32,
}

/// Slots added up.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Sum {
    pub(super) entered: u64,
    pub(super) left: u64,
    pub(super) died: u64,
    pub(super) exposure: f64,
}

impl History {
    pub(super) const fn starting(slot: u32) -> Self {
        const EMPTY: Slot = Slot { entered: 0, left: 0, died: 0, exposure: 0.0, peak: 0.0 };
        Self {
            near: [EMPTY; SHORT],
            middle: [EMPTY; LONG],
            far: [EMPTY; LONG],
            before: [0.0; 3],
            current: slot,
        }
    }

    /// Begins every slot up to `slot`.
    pub(super) fn advance(&mut self, slot: u32) {
        // A pause longer than what is kept empties everything, and need not be walked through.
        self.current = self.current.max(slot.saturating_sub(MOST));
        while self.current < slot {
            self.current += 1;
            let current = self.current as usize;
            for border in 0..BORDERS.len() {
                let (slots, before) = self.parts(border);
                let kept = slots.len().max(1);
                if let Some(old) = slots.get_mut(current % kept) {
                    *before = before.max(old.peak);
                    *old = Slot::default();
                }
            }
        }
    }

    /// Adds what happened at `border` to the slot under way.
    pub(super) fn add(&mut self, border: usize, seen: &Slot) {
        let current = self.current as usize;
        let (slots, _) = self.parts(border);
        let kept = slots.len().max(1);
        if let Some(slot) = slots.get_mut(current % kept) {
            slot.entered = slot.entered.saturating_add(seen.entered);
            slot.left = slot.left.saturating_add(seen.left);
            slot.died = slot.died.saturating_add(seen.died);
            slot.exposure += seen.exposure;
            slot.peak = slot.peak.max(seen.peak);
        }
    }

    /// How many slots of `border` are kept.
    pub(super) fn kept(&self, border: usize) -> usize {
        self.slots(border).len()
    }

    /// The last `count` slots of `border` together, that under way among them.
    pub(super) fn sum(&self, border: usize, count: usize) -> Sum {
        let mut sum = Sum::default();
        for slot in self.back(border).take(count) {
            sum.entered += u64::from(slot.entered);
            sum.left += u64::from(slot.left);
            sum.died += u64::from(slot.died);
            sum.exposure += f64::from(slot.exposure);
        }
        sum
    }

    /// The most that ever stood beyond `border` before the last `count` slots.
    pub(super) fn peak_before(&self, border: usize, count: usize) -> f64 {
        let before = self.before.get(border).copied().unwrap_or(0.0);
        f64::from(self.back(border).skip(count).fold(before, |peak, slot| peak.max(slot.peak)))
    }

    /// The slots of `border`, the latest first.
    fn back(&self, border: usize) -> impl Iterator<Item = &Slot> {
        let slots = self.slots(border);
        let start = self.current as usize % slots.len().max(1);
        (0..slots.len()).filter_map(move |back| slots.get((start + slots.len() - back) % slots.len()))
    }

    const fn slots(&self, border: usize) -> &[Slot] {
        match border {
            0 => &self.near,
            1 => &self.middle,
            _ => &self.far,
        }
    }

    fn parts(&mut self, border: usize) -> (&mut [Slot], &mut f32) {
        let Self { near, middle, far, before: [first, second, third], .. } = self;
        match border {
            0 => (near, first),
            1 => (middle, second),
            _ => (far, third),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entered(count: u32, peak: f32) -> Slot {
        Slot { entered: count, peak, ..Slot::default() }
    }

    #[test]
    fn slots_go_round_and_their_peaks_are_remembered() {
        let mut history = History::starting(5);
        for slot in 5..40 {
            history.advance(slot);
            history.add(0, &entered(slot, if slot == 6 { 99.0 } else { 1.0 }));
        }
        assert_eq!(history.sum(0, 2).entered, 39 + 38);
        assert_eq!(history.sum(0, 100).entered, (28..40).sum::<u64>());
        assert_eq!(history.peak_before(0, 3), 99.0, "kept beyond the slots");
        assert_eq!(history.peak_before(1, 3), 0.0, "another border");
    }

    #[test]
    fn a_long_pause_empties_the_slots() {
        let mut history = History::starting(0);
        history.add(2, &entered(7, 5.0));
        history.advance(u32::MAX);
        assert_eq!((history.sum(2, LONG).entered, history.peak_before(2, 1)), (0, 5.0));
    }
}
