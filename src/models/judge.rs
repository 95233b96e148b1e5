//! Collects predictions of held-out rows beside the truth and a baseline, and has them judged.

use super::{
    learner::Labels,
    metrics::{Metric, Predictions},
    regression_metrics::NumberPredictions,
    split::Groups,
};

/// Predictions that are judged together.
pub(super) enum Judge {
    Classes(Predictions),
    Numbers(NumberPredictions),
}

impl Judge {
    /// For labels like these.
    pub(super) fn of(labels: &Labels) -> Self {
        match labels {
            Labels::Classes(codes) => Self::Classes(Predictions {
                n_classes: codes.names.len(),
                ..Predictions::default()
            }),
            Labels::Numbers(_) => Self::Numbers(NumberPredictions::default()),
        }
    }

    /// Adds what a model says of `rows`: `answers`, row by row. It was fitted to the rows `training`, from which the
    /// baseline learns too: their most frequent class, or their mean.
    pub(super) fn add(
        &mut self,
        labels: &Labels,
        groups: &Groups,
        rows: &[usize],
        training: &[usize],
        answers: Vec<f64>,
    ) {
        let groups = rows.iter().map(|&row| groups.of_row[row]);
        match (self, labels) {
            (Self::Classes(predictions), Labels::Classes(codes)) => {
                let majority = majority(&codes.of_row, codes.names.len(), training);
                predictions.probabilities.extend(answers);
                let labels = rows.iter().map(|&row| codes.of_row[row]);
                predictions.labels.extend(labels);
                predictions.groups.extend(groups);
                predictions
                    .majority
                    .resize(predictions.labels.len(), majority);
            }
            (Self::Numbers(predictions), Labels::Numbers(numbers)) => {
                predictions.predicted.extend(answers);
                let labels = rows.iter().map(|&row| numbers[row]);
                predictions.labels.extend(labels);
                predictions.groups.extend(groups);
                predictions
                    .baseline
                    .resize(predictions.labels.len(), mean(numbers, training));
            }
            // A judge is made of the labels that it is given.
            (Self::Classes(_), Labels::Numbers(_)) | (Self::Numbers(_), Labels::Classes(_)) => {}
        }
    }

    /// Every metric that the rows allow, for `split`.
    pub(super) fn metrics(&self, split: &'static str, seed: u64) -> Vec<Metric> {
        match self {
            Self::Classes(predictions) => predictions.metrics(split, seed),
            Self::Numbers(predictions) => predictions.metrics(split, seed),
        }
    }
}

/// The most frequent class of `rows`, the first of equals.
fn majority(of_row: &[u32], classes: usize, rows: &[usize]) -> u32 {
    let mut counts = vec![0_usize; classes];
    for &row in rows {
        counts[of_row[row] as usize] += 1;
    }
    let most = counts.iter().max().copied().unwrap_or(0);
    let class = counts.iter().position(|&count| count == most).unwrap_or(0);
    u32::try_from(class).unwrap_or(u32::MAX)
}

#[expect(clippy::cast_precision_loss, reason = "fewer than 2^53 rows")]
fn mean(numbers: &[f64], rows: &[usize]) -> f64 {
    rows.iter().map(|&row| numbers[row]).sum::<f64>() / rows.len() as f64
}
