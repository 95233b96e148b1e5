//! The quality of predicted class probabilities, each figure with an interval.
//!
//! - `auc`: probability that a positive row is ranked above a negative one, ties counting half (Mann & Whitney 1947, by
//!   mid-ranks); with more than two classes the plain mean of one class against the rest, over the classes that the
//!   rows have.
//! - `accuracy` of the most probable class; `majority_accuracy` of always saying the training rows' most frequent class.
//! - `log_loss`: mean of -ln p(true class), p at least 1e-15.
//! - `brier`: mean squared error of the probabilities (Brier 1950); binary: of the positive class; otherwise summed over
//!   the classes, so it lies in 0..2. scikit-learn's `brier_score_loss` does the same.
//! - `ece`: expected calibration error in 15 equal bins (Guo et al. 2017, arXiv:1706.04599, eq. 3) of the positive
//!   class' probability if binary, otherwise of the most probable class' probability.
//!
//! Intervals come from [`super::bootstrap`].

use super::{bootstrap, ranking::Ranking};

const BINS: usize = 15;
const LEAST_PROBABILITY: f64 = 1e-15;
/// Names of [`Scores`]' figures, in its order.
const NAMES: [&str; FIGURES] = [
    "auc",
    "accuracy",
    "majority_accuracy",
    "log_loss",
    "brier",
    "ece",
];
const FIGURES: usize = 6;

/// One row of `ml.metrics`, but for the model's name and version.
#[derive(Clone, Debug, PartialEq)]
pub struct Metric {
    /// `train`, `validation`, `test` or `out_of_fold`.
    pub split: &'static str,
    /// Such as `auc`.
    pub metric: &'static str,
    /// The estimate.
    pub value: f64,
    /// Lower end of the 95 % interval, if it could be estimated.
    pub ci_low: Option<f64>,
    /// Upper end of the 95 % interval, if it could be estimated.
    pub ci_high: Option<f64>,
    /// Rows behind the estimate.
    pub n: u64,
}

/// Predictions to be judged.
#[derive(Clone, Debug, Default)]
pub(super) struct Predictions {
    /// `[n_rows * n_classes]`, row by row.
    pub(super) probabilities: Vec<f64>,
    pub(super) n_classes: usize,
    /// True class of each row.
    pub(super) labels: Vec<u32>,
    /// What the majority baseline says for each row.
    pub(super) majority: Vec<u32>,
    /// Group of each row: rows of a group are not independent.
    pub(super) groups: Vec<u32>,
}

impl Predictions {
    /// Every metric that the rows allow, for `split`.
    pub(super) fn metrics(&self, split: &'static str, seed: u64) -> Vec<Metric> {
        if self.labels.is_empty() {
            return Vec::new();
        }
        let scores = Scores::new(self);
        let values = scores.figures(&vec![1.0; self.labels.len()]);
        let intervals = bootstrap::intervals(&self.groups, seed, |weights| scores.figures(weights));
        let n = self.labels.len() as u64;
        let metrics = NAMES
            .iter()
            .zip(values)
            .zip(intervals)
            .filter(|((_, value), _)| value.is_finite());
        metrics
            .map(|((&metric, value), interval)| {
                let interval = match metric {
                    // Resampling adds noise to the bins, which pushes the error up: only the width is taken.
                    "ece" => interval.map(|(low, high)| {
                        let half = (high - low) / 2.0;
                        ((value - half).max(0.0), value + half)
                    }),
                    _ => interval,
                };
                let (ci_low, ci_high) = interval.unzip();
                Metric {
                    split,
                    metric,
                    value,
                    ci_low,
                    ci_high,
                    n,
                }
            })
            .collect()
    }
}

/// What each row contributes, worked out once so that a resample only adds up.
struct Scores {
    /// For each class that is ranked, the rows by rising probability.
    rankings: Vec<Ranking>,
    is_correct: Vec<bool>,
    is_majority: Vec<bool>,
    log_losses: Vec<f64>,
    squared_errors: Vec<f64>,
    bins: Vec<Binned>,
}

struct Binned {
    bin: usize,
    confidence: f64,
    outcome: f64,
}

impl Scores {
    fn new(predictions: &Predictions) -> Self {
        let classes = predictions.n_classes;
        let ranked = if classes == 2 { 1..2 } else { 0..classes };
        let rows = || {
            predictions
                .probabilities
                .chunks_exact(classes)
                .zip(&predictions.labels)
        };
        Self {
            rankings: ranked.map(|class| ranking(predictions, class)).collect(),
            is_correct: rows()
                .map(|(row, &label)| highest(row) == label as usize)
                .collect(),
            is_majority: predictions
                .majority
                .iter()
                .zip(&predictions.labels)
                .map(|(a, b)| a == b)
                .collect(),
            log_losses: rows()
                .map(|(row, &label)| -row[label as usize].max(LEAST_PROBABILITY).ln())
                .collect(),
            squared_errors: rows()
                .map(|(row, &label)| squared_error(row, label as usize))
                .collect(),
            bins: rows()
                .map(|(row, &label)| binned(row, label as usize))
                .collect(),
        }
    }

