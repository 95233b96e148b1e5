//! The quality of predicted numbers, each figure with an interval.
//!
//! - `rmse`, `mae`: root of the mean squared error, mean absolute error, both in the label's unit.
//! - `r2`: the share of the rows' variance that the predictions explain, `1 - Σ (y - p)² / Σ (y - mean y)²`; below 0 they
//!   are worse than the rows' own mean. scikit-learn's `r2_score` does the same.
//! - `baseline_rmse`: the `rmse` of always saying the training rows' mean.
//!
//! Intervals come from [`super::bootstrap`].

use super::{bootstrap, metrics::Metric};

const FIGURES: usize = 4;
const NAMES: [&str; FIGURES] = ["rmse", "mae", "r2", "baseline_rmse"];

/// Predicted numbers to be judged; all of shape `[n_rows]`.
#[derive(Clone, Debug, Default)]
pub(super) struct NumberPredictions {
    pub(super) predicted: Vec<f64>,
    pub(super) labels: Vec<f64>,
    /// What the mean of the training rows says for each row.
    pub(super) baseline: Vec<f64>,
    /// Group of each row: rows of a group are not independent.
    pub(super) groups: Vec<u32>,
}

impl NumberPredictions {
    /// Every metric that the rows allow, for `split`.
    pub(super) fn metrics(&self, split: &'static str, seed: u64) -> Vec<Metric> {
        if self.labels.is_empty() {
            return Vec::new();
        }
        let values = self.figures(&vec![1.0; self.labels.len()]);
        let intervals = bootstrap::intervals(&self.groups, seed, |weights| self.figures(weights));
        let metrics = NAMES.iter().zip(values).zip(intervals);
        metrics
            .filter(|((_, value), _)| value.is_finite())
            .map(|((&metric, value), interval)| {
                let (ci_low, ci_high) = interval.unzip();
                Metric {
                    split,
                    metric,
                    value,
                    ci_low,
                    ci_high,
                    n: self.labels.len() as u64,
                }
            })
            .collect()
    }

    /// The figures of the rows weighted by `weights`, in the order of [`NAMES`]; NaN where there is none.
    fn figures(&self, weights: &[f64]) -> [f64; FIGURES] {
        let total: f64 = weights.iter().sum();
        let mean = |of_row: &dyn Fn(usize) -> f64| {
            let rows = weights.iter().enumerate();
            rows.map(|(row, weight)| weight * of_row(row)).sum::<f64>() / total
        };
        let labels = &self.labels;
        let middle = mean(&|row| labels[row]);
        let squared_error = mean(&|row| (labels[row] - self.predicted[row]).powi(2));
        let variance = mean(&|row| (labels[row] - middle).powi(2));
        [
            squared_error.sqrt(),
            mean(&|row| (labels[row] - self.predicted[row]).abs()),
            if variance > 0.0 {
                1.0 - squared_error / variance
            } else {
                f64::NAN
            },
            mean(&|row| (labels[row] - self.baseline[row]).powi(2)).sqrt(),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_those_of_scikit_learn() {
        // Reference: scikit-learn 1.9.1, root_mean_squared_error, mean_absolute_error, r2_score of
        // y = [3, -0.5, 2, 7], p = [2.5, 0, 2, 8], and of p = [1, 1, 1, 1].
        let predictions = NumberPredictions {
            predicted: vec![2.5, 0.0, 2.0, 8.0],
            labels: vec![3.0, -0.5, 2.0, 7.0],
            baseline: vec![1.0; 4],
            groups: vec![0, 1, 2, 3],
        };
        let metrics = predictions.metrics("test", 1);
        let expected = [
            0.612_372_435_695_794_5,
            0.5,
            0.948_608_137_044_967_9,
            3.288_236_609_491_476_3,
        ];
        assert_eq!(metrics.len(), expected.len());
        for (metric, expected) in metrics.iter().zip(expected) {
            assert!((metric.value - expected).abs() < 1e-12, "{metric:?}");
            assert!(metric.ci_low.is_none(), "four groups are too few");
        }
    }

    #[test]
    fn equal_labels_have_no_r2() {
        let predictions = NumberPredictions {
            predicted: vec![1.0, 2.0],
            labels: vec![1.0, 1.0],
            baseline: vec![1.0; 2],
            groups: vec![0, 1],
        };
        let metrics = predictions.metrics("test", 1);
        assert!(metrics.iter().all(|metric| metric.metric != "r2"));
        assert!(NumberPredictions::default().metrics("test", 1).is_empty());
    }
}
