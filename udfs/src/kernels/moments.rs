//! Means and central second moments of pairs, and Pearson's correlation with its test.
//!
//! One pair at a time is Welford's update; blocks are centred on their own mean and joined pairwise. Sources: Chan,
//! Golub and `LeVeque`, "Updating Formulae and a Pairwise Algorithm for Computing Sample Variances" (1979), eq. 2.1;
//! Pébay, "Formulas for Robust, One-Pass Parallel Computation of Covariances and Arbitrary-Order Statistical
//! Moments" (2008), eq. III.9. A constant side keeps a moment of exactly zero on every path.

use statrs::distribution::{ContinuousCDF, Normal};

use super::p_value::two_sided_p_value;

/// Pairs summed in independent lanes, so that the compiler can use vector registers.
const LANES: usize = 8;
/// Pairs centred together: both sides stay in the first-level cache for the second pass (2 × 1024 × 8 B = 16 KiB).
const BLOCK_PAIRS: usize = 1024;
/// Below this many pairs a correlation says nothing: two points are always on a line.
const MINIMUM_PAIRS: u64 = 3;

/// What a set of pairs (x, y) is reduced to.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Moments {
    /// Finite pairs.
    pub count: u64,
    /// Pairs with a NaN or an infinity, which make every result NaN for as long as they are in the set.
    pub non_finite: u64,
    /// Mean of x over the finite pairs.
    pub mean_x: f64,
    /// Mean of y over the finite pairs.
    pub mean_y: f64,
    /// Sum of (x - `mean_x`)².
    pub xx: f64,
    /// Sum of (y - `mean_y`)².
    pub yy: f64,
    /// Sum of (x - `mean_x`)(y - `mean_y`).
    pub xy: f64,
}

/// Pearson's correlation with its two-sided test against no correlation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CorrelationTest {
    /// The coefficient, -1..1.
    pub r: f64,
    /// Pairs.
    pub n: u64,
    /// Student's t, infinite where |r| is 1.
    pub t_stat: f64,
    /// Degrees of freedom, n - 2.
    pub df: u64,
    /// Probability of an |r| at least this large if the sides were independent and normal.
    pub p_value: f64,
    /// Lower end of the confidence interval of r (Fisher's z); -1 for three pairs, where z has no variance.
    pub ci_low: f64,
    /// Upper end of the confidence interval of r; 1 for three pairs.
    pub ci_high: f64,
}

impl Moments {
    /// The moments of paired slices of equal length.
    #[must_use]
    pub fn of(x: &[f64], y: &[f64]) -> Self {
        let mut total = Self::default();
        for (x, y) in x.chunks(BLOCK_PAIRS).zip(y.chunks(BLOCK_PAIRS)) {
            total.merge(&Self::of_block(x, y));
        }
        total
    }

    /// Two passes over one block. Values are shifted by the first pair, so that a constant side sums to exactly zero.
    fn of_block(x: &[f64], y: &[f64]) -> Self {
        let (Some(&first_x), Some(&first_y)) = (x.first(), y.first()) else {
            return Self::default();
        };
        let n = to_f64(x.len() as u64);
        let [sum_x, sum_y] = lane_sums(x, y, |x, y| [x - first_x, y - first_y]);
        if !(sum_x.is_finite() && sum_y.is_finite()) {
            let mut moments = Self::default();
            x.iter().zip(y).for_each(|(x, y)| moments.push(*x, *y));
            return moments;
        }
        let (shift_x, shift_y) = (sum_x / n, sum_y / n);
        let [rest_x, rest_y, xx, yy, xy] = lane_sums(x, y, |x, y| {
            let (dx, dy) = ((x - first_x) - shift_x, (y - first_y) - shift_y);
            [dx, dy, dx * dx, dy * dy, dx * dy]
        });
        Self {
            count: x.len() as u64,
            non_finite: 0,
            mean_x: first_x + shift_x,
            mean_y: first_y + shift_y,
            // The second terms correct the rounding of the means (Chan, Golub, LeVeque 1983, eq. 1.7).
            xx: (xx - rest_x * rest_x / n).max(0.0),
            yy: (yy - rest_y * rest_y / n).max(0.0),
            xy: xy - rest_x * rest_y / n,
        }
    }

