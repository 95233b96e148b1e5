//! Gauss-Legendre quadrature over 0..1: n points are exact for polynomials up to degree 2n - 1.

use std::f64::consts::PI;

/// The points in falling order and their weights, which sum to 1.
pub(super) fn gauss_legendre(points: usize) -> Vec<(f64, f64)> {
    let n = count(points);
    (1..=points)
        .map(|index| {
            // Abramowitz, Stegun, "Handbook of Mathematical Functions" (1964), 22.16.6, then Newton's steps.
            let mut root = (PI * (count(index) - 0.25) / (n + 0.5)).cos();
            let mut slope = 1.0;
            for _ in 0..STEPS {
                let (value, derivative) = legendre(points, root);
                slope = derivative;
                root -= value / derivative;
            }
            let weight = 1.0 / ((1.0 - root * root) * slope * slope);
            (f64::midpoint(1.0, root), weight)
        })
        .collect()
}

/// Newton's steps from a start that is right to three digits: each doubles the digits, so five are more than enough.
const STEPS: usize = 8;

/// The Legendre polynomial of a degree from 1 and its derivative, inside -1..1 (Abramowitz, Stegun 22.7.10 and 22.8.5).
fn legendre(degree: usize, x: f64) -> (f64, f64) {
    let (mut before, mut value) = (1.0, x);
    for k in 2..=degree {
        let k = count(k);
        (before, value) = (
            value,
            ((2.0 * k - 1.0) * x * value - (k - 1.0) * before) / k,
        );
    }
    (value, count(degree) * (before - x * value) / (1.0 - x * x))
}

#[expect(clippy::cast_precision_loss, reason = "a number of points")]
fn count(points: usize) -> f64 {
    points as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn polynomials_up_to_twice_the_points_are_exact() {
        for points in 1..=40 {
            let rule = gauss_legendre(points);
            for degree in 0..2 * points {
                let integral: f64 = rule
                    .iter()
                    .map(|(point, weight)| weight * point.powf(count(degree)))
                    .sum();
                let exact = 1.0 / count(degree + 1);
                assert!(
                    (integral - exact).abs() < 1e-14,
                    "{points} points, degree {degree}: {integral} is not {exact}"
                );
            }
        }
    }

    #[test]
    fn too_few_points_are_not() {
        let integral: f64 = gauss_legendre(2).iter().map(|(p, w)| w * p.powi(4)).sum();
        assert!((integral - 0.2).abs() > 1e-4);
    }
}
