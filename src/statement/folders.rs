//! EXPLAIN names the files that a scan reads. Where they lie is the machine's affair: only admins are told.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, RecordBatch, StringArray};
use datafusion::{
    common::Result,
    execution::{SendableRecordBatchStream, SessionState},
    logical_expr::LogicalPlan,
    physical_plan::stream::RecordBatchStreamAdapter,
};
use futures::StreamExt;

use crate::access::Caller;

const FILE_ENDING: &str = ".parquet";

/// The rows of a plan; those of an EXPLAIN without the folders of files, unless for an admin.
pub(super) fn hidden(
    rows: SendableRecordBatchStream,
    plan: &LogicalPlan,
    state: &SessionState,
) -> SendableRecordBatchStream {
    let is_explained = matches!(plan, LogicalPlan::Explain(_) | LogicalPlan::Analyze(_));
    let caller = state.config().get_extension::<Caller>();
    if !is_explained || caller.is_some_and(|caller| caller.is_admin()) {
        return rows;
    }
    let schema = rows.schema();
    let rows = rows.map(|batch| without_folders(&batch?));
    Box::pin(RecordBatchStreamAdapter::new(schema, rows))
}

pub(super) fn without_folders(batch: &RecordBatch) -> Result<RecordBatch> {
    let columns = batch.columns().iter().map(|column| -> ArrayRef {
        let Some(texts) = column.as_string_opt::<i32>() else {
            return Arc::clone(column);
        };
        let texts = texts.iter().map(|text| text.map(bare));
        Arc::new(texts.collect::<StringArray>())
    });
    Ok(RecordBatch::try_new(batch.schema(), columns.collect())?)
}

/// The text with the last part only of every path to a file of a table.
fn bare(text: &str) -> String {
    let pieces = text.split_inclusive(['[', ']', ',', ' ', '\n', '│']);
    let pieces = pieces.map(|piece| match piece.rfind('/') {
        Some(slash) if piece.contains(FILE_ENDING) => &piece[slash + 1..],
        _ => piece,
    });
    pieces.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_keeps_its_name_only() {
        let plan = "file_groups={1 group: [[srv/lake/gold/t/a.parquet, srv/lake/gold/t/b.parquet:0..9]]}, x / 2";
        assert_eq!(
            bare(plan),
            "file_groups={1 group: [[a.parquet, b.parquet:0..9]]}, x / 2"
        );
    }
}
