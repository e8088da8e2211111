//! How surprising a count is: exact binomial tails and bounds of Poisson counts. Knows nothing of heaps.

/// Lanczos' coefficients for g = 7 (Godfrey), right to about 15 digits.
const LANCZOS: [f64; 8] = [
    676.520_368_121_885_1,
    -1_259.139_216_722_402_8,
    771.323_428_777_653_1,
    -176.615_029_162_140_6,
    12.507_343_278_686_905,
    -0.138_571_095_265_720_12,
    9.984_369_578_019_572e-6,
    1.505_632_735_149_311_6e-7,
];

/// The continued fraction settles in about the square root of its arguments; far more than any count here needs.
const MAX_TERMS: u32 = 10_000;

/// The probability of `successes` or more in `trials` of probability `chance` each, exactly: no normal approximation,
/// which is off by orders of magnitude out where one in a million is decided.
pub(super) fn at_least(successes: u64, trials: u64, chance: f64) -> f64 {
    if successes == 0 {
        return 1.0;
    }
    if successes > trials {
        return 0.0;
    }
    incomplete_beta(successes as f64, (trials - successes + 1) as f64, chance)
}

/// The upper bound, at `deviations` standard deviations of certainty, of the mean behind a count (Wilson and Hilferty).
pub(super) fn upper_mean(count: f64, deviations: f64) -> f64 {
    let next = count.max(0.0) + 1.0;
    next * (1.0 - 1.0 / (9.0 * next) + deviations / (3.0 * next.sqrt())).powi(3)
}

/// The regularized incomplete beta function.
fn incomplete_beta(a: f64, b: f64, x: f64) -> f64 {
    let front = (ln_gamma(a + b) - ln_gamma(a) - ln_gamma(b) + a * x.ln() + b * (1.0 - x).ln()).exp();
    // The fraction converges quickly on one side of the mean; the other side is its complement.
    let tail = if x < (a + 1.0) / (a + b + 2.0) {
        front * fraction(a, b, x) / a
    } else {
        1.0 - front * fraction(b, a, 1.0 - x) / b
    };
    tail.clamp(0.0, 1.0)
}

/// Lentz' evaluation of the beta function's continued fraction.
fn fraction(a: f64, b: f64, x: f64) -> f64 {
    let away_from_zero = |value: f64| if value.abs() < 1e-300 { 1e-300 } else { value };
    let mut c = 1.0;
    let mut d = 1.0 / away_from_zero(1.0 - (a + b) * x / (a + 1.0));
    let mut value = d;
    for index in 1..=MAX_TERMS {
        let m = f64::from(index);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        d = 1.0 / away_from_zero(1.0 + even * d);
        c = away_from_zero(1.0 + even / c);
        value *= d * c;
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        d = 1.0 / away_from_zero(1.0 + odd * d);
        c = away_from_zero(1.0 + odd / c);
        let step = d * c;
        value *= step;
        if (step - 1.0).abs() < 1e-12 {
            break;
        }
    }
    value
}

fn ln_gamma(x: f64) -> f64 {
    let x = x - 1.0;
    let mut sum = 0.999_999_999_999_809_9;
    for (index, coefficient) in (1_u32..).zip(LANCZOS) {
        sum += coefficient / (x + f64::from(index));
    }
    let t = x + 7.5;
    0.5 * std::f64::consts::TAU.ln() + (x + 0.5) * t.ln() - t + sum.ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(successes: u64, trials: u64, chance: f64, expected: f64) {
        let found = at_least(successes, trials, chance);
        assert!((found / expected - 1.0).abs() < 1e-8, "{found:e}, expected {expected:e}");
    }

    /// The sum that the function stands for, term by term.
    fn summed(successes: u64, trials: u64, chance: f64) -> f64 {
        let mut term = (1.0 - chance).powf(trials as f64);
        let mut sum = 0.0;
        for k in 0..=trials {
            if k >= successes {
                sum += term;
            }
            term *= (trials - k) as f64 / (k + 1) as f64 * chance / (1.0 - chance);
        }
        sum
    }

    #[test]
    fn tails_are_exact() {
        check(0, 0, 0.5, 1.0);
        check(20, 20, 0.5, 0.5_f64.powi(20));
        check(1, 10, 0.5, 1.0 - 0.5_f64.powi(10));
        for (successes, trials, chance) in
            [(40, 50, 0.5), (300, 500, 0.5), (10, 50, 0.375), (120, 400, 0.375), (499, 500, 0.5)]
        {
            check(successes, trials, chance, summed(successes, trials, chance));
        }
        assert_eq!(at_least(11, 10, 0.5), 0.0);
        assert!(at_least(1_000_000, 1_000_000, 0.5) >= 0.0);
    }

    #[test]
    fn bounds_of_a_mean_are_those_of_the_tables() {
        for (count, expected) in [(0.0, 2.996), (1.0, 4.744), (5.0, 10.513), (20.0, 29.062), (100.0, 118.079)]
        {
            let found = upper_mean(count, 1.645);
            assert!((found / expected - 1.0).abs() < 0.02, "{count}: {found}, expected {expected}");
        }
    }
}
