//! Values out of query results, whatever Arrow type a server sends them in.

use arrow::array::{AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};

use crate::error::{Error, Result};

/// The texts of a column.
pub(super) fn texts(batches: &[RecordBatch], column: usize) -> Result<Vec<Option<String>>> {
    let mut values = Vec::new();
    for batch in batches {
        let array = cast(batch.column(column), &DataType::Utf8)?;
        values.extend(
            array
                .as_string::<i32>()
                .iter()
                .map(|value| value.map(str::to_string)),
        );
    }
    Ok(values)
}

/// The counts of a column.
pub(super) fn counts(batches: &[RecordBatch], column: usize) -> Result<Vec<u64>> {
    let mut values = Vec::new();
    for batch in batches {
        let array = cast(batch.column(column), &DataType::Int64)?;
        for value in array.as_primitive::<Int64Type>() {
            let count = value.and_then(|value| u64::try_from(value).ok());
            values.push(count.ok_or_else(|| Error::Internal("a count is negative".to_string()))?);
        }
    }
    Ok(values)
}
