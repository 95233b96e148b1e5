//! The standard normal distribution function.

use statrs::function::gamma::checked_gamma_ur;

/// The probability that a standard normal variable is at most `z`, to 13 digits wherever it is not zero.
///
/// The tail is Q(1/2, z²/2) / 2, the regularised upper incomplete gamma function; `statrs` has an `erfc` too, but of 11
/// digits only.
#[must_use]
pub fn standard_normal_cdf(z: f64) -> f64 {
    if z.is_nan() {
        return f64::NAN;
    }
    let half_square = z * z / 2.0;
    let tail = if half_square == 0.0 {
        0.5
    } else {
        // Out of the function's range is only infinity, where no probability is left.
        checked_gamma_ur(0.5, half_square).map_or(0.0, |share| 0.5 * share)
    };
    if z < 0.0 { tail } else { 1.0 - tail }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `scipy.stats.norm.cdf` of scipy 1.17.1.
    const REFERENCE: [(f64, f64); 9] = [
        (0.0, 0.5),
        (1e-8, 0.500_000_003_989_422_8),
        (-0.1, 0.460_172_162_722_971),
        (1.0, 0.841_344_746_068_542_9),
        (-1.0, 0.158_655_253_931_457_07),
        (1.959_963_984_540_054, 0.975),
        (-5.0, 2.866_515_718_791_933e-7),
        (-10.0, 7.619_853_024_160_47e-24),
        (-37.0, 5.725_571_222_523_926_6e-300),
    ];

    #[test]
    fn it_agrees_with_scipy_far_into_the_tails() {
        for (z, expected) in REFERENCE {
            let actual = standard_normal_cdf(z);
            assert!(
                (actual / expected - 1.0).abs() < 2e-13,
                "{z}: {actual} is not {expected}"
            );
        }
    }

    #[test]
    #[expect(clippy::float_cmp, reason = "the ends are exact")]
    fn the_ends_are_certain() {
        assert_eq!(
            [f64::NEG_INFINITY, -1e200, f64::INFINITY, 1e200].map(standard_normal_cdf),
            [0.0, 0.0, 1.0, 1.0]
        );
        assert!((standard_normal_cdf(1e-200) - 0.5).abs() < f64::EPSILON);
        assert!(standard_normal_cdf(f64::NAN).is_nan());
    }
}
