//! Trained models as the functions see them, and the source they are looked up in.
//!
//! Nothing here trains, and nothing here reads a disk: whoever owns the session fills a [`ModelSource`] before a
//! statement is planned.

use datafusion::common::{Result, exec_err};
use serde::{Deserialize, Serialize};

use crate::kernels::trees::{Combination, Trees};

pub use als::{Als, Confidence};
pub use source::{ModelCheck, ModelSource};

mod als;
mod shape_of_trees;
mod source;

/// A trained model: enough to predict and to explain, nothing about how it was trained.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Model {
    /// The name it is addressed by, without a version.
    pub name: String,
    /// Its version, counted from 1.
    pub version: i64,
    /// The features' names in training order; shape `[n_features]`.
    pub features: Vec<String>,
    /// What it computes.
    pub kind: ModelKind,
    /// The column that it predicts, if it predicts one and the model is not older than this field.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// What each feature looked like in the training rows; shape `[n_features]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub statistics: Option<Vec<FeatureStatistics>>,
}

/// What a feature looked like in the rows that a model was trained on, in the feature's unit.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq)]
pub struct FeatureStatistics {
    /// Rows where it is known and finite.
    pub count: u64,
    /// Rows where it is null, NaN or infinite.
    pub null_count: u64,
    /// Mean of the known values.
    pub mean: f64,
    /// Standard deviation of the known values (divided by their count).
    pub std_dev: f64,
    /// Least known value.
    pub min: f64,
    /// Largest known value.
    pub max: f64,
}

/// The families of models that the functions know.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum ModelKind {
    /// Clusters: `kmeans_assign`, `kmeans_distance`.
    KMeans(KMeans),
    /// Classes: `ml_predict`, `ml_predict_proba`, `shap_explain`.
    Logistic(Logistic),
    /// Classes or a number, by a forest or by boosting: the same functions, which take missing values too.
    Trees(Trees),
    /// What listeners would play: `als_fold_in`, `als_score`, `als_because`.
    Als(Als),
    /// Nothing yet, for want of rows to train on: every function answers null.
    Untrained,
}

/// k-means on z-scored features.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct KMeans {
    /// Mean of each raw feature; shape `[n_features]`.
    pub means: Vec<f64>,
    /// What each centred feature is divided by, positive; shape `[n_features]`.
    pub scales: Vec<f64>,
    /// Cluster centres in standardised units; shape `[k][n_features]`.
    pub centroids: Vec<Vec<f64>>,
    /// Training rows in each cluster; shape `[k]`.
    pub sizes: Vec<u64>,
}

/// Logistic regression on z-scored features, binary or multinomial.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Logistic {
    /// Class labels, at least two; in a binary model `classes[1]` is the positive one.
    pub classes: Vec<String>,
    /// Mean of each raw feature; shape `[n_features]`.
    pub means: Vec<f64>,
    /// What each centred feature is divided by, positive; shape `[n_features]`.
    pub scales: Vec<f64>,
    /// Coefficients per standard deviation, in log-odds; shape `[n_classes][n_features]`, or one row (for
    /// `classes[1]`) in a binary model.
    pub weights: Vec<Vec<f64>>,
    /// Log-odds at the training means; one for each row of `weights`.
    pub intercepts: Vec<f64>,
    /// Standard errors of the coefficients of raw features, the intercept's last; shape of `weights` and one more for each
    /// row, empty where they are not known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub std_errors: Vec<Vec<f64>>,
}

impl Model {
    /// A model without a version, a label and statistics, which its maker may add.
    #[must_use]
    pub fn new(name: impl Into<String>, features: Vec<String>, kind: ModelKind) -> Self {
        Self {
            name: name.into(),
            version: 0,
            features,
            kind,
            label: None,
            statistics: None,
        }
    }

