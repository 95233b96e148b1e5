//! Newton's method from where linfa's solver stopped: a few steps take a logistic regression to its optimum.
//!
//! L-BFGS is quick far from the optimum and slow near it, where each of these steps doubles the digits. The Hessian of
//! the multinomial log loss is that of Böhning 1992, "Multinomial logistic regression algorithm",
//! doi:10.1007/BF00048682: `Σ (diag(p) - p pᵀ) ⊗ x xᵀ`. Here the penalty is added to it, and the direction that changes
//! no probability (the same amount on every class) is filled up, which changes no step. Scores are taken relative to
//! the largest of their own row, so that outliers lose nothing.

use linfa_linalg::cholesky::SolveCInplace;
use ndarray::{Array1, Array2, ArrayView2, Axis, Slice, concatenate, linalg::general_mat_mul};

use super::stop;

/// More steps are not needed from a sensible start.
const MAX_STEPS: usize = 20;
/// A step that does not lower the loss is halved so often before it is given up.
const MAX_HALVINGS: usize = 10;
/// The gradient's norm for each row at which nothing is left to gain.
const GRADIENT_TOLERANCE_PER_ROW: f64 = 1e-12;
/// Rows whose products of features are held at once: a dozen features then fit the second-level cache.
const BLOCK_ROWS: usize = 256;

/// Rows of coefficients that are not the intercepts.
const ALL_BUT_LAST: Slice = Slice {
    start: 0,
    end: Some(-1),
    step: 1,
};

/// Coefficients of z-scored features: a column for each class, or one for class 1 when there are two.
pub(super) struct Solution {
    /// `[n_features][n_columns]`
    pub(super) weights: Array2<f64>,
    /// `[n_columns]`
    pub(super) intercepts: Array1<f64>,
}

/// The rows of a fit and its penalty.
struct Problem<'a> {
    /// `[n_rows][n_features + 1]`, the last column being 1.
    design: Array2<f64>,
    labels: &'a [u32],
    l2: f64,
    is_binary: bool,
}

/// Coefficients and what follows from them.
struct Point {
    /// `[n_features + 1][n_columns]`, the intercepts last.
    coefficients: Array2<f64>,
    /// `[n_rows][n_columns]`
    probabilities: Array2<f64>,
    loss: f64,
}

/// Takes `start` to the minimum of the summed log loss and `l2 / 2 · |weights|²`, of features `[n_rows][n_features]`
/// and labels `[n_rows]`. Returns what it came to, and the norm of the gradient there for each row.
pub(super) fn polish(
    features: ArrayView2<'_, f64>,
    labels: &[u32],
    l2: f64,
    start: Solution,
) -> (Solution, f64) {
    let ones = Array2::ones((features.nrows(), 1));
    let problem = Problem {
        design: concatenate![Axis(1), features, ones],
        labels,
        l2,
        is_binary: start.intercepts.len() == 1,
    };
    let intercepts = start.intercepts.insert_axis(Axis(0));
    let mut point = problem.at(concatenate![Axis(0), start.weights, intercepts]);
    let mut gradient = problem.gradient(&point);
    for _ in 0..MAX_STEPS {
        if problem.norm_per_row(&gradient) <= GRADIENT_TOLERANCE_PER_ROW || stop::is_stopped() {
            break;
        }
        let Some(next) = problem.step(&point, &gradient) else {
            break;
        };
        point = next;
        gradient = problem.gradient(&point);
    }
    let n_features = features.ncols();
    let solution = Solution {
        weights: weights_of(&point.coefficients).to_owned(),
        intercepts: point.coefficients.row(n_features).to_owned(),
    };
    (solution, problem.norm_per_row(&gradient))
}

