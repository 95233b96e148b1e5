//! How explained predictions are returned: a list of features for each row, or a column for each feature.

use std::sync::{Arc, LazyLock};

use arrow::{
    array::{Array, ArrayRef, Float64Array, ListArray, StringArray, StructArray},
    buffer::OffsetBuffer,
    datatypes::{DataType, Field, FieldRef, Fields},
};
use datafusion::common::Result;

use super::explained::Explained;
use crate::{arguments::Features, models::Model};

/// The fields of one explained feature, in the order in which `shap_explain` returns them.
pub(crate) static EXPLANATION_FIELDS: LazyLock<Fields> = LazyLock::new(|| {
    let mut fields = vec![text("class"), text("feature")];
    fields.extend(DOUBLES.map(double));
    Fields::from(fields)
});

const DOUBLES: [&str; 6] = [
    "value",
    "contribution",
    "contribution_pct",
    "baseline",
    "prediction",
    "additivity_error",
];

fn text(name: &str) -> Field {
    Field::new(name, DataType::Utf8, true)
}

fn double(name: &str) -> Field {
    Field::new(name, DataType::Float64, true)
}

/// The fields of one explained row: what is the same for all features, then a contribution for each.
pub(crate) fn wide_fields(features: &[String]) -> Fields {
    let contributions = features
        .iter()
        .map(|feature| double(&format!("{feature}_contribution")));
    let row = ["prediction", "baseline", "additivity_error"].map(double);
    [text("class")]
        .into_iter()
        .chain(row)
        .chain(contributions)
        .collect()
}

/// The item of a list of [`EXPLANATION_FIELDS`].
pub(super) fn list_item() -> FieldRef {
    Arc::new(Field::new_list_field(
        DataType::Struct(EXPLANATION_FIELDS.clone()),
        true,
    ))
}

/// A row for each of the batch's, all features in their columns.
pub(super) fn wide(model: &Model, explained: &Explained) -> Result<ArrayRef> {
    let rows = 0..explained.rows();
    let column = |value: &dyn Fn(usize) -> f64| -> ArrayRef {
        let values = rows.clone();
        let known = values.map(|row| explained.is_known(row).then(|| value(row)));
        Arc::new(known.collect::<Float64Array>())
    };
    let classes: StringArray = rows.clone().map(|row| explained.label(row)).collect();
    let mut columns: Vec<ArrayRef> = vec![
        Arc::new(classes),
        column(&|row| explained.predictions[row]),
        column(&|row| explained.baselines[row]),
        column(&|row| explained.additivity_error(row)),
    ];
    for feature in 0..model.features.len() {
        columns.push(column(&|row| explained.contributions(row)[feature]));
    }
    Ok(Arc::new(StructArray::try_new(
        wide_fields(&model.features),
        columns,
        None,
    )?))
}

/// A list for each row of the batch: its `top_k` features with the largest absolute contributions.
pub(super) fn lists(
    model: &Model,
    explained: &Explained,
    features: &Features,
    top_k: usize,
) -> Result<ArrayRef> {
    let rows = explained.rows();
    let mut entries = Entries::with_capacity(rows * top_k);
    let mut order: Vec<usize> = (0..model.features.len()).collect();
    for row in 0..rows {
        if explained.is_known(row) {
            sort_by_size(&mut order, explained.contributions(row));
        } else {
            order.sort_unstable();
        }
        let label = explained.label(row);
        for &feature in order.iter().take(top_k) {
            entries.classes.push(label);
            entries.features.push(&model.features[feature]);
            let column = &features.columns()[feature];
            let value = column.is_valid(row).then(|| column.value(row));
            entries.push(value, explained, row, feature);
        }
    }
    entries.into_lists(rows, top_k)
}

/// Puts the features with the largest absolute contributions first; training order on a tie.
fn sort_by_size(features: &mut [usize], contributions: &[f64]) {
    let size = |feature: usize| contributions[feature].abs();
    features.sort_unstable_by(|&a, &b| size(b).total_cmp(&size(a)).then(a.cmp(&b)));
}

/// The columns of [`EXPLANATION_FIELDS`] while they grow.
struct Entries<'a> {
    classes: Vec<Option<&'a str>>,
    features: Vec<&'a str>,
    /// In the order of [`DOUBLES`].
    doubles: [Vec<Option<f64>>; DOUBLES.len()],
}

impl Entries<'_> {
    fn with_capacity(entries: usize) -> Self {
        Self {
            classes: Vec::with_capacity(entries),
            features: Vec::with_capacity(entries),
            doubles: std::array::from_fn(|_| Vec::with_capacity(entries)),
        }
    }

    /// The doubles of one feature of one row; a row without an answer keeps its values only.
    fn push(&mut self, value: Option<f64>, explained: &Explained, row: usize, feature: usize) {
        let mut doubles = [value, None, None, None, None, None];
        if explained.is_known(row) {
            let contributions = explained.contributions(row);
            let total: f64 = contributions.iter().map(|value| value.abs()).sum();
            let contribution = contributions[feature];
            let share = if total > 0.0 {
                100.0 * contribution / total
            } else {
                0.0
            };
            doubles = [
                value,
                Some(contribution),
                Some(share),
                Some(explained.baselines[row]),
                Some(explained.predictions[row]),
                Some(explained.additivity_error(row)),
            ];
        }
        for (column, value) in self.doubles.iter_mut().zip(doubles) {
            column.push(value);
        }
    }

    fn into_lists(self, rows: usize, per_row: usize) -> Result<ArrayRef> {
        let mut columns: Vec<ArrayRef> = vec![
            Arc::new(StringArray::from(self.classes)),
            Arc::new(StringArray::from(self.features)),
        ];
        for column in self.doubles {
            columns.push(Arc::new(Float64Array::from(column)));
        }
        let entries = StructArray::try_new(EXPLANATION_FIELDS.clone(), columns, None)?;
        let offsets = OffsetBuffer::from_repeated_length(per_row, rows);
        Ok(Arc::new(ListArray::try_new(
            list_item(),
            offsets,
            Arc::new(entries),
            None,
        )?))
    }
}
