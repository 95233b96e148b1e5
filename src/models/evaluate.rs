//! Trains a model with a label: measured on rows that its fit has not seen, then fitted again to all rows.
//!
//! Nothing is chosen by looking at held-out rows: options come from the statement, scaling from the rows of the fit.

use std::collections::BTreeSet;

use arrow::{array::RecordBatch, datatypes::SchemaRef};
use moodlake_udfs::Model;
use ndarray::Axis;

use super::{
    Fitted, Metric, TOO_FEW_ROWS,
    dataset::{Codes, Dataset, Roles},
    judge::Judge,
    leak,
    learner::{Labels, Learned, Learner, Rows, Start},
    options::{Labelled, SplitKind},
    split::{self, Groups, Part},
    stop,
};
use crate::error::{Error, Result};

/// A label with more classes is an identifier, not something to learn.
const MOST_CLASSES: usize = 100;

/// Trains the model called `name` on the rows of its query.
pub(super) fn train(
    name: &str,
    learner: Learner<'_>,
    roles: Roles<'_>,
    schema: &SchemaRef,
    batches: &[RecordBatch],
) -> Result<Fitted> {
    let options = learner.labelled();
    let dataset = Dataset::read(name, schema, batches, roles)?;
    let dataset = restrict(dataset, options);
    let mut dataset = dataset.deduplicated(roles);
    let classes = dataset.label.take().map(Labels::Classes);
    let numbers = dataset.target.take().map(Labels::Numbers);
    let Some(labels) = classes.or(numbers) else {
        return Err(Error::Internal(format!("model '{name}' has no labels")));
    };
    let trainer = Trainer {
        name,
        learner,
        options,
        groups: Groups::of(&dataset, options.seed),
        dataset,
        labels,
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
    learner: Learner<'a>,
    options: &'a Labelled,
    dataset: Dataset,
    labels: Labels,
    groups: Groups,
}

impl Trainer<'_> {
    fn train(mut self) -> Result<Fitted> {
        self.check_labels()?;
        let mut warnings = std::mem::take(&mut self.dataset.warnings);
        if let Labels::Classes(codes) = &self.labels {
            warnings.extend(leak::warnings(&self.dataset, codes));
        }
        let (mut metrics, before) = match self.options.split {
            SplitKind::Artist | SplitKind::Time => self.by_part(&mut warnings)?,
            SplitKind::Folds => self.out_of_fold()?,
            SplitKind::None if self.learner.stops_early() => {
                let every_row: Vec<usize> = (0..self.dataset.rows()).collect();
                (Vec::new(), Some(self.fit_watching(&every_row, "all rows")?))
            }
            SplitKind::None => (Vec::new(), None),
        };
        let every_row: Vec<usize> = (0..self.dataset.rows()).collect();
        let rows = self.rows(&every_row);
        self.check_classes_of(&rows, "all rows")?;
        let start = before.as_ref().map_or(Start::Fresh, Start::From);
        let fit = self.learner.fit(&rows, start)?;
        if self.options.split == SplitKind::None {
            metrics.extend(self.of_training_rows(&fit, &every_row, &rows));
            warnings.push(
                "split = 'none': the metrics are those of the training rows, which flatters them"
                    .into(),
            );
        }
        warnings.extend(fit.doubt());
        if metrics.iter().any(|metric| metric.ci_low.is_none()) {
            warnings.push(
                "some metrics have no interval: too few groups of rows, or no variation".into(),
            );
        }
        Ok(Fitted {
            model: Model {
                statistics: Some(self.dataset.statistics()),
                ..Model::new(self.name, self.dataset.features.clone(), fit.into_kind())
            },
            label: Some(self.options.label.clone()),
            classes: self.labels.classes().to_vec(),
            metrics,
            n_train: self.dataset.rows() as u64,
            warnings,
        })
    }

    /// Fits to the training part and judges every part; the fit is where the final one may start from.
    fn by_part(&self, warnings: &mut Vec<String>) -> Result<(Vec<Metric>, Option<Learned>)> {
        let parts = split::parts(&self.dataset, &self.groups, self.options, warnings);
        let rows_of = |part: Part| -> Vec<usize> {
            (0..parts.len())
                .filter(|&row| parts[row] == Some(part))
                .collect()
        };
        let training = rows_of(Part::Train);
        let described = match self.options.split {
            SplitKind::Time => "the rows before the first cut in time",
            _ => "the training artists",
        };
        let validation = rows_of(Part::Validation);
        let watched = self.learner.stops_early().then(|| self.rows(&validation));
        let start = watched.as_ref().map_or(Start::Fresh, Start::Watching);
        let fit = self.fit(&training, described, start)?;
        let mut metrics = Vec::new();
        for part in [Part::Train, Part::Validation, Part::Test] {
            stop::check()?;
            let rows = rows_of(part);
            if rows.is_empty() {
                return Err(self.empty_part(part));
            }
            let mut judge = Judge::of(&self.labels);
            self.predict(&fit, &rows, &training, &mut judge);
            metrics.extend(judge.metrics(part.name(), self.options.seed));
        }
        Ok((metrics, Some(fit)))
    }

    fn empty_part(&self, part: Part) -> Error {
        let part = part.name();
        let what = match self.options.split {
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
    fn out_of_fold(&self) -> Result<(Vec<Metric>, Option<Learned>)> {
        let (fold_of_row, folds) = self.folds()?;
        let mut judge = Judge::of(&self.labels);
        let mut before: Option<Learned> = None;
        let mut rounds = Vec::new();
        for fold in 0..folds {
            stop::check()?;
            let (held_out, training): (Vec<usize>, Vec<usize>) =
                (0..fold_of_row.len()).partition(|&row| fold_of_row[row] == fold);
            if held_out.is_empty() {
                continue;
            }
            let described = format!("the rows outside fold {fold}");
            let fit = match &before {
                _ if self.learner.stops_early() => self.fit_watching(&training, &described)?,
                Some(before) => self.fit(&training, &described, Start::From(before))?,
                None => self.fit(&training, &described, Start::Fresh)?,
            };
            self.predict(&fit, &held_out, &training, &mut judge);
            rounds.push(fit.rounds());
            before = Some(fit);
        }
        let typical = rounds.iter().sum::<usize>().div_ceil(rounds.len().max(1));
        let before = before.map(|fit| fit.with_rounds(typical));
        Ok((judge.metrics("out_of_fold", self.options.seed), before))
    }

    fn folds(&self) -> Result<(Vec<u32>, u32)> {
        let Some(Codes { names, of_row }) = &self.dataset.fold else {
            return Ok(self.groups.folds());
        };
        let used: BTreeSet<u32> = of_row.iter().copied().collect();
        if used.len() < 2 {
            return Err(self.error(&format!(
                "{TOO_FEW_ROWS}: column '{}' must have at least two different values",
                self.options.fold.as_deref().unwrap_or_default()
            )));
        }
        Ok((
            of_row.clone(),
            u32::try_from(names.len()).unwrap_or(u32::MAX),
        ))
    }

    /// What the training rows themselves can say: how well they are met, and for a forest how well each is by the trees
    /// that were not grown from it.
    fn of_training_rows(&self, fit: &Learned, every_row: &[usize], rows: &Rows) -> Vec<Metric> {
        let mut judge = Judge::of(&self.labels);
        self.predict(fit, every_row, every_row, &mut judge);
        let mut metrics = judge.metrics(Part::Train.name(), self.options.seed);
        if let Some((unseen, answers)) = fit.out_of_bag(rows) {
            let mut judge = Judge::of(&self.labels);
            judge.add(&self.labels, &self.groups, &unseen, every_row, answers);
            metrics.extend(judge.metrics("out_of_bag", self.options.seed));
        }
        metrics
    }

    fn rows(&self, rows: &[usize]) -> Rows {
        Rows {
            values: self.dataset.values.select(Axis(0), rows),
            labels: self.labels.select(rows),
        }
    }

    fn fit(&self, rows: &[usize], described: &str, start: Start<'_>) -> Result<Learned> {
        if rows.is_empty() {
            return Err(self.error(&format!("{TOO_FEW_ROWS}: there are none among {described}")));
        }
        let rows = self.rows(rows);
        self.check_classes_of(&rows, described)?;
        self.learner.fit(&rows, start)
    }

    /// Fits to most of `rows` and watches the others, whole groups of them, to know when to stop.
    fn fit_watching(&self, rows: &[usize], described: &str) -> Result<Learned> {
        let parts = self.groups.parts();
        let (watched, training): (Vec<usize>, Vec<usize>) = rows
            .iter()
            .partition(|&&row| parts[row] == Part::Validation);
        if watched.is_empty() {
            return Err(self.error(&format!(
                "{TOO_FEW_ROWS}: early stopping has none of {described} to watch, leave early_stopping_rounds out or give it rows of more groups"
            )));
        }
        let described = format!("those of {described} that early stopping does not watch");
        self.fit(&training, &described, Start::Watching(&self.rows(&watched)))
    }

    fn predict(&self, fit: &Learned, rows: &[usize], training: &[usize], judge: &mut Judge) {
        let answers = fit.predict(&self.dataset.values.select(Axis(0), rows));
        judge.add(&self.labels, &self.groups, rows, training, answers);
    }

    /// Every class must be learned from.
    fn check_classes_of(&self, rows: &Rows, described: &str) -> Result<()> {
        let Labels::Classes(codes) = &rows.labels else {
            return Ok(());
        };
        let Some(absent) = counts(codes).iter().position(|&count| count == 0) else {
            return Ok(());
        };
        let class = &codes.names[absent];
        Err(self.error(&format!(
            "{TOO_FEW_ROWS}: class '{class}' has no rows among {described}: give it more rows, leave it out, or use split = 'none'"
        )))
    }

    fn check_labels(&self) -> Result<()> {
        let label = &self.options.label;
        let Labels::Classes(codes) = &self.labels else {
            return match self.dataset.rows() {
                0 | 1 => Err(self.error(&format!("{TOO_FEW_ROWS}: there is only one"))),
                _ => Ok(()),
            };
        };
        let classes = codes.names.len();
        if classes > MOST_CLASSES {
            return Err(self.error(&format!(
                "label '{label}' has {classes} classes, at most {MOST_CLASSES} are possible"
            )));
        }
        let present = counts(codes).iter().filter(|&&count| count > 0).count();
        if present < 2 {
            return Err(self.error(&format!(
                "{TOO_FEW_ROWS}: label '{label}' needs at least two classes, the rows have {present}"
            )));
        }
        Ok(())
    }

    fn error(&self, message: &str) -> Error {
        Error::Input(format!("model '{}': {message}", self.name))
    }
}

fn counts(codes: &Codes) -> Vec<usize> {
    let mut counts = vec![0; codes.names.len()];
    for &class in &codes.of_row {
        counts[class as usize] += 1;
    }
    counts
}
