//! The rows of a statement on their way to its client: computed a little ahead on the workers' threads, counted, and ended
//! at once when the statement is.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use arrow::{array::RecordBatch, datatypes::SchemaRef};
use datafusion::{
    common::{Result as DataFusionResult, runtime::SpawnedTask},
    execution::RecordBatchStream,
    physical_plan::SendableRecordBatchStream,
};
use futures::{FutureExt, Stream, StreamExt, future::BoxFuture};
use tokio::{
    sync::mpsc::{self, Permit, Receiver, Sender},
    time::timeout,
};
use tracing::Instrument;

use super::{Deadline, Query, Stage, stop::with_stop};
use crate::{
    error::{Error, Result},
    limits::Span,
};

/// How many batches are computed before they are asked for.
const BATCHES_AHEAD: usize = 2;
/// A client that does not read for so long leaves its place to others until it does.
const PATIENCE: Duration = Duration::from_secs(1);
/// A client that does not read for so long reads no more; what its statement holds is given back.
const LONGEST_PAUSE: Duration = Duration::from_hours(1);

type Item = DataFusionResult<RecordBatch>;

impl Stage {
    /// The same rows for the statement's client, worked on in this stage. The statement ends with them.
    ///
    /// # Errors
    /// [`Error::Io`] when no thread can be started.
    pub(crate) fn send(
        self,
        rows: SendableRecordBatchStream,
        deadline: Option<Deadline>,
    ) -> Result<SendableRecordBatchStream> {
        let schema = rows.schema();
        let query = Arc::clone(self.query());
        let (sender, received) = mpsc::channel(BATCHES_AHEAD);
        let work = with_stop(query.stop_token(), pump(self, rows, sender, deadline));
        let working = query.spawn(work.instrument(query.span().clone()))?;
        let waiting = Arc::clone(&query);
        let stopped = async move { waiting.stopped(deadline).await }.boxed();
        Ok(Box::pin(Sent {
            schema,
            received,
            query,
            stopped,
            has_ended: false,
            _working: working,
        }))
    }
}

/// Works until there are no more rows, or the statement is stopped, which then holds nothing any more.
async fn pump(
    mut stage: Stage,
    rows: SendableRecordBatchStream,
    sender: Sender<Item>,
    deadline: Option<Deadline>,
) {
    let query = Arc::clone(stage.query());
    let stopped = tokio::select! {
        biased;
        error = query.stopped(deadline) => Some(error),
        error = pass_on(&mut stage, rows, &sender) => error,
    };
    if let Some(error) = stopped {
        query.failed(&error);
        drop(stage);
        // Nobody may be there to hear it.
        let _ = sender.send(Err(error.into())).await;
    }
}

async fn pass_on(
    stage: &mut Stage,
    mut rows: SendableRecordBatchStream,
    sender: &Sender<Item>,
) -> Option<Error> {
    while let Some(batch) = rows.next().await {
        match room(stage, sender).await {
            Ok(Some(room)) => room.send(batch),
            Ok(None) => return None,
            Err(error) => return Some(error),
        }
    }
    None
}

/// Waits until the client takes more, without a place if that is long; none when it is gone.
async fn room<'a>(stage: &mut Stage, sender: &'a Sender<Item>) -> Result<Option<Permit<'a, Item>>> {
    if let Ok(room) = timeout(PATIENCE, sender.reserve()).await {
        return Ok(room.ok());
    }
    stage.leave();
    let Ok(room) = timeout(LONGEST_PAUSE, sender.reserve()).await else {
        return Err(Error::Cancelled(format!(
            "its client did not read for {}",
            Span(LONGEST_PAUSE)
        )));
    };
    let Ok(room) = room else {
        return Ok(None);
    };
    stage.enter_again().await?;
    Ok(Some(room))
}

struct Sent {
    schema: SchemaRef,
    received: Receiver<Item>,
    query: Arc<Query>,
    stopped: BoxFuture<'static, Error>,
    has_ended: bool,
    _working: SpawnedTask<()>,
}

