//! What a model answers for rows of features, whatever its family.

use arrow::buffer::NullBuffer;

use crate::{
    arguments::Features,
    kernels::{
        logistic::{predicted_classes, probabilities},
        trees::predict::predict,
    },
    models::{Model, ModelKind},
};

/// The answers for the rows of a batch.
#[derive(Debug)]
pub(crate) struct Predictions {
    /// The probability of each class, `[n_classes][n_rows]`, or the number, `[1][n_rows]`.
    pub(crate) by_class: Vec<Vec<f64>>,
    /// The rows that have an answer; `None` if all have one.
    pub(crate) known: Option<NullBuffer>,
}

/// What a model answers; `None` if it predicts nothing.
pub(crate) fn predictions(model: &Model, features: &Features) -> Option<Predictions> {
    match &model.kind {
        ModelKind::Logistic(logistic) => Some(Predictions {
            by_class: probabilities(logistic, &features.slices()),
            known: features.usable.clone(),
        }),
        ModelKind::Trees(trees) => {
            let columns = features.with_missing();
            let columns: Vec<&[f64]> = columns.iter().map(Vec::as_slice).collect();
            Some(Predictions {
                by_class: predict(trees, &columns),
                known: features.given.clone(),
            })
        }
        ModelKind::KMeans(_) | ModelKind::Als(_) | ModelKind::Untrained => None,
    }
}

/// The most probable class of each row, the first one on a tie, and the rows that have one; `None` for a model without
/// classes.
pub(crate) fn most_probable(
    model: &Model,
    features: &Features,
) -> Option<(Vec<usize>, Option<NullBuffer>)> {
    if let ModelKind::Logistic(logistic) = &model.kind {
        let classes = predicted_classes(logistic, &features.slices());
        return Some((classes, features.usable.clone()));
    }
    if classes(model).is_empty() {
        return None;
    }
    let Predictions { by_class, known } = predictions(model, features)?;
    let mut by_class = by_class.into_iter();
    let mut largest = by_class.next()?;
    let mut predicted = vec![0; largest.len()];
    for (class, probabilities) in (1..).zip(by_class) {
        let rows = largest.iter_mut().zip(&mut predicted).zip(probabilities);
        for ((largest, predicted), probability) in rows {
            if probability > *largest {
                *largest = probability;
                *predicted = class;
            }
        }
    }
    Some((predicted, known))
}

/// The labels of the classes that a model tells apart; empty if it predicts a number, or nothing.
pub(crate) fn classes(model: &Model) -> &[String] {
    match &model.kind {
        ModelKind::Logistic(logistic) => &logistic.classes,
        ModelKind::Trees(trees) => &trees.classes,
        ModelKind::KMeans(_) | ModelKind::Als(_) | ModelKind::Untrained => &[],
    }
}

/// Whether a model predicts a number.
pub(crate) fn is_number(model: &Model) -> bool {
    matches!(&model.kind, ModelKind::Trees(trees) if trees.classes.is_empty())
}
