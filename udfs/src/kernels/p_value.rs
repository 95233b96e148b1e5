//! The p-value of a correlation, to 12 digits for any number of pairs.
//!
//! `p = I(1 - r²; df / 2, 1 / 2)`, the regularised incomplete beta function, by the even part of its continued
//! fraction (NIST Digital Library of Mathematical Functions, 8.17.22; in x and 1 - x, as Boost's `ibeta_fraction2` has
//! it). A general routine is given `1 - r²` and takes logarithms of the gamma function, and both lose a digit for each
//! power of ten of the pairs. Here r² itself is known, the power comes from the logarithm of whichever of r² and
//! `1 - r²` is exact, and the quotient of gamma functions from a series (5.11.13).

use std::f64::consts::PI;

/// From here on the series for the quotient of gamma functions is exact to the last bit.
const SERIES_FROM: f64 = 64.0;
/// The continued fraction needs about as many steps as the root of the pairs, so this is never reached.
const MAX_STEPS: u32 = 1_000_000;

/// The probability of a correlation at least as far from 0 as `r`, if both sides are independent and one is normal.
#[must_use]
pub fn two_sided_p_value(r: f64, df: f64) -> f64 {
    let (a, b) = (df / 2.0, 0.5);
    let square = r * r;
    if square == 0.0 {
        return 1.0;
    }
    let rest = (1.0 - r) * (1.0 + r);
    // Either logarithm is of the number that is known to the last bit.
    let log_rest = if square < 0.5 {
        (-square).ln_1p()
    } else {
        rest.ln()
    };
    // x^a (1 - x)^b / B(a, b) for x = 1 - r² and b = 1/2.
    let front = r.abs() * (a * log_rest).exp() * gamma_quotient(a) / PI.sqrt();
    // The fraction converges fast on this side of the mean of the beta distribution, its mirror image on the other.
    if rest < (a + 1.0) / (a + b + 2.0) {
        front / beta_fraction(a, b, rest, square)
    } else {
        1.0 - front / beta_fraction(b, a, square, rest)
    }
}

/// Γ(a + 1/2) / Γ(a); small arguments are brought up by Γ(a + 1) = a Γ(a).
fn gamma_quotient(mut a: f64) -> f64 {
    let mut factor = 1.0;
    while a < SERIES_FROM {
        factor *= a / (a + 0.5);
        a += 1.0;
    }
    let coefficients = [
        1.0,
        -1.0 / 8.0,
        1.0 / 128.0,
        5.0 / 1024.0,
        -21.0 / 32_768.0,
        -399.0 / 262_144.0,
        869.0 / 4_194_304.0,
    ];
    let series = coefficients
        .iter()
        .rev()
        .fold(0.0, |sum, coefficient| sum / a + coefficient);
    factor * a.sqrt() * series
}

/// `x^a y^b / (B(a, b) I(x; a, b))` for y = 1 - x, by Lentz's method.
#[expect(
    clippy::many_single_char_names,
    reason = "the names of the published formula"
)]
fn beta_fraction(a: f64, b: f64, x: f64, y: f64) -> f64 {
    // Lentz's method replaces a vanishing denominator by a number that no rounding notices.
    let nonzero = |value: f64| if value.abs() < 1e-300 { 1e-300 } else { value };
    let shift = a * y - b * x + 1.0;
    let mut fraction = nonzero(a * shift / (a + 1.0));
    let (mut numerator, mut denominator) = (fraction, 0.0);
    for step in 1..MAX_STEPS {
        let m = f64::from(step);
        let before = a + 2.0 * m - 1.0;
        let over = m * (a + m - 1.0) / before * ((a + b + m - 1.0) / before) * (b - m) * x * x;
        let under =
            m + m * (b - m) * x / before + (a + m) * (shift + m * (2.0 - x)) / (a + 2.0 * m + 1.0);
        denominator = 1.0 / nonzero(under + over * denominator);
        numerator = nonzero(under + over / numerator);
        let change = numerator * denominator;
        fraction *= change;
        if (change - 1.0).abs() < f64::EPSILON {
            break;
        }
    }
    fraction
}

#[cfg(test)]
#[expect(
    clippy::excessive_precision,
    reason = "the reference values as they were printed"
)]
mod tests {
    use super::*;

    /// (r, df, p) with p from mpmath 1.4.1 at 60 digits: `betainc(df / 2, 1 / 2, 0, 1 - r**2, regularized=True)`.
    const REFERENCE: [(f64, f64, f64); 14] = [
        (0.5, 1.0, 0.666_666_666_666_666_67),
        (0.9, 1.0, 0.287_132_586_257_412_51),
        (0.3, 2.0, 0.700_000_000_000_000_01),
        (-0.2, 10.0, 0.533_135_359_999_999_98),
        (0.816_420_516_344_839_5, 9.0, 0.002_169_628_873_078_815_2),
        (0.05, 98.0, 0.621_289_977_845_302_71),
        (0.6, 98.0, 4.192_525_341_965_909_9e-11),
        (0.01, 9_998.0, 0.317_358_908_662_900_19),
        (
            0.002_045_024_108_391_394_7,
            99_998.0,
            0.517_835_187_253_752_18,
        ),
        (0.02, 99_998.0, 2.530_541_393_645_712_6e-10),
        (0.001, 9_999_998.0, 0.001_565_400_132_910_542_7),
        (0.1, 9_998.0, 1.197_050_423_652_048_7e-23),
        (0.999_999, 50.0, 3.767_286_180_042_690_1e-144),
        (1e-9, 20.0, 0.999_999_996_476_058_96),
    ];

    #[test]
    fn it_agrees_with_sixty_digits() {
        for (r, df, expected) in REFERENCE {
            let actual = two_sided_p_value(r, df);
            assert!(
                (actual / expected - 1.0).abs() < 1e-12,
                "{r}, {df}: {actual} is not {expected}"
            );
        }
    }

    #[test]
    fn the_ends_are_certain() {
        for df in [1.0, 9.0, 1e6] {
            assert!(two_sided_p_value(1.0, df).abs() < f64::MIN_POSITIVE);
            assert!((two_sided_p_value(0.0, df) - 1.0).abs() < f64::EPSILON);
        }
    }
}
