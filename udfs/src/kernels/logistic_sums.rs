//! What a Newton step of a logistic regression needs of the rows: loss, gradient and curvature, in one pass.
//!
//! Rows are z-scored block by block, so that nothing of their size is kept beside them, and a block lies by columns, so
//! that everything is done to several rows at once. Scores are taken relative to the largest of their own row, so that
//! outliers lose nothing.

use rayon::prelude::*;

use super::{BLOCK_ROWS, CHUNK_ROWS, logistic_fit::Problem, rows::LANES, scaler::Scaler};

/// Chunks whose sums are held at once.
const CHUNKS_AT_ONCE: usize = 16;

/// A value of each row of a block; 0 beyond its rows.
type Column = [f64; BLOCK_ROWS];
const ZEROS: Column = [0.0; BLOCK_ROWS];

/// Sums over rows.
#[derive(Default)]
pub(super) struct Sums {
    /// Of the log losses.
    pub(super) loss: f64,
    /// `Xᵀ (p - y)`; a column of coefficients after the other.
    pub(super) gradient: Vec<f64>,
    /// `Σ p (δ - q) · x x` for each pair of columns and each pair of features; shape `[pairs of columns][pairs of features]`.
    pub(super) curvature: Vec<f64>,
    /// Rows whose own class is not more probable than every other.
    pub(super) misplaced: usize,
}

impl Sums {
    /// Over all rows of a problem, at these coefficients: a column after the other, its intercept last.
    pub(super) fn over(problem: &Problem<'_>, scaler: &Scaler, coefficients: &[f64]) -> Self {
        let n_features = scaler.means.len();
        let pass = Pass {
            problem,
            scaler,
            coefficients,
        };
        let (rows, at_once) = (problem.labels.len(), CHUNK_ROWS * CHUNKS_AT_ONCE);
        let mut sums = Self::default();
        for first in (0..rows).step_by(at_once) {
            let last = rows.min(first + at_once);
            let values = &problem.values[first * n_features..last * n_features];
            let chunks: Vec<Self> = values
                .par_chunks(CHUNK_ROWS * n_features)
                .zip(problem.labels[first..last].par_chunks(CHUNK_ROWS))
                .map(|(values, labels)| pass.chunk(values, labels))
                .collect();
            for chunk in chunks {
                sums.add(chunk);
            }
        }
        sums
    }

    fn add(&mut self, other: Self) {
        self.loss += other.loss;
        self.misplaced += other.misplaced;
        add(&mut self.gradient, other.gradient);
        add(&mut self.curvature, other.curvature);
    }
}

fn add(sums: &mut Vec<f64>, parts: Vec<f64>) {
    if sums.is_empty() {
        *sums = parts;
    } else {
        sums.iter_mut()
            .zip(parts)
            .for_each(|(sum, part)| *sum += part);
    }
}

/// Every pair of `0..count`, in either order once.
pub(super) fn pairs(count: usize) -> impl Iterator<Item = (usize, usize)> + Clone {
    (0..count).flat_map(|one| (0..=one).map(move |other| (one, other)))
}

/// One look at all rows.
struct Pass<'a> {
    problem: &'a Problem<'a>,
    scaler: &'a Scaler,
    coefficients: &'a [f64],
}

/// A block of rows.
struct Block {
    /// z-scores, and 1 for the intercept; shape `[n_features + 1]`.
    design: Vec<Column>,
    /// Scores, then probabilities, then residuals; shape `[n_columns]`.
    scores: Vec<Column>,
}

