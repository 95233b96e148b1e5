//! Record batches as training rows: features as numbers, labels and groups as codes, in one total order.
//!
//! Rows are sorted by everything they hold before anything is computed from them, so that the order in which a scan
//! delivers them changes no bit of the model.

use std::{cmp::Ordering, collections::BTreeMap};

use arrow::{array::RecordBatch, datatypes::SchemaRef};
use moodlake_udfs::FeatureStatistics;
use ndarray::{Array2, ArrayView1, Axis};

use super::TOO_FEW_ROWS;
use crate::error::Result;
use codes::NULL;

pub(super) use codes::Codes;
pub(super) use reader::Reader;
pub(super) use roles::Roles;

mod codes;
mod reader;
mod roles;

/// The usable rows of a query in a total order.
#[derive(Clone, Debug, Default)]
pub(super) struct Dataset {
    /// Feature names in the query's order; `[n_features]`.
    pub(super) features: Vec<String>,
    /// Finite values, or NaN where a model may have missing ones; `[n_rows][n_features]`.
    pub(super) values: Array2<f64>,
    pub(super) label: Option<Codes>,
    /// The label of a regression.
    pub(super) target: Option<Vec<f64>>,
    pub(super) group: Option<Codes>,
    pub(super) fold: Option<Codes>,
    /// When each row happened, in microseconds since 1970.
    pub(super) time: Option<Vec<i64>>,
    pub(super) id: Option<Codes>,
    /// Rows of the query in which each feature is null or not finite; `[n_features]`.
    pub(super) null_counts: Vec<u64>,
    /// What was dropped, in words.
    pub(super) warnings: Vec<String>,
}

impl Dataset {
    /// Reads the rows of a query for the model called `model`.
    pub(super) fn read(
        model: &str,
        schema: &SchemaRef,
        batches: &[RecordBatch],
        roles: Roles<'_>,
    ) -> Result<Self> {
        let reader = Reader {
            model,
            schema,
            batches,
        };
        let (every, missing) = Self::every_row(&reader, roles)?;
        let total = every.rows();
        let kept: Vec<usize> = (0..total).filter(|&row| !missing.is_bad[row]).collect();
        if kept.is_empty() {
            let cause = match total {
                0 => "the query returned no rows",
                _ => "every row has a null",
            };
            return Err(reader.error(&format!("{TOO_FEW_ROWS}: {cause}")));
        }
        let mut dataset = if kept.len() == total {
            every
        } else {
            every.select(&kept)
        };
        dataset.warnings.extend(missing.warning(total, kept.len()));
        dataset.forget_unused();
        Ok(dataset.sorted())
    }

    /// One row of each thing, as the roles ask for: of those with one id the first, of those equal in everything one.
    pub(super) fn deduplicated(mut self, roles: Roles<'_>) -> Self {
        if let (Some(id), Some(codes)) = (roles.id, self.id.take()) {
            self = self.one_of_each(id, &codes);
        }
        if roles.is_distinct {
            self = self.distinct();
        }
        self
    }

    /// The rows as they came, and which of them lack something.
    fn every_row(reader: &Reader<'_>, roles: Roles<'_>) -> Result<(Self, Missing)> {
        let codes =
            |name: Option<&str>, role: &str| name.map(|name| reader.codes(name, role)).transpose();
        let (class, number) = if roles.is_regression {
            (None, roles.label)
        } else {
            (roles.label, None)
        };
        let label = codes(class, "label")?;
        let group = codes(roles.group, "group")?;
        let fold = codes(roles.fold, "fold")?;
        let id = codes(roles.id, "id")?;
        let target = number.map(|name| reader.target(name)).transpose()?;
        let time = roles.time.map(|name| reader.times(name)).transpose()?;
        let (features, columns) = reader.features(roles)?;
        let rows = columns.first().map_or(0, Vec::len);
        let mut missing = Missing::of(rows);
        for (name, column) in features.iter().zip(&columns) {
            let is_bad = |row: usize| {
                if roles.keeps_missing {
                    column[row].is_infinite()
                } else {
                    !column[row].is_finite()
                }
            };
            missing.look_at(Some(name), is_bad);
        }
        for (name, codes) in [
            (class, &label),
            (roles.group, &group),
            (roles.fold, &fold),
            (roles.id, &id),
        ] {
            if let Some(codes) = codes {
                missing.look_at(name, |row| codes.of_row[row] == NULL);
            }
        }
        if let Some(target) = &target {
            missing.look_at(number, |row| !target[row].is_finite());
        }
        if let Some(time) = &time {
            missing.look_at(roles.time, |row| time[row].is_none());
        }
        let shape = (rows, features.len());
        let null_counts = columns.iter().map(|column| not_finite(column)).collect();
        let every = Self {
            values: Array2::from_shape_fn(shape, |(row, column)| columns[column][row]),
            features,
            label,
            target,
            group,
            fold,
            time: time.map(|times| times.into_iter().map(Option::unwrap_or_default).collect()),
            id,
            null_counts,
            warnings: Vec::new(),
        };
        Ok((every, missing))
    }

