//! The explained predictions of a batch, whatever the model's family.

use arrow::buffer::NullBuffer;

use super::request::Request;
use crate::{
    arguments::Features,
    kernels::{
        logistic::{margins, probabilities},
        shapley::{Explainer, Output},
        tree_game::TreeGame,
        tree_shap::TreeExplainer,
        trees::{Combination, Trees, predict::predict},
    },
    models::{Logistic, Model, ModelKind},
    predictions::{classes, most_probable},
};

/// Explained predictions, row by row: `baseline + Σ contribution = prediction`, up to rounding.
pub(super) struct Explained<'a> {
    /// What each feature adds; shape `[n_rows * n_features]`, row by row.
    pub(super) contributions: Vec<f64>,
    /// The answer that knows no feature; shape `[n_rows]`.
    pub(super) baselines: Vec<f64>,
    /// What the model answers, computed without the contributions; shape `[n_rows]`.
    pub(super) predictions: Vec<f64>,
    /// The rows that have an answer; `None` if all have one.
    known: Option<NullBuffer>,
    labels: &'a [String],
    class: Option<usize>,
    predicted: Vec<usize>,
    n_features: usize,
}

impl<'a> Explained<'a> {
    /// Explains every row; `None` for a model that predicts nothing.
    pub(super) fn of(model: &'a Model, request: &Request, features: &Features) -> Option<Self> {
        let predicted = match request.class {
            Some(class) => vec![class; features.rows()],
            None => match most_probable(model, features) {
                Some((predicted, _)) => predicted,
                None => vec![0; features.rows()],
            },
        };
        let mut explained = Self {
            contributions: vec![],
            baselines: vec![],
            predictions: vec![],
            known: None,
            labels: classes(model),
            class: request.class,
            predicted,
            n_features: model.features.len(),
        };
        match &model.kind {
            ModelKind::Logistic(logistic) => explained.linear(logistic, request, features),
            ModelKind::Trees(trees) => explained.trees(trees, request, features),
            ModelKind::KMeans(_) | ModelKind::Als(_) | ModelKind::Untrained => return None,
        }
        Some(explained)
    }

    pub(super) fn rows(&self) -> usize {
        self.predicted.len()
    }

    pub(super) fn is_known(&self, row: usize) -> bool {
        self.known.as_ref().is_none_or(|known| known.is_valid(row))
    }

    /// The label of the class that is explained; none where a number is, and where there is no predicted class.
    pub(super) fn label(&self, row: usize) -> Option<&'a str> {
        let is_given = self.class.is_some() || self.is_known(row);
        let label = is_given.then(|| self.labels.get(self.predicted[row]))?;
        label.map(String::as_str)
    }

    /// The contributions to one row's prediction; shape `[n_features]`.
    pub(super) fn contributions(&self, row: usize) -> &[f64] {
        &self.contributions[row * self.n_features..(row + 1) * self.n_features]
    }

    /// How far the baseline and the contributions are from the prediction.
    pub(super) fn additivity_error(&self, row: usize) -> f64 {
        let sum: f64 = self.contributions(row).iter().sum();
        (self.baselines[row] + sum - self.predictions[row]).abs()
    }

    fn linear(&mut self, logistic: &Logistic, request: &Request, features: &Features) {
        let slices = features.slices();
        let answers = match request.output {
            Output::Margin => margins(logistic, &slices),
            Output::Probability => probabilities(logistic, &slices),
        };
        let mut explainer = Explainer::new(logistic, request.output);
        let mut values = vec![0.0; slices.len()];
        let mut contributions = vec![0.0; slices.len()];
        for (row, &class) in self.predicted.iter().enumerate() {
            let mut baseline = f64::NAN;
            if features.is_usable(row) {
                for (value, column) in values.iter_mut().zip(&slices) {
                    *value = column[row];
                }
                baseline = explainer
                    .explain(class, &values, &mut contributions)
                    .baseline;
            }
            self.contributions.extend(&contributions);
            self.baselines.push(baseline);
            self.predictions.push(match answers.as_slice() {
                // The log-odds of a binary model's second class; the first has their negative.
                [margins] if class == 0 => -margins[row],
                [margins] => margins[row],
                by_class => by_class[class][row],
            });
        }
        self.known.clone_from(&features.usable);
    }

    fn trees(&mut self, trees: &Trees, request: &Request, features: &Features) {
        let columns = features.with_missing();
        let columns: Vec<&[f64]> = columns.iter().map(Vec::as_slice).collect();
        let explained = match (trees.combination, request.output) {
            (Combination::Sum, Output::Probability) => {
                let game = TreeGame::new(trees, self.n_features);
                let mut explained = game.explain(&columns, &self.predicted);
                let answers = predict(trees, &columns);
                let rows = self.predicted.iter().enumerate();
                explained.predictions = rows.map(|(row, class)| answers[*class][row]).collect();
                explained
            }
            (Combination::Mean, _) | (_, Output::Margin) => {
                TreeExplainer::new(trees, self.n_features).explain(&columns, &self.predicted)
            }
        };
        self.contributions = explained.contributions;
        self.baselines = explained.baselines;
        self.predictions = explained.predictions;
        self.known.clone_from(&features.given);
    }
}
