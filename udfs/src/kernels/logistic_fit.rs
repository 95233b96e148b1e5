//! Fits a logistic regression, binary or multinomial, by Newton's method on z-scored features.
//!
//! The objective is the **sum** of the log losses plus `l2 / 2 · |w|²`, intercepts free: scikit-learn's with `l2 = 1 / C`.
//! Multinomial coefficients are the symmetric ones: over the classes they sum to 0, intercepts too. Of many rows a sample
//! shows where to start, so that a few steps over all of them are enough.
//!
//! Standard errors are the roots of the diagonal of the inverse Hessian, the penalty included: without a penalty those of
//! maximum likelihood (Wald), with one those of the normal distribution around the posterior's mode (Laplace).

use super::{
    cholesky::Cholesky,
    logistic_hessian::{hessian, std_errors},
    logistic_sums::Sums,
    scaler::Scaler,
};

/// A step that does not lower the loss is halved so often before it is given up.
const MAX_HALVINGS: u64 = 10;
/// The gradient's norm for each row at which nothing is left to gain.
const GRADIENT_TOLERANCE_PER_ROW: f64 = 1e-12;
/// Beyond this norm for each row a fit counts as not converged; below it a step that gains little is the last.
const ACCEPTED_GRADIENT_PER_ROW: f64 = 1e-8;
/// Where a start is looked for, when there are several times as many rows.
const SAMPLE_ROWS: usize = 10_000;
const SAMPLE_FACTOR: usize = 4;
/// A class with fewer rows in the sample would start from nothing but chance.
const LEAST_SAMPLED: usize = 10;

/// Rows to learn from.
#[derive(Clone, Copy, Debug)]
pub struct Problem<'a> {
    /// Raw features; shape `[n_rows][n_features]`.
    pub values: &'a [f64],
    /// Class of each row, all of which occur; shape `[n_rows]`.
    pub labels: &'a [u32],
    /// Number of classes, at least two.
    pub n_classes: usize,
    /// What a row of each class counts; shape `[n_classes]`, empty for 1.
    pub class_weights: &'a [f64],
    /// Weight of the penalty.
    pub l2: f64,
}

/// Coefficients of z-scored features.
#[derive(Clone, Debug, PartialEq)]
pub struct LogisticFit {
    /// What made the z-scores.
    pub scaler: Scaler,
    /// `[n_columns][n_features]`: a column for each class, or one for class 1 when there are two.
    pub weights: Vec<Vec<f64>>,
    /// `[n_columns]`
    pub intercepts: Vec<f64>,
    /// Standard errors of the coefficients of raw features, the intercept's last; shape `[n_columns][n_features + 1]`, empty
    /// where the Hessian has no inverse or classes are weighted.
    pub std_errors: Vec<Vec<f64>>,
    /// Whether the gradient is as good as 0.
    pub is_converged: bool,
    /// Whether every row's own class is the most probable one: then only the penalty keeps coefficients finite.
    pub is_separated: bool,
    /// Newton steps over all rows.
    pub iterations: u64,
}

/// Where a fit may start from: weights and intercepts of z-scored features.
#[derive(Clone, Copy, Debug)]
pub struct Start<'a> {
    /// `[n_columns][n_features]`
    pub weights: &'a [Vec<f64>],
    /// `[n_columns]`
    pub intercepts: &'a [f64],
}

/// Coefficients, a column after the other, its intercept last, and what follows from them.
struct Point {
    coefficients: Vec<f64>,
    sums: Sums,
    /// Of the gradient, for each row.
    norm: f64,
}

