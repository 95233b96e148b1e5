//! Logistic regression, binary and multinomial, by the kernel that fits it to z-scored features.
//!
//! The objective is the **sum** of the log losses plus `l2 / 2 · |w|²`, intercepts free. scikit-learn minimises
//! `C · sum + 1/2 · |w|²`, so `l2 = 1 / C` gives its coefficients; a penalty meant for the mean loss (as in glmnet or
//! Spark) must be multiplied by the number of rows. Multinomial coefficients are the symmetric ones: over the classes
//! they sum to 0, intercepts too.
//!
//! linfa-logistic 0.8.1 is an oracle in the tests. It subtracts the largest score of the whole matrix in its log-sum-exp and
//! cuts what remains at 1e-15, which is wrong for rows whose scores lie more than 34 below that one: with a feature that
//! has far outliers (a track's duration, 20 standard deviations) its fit can end off the optimum.

use moodlake_udfs::{
    Logistic,
    kernels::{
        logistic::probabilities,
        logistic_fit::{Problem, Start, fit},
    },
};
use ndarray::ArrayView2;

use super::{
    options::{ClassWeight, LogisticOptions},
    stop,
};
use crate::error::Result;

/// A fitted model, and what is to be thought of it.
#[derive(Clone, Debug)]
pub(super) struct Fit {
    pub(super) model: Logistic,
    pub(super) is_converged: bool,
    /// Whether the features tell the classes of these rows apart without an error.
    pub(super) is_separated: bool,
}

impl Fit {
    /// Fits to raw features `[n_rows][n_features]` and indices into `classes`, all of which occur; from `start`, a fit
    /// to other rows of the same classes.
    pub(super) fn new(
        values: ArrayView2<'_, f64>,
        labels: &[u32],
        classes: &[String],
        options: &LogisticOptions,
        start: Option<&Self>,
    ) -> Result<Self> {
        let class_weights = match options.class_weight {
            Some(ClassWeight::Balanced) => balanced(labels, classes.len()),
            None => Vec::new(),
        };
        let values = values.as_standard_layout();
        let problem = Problem {
            values: values.as_slice().unwrap_or_default(),
            labels,
            n_classes: classes.len(),
            class_weights: &class_weights,
            l2: options.l2,
        };
        let start = start.map(|fit| Start {
            weights: &fit.model.weights,
            intercepts: &fit.model.intercepts,
        });
        let fitted = fit(&problem, start, options.max_iterations, &stop::watch());
        let fitted = fitted.ok_or_else(stop::ended)?;
        Ok(Self {
            model: Logistic {
                classes: classes.to_vec(),
                means: fitted.scaler.means,
                scales: fitted.scaler.scales,
                weights: fitted.weights,
                intercepts: fitted.intercepts,
                std_errors: fitted.std_errors,
            },
            is_converged: fitted.is_converged,
            is_separated: fitted.is_separated,
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

/// What a row of each class counts so that all classes together weigh the same: rows, by classes times the class's rows,
/// as in scikit-learn.
#[expect(clippy::cast_precision_loss, reason = "fewer than 2^53 rows")]
fn balanced(labels: &[u32], classes: usize) -> Vec<f64> {
    let mut counts = vec![0.0; classes];
    for &label in labels {
        counts[label as usize] += 1.0;
    }
    let even = labels.len() as f64 / classes as f64;
    counts
        .into_iter()
        .map(|count: f64| even / count.max(1.0))
        .collect()
}

#[cfg(test)]
mod tests {
    use linfa::{Dataset, traits::Fit as _};
    use linfa_logistic::{LogisticRegression, MultiLogisticRegression};
    use moodlake_udfs::kernels::{rows::Rows, scaler::Scaler};
    use ndarray::{Array1, Array2};

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

    #[test]
    fn linfa_comes_to_the_same_probabilities() {
        let units = Scaler::fit(&features().into_iter().collect::<Vec<f64>>(), 3);
        let rows = Rows::scaled(&features().into_iter().collect::<Vec<f64>>(), &units);
        let scaled = Array2::from_shape_vec((rows.len(), 3), rows.to_vec()).unwrap();
        let near = |ours: f64, theirs: f64| {
            assert!((ours - theirs).abs() < 1e-5, "{ours} is not {theirs}");
        };
        let rows = Dataset::new(scaled.clone(), Array1::from(three_classes()));
        let linfa = MultiLogisticRegression::default().gradient_tolerance(1e-8);
        let theirs = linfa.fit(&rows).unwrap().predict_probabilities(&scaled);
        let ours = fit(&three_classes(), &["low", "middle", "high"], 1.0);
        let ours = ours.probabilities(features().view());
        for ((row, class), theirs) in theirs.indexed_iter() {
            near(ours[class][row], *theirs);
        }
        let rows = Dataset::new(scaled.clone(), Array1::from(two_classes()));
        let linfa = LogisticRegression::default().gradient_tolerance(1e-8);
        let linfa = linfa.fit(&rows).unwrap();
        // linfa calls the more frequent class positive.
        let positive = linfa.labels().pos.class as usize;
        let ours = fit(&two_classes(), &["no", "yes"], 1.0).probabilities(features().view());
        for (ours, theirs) in ours[positive]
            .iter()
            .zip(linfa.predict_probabilities(&scaled))
        {
            near(*ours, theirs);
        }
    }

    #[test]
    fn balanced_classes_weigh_the_same() {
        assert_eq!(balanced(&[0, 1, 1, 1], 2), [2.0, 2.0 / 3.0]);
    }
}
