//! The sampling rate: what one sample stands for, and when to sample less.

/// The rate everyone uses: one sample in 2^19 bytes, 512 KiB.
pub const DEFAULT_LG_RATE: u8 = 19;

/// The share of the process's CPU time that sampling may take before it samples less.
pub const DEFAULT_CPU_BUDGET: f64 = 0.01;

/// No rate is coarser: one sample in 1 GiB.
pub(super) const MAX_LG_RATE: u8 = 30;

/// How many objects one sampled object of `usable` bytes stands for at a rate of one in 2^`lg_rate` bytes.
///
/// jemalloc takes an object with probability `1 - exp(-usable / rate)`. At a rate of one byte it takes every object.
pub(super) fn weight(usable: u64, lg_rate: u8) -> f64 {
    if lg_rate == 0 || usable == 0 {
        return 1.0;
    }
    let rate = f64::from(lg_rate).exp2();
    -1.0 / (-(usable as f64) / rate).exp_m1()
}

/// What the governor looks at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Load {
    /// Share of the process's CPU time that the hooks took since the last look.
    pub(super) cpu_share: f64,
    /// The share it may take.
    pub(super) cpu_budget: f64,
    /// How full the live table is, 0 to 1.
    pub(super) table_fill: f64,
}

/// The rate to go on with: coarser by as many doublings as the cost is over its budget or the live table nearly
/// full, one step finer again (never finer than `wanted`) once there is ample room for twice the samples.
pub(super) fn next(current: u8, wanted: u8, load: &Load) -> u8 {
    if load.cpu_share > load.cpu_budget && load.cpu_budget > 0.0 {
        let over = (load.cpu_share / load.cpu_budget).log2().ceil().clamp(1.0, 8.0);
        let steps = (1..=8_u8).find(|steps| f64::from(*steps) >= over).unwrap_or(8);
        return current.saturating_add(steps).min(MAX_LG_RATE.max(current));
    }
    if load.table_fill > 0.75 {
        return current.saturating_add(1).min(MAX_LG_RATE.max(current));
    }
    let ample = load.cpu_share < load.cpu_budget / 4.0 && load.table_fill < 0.25;
    if ample && current > wanted { current - 1 } else { current }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_undo_the_probability_of_being_sampled() {
        for (usable, lg_rate, expected) in
            [(8, 19, 65_536.5), (1 << 19, 19, 1.581_976_7), (1 << 30, 19, 1.0), (8, 0, 1.0), (0, 19, 1.0)]
        {
            let actual = weight(usable, lg_rate);
            assert!((actual / expected - 1.0).abs() < 1e-6, "{usable} at {lg_rate}: {actual}");
        }
    }

    #[track_caller]
    fn check(current: u8, cpu_share: f64, table_fill: f64, expected: u8) {
        let load = Load { cpu_share, cpu_budget: 0.01, table_fill };
        assert_eq!(next(current, 19, &load), expected);
    }

    #[test]
    fn samples_less_when_it_costs_too_much_and_more_when_there_is_room() {
        check(19, 0.009, 0.1, 19);
        check(19, 0.011, 0.1, 20);
        check(19, 0.05, 0.1, 22);
        check(12, 0.9, 0.1, 19);
        check(29, 1e9, 0.1, 30);
        check(19, 0.001, 0.8, 20);
        check(22, 0.001, 0.1, 21);
        check(22, 0.004, 0.1, 22);
        check(22, 0.001, 0.5, 22);
        check(19, 0.0, 0.0, 19);
        check(12, 0.0, 0.0, 12);
    }
}