    /// Refuses a model whose parts do not fit together, so that the kernels need not check again.
    ///
    /// # Errors
    /// When a shape differs from the documented one, a number is not finite or a scale is not positive.
    pub fn validate(&self) -> Result<()> {
        let problem = match &self.kind {
            ModelKind::KMeans(kmeans) => kmeans.problem(self.features.len()),
            ModelKind::Logistic(logistic) => logistic.problem(self.features.len()),
            ModelKind::Trees(trees) => shape_of_trees::problem(trees, self.features.len()),
            ModelKind::Als(als) => als.problem(),
            ModelKind::Untrained => None,
        };
        let no_features = self
            .features
            .is_empty()
            .then(|| "it has no features".to_owned());
        let statistics = self.statistics.as_ref();
        let other_statistics = statistics
            .is_some_and(|statistics| statistics.len() != self.features.len())
            .then(|| "its statistics are not those of its features".to_owned());
        match no_features.or(problem).or(other_statistics) {
            Some(problem) => exec_err!("model '{}' cannot be used: {problem}", self.pinned_name()),
            None => Ok(()),
        }
    }

    /// The name that means this very version, such as `mood@7`.
    #[must_use]
    pub fn pinned_name(&self) -> String {
        format!("{}@{}", self.name, self.version)
    }
}

impl ModelKind {
    /// What it is called in a message.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::KMeans(_) => "k-means",
            Self::Logistic(_) => "logistic",
            Self::Trees(Trees {
                combination: Combination::Mean,
                ..
            }) => "a random forest",
            Self::Trees(_) => "boosted trees",
            Self::Als(_) => "of type 'als'",
            Self::Untrained => "not trained yet",
        }
    }
}

impl KMeans {
    fn problem(&self, n_features: usize) -> Option<String> {
        if self.centroids.is_empty() {
            return Some("it has no centroids".to_owned());
        }
        scaling_problem(&self.means, &self.scales, n_features)
            .or_else(|| matrix_problem("centroid", &self.centroids, n_features))
    }
}

impl Logistic {
    fn errors_problem(&self, n_features: usize) -> Option<String> {
        match self.std_errors.len() {
            0 => None,
            rows if rows == self.weights.len() => {
                matrix_problem("row of standard errors", &self.std_errors, n_features + 1)
            }
            rows => Some(format!(
                "{rows} rows of standard errors do not fit its weights"
            )),
        }
    }

    fn problem(&self, n_features: usize) -> Option<String> {
        let rows = self.weights.len();
        let is_binary = self.classes.len() == 2 && rows == 1;
        if self.classes.len() < 2 || !(is_binary || rows == self.classes.len()) {
            return Some(format!(
                "{rows} rows of weights do not fit {} classes",
                self.classes.len()
            ));
        }
        if self.intercepts.len() != rows || self.intercepts.iter().any(|value| !value.is_finite()) {
            return Some(format!(
                "it needs {rows} finite intercepts, one for each row of weights"
            ));
        }
        scaling_problem(&self.means, &self.scales, n_features)
            .or_else(|| matrix_problem("row of weights", &self.weights, n_features))
            .or_else(|| self.errors_problem(n_features))
    }
}

fn scaling_problem(means: &[f64], scales: &[f64], n_features: usize) -> Option<String> {
    if means.len() != n_features || scales.len() != n_features {
        return Some(format!(
            "means and scales must have one value for each of its {n_features} features"
        ));
    }
    if means.iter().any(|mean| !mean.is_finite()) {
        return Some("a mean is not finite".to_owned());
    }
    let usable = |scale: &f64| scale.is_finite() && *scale > 0.0;
    (!scales.iter().all(usable)).then(|| "a scale is not positive and finite".to_owned())
}

fn matrix_problem(row_name: &str, rows: &[Vec<f64>], n_features: usize) -> Option<String> {
    let at = rows
        .iter()
        .position(|row| row.len() != n_features || row.iter().any(|value| !value.is_finite()))?;
    Some(format!(
        "{row_name} {at} does not have {n_features} finite values"
    ))
}