impl Pass<'_> {
    fn chunk(&self, values: &[f64], labels: &[u32]) -> Sums {
        let (size, columns) = (self.scaler.means.len() + 1, self.problem.columns());
        let mut sums = Sums {
            gradient: vec![0.0; size * columns],
            curvature: vec![0.0; pairs(size).count() * pairs(columns).count()],
            ..Sums::default()
        };
        let mut block = Block {
            design: vec![[1.0; BLOCK_ROWS]; size],
            scores: vec![ZEROS; columns],
        };
        let values = values.chunks(BLOCK_ROWS * (size - 1));
        for (values, labels) in values.zip(labels.chunks(BLOCK_ROWS)) {
            self.score(values, &mut block);
            self.to_probabilities(labels, &mut block, &mut sums);
            self.add_curvature(labels, &block, &mut sums.curvature);
            self.to_residuals(labels, &mut block);
            let by_column = block
                .scores
                .iter()
                .zip(sums.gradient.chunks_exact_mut(size));
            for (residuals, slopes) in by_column {
                for (slope, x) in slopes.iter_mut().zip(&block.design) {
                    *slope += dot(residuals, x);
                }
            }
        }
        sums
    }

    fn score(&self, values: &[f64], block: &mut Block) {
        let n_features = self.scaler.means.len();
        for (feature, target) in block.design[..n_features].iter_mut().enumerate() {
            let (mean, scale) = (self.scaler.means[feature], self.scaler.scales[feature]);
            let inverse = scale.recip();
            let column = values[feature..].iter().step_by(n_features);
            for (target, value) in target.iter_mut().zip(column) {
                *target = (value - mean) * inverse;
            }
        }
        let by_column = self.coefficients.chunks_exact(n_features + 1);
        for (scores, coefficients) in block.scores.iter_mut().zip(by_column) {
            *scores = ZEROS;
            for (coefficient, x) in coefficients.iter().zip(&block.design) {
                for (score, x) in scores.iter_mut().zip(x) {
                    *score += coefficient * x;
                }
            }
        }
    }

    /// Turns scores into probabilities, 0 beyond the rows, and counts the losses.
    fn to_probabilities(&self, labels: &[u32], block: &mut Block, sums: &mut Sums) {
        // Of two classes the first has the score 0.
        let first = if self.is_binary() {
            0.0
        } else {
            f64::NEG_INFINITY
        };
        let mut own = [first; BLOCK_ROWS];
        let mut next = [f64::NEG_INFINITY; BLOCK_ROWS];
        for (row, &label) in labels.iter().enumerate() {
            let column_of_row = self.column_of(label);
            next[row] = if column_of_row.is_some() {
                first
            } else {
                f64::NEG_INFINITY
            };
            for (column, scores) in block.scores.iter().enumerate() {
                if column_of_row == Some(column) {
                    own[row] = scores[row];
                } else {
                    next[row] = next[row].max(scores[row]);
                }
            }
        }
        for (row, &label) in labels.iter().enumerate() {
            let largest = own[row].max(next[row]);
            let mut sum = if self.is_binary() {
                (first - largest).exp()
            } else {
                0.0
            };
            for scores in &mut block.scores {
                scores[row] = (scores[row] - largest).exp();
                sum += scores[row];
            }
            for scores in &mut block.scores {
                scores[row] /= sum;
            }
            sums.misplaced += usize::from(own[row] <= next[row]);
            sums.loss += self.weight(label) * (largest + sum.ln() - own[row]);
        }
        for scores in &mut block.scores {
            scores[labels.len()..].fill(0.0);
        }
    }

    fn add_curvature(&self, labels: &[u32], block: &Block, curvature: &mut [f64]) {
        let size = block.design.len();
        let by_classes = curvature.chunks_exact_mut(pairs(size).count());
        for ((left, right), curvature) in pairs(block.scores.len()).zip(by_classes) {
            let is_same = if left == right { 1.0 } else { 0.0 };
            let mut weights = ZEROS;
            let probabilities = block.scores[left].iter().zip(&block.scores[right]);
            for (weight, (p, q)) in weights.iter_mut().zip(probabilities) {
                *weight = p * (is_same - q);
            }
            self.weigh(labels, &mut weights);
            let mut sums = curvature.iter_mut();
            for one in 0..size {
                let mut weighted = ZEROS;
                let pairs = weights.iter().zip(&block.design[one]);
                for (weighted, (weight, x)) in weighted.iter_mut().zip(pairs) {
                    *weighted = weight * x;
                }
                for (other, sum) in block.design[..=one].iter().zip(&mut sums) {
                    *sum += dot(&weighted, other);
                }
            }
        }
    }

    fn to_residuals(&self, labels: &[u32], block: &mut Block) {
        for (row, &label) in labels.iter().enumerate() {
            if let Some(column) = self.column_of(label) {
                block.scores[column][row] -= 1.0;
            }
        }
        for residuals in &mut block.scores {
            self.weigh(labels, residuals);
        }
    }

    fn is_binary(&self) -> bool {
        self.problem.n_classes == 2
    }

    /// The column of a class, which the first of two classes lacks.
    fn column_of(&self, label: u32) -> Option<usize> {
        (label as usize).checked_sub(usize::from(self.is_binary()))
    }

    fn weight(&self, label: u32) -> f64 {
        let weights = self.problem.class_weights;
        weights.get(label as usize).copied().unwrap_or(1.0)
    }

    fn weigh(&self, labels: &[u32], column: &mut Column) {
        if self.problem.class_weights.is_empty() {
            return;
        }
        for (value, &label) in column.iter_mut().zip(labels) {
            *value *= self.weight(label);
        }
    }
}

/// The scalar product, in as many sums as the machine adds up at once.
fn dot(a: &Column, b: &Column) -> f64 {
    let (a, b) = (a.as_chunks::<LANES>().0, b.as_chunks::<LANES>().0);
    let mut sums = [0.0; LANES];
    for (a, b) in a.iter().zip(b) {
        for lane in 0..LANES {
            sums[lane] += a[lane] * b[lane];
        }
    }
    sums.iter().sum()
}
