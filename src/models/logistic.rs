//! Logistic regression, binary and multinomial, fitted by linfa-logistic (L-BFGS) on z-scored features and taken to the
//! optimum by Newton's method.
//!
//! The objective is the **sum** of the log losses plus `l2 / 2 · |w|²`, intercepts free. scikit-learn minimises
//! `C · sum + 1/2 · |w|²`, so `l2 = 1 / C` gives its coefficients; a penalty meant for the mean loss (as in glmnet or
//! Spark) must be multiplied by the number of rows. Multinomial coefficients are the symmetric ones: over the classes
//! they sum to 0, intercepts too.
//!
//! linfa 0.8.1 subtracts the largest score of the whole matrix in its log-sum-exp and cuts what remains at 1e-15, which
//! is wrong for rows whose scores lie more than 34 below that one: with a feature that has far outliers (a track's
//! duration, 20 standard deviations) its fit can end off the optimum. It serves as the start, and the gradient where
//! Newton's method ends decides whether the fit counts as converged.

use linfa::{Dataset, traits::Fit as _};
use linfa_logistic::{LogisticRegression, MultiLogisticRegression, error::Error as LinfaError};
use moodlake_udfs::{Logistic, kernels::logistic::probabilities};
use ndarray::{Array1, Array2, ArrayView2, Axis};

use super::{
    newton::{Solution, polish},
    options::LogisticOptions,
    scaler::Scaler,
};
use crate::error::{Error, Result};

/// linfa stops when the gradient's norm is below this for each row. From there Newton's method needs five steps; at a
/// tenth of it two less, for which L-BFGS needs another 28 (6,346 tracks, 12 features, 7 classes).
const GRADIENT_TOLERANCE_PER_ROW: f64 = 1e-2;
/// Beyond this norm for each row a fit counts as not converged.
const ACCEPTED_GRADIENT_PER_ROW: f64 = 1e-8;

/// A fitted model, and whether it is the optimum.
#[derive(Clone, Debug)]
pub(super) struct Fit {
    pub(super) model: Logistic,
    pub(super) is_converged: bool,
}

impl Fit {
    /// Fits to raw features `[n_rows][n_features]` and indices into `classes`, all of which occur; from `start`, a fit
    /// to other rows of the same classes, without linfa.
    pub(super) fn new(
        values: ArrayView2<'_, f64>,
        labels: &[u32],
        classes: &[String],
        options: &LogisticOptions,
        start: Option<&Self>,
    ) -> Result<Self> {
        let scaler = Scaler::fit(values);
        let rows = Dataset::new(scaler.transform(values), labels.iter().copied().collect());
        let tolerance = GRADIENT_TOLERANCE_PER_ROW * len(labels);
        let solved = match (start, classes.len()) {
            (Some(fit), _) => Ok(solution_of(&fit.model)),
            (None, 2) => binary(&rows, options, tolerance),
            (None, _) => multinomial(&rows, options, tolerance),
        };
        let solved =
            solved.map_err(|error| Error::Input(format!("logistic regression: {error}")))?;
        let (solved, gradient) = polish(rows.records().view(), labels, options.l2, solved);
        let model = Logistic {
            classes: classes.to_vec(),
            means: scaler.means,
            scales: scaler.scales,
            weights: solved
                .weights
                .columns()
                .into_iter()
                .map(|column| column.to_vec())
                .collect(),
            intercepts: solved.intercepts.to_vec(),
        };
        Ok(Self {
            model,
            is_converged: gradient <= ACCEPTED_GRADIENT_PER_ROW,
        })
    }

    /// Probabilities `[n_classes][n_rows]` of raw features, by the kernel that answers `ml_predict_proba`.
    pub(super) fn probabilities(&self, values: ArrayView2<'_, f64>) -> Vec<Vec<f64>> {
        let columns: Vec<Vec<f64>> = values
            .columns()
            .into_iter()
            .map(|column| column.to_vec())
            .collect();
        let columns: Vec<&[f64]> = columns.iter().map(Vec::as_slice).collect();
        probabilities(&self.model, &columns)
    }
}

type Rows = Dataset<f64, u32, ndarray::Ix1>;

fn binary(rows: &Rows, options: &LogisticOptions, tolerance: f64) -> Result<Solution, LinfaError> {
    let fitted = LogisticRegression::default()
        .alpha(options.l2)
        .max_iterations(options.max_iterations)
        .gradient_tolerance(tolerance)
        .fit(rows)?;
    // linfa calls the more frequent class positive.
    let sign = if fitted.labels().pos.class == 1 {
        1.0
    } else {
        -1.0
    };
    Ok(Solution {
        weights: (fitted.params() * sign).insert_axis(Axis(1)),
        intercepts: Array1::from_elem(1, fitted.intercept() * sign),
    })
}