/// Fits to rows, from `start` where there is one; `None` when `stop` says so.
#[must_use]
pub fn fit(
    problem: &Problem<'_>,
    start: Option<Start<'_>>,
    max_iterations: u64,
    stop: &(dyn Fn() -> bool + Sync),
) -> Option<LogisticFit> {
    let (rows, columns) = (problem.labels.len(), problem.columns());
    let n_features = problem.values.len() / rows.max(1);
    let scaler = Scaler::fit(problem.values, n_features);
    let size = n_features + 1;
    let start = match start {
        Some(start) => start.coefficients(),
        None => match sampled(problem, n_features) {
            None => vec![0.0; size * columns],
            Some((values, labels)) => {
                let sample = Problem {
                    values: &values,
                    labels: &labels,
                    l2: problem.l2 * count(labels.len()) / count(rows),
                    ..*problem
                };
                minimum(
                    &sample,
                    &scaler,
                    vec![0.0; size * columns],
                    max_iterations,
                    stop,
                )?
                .0
                .coefficients
            }
        },
    };
    let (point, iterations) = minimum(problem, &scaler, start, max_iterations, stop)?;
    let by_column = || point.coefficients.chunks_exact(size);
    // The inverse Hessian takes a weight for a number of rows, which those of classes are not.
    let is_weighted = !problem.class_weights.is_empty();
    let errors = (!is_weighted).then(|| std_errors(problem, &scaler, &point.sums.curvature));
    let errors = errors.flatten();
    Some(LogisticFit {
        weights: by_column()
            .map(|column| column[..n_features].to_vec())
            .collect(),
        intercepts: by_column().map(|column| column[n_features]).collect(),
        std_errors: errors.unwrap_or_default(),
        is_converged: point.norm <= ACCEPTED_GRADIENT_PER_ROW,
        is_separated: point.sums.misplaced == 0,
        iterations,
        scaler,
    })
}

impl Start<'_> {
    fn coefficients(self) -> Vec<f64> {
        let columns = self.weights.iter().zip(self.intercepts);
        columns
            .flat_map(|(weights, intercept)| weights.iter().chain([intercept]).copied())
            .collect()
    }
}

impl Problem<'_> {
    pub(super) fn columns(&self) -> usize {
        if self.n_classes == 2 {
            1
        } else {
            self.n_classes
        }
    }
}

/// Rows at even distances, if there are many rows and each class has some among them.
fn sampled(problem: &Problem<'_>, n_features: usize) -> Option<(Vec<f64>, Vec<u32>)> {
    let rows = problem.labels.len();
    if rows < SAMPLE_FACTOR * SAMPLE_ROWS {
        return None;
    }
    let step = rows / SAMPLE_ROWS;
    let labels: Vec<u32> = problem.labels.iter().copied().step_by(step).collect();
    let mut counts = vec![0; problem.n_classes];
    for &label in &labels {
        counts[label as usize] += 1;
    }
    if counts.iter().any(|&count| count < LEAST_SAMPLED) {
        return None;
    }
    let values = problem.values.chunks_exact(n_features).step_by(step);
    Some((values.flatten().copied().collect(), labels))
}

/// Newton's steps from `start`, and their number.
fn minimum(
    problem: &Problem<'_>,
    scaler: &Scaler,
    start: Vec<f64>,
    max_iterations: u64,
    stop: &(dyn Fn() -> bool + Sync),
) -> Option<(Point, u64)> {
    let mut point = Point::at(problem, scaler, start);
    let mut iterations = 0;
    while iterations < max_iterations && point.norm > GRADIENT_TOLERANCE_PER_ROW {
        if stop() {
            return None;
        }
        let Some(next) = step(problem, scaler, &point, stop) else {
            break;
        };
        iterations += 1;
        let is_last = point.norm <= ACCEPTED_GRADIENT_PER_ROW && next.norm > point.norm / 2.0;
        point = next;
        if is_last {
            break;
        }
    }
    (!stop()).then_some((point, iterations))
}

/// The next point; `None` where no step leads lower, or the Hessian cannot be inverted, as for features that follow from
/// each other when nothing is penalised.
fn step(
    problem: &Problem<'_>,
    scaler: &Scaler,
    point: &Point,
    stop: &(dyn Fn() -> bool + Sync),
) -> Option<Point> {
    let size = point.coefficients.len();
    let mut direction = point.sums.gradient.clone();
    Cholesky::of(
        hessian(problem, &point.sums.curvature, scaler.means.len() + 1),
        size,
    )?
    .solve(&mut direction);
    let mut share = 1.0;
    for _ in 0..MAX_HALVINGS {
        if stop() {
            return None;
        }
        let moved = point.coefficients.iter().zip(&direction);
        let moved = moved.map(|(from, slope)| from - share * slope).collect();
        let next = Point::at(problem, scaler, moved);
        // At the optimum rounding hides how the loss falls, but not how the gradient does.
        if next.sums.loss <= point.sums.loss || next.norm < point.norm {
            return Some(next);
        }
        share /= 2.0;
    }
    None
}

