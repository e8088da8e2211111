//! Cuts what is to be named into slices, so that a small request is never behind a long one. Knows nothing of names.

use flamewatch_symbolizer::Addr;

use super::turns::Turns;

/// How many addresses are named at a time. A request waits for at most one slice of another before its turn; fewer
/// addresses a slice would read what each call reads anew (the file's table of units) more often for the same profile.
const SLICE: usize = 4_096;

/// Has `name` called with all of `addresses`, one slice a turn, until `canceled`. They come sorted by address and so
/// by module: what a file says of one unit is read for one slice, or for two where the cut falls into it.
pub(super) fn in_slices(
    turns: &Turns,
    addresses: impl IntoIterator<Item = Addr>,
    canceled: impl Fn() -> bool,
    mut name: impl FnMut(&[Addr]),
) {
    let mut sorted: Vec<Addr> = addresses.into_iter().collect();
    sorted.sort_unstable_by_key(|address| (address.lookup(), address.raw()));
    sorted.dedup();
    let mut left = sorted.len();
    for slice in sorted.chunks(SLICE) {
        let _turn = turns.take(left);
        if canceled() {
            return;
        }
        name(slice);
        left -= slice.len();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::mpsc::channel;
    use std::thread;

    use super::*;

    fn addresses(count: usize) -> impl Iterator<Item = Addr> {
        (0..count as u64).map(move |index| Addr::Pc(0x1000 + index * 7919 % count as u64))
    }

    #[test]
    fn a_small_request_overtakes_a_long_one() {
        let (turns, order) = (Turns::default(), Mutex::new(Vec::new()));
        let (entered, has_entered) = channel();
        let gate = Mutex::new(());
        let closed = gate.lock().expect("no panic");
        thread::scope(|scope| {
            scope.spawn(|| {
                in_slices(
                    &turns,
                    addresses(50_000),
                    || false,
                    |slice| {
                        order.lock().expect("no panic").push(("long", slice.len()));
                        let _ = entered.send(());
                        drop(gate.lock().expect("no panic"));
                    },
                );
            });
            has_entered.recv().expect("a first slice");
            scope.spawn(|| {
                in_slices(
                    &turns,
                    addresses(5),
                    || false,
                    |slice| {
                        order.lock().expect("no panic").push(("small", slice.len()));
                    },
                );
            });
            while turns.waiting() == 0 {
                thread::yield_now();
            }
            drop(closed);
        });
        let order = order.into_inner().expect("no panic");
        assert_eq!(order[..3], [("long", SLICE), ("small", 5), ("long", SLICE)]);
        assert_eq!(
            order.iter().filter(|(who, _)| *who == "long").map(|(_, count)| count).sum::<usize>(),
            50_000
        );
    }

    #[test]
    fn slices_are_sorted_and_hold_every_address_once() {
        let mut seen = Vec::new();
        let twice = addresses(10_000).chain(addresses(10_000)).chain([Addr::Return(0x1001)]);
        in_slices(&Turns::default(), twice, || false, |slice| seen.push(slice.to_vec()));
        assert_eq!(seen.iter().map(Vec::len).collect::<Vec<_>>(), [SLICE, SLICE, 10_001 - 2 * SLICE]);
        let looked_up: Vec<u64> = seen.iter().flatten().map(|address| address.lookup()).collect();
        assert!(looked_up.is_sorted());
        assert_eq!(seen[0][..2], [Addr::Pc(0x1000), Addr::Return(0x1001)], "one place, seen in two ways");
    }

    #[test]
    fn who_has_left_is_not_named_for() {
        let (turns, mut slices) = (Turns::default(), 0);
        let left = std::cell::Cell::new(false);
        in_slices(
            &turns,
            addresses(50_000),
            || left.get(),
            |_| {
                slices += 1;
                left.set(true);
            },
        );
        assert_eq!(slices, 1);
        in_slices(&turns, addresses(5), || false, |_| slices += 1);
        assert_eq!(slices, 2, "the turn was given back");
    }
}
