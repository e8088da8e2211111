//! Which waits are looked at closely: by how long they took, so that sums are right on average however short the single wait.
//! Runs in any thread and in signal handlers: arithmetic on two words of the thread's own.

use std::cell::Cell;

use crate::sys::clock;

thread_local! {
    /// The state of this thread's generator; 0 before its first number. Each has its own, or threads that wait for each other
    /// would draw in step.
    static STATE: Cell<u64> = const { Cell::new(0) };
}

/// An event of `length_ns` is taken with the probability length by `rate_ns`, at most 1. Gives back for how many such events
/// it stands if it is taken. A rate of 1 takes everything, as in Go.
pub(super) fn draw(length_ns: u64, rate_ns: u64) -> Option<f64> {
    if length_ns >= rate_ns {
        return Some(1.0);
    }
    taken(uniform(), length_ns, rate_ns)
}

/// The same for a number from 0 to 1 that was drawn.
fn taken(drawn: f64, length_ns: u64, rate_ns: u64) -> Option<f64> {
    let length = length_ns as f64;
    (drawn * (rate_ns as f64) < length).then(|| rate_ns as f64 / length)
}

/// From 0 up to but not 1: Marsaglia's xorshift with Vigna's multiplication, whose upper bits are the best.
fn uniform() -> f64 {
    let mut state = match STATE.get() {
        0 => seed(),
        state => state,
    };
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    STATE.set(state);
    (state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11) as f64 / (1_u64 << 53) as f64
}

/// Another for each thread and each start: the address of its own state, and the time.
fn seed() -> u64 {
    let address = STATE.with(|state| std::ptr::from_ref(state).addr()) as u64;
    let mut seed = (address ^ clock::monotonic_ns().rotate_left(32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    seed = (seed ^ (seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (seed ^ (seed >> 27)) | 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_long_are_always_taken_and_the_short_stand_for_many() {
        assert_eq!((draw(1_000, 1_000), draw(5_000, 1_000), draw(7, 1)), (Some(1.0), Some(1.0), Some(1.0)));
        assert_eq!((taken(0.24, 250, 1_000), taken(0.26, 250, 1_000)), (Some(4.0), None));
        assert_eq!((draw(0, 1_000), draw(0, 0)), (None, Some(1.0)));
    }

    /// 200,000 waits of 1 to 100 µs at a rate of 1 ms: the sum is off by no more than four times its standard error.
    #[test]
    fn sums_of_time_and_count_are_right_on_average() {
        let (mut time, mut seen, mut count, mut variance) = (0.0, 0.0, 0.0, 0.0);
        for index in 0..200_000_u64 {
            let length = 1_000 + index % 100 * 1_000;
            time += length as f64;
            variance += length as f64 * (1_000_000.0 - length as f64);
            if let Some(weight) = draw(length, 1_000_000) {
                seen += weight * length as f64;
                count += weight;
            }
        }
        assert!((seen - time).abs() < 4.0 * f64::sqrt(variance), "{seen} of {time}");
        assert!((count / 200_000.0 - 1.0).abs() < 0.15, "{count} of 200,000");
    }

    #[test]
    fn threads_draw_each_for_themselves() {
        let draws = || (0..64).map(|_| uniform().to_bits()).collect::<Vec<_>>();
        let other = std::thread::spawn(draws).join().expect("a thread");
        assert!(draws().iter().all(|drawn| !other.contains(drawn)));
    }
}
