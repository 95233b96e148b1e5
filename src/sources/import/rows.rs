//! Values out of the answers to an import's own queries.

use arrow::array::RecordBatch;

pub(super) use crate::client::texts;

use crate::client::integers;
use crate::error::{Error, Result};

/// The counts of a column.
pub(super) fn counts(batches: &[RecordBatch], column: usize) -> Result<Vec<u64>> {
    let count = |value: Option<i64>| value.and_then(|value| u64::try_from(value).ok());
    integers(batches, column)?
        .into_iter()
        .map(|value| count(value).ok_or_else(|| Error::Internal("a count is negative".to_string())))
        .collect()
}
