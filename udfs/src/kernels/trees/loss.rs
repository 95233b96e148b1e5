//! What boosting lowers: the squared error of a number, or the cross-entropy of classes.
//!
//! Friedman 2001, "Greedy function approximation: a gradient boosting machine", doi:10.1214/aos/1013203451: squared loss
//! (section 4.1), two classes (section 4.5), several (section 4.6), whose Hessians carry the factor `K / (K - 1)` that
//! its algorithm 6 has in the answer of a leaf.

use rayon::prelude::*;

use super::target::{Target, class_weights};
use crate::kernels::logistic::{sigmoid, softmax};

/// Rows that a thread works on at least.
const CHUNK: usize = 8192;
/// Keeps logarithms finite where a class is certain.
const LEAST_PROBABILITY: f64 = 1e-15;

/// A target and what its rows weigh.
pub(super) struct Loss<'a> {
    target: &'a Target<'a>,
    /// The weight of each class; empty for numbers.
    weights: &'a [f64],
}

/// A gradient and a Hessian.
pub(super) type Slope = [f64; 2];

impl<'a> Loss<'a> {
    pub(super) fn new(target: &'a Target<'a>, weights: &'a [f64]) -> Self {
        Self { target, weights }
    }

    pub(super) fn outputs(&self) -> usize {
        self.target.n_outputs()
    }

    /// The scores at which the loss of one and the same answer to all rows is lowest.
    #[expect(clippy::cast_precision_loss, reason = "fewer than 2^53 rows")]
    pub(super) fn base(&self) -> Vec<f64> {
        let (of_row, names) = match self.target {
            Target::Numbers(of_row) => {
                return vec![of_row.iter().sum::<f64>() / of_row.len() as f64];
            }
            Target::Classes { of_row, names } => (of_row, names),
        };
        let mut counts = vec![0.0; names.len()];
        of_row
            .iter()
            .for_each(|class| counts[*class as usize] += 1.0);
        let weighted = counts.iter().zip(self.weights);
        let weighted: Vec<f64> = weighted.map(|(count, weight)| count * weight).collect();
        let total: f64 = weighted.iter().sum();
        let log = |class: usize| (weighted[class] / total).max(LEAST_PROBABILITY).ln();
        match names.len() {
            2 => vec![log(1) - log(0)],
            classes => (0..classes).map(log).collect(),
        }
    }

    /// Turns scores `[n_rows * n_outputs]` into predictions of the same shape: probabilities, or the numbers themselves.
    pub(super) fn predict(&self, scores: &[f64], predictions: &mut Vec<f64>) {
        let outputs = self.outputs();
        predictions.clear();
        predictions.extend_from_slice(scores);
        if matches!(self.target, Target::Numbers(_)) {
            return;
        }
        let chunks = predictions.par_chunks_mut(CHUNK * outputs);
        chunks.for_each(|chunk| match outputs {
            1 => chunk.iter_mut().for_each(|score| *score = sigmoid(*score)),
            _ => chunk.chunks_exact_mut(outputs).for_each(softmax),
        });
    }

    /// The slopes of the loss in one output's scores, row by row.
    #[expect(clippy::cast_precision_loss, reason = "fewer than 2^53 classes")]
    pub(super) fn slopes(&self, predictions: &[f64], output: usize, slopes: &mut [Slope]) {
        let outputs = self.outputs();
        let chunks = slopes.par_chunks_mut(CHUNK).enumerate();
        chunks.for_each(|(chunk, slopes)| {
            let first = chunk * CHUNK;
            let predicted = predictions[first * outputs + output..]
                .iter()
                .step_by(outputs);
            let rows = slopes.iter_mut().zip(predicted).zip(first..);
            match self.target {
                Target::Numbers(of_row) => {
                    rows.for_each(|((slope, predicted), row)| {
                        *slope = [predicted - of_row[row], 1.0];
                    });
                }
                Target::Classes { of_row, .. } => {
                    let (positive, factor) = match outputs {
                        1 => (1, 1.0),
                        _ => (
                            u32::try_from(output).unwrap_or(u32::MAX),
                            outputs as f64 / (outputs - 1) as f64,
                        ),
                    };
                    rows.for_each(|((slope, predicted), row)| {
                        let class = of_row[row];
                        let weight = self.weights[class as usize];
                        let truth = f64::from(u8::from(class == positive));
                        let curvature = factor * predicted * (1.0 - predicted);
                        *slope = [weight * (predicted - truth), weight * curvature];
                    });
                }
            }
        });
    }