    /// The figures of the rows weighted by `weights`, in the order of [`NAMES`]; NaN where there is none.
    fn figures(&self, weights: &[f64]) -> [f64; FIGURES] {
        let total: f64 = weights.iter().sum();
        let share = |flags: &[bool]| {
            let sum: f64 = flags
                .iter()
                .zip(weights)
                .filter(|(flag, _)| **flag)
                .map(|(_, weight)| weight)
                .sum();
            sum / total
        };
        let mean = |values: &[f64]| {
            values
                .iter()
                .zip(weights)
                .map(|(value, weight)| value * weight)
                .sum::<f64>()
                / total
        };
        [
            self.auc(weights),
            share(&self.is_correct),
            share(&self.is_majority),
            mean(&self.log_losses),
            mean(&self.squared_errors),
            self.calibration_error(weights) / total,
        ]
    }

    fn auc(&self, weights: &[f64]) -> f64 {
        let areas = self
            .rankings
            .iter()
            .map(|ranking| ranking.area(weights))
            .filter(|area| area.is_finite());
        let (sum, count) = areas.fold((0.0, 0.0), |(sum, count), area| (sum + area, count + 1.0));
        sum / count
    }

    fn calibration_error(&self, weights: &[f64]) -> f64 {
        let mut gaps = [0.0; BINS];
        for (
            Binned {
                bin,
                confidence,
                outcome,
            },
            weight,
        ) in self.bins.iter().zip(weights)
        {
            gaps[*bin] += weight * (outcome - confidence);
        }
        gaps.iter().map(|gap| gap.abs()).sum()
    }
}

fn ranking(predictions: &Predictions, class: usize) -> Ranking {
    let probabilities = predictions.probabilities.iter().copied();
    let scores: Vec<f64> = probabilities
        .skip(class)
        .step_by(predictions.n_classes)
        .collect();
    Ranking::of(&scores).with_positives(|row| predictions.labels[row] as usize == class)
}

/// The index of the highest probability, the first of equals.
fn highest(row: &[f64]) -> usize {
    let better = |best: usize, class: usize| if row[class] > row[best] { class } else { best };
    (0..row.len()).fold(0, better)
}

fn squared_error(row: &[f64], label: usize) -> f64 {
    let error = |class: usize| (row[class] - f64::from(u8::from(class == label))).powi(2);
    match row.len() {
        2 => error(1),
        classes => (0..classes).map(error).sum(),
    }
}

fn binned(row: &[f64], label: usize) -> Binned {
    let class = if row.len() == 2 { 1 } else { highest(row) };
    let confidence = row[class];
    Binned {
        bin: bin(confidence),
        confidence,
        outcome: f64::from(u8::from(class == label)),
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "a probability times the number of bins, cut at the last bin"
)]
fn bin(confidence: f64) -> usize {
    ((confidence * BINS as f64) as usize).min(BINS - 1)
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::{ROWS, three_classes, two_classes};
    use super::*;

    fn value(metrics: &[Metric], name: &str) -> f64 {
        metrics
            .iter()
            .find(|metric| metric.metric == name)
            .unwrap()
            .value
    }

    fn assert_near(metrics: &[Metric], expected: &[(&str, f64)]) {
        for (name, expected) in expected {
            let value = value(metrics, name);
            assert!(
                (value - expected).abs() < 1e-12,
                "{name} is {value}, not {expected}"
            );
        }
    }

    fn predictions(
        labels: Vec<u32>,
        n_classes: usize,
        row: impl Fn(u32) -> Vec<f64>,
    ) -> Predictions {
        Predictions {
            probabilities: (0..ROWS).flat_map(row).collect(),
            n_classes,
            majority: vec![1; labels.len()],
            groups: (0..ROWS).collect(),
            labels,
        }
    }

    // Reference: scikit-learn 1.9.1, roc_auc_score(multi_class="ovr"), log_loss, brier_score_loss, accuracy_score; ece by
    // a direct numpy transcription of its definition.

    #[test]
    fn binary_metrics_with_tied_scores() {
        let score = |row: u32| f64::from(row * 17 % 11) / 10.0;
        let metrics = predictions(two_classes(), 2, |row| vec![1.0 - score(row), score(row)])
            .metrics("test", 1);
        assert_near(
            &metrics,
            &[
                ("auc", 0.288_830_230_619_616_6),
                ("accuracy", 0.316_666_666_666_666_65),
                ("majority_accuracy", 61.0 / 120.0),
                ("brier", 0.4675),
                ("ece", 0.465),
            ],
        );
    }

    #[test]
    fn metrics_of_three_classes() {
        let row = |row: u32| {
            let parts = [row * 17 % 11 + 1, row * 5 % 7 + 1, row * 3 % 5 + 1].map(f64::from);
            parts
                .iter()
                .map(|part| part / parts.iter().sum::<f64>())
                .collect()
        };
        let metrics = predictions(three_classes(), 3, row).metrics("test", 1);
        assert_near(
            &metrics,
            &[
                ("auc", 0.591_294_115_420_552_2),
                ("accuracy", 0.366_666_666_666_666_64),
                ("log_loss", 1.180_283_581_726_569_8),
                ("brier", 0.710_370_637_512_410_9),
                ("ece", 0.196_091_013_396_005_9),
            ],
        );
        for metric in &metrics {
            let (low, high) = (metric.ci_low.unwrap(), metric.ci_high.unwrap());
            assert!(low < metric.value && metric.value < high, "{metric:?}");
        }
    }

    #[test]
    fn a_part_with_one_class_has_no_auc() {
        let metrics = predictions(vec![1; 120], 2, |_| vec![0.4, 0.6]).metrics("test", 1);
        assert!(metrics.iter().all(|metric| metric.metric != "auc"));
        assert_near(&metrics, &[("accuracy", 1.0), ("brier", 0.16)]);
    }
}