impl Point {
    fn at(problem: &Problem<'_>, scaler: &Scaler, coefficients: Vec<f64>) -> Self {
        let mut sums = Sums::over(problem, scaler, &coefficients);
        let size = scaler.means.len() + 1;
        for (at, (slope, weight)) in sums.gradient.iter_mut().zip(&coefficients).enumerate() {
            if at % size != size - 1 {
                *slope += problem.l2 * weight;
                sums.loss += problem.l2 / 2.0 * weight * weight;
            }
        }
        let squares: f64 = sums.gradient.iter().map(|slope| slope * slope).sum();
        Self {
            norm: squares.sqrt() / count(problem.labels.len()),
            coefficients,
            sums,
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "fewer than 2^53 rows")]
pub(super) fn count(count: usize) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEVER: fn() -> bool = || false;

    /// `[(i * 37 % 101) / 10, (i * 53 % 97) / 7, (i * 29 % 89) / 3 - 10]` for row `i` of 120, and scores with noise.
    fn rows() -> (Vec<f64>, Vec<f64>) {
        let row = |i: u32| {
            let first = f64::from(i * 37 % 101) / 10.0;
            [
                first,
                f64::from(i * 53 % 97) / 7.0,
                f64::from(i * 29 % 89) / 3.0 - 10.0,
            ]
        };
        let score = |i: u32| {
            let [a, b, c] = row(i);
            0.5 * a - 0.4 * b + 0.1 * c + f64::from(i * 71 % 113) / 28.0 - 2.0
        };
        (
            (0..120).flat_map(row).collect(),
            (0..120).map(score).collect(),
        )
    }

    fn two_classes(scores: &[f64]) -> Vec<u32> {
        scores.iter().map(|score| u32::from(*score > 0.0)).collect()
    }

    fn three_classes(scores: &[f64]) -> Vec<u32> {
        let class = |score: &f64| u32::from(*score >= -1.5) + u32::from(*score >= 1.0);
        scores.iter().map(class).collect()
    }

    fn fitted(values: &[f64], labels: &[u32], n_classes: usize, l2: f64) -> LogisticFit {
        let problem = Problem {
            values,
            labels,
            n_classes,
            class_weights: &[],
            l2,
        };
        let fitted = fit(&problem, None, 300, &NEVER).unwrap();
        assert!(fitted.is_converged && !fitted.is_separated);
        fitted
    }

    fn assert_near(ours: &[f64], theirs: &[f64]) {
        assert_eq!(ours.len(), theirs.len());
        for (ours, theirs) in ours.iter().zip(theirs) {
            assert!((ours - theirs).abs() < 1e-9, "{ours} is not {theirs}");
        }
    }

    #[test]
    fn without_a_penalty_it_is_maximum_likelihood() {
        let (values, scores) = rows();
        let fitted = fitted(&values, &two_classes(&scores), 2, 0.0);
        // statsmodels 0.15.0, Logit(...).fit(tol=1e-14): params and bse.
        let raw = fitted.weights[0].iter().zip(&fitted.scaler.scales);
        let raw: Vec<f64> = raw.map(|(weight, scale)| weight / scale).collect();
        assert_near(
            &raw,
            &[
                0.664_074_641_912_646_2,
                -0.502_944_197_536_362_4,
                0.156_463_217_336_644_14,
            ],
        );
        assert_near(
            &fitted.std_errors[0],
            &[
                0.137_351_987_835_979_7,
                0.101_430_298_138_894_4,
                0.039_033_859_640_025_83,
                0.625_141_443_350_744_6,
            ],
        );
    }

