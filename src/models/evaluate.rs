//! Trains a model with a label: measured on rows that its fit has not seen, then fitted again to all rows.
//!
//! Nothing is chosen by looking at held-out rows: options come from the statement, scaling from the rows of the fit.

use std::collections::BTreeSet;

use arrow::{array::RecordBatch, datatypes::SchemaRef};
use moodlake_udfs::{Model, ModelKind};
use ndarray::Axis;

use super::{
    Fitted, Metric, TOO_FEW_ROWS,
    dataset::{Codes, Dataset, Roles},
    leak,
    logistic::Fit,
    metrics::Predictions,
    options::{Labelled, LogisticOptions, SplitKind},
    split::{self, Groups, Part},
    stop,
};
use crate::error::{Error, Result};

/// A label with more classes is an identifier, not something to learn.
const MOST_CLASSES: usize = 100;

/// Trains the model called `name` on the rows of its query.
pub(super) fn train(
    name: &str,
    options: &LogisticOptions,
    roles: Roles<'_>,
    schema: &SchemaRef,
    batches: &[RecordBatch],
) -> Result<Fitted> {
    let dataset = Dataset::read(name, schema, batches, roles)?;
    let dataset = restrict(dataset, &options.labelled);
    let mut dataset = dataset.deduplicated(roles);
    let label = dataset.label.take().unwrap_or_default();
    let trainer = Trainer {
        name,
        options,
        groups: Groups::of(&dataset, options.labelled.seed),
        dataset,
        label,
    };
    trainer.train()
}

/// Keeps the rows of the classes asked for, in the order asked for.
fn restrict(dataset: Dataset, options: &Labelled) -> Dataset {
    let (Some(classes), Some(label)) = (&options.classes, &dataset.label) else {
        return dataset;
    };
    let new_code = |code: u32| {
        let name = &label.names[code as usize];
        classes.iter().position(|class| class == name)
    };
    let codes: Vec<Option<usize>> = label.of_row.iter().map(|&code| new_code(code)).collect();
    let kept: Vec<usize> = (0..codes.len())
        .filter(|&row| codes[row].is_some())
        .collect();
    let of_row = codes
        .iter()
        .flatten()
        .map(|&code| u32::try_from(code).unwrap_or(u32::MAX))
        .collect();
    let dropped = codes.len() - kept.len();
    let mut dataset = match dropped {
        0 => dataset,
        _ => dataset.select(&kept),
    };
    if dropped > 0 {
        let column = &options.label;
        dataset.warnings.push(format!(
            "dropped {dropped} rows whose {column} is none of the classes asked for"
        ));
    }
    dataset.label = Some(Codes {
        names: classes.clone(),
        of_row,
    });
    dataset
}

struct Trainer<'a> {
    name: &'a str,
    options: &'a LogisticOptions,
    dataset: Dataset,
    label: Codes,
    groups: Groups,
}