    /// Adds one pair.
    #[inline]
    pub fn push(&mut self, x: f64, y: f64) {
        if !(x.is_finite() && y.is_finite()) {
            self.non_finite += 1;
            return;
        }
        self.count += 1;
        let share = 1.0 / to_f64(self.count);
        let (dx, dy) = (x - self.mean_x, y - self.mean_y);
        self.mean_x += dx * share;
        self.mean_y += dy * share;
        let (rest_x, rest_y) = (x - self.mean_x, y - self.mean_y);
        self.xx += dx * rest_x;
        self.yy += dy * rest_y;
        self.xy += dx * rest_y;
    }

    /// Adds all pairs of another set.
    #[inline]
    pub fn merge(&mut self, other: &Self) {
        self.non_finite += other.non_finite;
        if other.count == 0 {
            return;
        }
        if self.count == 0 {
            *self = Self {
                non_finite: self.non_finite,
                ..*other
            };
            return;
        }
        let (own, others) = (to_f64(self.count), to_f64(other.count));
        let share = others / (own + others);
        let weight = own * share;
        let (dx, dy) = (other.mean_x - self.mean_x, other.mean_y - self.mean_y);
        self.count += other.count;
        self.mean_x += dx * share;
        self.mean_y += dy * share;
        self.xx += other.xx + dx * dx * weight;
        self.yy += other.yy + dy * dy * weight;
        self.xy += other.xy + dx * dy * weight;
    }

    /// Pearson's r: none for fewer than three pairs, for a constant side and for deviations whose squares leave the range of
    /// a double (about 1e-154 to 1e154), NaN where a pair is not finite.
    #[must_use]
    pub fn correlation(&self) -> Option<f64> {
        if self.count + self.non_finite < MINIMUM_PAIRS {
            return None;
        }
        if self.non_finite > 0 {
            return Some(f64::NAN);
        }
        // A sum of squares that is neither zero nor normal has overflowed, or has lost its digits.
        if !(self.xx.is_normal() && self.yy.is_normal() && self.xy.is_finite()) {
            return None;
        }
        // One root of the product brings a straight line to exactly 1, two roots keep extreme units from overflow.
        let product = self.xx * self.yy;
        let scale = if product.is_normal() {
            product.sqrt()
        } else {
            self.xx.sqrt() * self.yy.sqrt()
        };
        Some((self.xy / scale).clamp(-1.0, 1.0))
    }

    /// The mean of x: none without pairs, NaN where a pair is not finite.
    #[must_use]
    pub fn mean(&self) -> Option<f64> {
        if self.non_finite > 0 {
            return Some(f64::NAN);
        }
        (self.count > 0).then_some(self.mean_x)
    }

    /// Pearson's r with its test and a confidence interval; none where [`Self::correlation`] is none.
    #[must_use]
    pub fn correlation_test(&self, confidence: f64) -> Option<CorrelationTest> {
        let r = self.correlation()?;
        let n = self.count + self.non_finite;
        let df = n - 2;
        let unexplained = (1.0 - r) * (1.0 + r);
        let (p_value, (ci_low, ci_high)) = if r.is_nan() {
            (f64::NAN, (f64::NAN, f64::NAN))
        } else {
            let p_value = two_sided_p_value(r, to_f64(df));
            (p_value, fisher_interval(r, n, confidence))
        };
        Some(CorrelationTest {
            r,
            n,
            t_stat: r * (to_f64(df) / unexplained).sqrt(),
            df,
            p_value,
            ci_low,
            ci_high,
        })
    }
}