impl Sent {
    fn failed(&mut self, error: Error) -> Poll<Option<Item>> {
        self.has_ended = true;
        self.query.failed(&error);
        self.query.stop_token().cancel();
        Poll::Ready(Some(Err(error.into())))
    }
}

impl Stream for Sent {
    type Item = Item;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Item>> {
        if self.has_ended {
            return Poll::Ready(None);
        }
        match self.received.poll_recv(context) {
            Poll::Ready(Some(Ok(batch))) => {
                match self
                    .query
                    .sent(batch.num_rows() as u64, batch_bytes(&batch))
                {
                    Ok(()) => Poll::Ready(Some(Ok(batch))),
                    Err(error) => self.failed(error),
                }
            }
            Poll::Ready(Some(Err(error))) => self.failed(error.into()),
            Poll::Ready(None) => {
                self.has_ended = true;
                self.query.done(Some(self.query.rows_sent()));
                Poll::Ready(None)
            }
            // The work may be in the midst of something that never pauses: its client is told nevertheless.
            Poll::Pending => match self.stopped.poll_unpin(context) {
                Poll::Ready(error) => self.failed(error),
                Poll::Pending => Poll::Pending,
            },
        }
    }
}

impl RecordBatchStream for Sent {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }
}

impl Drop for Sent {
    fn drop(&mut self) {
        if !self.has_ended {
            self.query.abandoned();
        }
        self.query.stop_token().cancel();
    }
}

/// The bytes of a batch, without those of the arrays that it is a part of.
pub(crate) fn batch_bytes(batch: &RecordBatch) -> u64 {
    let sizes = batch.columns().iter().map(|column| {
        let data = column.to_data();
        data.get_slice_memory_size()
            .unwrap_or_else(|_| data.get_array_memory_size()) as u64
    });
    sizes.sum()
}

#[cfg(test)]
mod tests {
    use std::sync::Weak;

    use arrow::{
        array::{ArrayRef, Int64Array},
        datatypes::Schema,
    };
    use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
    use futures::{TryStreamExt, stream};

    use super::*;
    use crate::{
        access::Caller,
        audit::{Audit, State},
        limits::Limits,
        queries::{Origin, Queries},
        statement::{Names, Summary},
    };

    fn queries(limits: Limits) -> Arc<Queries> {
        let audit = Arc::new(Audit::new(&limits));
        Queries::new(Arc::new(limits), audit, Arc::default())
    }

    async fn begun(queries: &Arc<Queries>) -> (Arc<Query>, Stage) {
        let origin = Origin {
            caller: Arc::new(Caller::owner()),
            session: None,
            address: None,
        };
        let query = queries
            .begin(origin, Summary::default(), Names::default)
            .unwrap();
        let ((), stage) = query.work(None, async { Ok(()) }).await.unwrap();
        (query, stage)
    }

    /// Batches of one row, and then none for ever, and whether somebody still holds them.
    fn rows(count: i64) -> (SendableRecordBatchStream, Weak<()>) {
        let held = Arc::new(());
        let is_held = Arc::downgrade(&held);
        let batch = |n| {
            let column: ArrayRef = Arc::new(Int64Array::from(vec![n]));
            Ok(RecordBatch::try_from_iter([("n", column)]).unwrap())
        };
        let endless = stream::poll_fn(move |_| {
            let _ = &held;
            Poll::<Option<Item>>::Pending
        });
        let rows = stream::iter((0..count).map(batch)).chain(endless);
        let schema = Arc::new(Schema::empty());
        (
            Box::pin(RecordBatchStreamAdapter::new(schema, rows)),
            is_held,
        )
    }

