//! All rows of an input as one value: what functions work on that must see every row at once.
//!
//! A query gathers them by `array_agg(make_array(…))`, which happens while it runs, never while it is planned.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, AsArray, ListArray, StructArray},
    buffer::OffsetBuffer,
    datatypes::{DataType, Field, Fields, Float64Type},
};
use datafusion::{
    common::{Result, cast::as_list_array},
    logical_expr::ColumnarValue,
};

use crate::relation_sql::identifier;

/// A query fragment that gathers these columns of rows in which none is null.
pub(crate) fn gather(features: &[String]) -> (String, String) {
    let features: Vec<String> = features.iter().map(|name| identifier(name)).collect();
    let doubles = features
        .iter()
        .map(|name| format!("cast({name} as double)"));
    let known = features.iter().map(|name| format!("{name} is not null"));
    let rows = format!(
        "array_agg(make_array({}))",
        doubles.collect::<Vec<_>>().join(", ")
    );
    (rows, known.collect::<Vec<_>>().join(" and "))
}

/// What was gathered, of shape `[n_rows][n_features]`, without rows that hold a NaN or an infinity, in an order that does not
/// depend on that of the input; empty if there was nothing.
pub(crate) fn gathered(rows: &ColumnarValue, at: usize, count: usize) -> Result<Vec<Vec<f64>>> {
    let rows = rows.to_array(count)?;
    if rows.is_null(at) {
        return Ok(vec![]);
    }
    let rows = as_list_array(&rows)?.value(at);
    let rows = as_list_array(&rows)?;
    let mut read: Vec<Vec<f64>> = Vec::with_capacity(rows.len());
    for row in rows.iter().flatten() {
        let row = row.as_primitive::<Float64Type>();
        if row.null_count() == 0 && row.values().iter().all(|value| value.is_finite()) {
            // -0 and 0 are one number.
            read.push(row.values().iter().map(|value| value + 0.0).collect());
        }
    }
    read.sort_by(|a, b| {
        let mut orders = a.iter().zip(b).map(|(a, b)| a.total_cmp(b));
        orders
            .find(|order| order.is_ne())
            .unwrap_or(std::cmp::Ordering::Equal)
    });
    Ok(read)
}

/// The type of [`list_of_rows`].
pub(crate) fn list_type(fields: &Fields) -> DataType {
    DataType::List(Arc::new(Field::new_list_field(
        DataType::Struct(fields.clone()),
        true,
    )))
}

/// One list of structs for each of `lengths`, from the structs' columns.
pub(crate) fn list_of_rows(
    fields: &Fields,
    columns: Vec<ArrayRef>,
    lengths: Vec<usize>,
) -> Result<ColumnarValue> {
    let rows = StructArray::try_new(fields.clone(), columns, None)?;
    let field = Field::new_list_field(DataType::Struct(fields.clone()), true);
    let offsets = OffsetBuffer::from_lengths(lengths);
    let lists = ListArray::try_new(Arc::new(field), offsets, Arc::new(rows), None)?;
    Ok(ColumnarValue::Array(Arc::new(lists)))
}