    pub(super) fn rows(&self) -> usize {
        self.values.nrows()
    }

    /// Keeps the rows at `rows`, in that order.
    pub(super) fn select(&self, rows: &[usize]) -> Self {
        let codes = |codes: &Option<Codes>| codes.as_ref().map(|codes| codes.select(rows));
        Self {
            features: self.features.clone(),
            values: self.values.select(Axis(0), rows),
            label: codes(&self.label),
            target: chosen(self.target.as_deref(), rows),
            group: codes(&self.group),
            fold: codes(&self.fold),
            time: chosen(self.time.as_deref(), rows),
            id: codes(&self.id),
            null_counts: self.null_counts.clone(),
            warnings: self.warnings.clone(),
        }
    }

    /// What each feature looks like in these rows, summed up in their order.
    pub(super) fn statistics(&self) -> Vec<FeatureStatistics> {
        let columns = self.values.columns().into_iter();
        columns
            .zip(&self.null_counts)
            .map(|(column, &null_count)| statistics(column, null_count))
            .collect()
    }

    /// Whether rows `a` and `b` have the same features.
    pub(super) fn same_features(&self, a: usize, b: usize) -> bool {
        compare_values(self.values.row(a), self.values.row(b)).is_eq()
    }

    /// Names of classes, groups and folds that no row has are no names.
    fn forget_unused(&mut self) {
        let used = |codes: Option<Codes>| codes.map(Codes::without_unused).unzip();
        let (label, classes): (_, Option<Vec<String>>) = used(self.label.take());
        self.label = label;
        for class in classes.iter().flatten() {
            self.warnings.push(format!(
                "left out class '{class}': each of its rows has a null"
            ));
        }
        self.group = used(self.group.take()).0;
        self.fold = used(self.fold.take()).0;
    }

    /// Of the rows with one id the first.
    fn one_of_each(self, column: &str, ids: &Codes) -> Self {
        let mut first: Vec<Option<usize>> = vec![None; ids.names.len()];
        let mut kept = Vec::new();
        let mut contradicting = 0_u64;
        for (row, &id) in ids.of_row.iter().enumerate() {
            match first[id as usize] {
                None => {
                    first[id as usize] = Some(row);
                    kept.push(row);
                }
                Some(other) => contradicting += u64::from(!self.same_label(row, other)),
            }
        }
        let dropped = self.rows() - kept.len();
        let mut dataset = self.select(&kept);
        if dropped > 0 {
            let labels = if contradicting > 0 {
                format!(", {contradicting} of them with another label")
            } else {
                String::new()
            };
            dataset.warnings.push(format!(
                "dropped {dropped} rows whose {column} another row has too{labels}"
            ));
        }
        dataset
    }

    /// One of each; equal rows stand next to each other.
    fn distinct(self) -> Self {
        let is_new = |row: usize| row == 0 || self.compare(row - 1, row).is_ne();
        let kept: Vec<usize> = (0..self.rows()).filter(|&row| is_new(row)).collect();
        let dropped = self.rows() - kept.len();
        if dropped == 0 {
            return self;
        }
        let mut dataset = self.select(&kept);
        dataset.warnings.push(format!(
            "dropped {dropped} rows that repeat another in every column"
        ));
        dataset
    }