    async fn until(mut is_so: impl FnMut() -> bool) {
        let waited = async {
            while !is_so() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        timeout(Duration::from_secs(10), waited).await.unwrap();
    }

    #[tokio::test]
    async fn what_is_ended_is_dropped_at_once_even_if_nobody_reads() {
        let queries = queries(Limits::default());
        let (query, stage) = begun(&queries).await;
        let (rows, is_held) = rows(0);
        let mut sent = stage.send(rows, None).unwrap();
        assert_eq!(queries.numbers().0, 1);
        query.cancel("enough".into());
        until(|| is_held.strong_count() == 0 && queries.numbers().0 == 0).await;
        let told = sent.next().await.unwrap().unwrap_err();
        assert!(matches!(Error::from(told), Error::DataFusion(_)));
        assert!(sent.next().await.is_none());
        assert_eq!(query.row().state, State::Cancelled);
        assert_eq!(query.row().error.as_deref(), Some("enough"));
    }

    #[tokio::test]
    async fn a_client_that_goes_away_ends_the_work() {
        let queries = queries(Limits::default());
        let (query, stage) = begun(&queries).await;
        let (rows, is_held) = rows(1);
        let mut sent = stage.send(rows, None).unwrap();
        assert_eq!(sent.next().await.unwrap().unwrap().num_rows(), 1);
        drop(sent);
        until(|| is_held.strong_count() == 0 && queries.numbers().0 == 0).await;
        assert_eq!(query.row().state, State::Cancelled);
        assert_eq!(query.row().rows, Some(1));
    }

    #[tokio::test]
    async fn a_result_that_grows_too_large_is_an_error() {
        let queries = queries(Limits {
            result_rows: 2,
            ..Limits::default()
        });
        let (query, stage) = begun(&queries).await;
        let sent = stage.send(rows(5).0, None).unwrap();
        let error = sent.try_collect::<Vec<_>>().await.unwrap_err();
        assert!(error.to_string().contains("--max-result-rows"), "{error}");
        assert_eq!(query.row().state, State::Failed);
    }

    #[tokio::test]
    async fn a_client_that_does_not_read_holds_no_place() {
        let queries = queries(Limits::default());
        let (_query, stage) = begun(&queries).await;
        let mut sent = stage.send(rows(10).0, None).unwrap();
        sent.next().await.unwrap().unwrap();
        until(|| queries.numbers().0 == 0).await;
        for _ in 1..10 {
            sent.next().await.unwrap().unwrap();
        }
        until(|| queries.numbers().0 == 1).await;
    }

    #[tokio::test]
    async fn a_client_that_paused_gets_the_rest_however_busy_the_server_is() {
        let queries = queries(Limits {
            statement_time: Duration::from_secs(3),
            running: 1,
            running_per_user: 1,
            queued: 0,
            queue_time: Duration::from_millis(1),
            ..Limits::default()
        });
        let (query, stage) = begun(&queries).await;
        let mut sent = stage.send(rows(10).0, None).unwrap();
        sent.next().await.unwrap().unwrap();
        until(|| queries.numbers().0 == 0).await;
        let (_, other) = begun(&queries).await;
        let mut left = sent.by_ref().take(9);
        let reading = async { while left.next().await.transpose().unwrap().is_some() {} };
        futures::pin_mut!(reading);
        // More than the statement may be worked on in all.
        let waited = timeout(Duration::from_secs(3), &mut reading).await;
        assert!(waited.is_err(), "{:?}", query.row());
        drop(other);
        reading.await;
        assert_eq!(query.rows_sent(), 10);
    }

    #[tokio::test]
    async fn time_is_up_while_nobody_reads_too() {
        let queries = queries(Limits {
            statement_time: Duration::from_millis(30),
            ..Limits::default()
        });
        let (query, stage) = begun(&queries).await;
        let (rows, is_held) = rows(0);
        let _sent = stage.send(rows, None).unwrap();
        until(|| is_held.strong_count() == 0).await;
        assert_eq!(query.row().state, State::Failed);
        assert!(query.row().error.unwrap().contains("--statement-timeout"));
    }
}