fn multinomial(
    rows: &Rows,
    options: &LogisticOptions,
    tolerance: f64,
) -> Result<Solution, LinfaError> {
    let fitted = MultiLogisticRegression::default()
        .alpha(options.l2)
        .max_iterations(options.max_iterations)
        .gradient_tolerance(tolerance)
        .fit(rows)?;
    let weights = fitted.params();
    let means = weights
        .mean_axis(Axis(1))
        .unwrap_or_else(|| Array1::zeros(weights.nrows()));
    Ok(Solution {
        weights: weights - &means.insert_axis(Axis(1)),
        intercepts: fitted.intercept() - fitted.intercept().mean().unwrap_or(0.0),
    })
}

fn solution_of(model: &Logistic) -> Solution {
    let shape = (model.means.len(), model.weights.len());
    Solution {
        weights: Array2::from_shape_fn(shape, |(feature, column)| model.weights[column][feature]),
        intercepts: Array1::from(model.intercepts.clone()),
    }
}

#[expect(clippy::cast_precision_loss, reason = "fewer than 2^53 rows")]
fn len<T>(items: &[T]) -> f64 {
    items.len() as f64
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::{features, three_classes, two_classes};
    use super::*;

    fn fit(labels: &[u32], classes: &[&str], l2: f64) -> Fit {
        let options = LogisticOptions {
            l2,
            ..super::super::fixtures::logistic_options()
        };
        let classes: Vec<String> = classes.iter().map(ToString::to_string).collect();
        let fit = Fit::new(features().view(), labels, &classes, &options, None).unwrap();
        assert!(fit.is_converged);
        fit
    }

    fn assert_near(ours: impl IntoIterator<Item = f64>, theirs: &[f64], tolerance: f64) {
        let ours: Vec<f64> = ours.into_iter().collect();
        assert_eq!(ours.len(), theirs.len());
        for (ours, theirs) in ours.iter().zip(theirs) {
            assert!((ours - theirs).abs() < tolerance, "{ours} is not {theirs}");
        }
    }

    // Reference: scikit-learn 1.9.1, StandardScaler and LogisticRegression(C=1/l2, tol=1e-14, solver="newton-cg").

    #[test]
    fn binary_coefficients_are_those_of_scikit_learn() {
        let model = fit(&two_classes(), &["no", "yes"], 1.0).model;
        assert_eq!(model.weights.len(), 1);
        assert_near(
            model.weights[0].clone(),
            &[
                1.545_650_762_189_4,
                -1.622_924_961_428_4,
                1.079_038_956_253_1,
            ],
            1e-9,
        );
        assert_near(model.intercepts, &[0.099_964_270_049_9], 1e-9);
        let model = fit(&two_classes(), &["no", "yes"], 10.0).model;
        assert_near(
            model.weights[0].clone(),
            &[
                0.790_300_532_384_3,
                -0.839_227_687_804_7,
                0.567_512_565_610_1,
            ],
            1e-9,
        );
    }

    #[test]
    fn multinomial_coefficients_are_those_of_scikit_learn() {
        let fit = fit(&three_classes(), &["low", "middle", "high"], 1.0);
        let probabilities = fit.probabilities(features().view());
        assert_near(
            probabilities.iter().map(|class| class[7]),
            &[
                0.753_853_070_719_0,
                0.231_069_191_617_3,
                0.015_077_737_663_7,
            ],
            1e-9,
        );
        let model = fit.model;
        assert_near(
            model.weights[0].clone(),
            &[
                -1.364_132_366_636_0,
                1.716_085_733_617_9,
                -1.053_110_363_477_4,
            ],
            1e-9,
        );
        assert_near(
            model.weights[2].clone(),
            &[
                1.717_536_897_912_4,
                -1.672_234_171_284_8,
                0.920_310_019_257_9,
            ],
            1e-9,
        );
        assert_near(
            model.intercepts,
            &[
                -0.762_049_584_553_7,
                0.762_294_392_029_5,
                -0.000_244_807_475_8,
            ],
            1e-9,
        );
    }

    #[test]
    fn the_more_frequent_class_keeps_its_place() {
        let flipped: Vec<u32> = two_classes().iter().map(|class| 1 - class).collect();
        let one = fit(&two_classes(), &["no", "yes"], 1.0).model;
        let other = fit(&flipped, &["no", "yes"], 1.0).model;
        assert_near(
            one.weights[0].iter().map(|weight| -weight),
            &other.weights[0],
            1e-9,
        );
    }
}