    #[test]
    fn errors_of_several_classes_leave_out_what_changes_nothing() {
        let (values, scores) = rows();
        let fitted = fitted(&values, &three_classes(&scores), 3, 1.0);
        // scikit-learn 1.9.1's optimum, and with numpy the Hessian's inverse among coefficients that sum to 0.
        let expected = [
            [
                0.093_459_701_868_894_7,
                0.071_320_054_245_722_95,
                0.027_353_989_995_486_74,
                0.533_708_352_964_216_8,
            ],
            [
                0.067_424_738_903_396_81,
                0.049_708_348_315_251_095,
                0.019_332_110_494_271_353,
                0.368_442_004_621_824_8,
            ],
            [
                0.096_414_862_400_859_43,
                0.070_606_126_937_736_93,
                0.026_411_993_231_523_778,
                0.506_946_198_360_911_4,
            ],
        ];
        for (ours, expected) in fitted.std_errors.iter().zip(expected) {
            assert_near(ours, &expected);
        }
        assert!(fitted.intercepts.iter().sum::<f64>().abs() < 1e-9);
    }

    #[test]
    fn classes_can_be_weighed() {
        let (values, scores) = rows();
        let labels = two_classes(&scores);
        let problem = Problem {
            values: &values,
            labels: &labels,
            n_classes: 2,
            class_weights: &[60.0 / 59.0, 60.0 / 61.0],
            l2: 1.0,
        };
        let fitted = fit(&problem, None, 300, &NEVER).unwrap();
        // scikit-learn 1.9.1, LogisticRegression(class_weight='balanced', solver='newton-cg', tol=1e-14).
        assert_near(
            &fitted.weights[0],
            &[
                1.545_358_113_504_328,
                -1.625_449_566_842_956_7,
                1.082_267_576_951_451_4,
            ],
        );
        assert_near(&fitted.intercepts, &[0.068_685_744_063_758_95]);
        assert!(fitted.std_errors.is_empty());
    }

    #[test]
    fn a_sample_shows_where_to_start_and_threads_change_no_bit() {
        let (values, scores) = rows();
        let (values, labels) = (values.repeat(600), three_classes(&scores).repeat(600));
        let with_threads = |threads| {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .unwrap();
            pool.install(|| fitted(&values, &labels, 3, 600.0))
        };
        let one = with_threads(1);
        assert_eq!(one, with_threads(2));
        assert!(one.iterations <= 3, "{}", one.iterations);
        // Six hundred times the rows at six hundred times the penalty have the same optimum.
        let few = fitted(&values[..360], &labels[..120], 3, 1.0);
        one.weights
            .iter()
            .zip(few.weights)
            .for_each(|(one, few)| assert_near(one, &few));
    }

    #[test]
    fn far_outliers_do_not_keep_it_from_the_optimum() {
        let (mut values, scores) = rows();
        values[21] = 1e4;
        fitted(&values, &three_classes(&scores), 3, 1.0);
    }

    #[test]
    fn features_that_follow_from_each_other_have_no_errors() {
        let (values, scores) = rows();
        let twice: Vec<f64> = values
            .chunks(3)
            .flat_map(|row| [row, row].concat())
            .collect();
        let labels = two_classes(&scores);
        let problem = Problem {
            values: &twice,
            labels: &labels,
            n_classes: 2,
            class_weights: &[],
            l2: 0.0,
        };
        let fitted = fit(&problem, None, 300, &NEVER).unwrap();
        assert!(fitted.weights[0].iter().all(|weight| weight.is_finite()));
        assert!(fitted.std_errors.is_empty());
    }

    #[test]
    fn classes_without_an_error_are_told() {
        let values: Vec<f64> = (0..20).map(f64::from).collect();
        let labels: Vec<u32> = (0..20).map(|row| u32::from(row >= 10)).collect();
        let problem = Problem {
            values: &values,
            labels: &labels,
            n_classes: 2,
            class_weights: &[],
            l2: 1.0,
        };
        assert!(fit(&problem, None, 300, &NEVER).unwrap().is_separated);
        assert_eq!(fit(&problem, None, 300, &|| true), None);
    }
}