    fn same_label(&self, a: usize, b: usize) -> bool {
        let codes = self.label.as_ref();
        let numbers = self.target.as_ref();
        codes.is_none_or(|codes| codes.of_row[a] == codes.of_row[b])
            && numbers.is_none_or(|numbers| numbers[a].total_cmp(&numbers[b]).is_eq())
    }

    fn sorted(self) -> Self {
        let mut order: Vec<usize> = (0..self.rows()).collect();
        order.sort_unstable_by(|&a, &b| self.compare(a, b));
        self.select(&order)
    }

    fn compare(&self, a: usize, b: usize) -> Ordering {
        let code = |codes: &Option<Codes>| match codes {
            Some(codes) => codes.of_row[a].cmp(&codes.of_row[b]),
            None => Ordering::Equal,
        };
        let target = || match &self.target {
            Some(target) => target[a].total_cmp(&target[b]),
            None => Ordering::Equal,
        };
        let time = || match &self.time {
            Some(time) => time[a].cmp(&time[b]),
            None => Ordering::Equal,
        };
        compare_values(self.values.row(a), self.values.row(b))
            .then_with(|| code(&self.label))
            .then_with(target)
            .then_with(|| code(&self.group))
            .then_with(|| code(&self.fold))
            .then_with(time)
            .then_with(|| code(&self.id))
    }
}

/// Which rows lack something, and what.
struct Missing {
    is_bad: Vec<bool>,
    by_column: BTreeMap<String, usize>,
}

impl Missing {
    fn of(rows: usize) -> Self {
        Self {
            is_bad: vec![false; rows],
            by_column: BTreeMap::new(),
        }
    }

    fn look_at(&mut self, column: Option<impl AsRef<str>>, is_missing: impl Fn(usize) -> bool) {
        let mut count = 0;
        for row in (0..self.is_bad.len()).filter(|&row| is_missing(row)) {
            self.is_bad[row] = true;
            count += 1;
        }
        if let (Some(column), true) = (column, count > 0) {
            self.by_column.insert(column.as_ref().to_owned(), count);
        }
    }

    fn warning(&self, total: usize, kept: usize) -> Option<String> {
        let columns = self.by_column.iter();
        let columns: Vec<String> = columns
            .map(|(name, rows)| format!("{name} ({rows})"))
            .collect();
        (kept < total).then(|| {
            format!(
                "dropped {} of {total} rows with a null or a number that is not finite in {}",
                total - kept,
                columns.join(", ")
            )
        })
    }
}

fn not_finite(values: &[f64]) -> u64 {
    values.iter().filter(|value| !value.is_finite()).count() as u64
}

#[expect(clippy::cast_precision_loss, reason = "fewer than 2^53 rows")]
fn statistics(column: ArrayView1<'_, f64>, null_count: u64) -> FeatureStatistics {
    let known = || column.iter().copied().filter(|value| value.is_finite());
    let count = known().count() as u64;
    let of_known = |sum: f64| if count == 0 { 0.0 } else { sum / count as f64 };
    let mean = of_known(known().sum());
    let variance = of_known(known().map(|value| (value - mean).powi(2)).sum());
    let (min, max) = known().fold((f64::MAX, f64::MIN), |(min, max), value| {
        (min.min(value), max.max(value))
    });
    FeatureStatistics {
        count,
        null_count,
        mean,
        std_dev: variance.sqrt(),
        min: if count == 0 { 0.0 } else { min },
        max: if count == 0 { 0.0 } else { max },
    }
}

fn chosen<T: Copy>(values: Option<&[T]>, rows: &[usize]) -> Option<Vec<T>> {
    values.map(|values| rows.iter().map(|&row| values[row]).collect())
}

fn compare_values(a: ArrayView1<'_, f64>, b: ArrayView1<'_, f64>) -> Ordering {
    let differing = a
        .iter()
        .zip(b)
        .map(|(a, b)| a.total_cmp(b))
        .find(|order| order.is_ne());
    differing.unwrap_or(Ordering::Equal)
}
