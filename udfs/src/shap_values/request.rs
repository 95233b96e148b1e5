//! What a call of `shap_values` asks for: its literals, checked against the model.

use datafusion::common::{Result, ScalarValue, plan_err};

use crate::{
    arguments::ModelCall,
    kernels::{
        shapley::{MAX_ENUMERATED_FEATURES, Output},
        trees::{Combination, Trees},
    },
    models::{Model, ModelKind},
    numbers::whole_number,
};

/// What is explained of each row, and how much of it is kept.
pub(crate) struct Request {
    /// The class; without one each row's predicted class, or the number.
    pub(super) class: Option<usize>,
    /// How many features to keep.
    pub(super) top_k: usize,
    /// A number is a margin, what a forest of classes answers a probability.
    pub(super) output: Output,
}

impl Request {
    /// Reads the literals of a call and refuses what the model cannot answer.
    pub(crate) fn read(
        call: &ModelCall,
        model: &Model,
        class: &ScalarValue,
        top_k: &ScalarValue,
        output: &ScalarValue,
    ) -> Result<Self> {
        let function = call.function;
        call.predictor(model)?;
        let class = match call.text(class, "class")? {
            Some(class) => call.class_index(model, &class)?,
            None => None,
        };
        let output = match call.text(output, "output")?.as_deref() {
            None => default_output(model),
            Some("margin") => Output::Margin,
            Some("probability") => Output::Probability,
            Some(other) => {
                return plan_err!(
                    "{function}: unknown output '{other}', expected 'margin' or 'probability'"
                );
            }
        };
        if let Some(problem) = output_problem(model, output) {
            return plan_err!("{function}: {problem}");
        }
        Ok(Self {
            class,
            top_k: read_top_k(function, model.features.len(), top_k)?,
            output,
        })
    }
}

fn default_output(model: &Model) -> Output {
    match &model.kind {
        ModelKind::Trees(trees) if is_forest_of_classes(trees) => Output::Probability,
        _ => Output::Margin,
    }
}

fn is_forest_of_classes(trees: &Trees) -> bool {
    trees.combination == Combination::Mean && !trees.classes.is_empty()
}

/// Whether a probability is divided by going over all subsets of the features.
fn is_enumerated(kind: &ModelKind) -> bool {
    match kind {
        ModelKind::Trees(trees) => trees.combination == Combination::Sum,
        ModelKind::Logistic(_) => true,
        _ => false,
    }
}

fn output_problem(model: &Model, output: Output) -> Option<String> {
    let features = model.features.len();
    match (&model.kind, output) {
        (ModelKind::Trees(trees), Output::Margin) if is_forest_of_classes(trees) => Some(format!(
            "model '{}' is a random forest, whose answer is a mean of probabilities and has no margin, use 'probability'",
            model.name
        )),
        (ModelKind::Trees(trees), Output::Probability) if trees.classes.is_empty() => {
            Some(format!(
                "model '{}' predicts a number, it has no probability, use 'margin' for the number",
                model.name
            ))
        }
        (kind, Output::Probability)
            if features > MAX_ENUMERATED_FEATURES && is_enumerated(kind) =>
        {
            Some(format!(
                "'probability' goes over all subsets of at most {MAX_ENUMERATED_FEATURES} features and model '{}' has \
                 {features}, use 'margin'",
                model.name
            ))
        }
        _ => None,
    }
}

fn read_top_k(function: &str, features: usize, top_k: &ScalarValue) -> Result<usize> {
    if top_k.is_null() {
        return Ok(features);
    }
    if let Some(k) = whole_number(top_k)?
        && k >= 1
    {
        return Ok(usize::try_from(k).map_or(features, |k| k.min(features)));
    }
    plan_err!("{function}: top_k must be a whole number from 1, got {top_k}")
}