impl Trainer<'_> {
    fn train(mut self) -> Result<Fitted> {
        self.check_classes()?;
        let mut warnings = std::mem::take(&mut self.dataset.warnings);
        warnings.extend(leak::warnings(&self.dataset, &self.label));
        let (held_out, start) = match self.options.labelled.split {
            SplitKind::Artist | SplitKind::Time => self.by_part(&mut warnings)?,
            SplitKind::Folds => self.out_of_fold()?,
            SplitKind::None => (Vec::new(), None),
        };
        let every_row: Vec<usize> = (0..self.dataset.rows()).collect();
        let fit = self.fit(&every_row, "all rows", start.as_ref())?;
        let mut metrics = held_out;
        if self.options.labelled.split == SplitKind::None {
            let mut predictions = self.no_predictions();
            self.predict(
                &fit,
                &every_row,
                self.majority(&every_row),
                &mut predictions,
            );
            metrics = predictions.metrics(Part::Train.name(), self.options.labelled.seed);
            warnings.push(
                "split = 'none': the metrics are those of the training rows, which flatters them"
                    .into(),
            );
        }
        warnings.extend(self.doubts(&fit, &metrics));
        let classes = self.label.names.clone();
        Ok(Fitted {
            model: Model::new(
                self.name,
                self.dataset.features.clone(),
                ModelKind::Logistic(fit.model),
            ),
            label: Some(self.options.labelled.label.clone()),
            classes,
            metrics,
            n_train: self.dataset.rows() as u64,
            warnings,
        })
    }

    /// Fits to the training part and judges every part; the fit is where the final one may start from.
    fn by_part(&self, warnings: &mut Vec<String>) -> Result<(Vec<Metric>, Option<Fit>)> {
        let labelled = &self.options.labelled;
        let parts = split::parts(&self.dataset, &self.groups, labelled, warnings);
        let rows_of = |part: Part| -> Vec<usize> {
            (0..parts.len())
                .filter(|&row| parts[row] == Some(part))
                .collect()
        };
        let training = rows_of(Part::Train);
        let described = match labelled.split {
            SplitKind::Time => "the rows before the first cut in time",
            _ => "the training artists",
        };
        let fit = self.fit(&training, described, None)?;
        let majority = self.majority(&training);
        let mut metrics = Vec::new();
        for part in [Part::Train, Part::Validation, Part::Test] {
            stop::check()?;
            let rows = rows_of(part);
            if rows.is_empty() {
                return Err(self.empty_part(part));
            }
            let mut predictions = self.no_predictions();
            self.predict(&fit, &rows, majority, &mut predictions);
            metrics.extend(predictions.metrics(part.name(), labelled.seed));
        }
        Ok((metrics, Some(fit)))
    }

    fn empty_part(&self, part: Part) -> Error {
        let part = part.name();
        let what = match self.options.labelled.split {
            SplitKind::Time => format!(
                "no rows fall into the {part} part in time, use split = 'folds', a smaller gap_days or more rows"
            ),
            _ => format!(
                "none of the {} artists falls into the {part} part, use split = 'folds' or more artists",
                self.groups.count()
            ),
        };
        self.error(&format!("{TOO_FEW_ROWS}: {what}"))
    }

    /// Predicts each fold by a fit to the others and judges all predictions together. A fit starts from the one before,
    /// which cuts the way to an optimum that is its own.
    fn out_of_fold(&self) -> Result<(Vec<Metric>, Option<Fit>)> {
        let (fold_of_row, folds) = self.folds()?;
        let mut predictions = self.no_predictions();
        let mut start = None;
        for fold in 0..folds {
            stop::check()?;
            let (held_out, training): (Vec<usize>, Vec<usize>) =
                (0..fold_of_row.len()).partition(|&row| fold_of_row[row] == fold);
            if held_out.is_empty() {
                continue;
            }
            let described = format!("the rows outside fold {fold}");
            let fit = self.fit(&training, &described, start.as_ref())?;
            self.predict(&fit, &held_out, self.majority(&training), &mut predictions);
            start = Some(fit);
        }
        let metrics = predictions.metrics("out_of_fold", self.options.labelled.seed);
        Ok((metrics, start))
    }

    fn folds(&self) -> Result<(Vec<u32>, u32)> {
        let Some(Codes { names, of_row }) = &self.dataset.fold else {
            return Ok(self.groups.folds());
        };
        let used: BTreeSet<u32> = of_row.iter().copied().collect();
        if used.len() < 2 {
            return Err(self.error(&format!(
                "{TOO_FEW_ROWS}: column '{}' must have at least two different values",
                self.options.labelled.fold.as_deref().unwrap_or_default()
            )));
        }
        Ok((
            of_row.clone(),
            u32::try_from(names.len()).unwrap_or(u32::MAX),
        ))
    }

    fn fit(&self, rows: &[usize], described: &str, start: Option<&Fit>) -> Result<Fit> {
        let labels: Vec<u32> = rows.iter().map(|&row| self.label.of_row[row]).collect();
        if let Some(absent) = self.counts(rows).iter().position(|&count| count == 0) {
            let class = &self.label.names[absent];
            return Err(self.error(&format!(
                "{TOO_FEW_ROWS}: class '{class}' has no rows among {described}: give it more rows, leave it out, or use split = 'none'"
            )));
        }
        let values = self.dataset.values.select(Axis(0), rows);
        Fit::new(
            values.view(),
            &labels,
            &self.label.names,
            self.options,
            start,
        )
    }

    fn predict(&self, fit: &Fit, rows: &[usize], majority: u32, predictions: &mut Predictions) {
        let values = self.dataset.values.select(Axis(0), rows);
        let classes = fit.probabilities(values.view());
        let by_row = (0..rows.len()).flat_map(|row| classes.iter().map(move |class| class[row]));
        predictions.probabilities.extend(by_row);
        predictions
            .labels
            .extend(rows.iter().map(|&row| self.label.of_row[row]));
        predictions
            .groups
            .extend(rows.iter().map(|&row| self.groups.of_row[row]));
        predictions
            .majority
            .resize(predictions.labels.len(), majority);
    }

    fn no_predictions(&self) -> Predictions {
        Predictions {
            n_classes: self.label.names.len(),
            ..Predictions::default()
        }
    }

    fn counts(&self, rows: &[usize]) -> Vec<usize> {
        let mut counts = vec![0; self.label.names.len()];
        for &row in rows {
            counts[self.label.of_row[row] as usize] += 1;
        }
        counts
    }

    /// The most frequent class of `rows`, the first of equals.
    fn majority(&self, rows: &[usize]) -> u32 {
        let counts = self.counts(rows);
        let most = counts.iter().max().copied().unwrap_or(0);
        let class = counts.iter().position(|&count| count == most).unwrap_or(0);
        u32::try_from(class).unwrap_or(u32::MAX)
    }

    fn check_classes(&self) -> Result<()> {
        let (label, classes) = (&self.options.labelled.label, self.label.names.len());
        if classes > MOST_CLASSES {
            return Err(self.error(&format!(
                "label '{label}' has {classes} classes, at most {MOST_CLASSES} are possible"
            )));
        }
        let rows: Vec<usize> = (0..self.dataset.rows()).collect();
        let present = self
            .counts(&rows)
            .iter()
            .filter(|&&count| count > 0)
            .count();
        if present < 2 {
            return Err(self.error(&format!(
                "{TOO_FEW_ROWS}: label '{label}' needs at least two classes, the rows have {present}"
            )));
        }
        Ok(())
    }

    fn doubts(&self, fit: &Fit, metrics: &[Metric]) -> Vec<String> {
        let mut doubts = Vec::new();
        if !fit.is_converged {
            let iterations = self.options.max_iterations;
            doubts.push(format!("the fit has not reached its optimum in {iterations} iterations: raise max_iterations, or tame features with far outliers, such as by their logarithm"));
        }
        if metrics.iter().any(|metric| metric.ci_low.is_none()) {
            doubts.push(
                "some metrics have no interval: too few groups of rows, or no variation".into(),
            );
        }
        doubts
    }

    fn error(&self, message: &str) -> Error {
        Error::Input(format!("model '{}': {message}", self.name))
    }
}