    /// The mean loss of predictions.
    pub(super) fn of(&self, predictions: &[f64]) -> f64 {
        let outputs = self.outputs();
        let log = |probability: f64| -probability.max(LEAST_PROBABILITY).ln();
        let (mut sum, mut total) = (0.0, 0.0);
        match self.target {
            Target::Numbers(of_row) => {
                for (predicted, truth) in predictions.iter().zip(*of_row) {
                    sum += (predicted - truth).powi(2);
                    total += 1.0;
                }
            }
            Target::Classes { of_row, .. } => {
                for (predicted, class) in predictions.chunks_exact(outputs).zip(*of_row) {
                    let weight = self.weights[*class as usize];
                    sum += weight
                        * match (outputs, class) {
                            (1, 0) => log(1.0 - predicted[0]),
                            (1, _) => log(predicted[0]),
                            _ => log(predicted[*class as usize]),
                        };
                    total += weight;
                }
            }
        }
        sum / total
    }
}

/// The weights that [`Loss::new`] takes.
pub(super) fn weights(target: &Target<'_>, is_balanced: bool) -> Vec<f64> {
    match target {
        Target::Numbers(_) => Vec::new(),
        Target::Classes { of_row, names } => class_weights(of_row, names.len(), is_balanced),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The slopes are the derivatives of the loss, taken by small steps.
    fn check(target: &Target<'_>, scores: &[f64]) {
        let weights = weights(target, true);
        let loss = Loss::new(target, &weights);
        let outputs = loss.outputs();
        let rows = scores.len() / outputs;
        let mut total_weight = 0.0;
        let at = |scores: &[f64]| {
            let mut predictions = Vec::new();
            loss.predict(scores, &mut predictions);
            (loss.of(&predictions), predictions)
        };
        if let Target::Classes { of_row, .. } = target {
            of_row
                .iter()
                .for_each(|class| total_weight += weights[*class as usize]);
        }
        for output in 0..outputs {
            let mut slopes = vec![[0.0; 2]; rows];
            loss.slopes(&at(scores).1, output, &mut slopes);
            for (row, slope) in slopes.iter().enumerate() {
                let step = |by: f64| {
                    let mut moved = scores.to_vec();
                    moved[row * outputs + output] += by;
                    at(&moved).0 * total_weight
                };
                let gradient = (step(1e-5) - step(-1e-5)) / 2e-5;
                assert!(
                    (gradient - slope[0]).abs() < 1e-8,
                    "{gradient} is not {slope:?}"
                );
                let hessian = (step(1e-3) - 2.0 * step(0.0) + step(-1e-3)) / 1e-6;
                let factor = if outputs == 1 { 1.0 } else { 1.5 };
                assert!(
                    (hessian * factor - slope[1]).abs() < 1e-5,
                    "{hessian} is not {slope:?}"
                );
            }
        }
    }

    fn names(count: usize) -> Vec<String> {
        vec![String::new(); count]
    }

    #[test]
    fn slopes_of_classes_are_derivatives() {
        let names = (names(2), names(3));
        let two = Target::Classes {
            of_row: &[0, 1, 1],
            names: &names.0,
        };
        check(&two, &[0.3, -1.2, 2.0]);
        let three = Target::Classes {
            of_row: &[2, 0, 1],
            names: &names.1,
        };
        check(&three, &[0.3, -1.2, 2.0, 0.0, 0.1, 0.2, 1.0, -1.0, 0.5]);
    }

    #[test]
    fn the_base_is_what_the_rows_say_together() {
        let names = (names(2), names(3));
        let base = |target: &Target<'_>| Loss::new(target, &weights(target, false)).base();
        assert_eq!(base(&Target::Numbers(&[1.0, 2.0, 6.0])), [3.0]);
        let two = base(&Target::Classes {
            of_row: &[0, 1, 1, 1],
            names: &names.0,
        });
        assert!((two[0] - 3_f64.ln()).abs() < 1e-15);
        let three = base(&Target::Classes {
            of_row: &[0, 1, 2, 2],
            names: &names.1,
        });
        assert!((three[2] - 0.5_f64.ln()).abs() < 1e-15 && three.len() == 3);
    }
}