impl Problem<'_> {
    fn at(&self, coefficients: Array2<f64>) -> Point {
        let weights = weights_of(&coefficients);
        let mut loss = self.l2 / 2.0 * weights.iter().map(|weight| weight * weight).sum::<f64>();
        let mut probabilities = self.design.dot(&coefficients);
        for (mut row, &label) in probabilities.rows_mut().into_iter().zip(self.labels) {
            // Of two classes the first has the score 0.
            let first = if self.is_binary {
                0.0
            } else {
                f64::NEG_INFINITY
            };
            let own = self.column_of(label).map_or(first, |column| row[column]);
            let largest = row.iter().copied().fold(first, f64::max);
            row.mapv_inplace(|score| (score - largest).exp());
            let sum = row.sum() + (first - largest).exp();
            row /= sum;
            loss += largest + sum.ln() - own;
        }
        Point {
            coefficients,
            probabilities,
            loss,
        }
    }

    /// The column of a class, which the first of two classes lacks.
    fn column_of(&self, label: u32) -> Option<usize> {
        (label as usize).checked_sub(usize::from(self.is_binary))
    }

    /// `Xᵀ (p - y) + l2 · w`, of the shape of the coefficients.
    fn gradient(&self, point: &Point) -> Array2<f64> {
        let mut residuals = point.probabilities.clone();
        for (mut row, &label) in residuals.rows_mut().into_iter().zip(self.labels) {
            if let Some(column) = self.column_of(label) {
                row[column] -= 1.0;
            }
        }
        let mut gradient = self.design.t().dot(&residuals);
        gradient
            .slice_axis_mut(Axis(0), ALL_BUT_LAST)
            .scaled_add(self.l2, &weights_of(&point.coefficients));
        gradient
    }

    #[expect(clippy::cast_precision_loss, reason = "fewer than 2^53 rows")]
    fn norm_per_row(&self, gradient: &Array2<f64>) -> f64 {
        let sum_of_squares: f64 = gradient.iter().map(|slope| slope * slope).sum();
        sum_of_squares.sqrt() / self.labels.len() as f64
    }

    /// The next point; `None` where no step lowers the loss, or the Hessian cannot be inverted, as for features that
    /// follow from each other when nothing is penalised.
    fn step(&self, point: &Point, gradient: &Array2<f64>) -> Option<Point> {
        let (rows, columns) = gradient.dim();
        let by_column = gradient.t().iter().copied().collect();
        let mut direction = Array2::from_shape_vec((rows * columns, 1), by_column).ok()?;
        self.hessian(point).solvec_inplace(&mut direction).ok()?;
        let direction = Array2::from_shape_fn((rows, columns), |(row, column)| {
            direction[(column * rows + row, 0)]
        });
        let mut share = 1.0;
        for _ in 0..MAX_HALVINGS {
            let next = self.at(&point.coefficients - &direction * share);
            if next.loss <= point.loss {
                return Some(next);
            }
            share /= 2.0;
        }
        None
    }

    /// The Hessian's lower triangle, all coefficients of the first column first.
    fn hessian(&self, point: &Point) -> Array2<f64> {
        let (rows, columns) = point.coefficients.dim();
        let (features, classes) = (pairs(rows), pairs(columns));
        let sums = self.curvature(point, &features, &classes);
        let mut hessian = Array2::zeros((rows * columns, rows * columns));
        for (&(one, other), sums) in features.iter().zip(sums.rows()) {
            for (&(left, right), &sum) in classes.iter().zip(sums) {
                hessian[(left * rows + one, right * rows + other)] = sum;
                hessian[(left * rows + other, right * rows + one)] = sum;
            }
        }
        for column in 0..columns {
            for weight in column * rows..(column + 1) * rows - 1 {
                hessian[(weight, weight)] += self.l2;
            }
        }
        if !self.is_binary {
            self.fill_up(&mut hessian, rows, columns);
        }
        hessian
    }

    /// `Σ p (δ - q) · x x` over the rows, for each pair of features and each pair of classes.
    fn curvature(
        &self,
        point: &Point,
        features: &[(usize, usize)],
        classes: &[(usize, usize)],
    ) -> Array2<f64> {
        let mut sums = Array2::zeros((features.len(), classes.len()));
        let blocks = self.design.axis_chunks_iter(Axis(0), BLOCK_ROWS);
        let probabilities = point.probabilities.axis_chunks_iter(Axis(0), BLOCK_ROWS);
        for (x, p) in blocks.zip(probabilities) {
            let products = Array2::from_shape_fn((x.nrows(), features.len()), |(row, pair)| {
                let (one, other) = features[pair];
                x[(row, one)] * x[(row, other)]
            });
            let weights = Array2::from_shape_fn((x.nrows(), classes.len()), |(row, pair)| {
                let (left, right) = classes[pair];
                let is_same = if left == right { 1.0 } else { 0.0 };
                p[(row, left)] * (is_same - p[(row, right)])
            });
            general_mat_mul(1.0, &products.t(), &weights, 1.0, &mut sums);
        }
        sums
    }

    /// Gives the direction in which all classes change alike the curvature that it lacks.
    #[expect(clippy::cast_precision_loss, reason = "fewer than 2^53 rows")]
    fn fill_up(&self, hessian: &mut Array2<f64>, rows: usize, columns: usize) {
        let curvature = self.labels.len() as f64 / columns as f64;
        for left in 0..columns {
            for right in 0..=left {
                for row in 0..rows {
                    hessian[(left * rows + row, right * rows + row)] += curvature;
                }
            }
        }
    }
}

/// Every pair of `0..count`, in either order once.
fn pairs(count: usize) -> Vec<(usize, usize)> {
    (0..count)
        .flat_map(|one| (0..=one).map(move |other| (one, other)))
        .collect()
}

fn weights_of(coefficients: &Array2<f64>) -> ArrayView2<'_, f64> {
    coefficients.slice_axis(Axis(0), ALL_BUT_LAST)
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::{features, three_classes, two_classes};
    use super::*;

    #[test]
    fn the_optimum_is_reached_from_zero() {
        for (labels, columns) in [(two_classes(), 1), (three_classes(), 3)] {
            let start = Solution {
                weights: Array2::zeros((3, columns)),
                intercepts: Array1::zeros(columns),
            };
            let (solution, norm) = polish(features().view(), &labels, 1.0, start);
            assert!(norm < 1e-12, "{norm}");
            if columns > 1 {
                assert!(
                    solution
                        .weights
                        .sum_axis(Axis(1))
                        .iter()
                        .all(|sum| sum.abs() < 1e-9)
                );
            }
        }
    }

    #[test]
    fn far_outliers_do_not_keep_it_from_the_optimum() {
        let mut features = features();
        features[(7, 0)] = 1e4;
        let start = Solution {
            weights: Array2::zeros((3, 3)),
            intercepts: Array1::zeros(3),
        };
        let (_, norm) = polish(features.view(), &three_classes(), 1.0, start);
        assert!(norm < 1e-9, "{norm}");
    }

    #[test]
    fn features_that_follow_from_each_other_end_where_they_began() {
        let features = features();
        let twice = concatenate![Axis(1), features, features];
        let start = Solution {
            weights: Array2::zeros((6, 1)),
            intercepts: Array1::zeros(1),
        };
        let (solution, _) = polish(twice.view(), &two_classes(), 0.0, start);
        assert!(solution.weights.iter().all(|weight| weight.is_finite()));
    }
}