/// `tanh(atanh(r) ± z / √(n - 3))`; R. A. Fisher, "On the 'probable error' of a coefficient of correlation deduced
/// from a small sample" (1921).
fn fisher_interval(r: f64, n: u64, confidence: f64) -> (f64, f64) {
    if n <= MINIMUM_PAIRS {
        return (-1.0, 1.0);
    }
    let half_width =
        Normal::standard().inverse_cdf(f64::midpoint(1.0, confidence)) / to_f64(n - 3).sqrt();
    let z = r.atanh();
    ((z - half_width).tanh(), (z + half_width).tanh())
}

/// Sums `terms` of every pair, each lane on its own and the lanes at the end.
#[inline]
fn lane_sums<const TERMS: usize>(
    x: &[f64],
    y: &[f64],
    terms: impl Fn(f64, f64) -> [f64; TERMS],
) -> [f64; TERMS] {
    let mut lanes = [[0.0; LANES]; TERMS];
    let (x_lanes, y_lanes) = (x.chunks_exact(LANES), y.chunks_exact(LANES));
    let (x_rest, y_rest) = (x_lanes.remainder(), y_lanes.remainder());
    for (x, y) in x_lanes.zip(y_lanes) {
        for lane in 0..LANES {
            let values = terms(x[lane], y[lane]);
            for term in 0..TERMS {
                lanes[term][lane] += values[term];
            }
        }
    }
    let mut sums = lanes.map(|lane| lane.iter().sum::<f64>());
    for (x, y) in x_rest.iter().zip(y_rest) {
        let values = terms(*x, *y);
        for term in 0..TERMS {
            sums[term] += values[term];
        }
    }
    sums
}

