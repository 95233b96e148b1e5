//! 95 % intervals by the cluster bootstrap: whole groups are drawn with replacement (Davison & Hinkley 1997, section 3.8),
//! since the tracks of an artist are no independent trials, and the 2.5 % and 97.5 % quantiles are reported.

use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

use super::stop;

const RESAMPLES: usize = 400;
/// With fewer groups a bootstrap interval is far too narrow; none is given.
const LEAST_GROUPS: usize = 20;
/// With more resamples without a figure, such as the AUC of those that lack a class, the rest is a biased sample.
const LEAST_FIGURES: usize = RESAMPLES * 9 / 10;
const TAIL: f64 = 0.025;

/// An interval for each of the `N` figures that `figures` computes from row weights; a NaN figure is left out of a
/// resample. None for too few groups, for a figure that a tenth of the resamples lacks, or that no resample changes.
pub(super) fn intervals<const N: usize>(
    groups: &[u32],
    seed: u64,
    figures: impl Fn(&[f64]) -> [f64; N],
) -> [Option<(f64, f64)>; N] {
    let (groups, count) = dense(groups);
    if count < LEAST_GROUPS {
        return [None; N];
    }
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    let mut samples: [Vec<f64>; N] = std::array::from_fn(|_| Vec::with_capacity(RESAMPLES));
    let mut weights = vec![0.0; groups.len()];
    for _ in 0..RESAMPLES {
        if stop::is_stopped() {
            break;
        }
        let drawn = draw(count, &mut rng);
        for (weight, &group) in weights.iter_mut().zip(&groups) {
            *weight = drawn[group];
        }
        for (sample, figure) in samples.iter_mut().zip(figures(&weights)) {
            sample.extend(Some(figure).filter(|figure| figure.is_finite()));
        }
    }
    samples.map(quantiles)
}

/// How often each of `count` groups is drawn in `count` draws.
fn draw(count: usize, rng: &mut impl Rng) -> Vec<f64> {
    let mut drawn = vec![0.0; count];
    // 32-bit draws give the same numbers on every platform; `usize` would not.
    let highest = u32::try_from(count).unwrap_or(u32::MAX);
    for _ in 0..count {
        drawn[rng.gen_range(0..highest) as usize] += 1.0;
    }
    drawn
}

/// The groups that occur, renumbered without gaps, and their number.
fn dense(groups: &[u32]) -> (Vec<usize>, usize) {
    let mut present = groups.to_vec();
    present.sort_unstable();
    present.dedup();
    let dense = groups
        .iter()
        .map(|group| present.partition_point(|other| other < group))
        .collect();
    (dense, present.len())
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "an index into at most RESAMPLES values"
)]
fn quantiles(mut sample: Vec<f64>) -> Option<(f64, f64)> {
    if sample.len() < LEAST_FIGURES {
        return None;
    }
    sample.sort_unstable_by(f64::total_cmp);
    let at = |share: f64| {
        sample
            .get((share * (sample.len().saturating_sub(1)) as f64).round() as usize)
            .copied()
    };
    let (low, high) = (at(TAIL)?, at(1.0 - TAIL)?);
    (low < high).then_some((low, high))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mean_of(values: &[f64]) -> impl Fn(&[f64]) -> [f64; 1] {
        |weights| {
            let total: f64 = weights.iter().sum();
            [values
                .iter()
                .zip(weights)
                .map(|(value, weight)| value * weight)
                .sum::<f64>()
                / total]
        }
    }

    #[test]
    fn the_mean_of_independent_rows_has_the_textbook_interval() {
        let values: Vec<f64> = (0..1000).map(f64::from).collect();
        let groups: Vec<u32> = (0..1000).collect();
        let [interval] = intervals(&groups, 1, mean_of(&values));
        let (low, high) = interval.unwrap();
        // 499.5 -+ 1.96 * 288.675 / sqrt(1000)
        assert!((low - 481.6).abs() < 3.0, "{low}");
        assert!((high - 517.4).abs() < 3.0, "{high}");
    }

    #[test]
    fn rows_that_repeat_within_groups_do_not_narrow_the_interval() {
        let values: Vec<f64> = (0..1000).map(|row| f64::from(row / 10)).collect();
        let rows: Vec<u32> = (0..1000).collect();
        let groups: Vec<u32> = (0..1000).map(|row| row / 10).collect();
        let width = |groups: &[u32]| {
            let [interval] = intervals(groups, 1, mean_of(&values));
            interval.map(|(low, high)| high - low).unwrap()
        };
        let ratio = width(&groups) / width(&rows);
        assert!(
            (2.5..4.0).contains(&ratio),
            "sqrt(10) expected, got {ratio}"
        );
    }

    #[test]
    fn no_interval_from_the_few_resamples_that_have_a_figure() {
        let values: Vec<f64> = (0..40).map(f64::from).collect();
        let groups: Vec<u32> = (0..40).collect();
        let mean = mean_of(&values);
        // A third of the resamples lacks the first row.
        let figure = |weights: &[f64]| match weights[0] {
            0.0 => [f64::NAN],
            _ => mean(weights),
        };
        assert_eq!(intervals(&groups, 1, figure), [None]);
        assert!(intervals(&groups, 1, &mean)[0].is_some());
    }

    #[test]
    fn no_interval_without_enough_groups_or_variation() {
        let groups: Vec<u32> = (0..1000).map(|row| row % 19).collect();
        assert_eq!(intervals(&groups, 1, mean_of(&[1.0; 1000])), [None]);
        let groups: Vec<u32> = (0..1000).collect();
        assert_eq!(intervals(&groups, 1, mean_of(&[1.0; 1000])), [None]);
    }
}
