//! Rows on their way to delta-rs' writer: looked at, watched, and handed over as a plan that yields them once.

use std::sync::{Arc, Mutex, PoisonError};

use arrow::{array::RecordBatch, datatypes::SchemaRef};
use datafusion::{
    catalog::streaming::StreamingTable,
    common::{DataFusionError, Result as DataFusionResult},
    datasource::provider_as_source,
    execution::{SendableRecordBatchStream, TaskContext},
    logical_expr::{LogicalPlan, LogicalPlanBuilder},
    physical_plan::{stream::RecordBatchStreamAdapter, streaming::PartitionStream},
};
use futures::{StreamExt, TryStreamExt, stream};

use crate::error::Result;

/// The first error of a stream of rows, kept aside.
pub(super) type Failure = Arc<Mutex<Option<DataFusionError>>>;

/// The same rows, whose error is kept aside.
pub(super) fn watched(rows: SendableRecordBatchStream) -> (SendableRecordBatchStream, Failure) {
    let failure = Failure::default();
    let kept = Arc::clone(&failure);
    let schema = rows.schema();
    let rows = rows.map_err(move |error| {
        let stopped = DataFusionError::Execution("the query failed".into());
        kept.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get_or_insert(error);
        stopped
    });
    (
        Box::pin(RecordBatchStreamAdapter::new(schema, rows)),
        failure,
    )
}

/// The same rows, and whether there are none.
pub(super) async fn peek(
    mut rows: SendableRecordBatchStream,
) -> Result<(SendableRecordBatchStream, bool)> {
    let schema = rows.schema();
    let first = loop {
        match rows.try_next().await? {
            Some(batch) if batch.num_rows() == 0 => {}
            other => break other,
        }
    };
    let is_empty = first.is_none();
    let rows = stream::iter(first.map(Ok)).chain(rows);
    Ok((
        Box::pin(RecordBatchStreamAdapter::new(schema, rows)),
        is_empty,
    ))
}

/// The same rows under another schema that holds them, such as one whose columns take NULL.
pub(super) fn under(
    schema: SchemaRef,
    rows: SendableRecordBatchStream,
) -> SendableRecordBatchStream {
    let wider = Arc::clone(&schema);
    let rows = rows.map(move |batch| Ok(batch?.with_schema(Arc::clone(&wider))?));
    Box::pin(RecordBatchStreamAdapter::new(schema, rows))
}

/// A plan that yields a stream's rows, once: what delta-rs' writer takes.
pub(crate) fn one_shot_plan(rows: SendableRecordBatchStream) -> Result<LogicalPlan> {
    let schema = rows.schema();
    let partition = OneShot {
        schema: Arc::clone(&schema),
        rows: Mutex::new(Some(rows)),
    };
    let table = StreamingTable::try_new(schema, vec![Arc::new(partition)])?;
    Ok(LogicalPlanBuilder::scan("rows", provider_as_source(Arc::new(table)), None)?.build()?)
}

struct OneShot {
    schema: SchemaRef,
    rows: Mutex<Option<SendableRecordBatchStream>>,
}

impl std::fmt::Debug for OneShot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("OneShot")
    }
}

impl PartitionStream for OneShot {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _ctx: Arc<TaskContext>) -> SendableRecordBatchStream {
        let rows = self
            .rows
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        rows.unwrap_or_else(|| {
            let gone: DataFusionResult<RecordBatch> = Err(DataFusionError::Internal(
                "a stream of rows was read twice".into(),
            ));
            Box::pin(RecordBatchStreamAdapter::new(
                Arc::clone(&self.schema),
                stream::iter([gone]),
            ))
        })
    }
}