#[expect(
    clippy::cast_precision_loss,
    reason = "counts of rows stay far below 2^53"
)]
fn to_f64(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Anscombe (1973), first set.
    const ANSCOMBE_X: [f64; 11] = [10.0, 8.0, 13.0, 9.0, 11.0, 14.0, 6.0, 4.0, 12.0, 7.0, 5.0];
    const ANSCOMBE_Y: [f64; 11] = [
        8.04, 6.95, 7.58, 8.81, 8.33, 9.96, 7.24, 4.26, 10.84, 4.82, 5.68,
    ];

    fn assert_close(actual: f64, expected: f64) {
        let tolerance = 1e-12 * expected.abs().max(f64::MIN_POSITIVE);
        assert!(
            (actual - expected).abs() <= tolerance,
            "{actual} is not {expected}"
        );
    }

    fn assert_test(test: Option<CorrelationTest>, expected: [f64; 4]) {
        let test = test.unwrap();
        [test.r, test.p_value, test.ci_low, test.ci_high]
            .iter()
            .zip(expected)
            .for_each(|(a, e)| assert_close(*a, e));
    }

    /// Reference values of this module: `scipy.stats.pearsonr` and `.confidence_interval()` of scipy 1.17.1.
    #[test]
    fn the_test_agrees_with_scipy() {
        let moments = Moments::of(&ANSCOMBE_X, &ANSCOMBE_Y);
        let expected = [
            0.816_420_516_344_839_5,
            0.002_169_628_873_078_815_2,
            0.424_391_213_393_215_2,
            0.950_693_253_786_560_4,
        ];
        assert_test(moments.correlation_test(0.95), expected);
        let test = moments.correlation_test(0.99).unwrap();
        assert_close(test.ci_low, 0.231_046_310_323_429_12);
        assert_close(test.ci_high, 0.967_820_799_978_797_3);
        // r √(9 / (1 - r²)) with scipy's r.
        assert_close(test.t_stat, 4.241_455_288_892_825);
        assert_eq!((test.n, test.df), (11, 9));
        let x: Vec<f64> = (0..50_u32).map(f64::from).collect();
        let y: Vec<f64> = (0..50_u32)
            .map(|i| f64::from(i) + f64::from((i * 37) % 101) * 0.5)
            .collect();
        let expected = [
            0.737_555_364_871_570_5,
            9.992_757_526_308_405e-10,
            0.577_835_444_762_742,
            0.842_865_457_407_291,
        ];
        assert_test(Moments::of(&x, &y).correlation_test(0.95), expected);
    }

    #[test]
    fn a_large_mean_costs_no_digits_on_any_path() {
        let x: Vec<f64> = (0..100_000_u64)
            .map(|i| 1e9 + to_f64((i * 7919) % 10_007))
            .collect();
        let y: Vec<f64> = (0..100_000_u64)
            .map(|i| 1e9 + to_f64((i * 104_729) % 10_009) + to_f64((i * 7919) % 10_007))
            .collect();
        let expected = 0.707_406_433_253_559_9;
        let blocks = Moments::of(&x, &y);
        assert_test(
            blocks.correlation_test(0.95),
            [expected, 0.0, 0.704_296_442_679_600_7, 0.710_489_271_496_18],
        );
        let mut one_by_one = Moments::default();
        x.iter().zip(&y).for_each(|(x, y)| one_by_one.push(*x, *y));
        assert_close(one_by_one.correlation().unwrap(), expected);
        let mut joined = Moments::of(&x[..777], &y[..777]);
        joined.merge(&Moments::of(&x[777..], &y[777..]));
        assert_close(joined.correlation().unwrap(), expected);
    }

    #[test]
    fn three_pairs_have_an_interval_that_says_nothing() {
        let moments = Moments::of(&[1.0, 2.0, 4.0], &[2.0, 1.0, 5.0]);
        assert_test(
            moments.correlation_test(0.95),
            [0.838_627_869_377_534_4, 0.366_716_573_320_923_33, -1.0, 1.0],
        );
    }

    #[test]
    fn a_line_is_certain() {
        let test = Moments::of(&[1.0, 2.0, 3.0, 4.0], &[2.0, 4.0, 6.0, 8.0])
            .correlation_test(0.95)
            .unwrap();
        assert_eq!(
            (test.r, test.p_value, test.ci_low, test.ci_high),
            (1.0, 0.0, 1.0, 1.0)
        );
        assert!(test.t_stat.is_infinite());
    }

    #[test]
    fn few_pairs_and_constants_have_no_correlation() {
        assert_eq!(Moments::of(&[], &[]).correlation(), None);
        assert_eq!(Moments::of(&[1.0, 2.0], &[1.0, 2.0]).correlation(), None);
        let x: Vec<f64> = (0..3000_u32).map(f64::from).collect();
        let constant = vec![0.1; 3000];
        assert_eq!(Moments::of(&x, &constant).correlation(), None);
        let mut one_by_one = Moments::default();
        for x in &x {
            one_by_one.push(*x, 0.1);
        }
        assert_eq!(one_by_one.correlation(), None);
    }

    #[test]
    fn squares_beyond_the_range_of_a_double_have_no_correlation() {
        let (x, y) = ([1.0, 2.0, 4.0, 3.0], [2.0, 1.0, 5.0, 3.0]);
        let expected = Moments::of(&x, &y).correlation().unwrap();
        for (unit, has_one) in [
            (1e-200, false),
            (1e-160, false),
            (1e-150, true),
            (1e150, true),
            (1e200, false),
        ] {
            let scaled = x.map(|x| x * unit);
            let blocks = Moments::of(&scaled, &y).correlation();
            let mut one_by_one = Moments::default();
            scaled
                .iter()
                .zip(y)
                .for_each(|(x, y)| one_by_one.push(*x, y));
            for found in [blocks, one_by_one.correlation()] {
                assert_eq!(found.is_some(), has_one, "{unit:e}");
                if let Some(found) = found {
                    assert_close(found, expected);
                }
            }
        }
    }

    #[test]
    fn a_pair_that_is_not_finite_makes_every_number_nan() {
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let test = Moments::of(&[1.0, 2.0, bad, 4.0], &[1.0, 3.0, 2.0, 5.0])
                .correlation_test(0.95)
                .unwrap();
            assert!(
                test.r.is_nan()
                    && test.t_stat.is_nan()
                    && test.p_value.is_nan()
                    && test.ci_low.is_nan()
            );
            assert_eq!(test.n, 4);
        }
    }
}
