//! Rows that are long in coming: proxies close a stream on which nothing comes for a minute, and HTTP/2's own pings do not
//! count with them. A batch without rows does, and every client reads over it; of messages without a batch some take the
//! first for the end.

use std::{sync::Arc, time::Duration};

use arrow::array::RecordBatch;
use datafusion::physical_plan::{SendableRecordBatchStream, stream::RecordBatchStreamAdapter};
use futures::{StreamExt, stream};
use tokio::time::timeout;

/// Well below the minute after which proxies lose patience.
const INTERVAL: Duration = Duration::from_secs(20);

/// The same rows, with a batch of none whenever the next is long in coming.
pub(crate) fn kept_alive(rows: SendableRecordBatchStream) -> SendableRecordBatchStream {
    every(INTERVAL, rows)
}

fn every(interval: Duration, rows: SendableRecordBatchStream) -> SendableRecordBatchStream {
    let schema = rows.schema();
    let none = RecordBatch::new_empty(Arc::clone(&schema));
    let rows = stream::unfold(rows, move |mut rows| {
        let none = none.clone();
        async move {
            match timeout(interval, rows.next()).await {
                Ok(batch) => batch.map(|batch| (batch, rows)),
                Err(_) => Some((Ok(none), rows)),
            }
        }
    });
    Box::pin(RecordBatchStreamAdapter::new(schema, rows))
}

#[cfg(test)]
mod tests {
    use arrow::{
        array::{ArrayRef, Int64Array},
        datatypes::SchemaRef,
    };
    use datafusion::common::Result as DataFusionResult;
    use futures::TryStreamExt;
    use tokio::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn nothing_new_is_told_as_no_rows_and_no_row_is_lost() {
        let column: ArrayRef = Arc::new(Int64Array::from(vec![1, 2]));
        let batch = RecordBatch::try_from_iter([("n", column)]).unwrap();
        let schema: SchemaRef = batch.schema();
        let (sender, mut receiver) = mpsc::unbounded_channel::<DataFusionResult<RecordBatch>>();
        let rows = stream::poll_fn(move |context| receiver.poll_recv(context));
        let rows = Box::pin(RecordBatchStreamAdapter::new(schema, rows));
        let mut rows = every(Duration::from_millis(1), rows);
        for _ in 0..3 {
            assert_eq!(rows.try_next().await.unwrap().unwrap().num_rows(), 0);
        }
        sender.send(Ok(batch)).unwrap();
        drop(sender);
        let rest: Vec<RecordBatch> = rows.try_collect().await.unwrap();
        assert_eq!(rest.iter().map(RecordBatch::num_rows).sum::<usize>(), 2);
    }
}
