//! A statement's way in and out, under the server's limits.

use std::{collections::BTreeSet, future::Future, sync::Arc};

use datafusion::physical_plan::{SendableRecordBatchStream, stream::RecordBatchStreamAdapter};
use futures::TryStreamExt;
use tonic::metadata::MetadataMap;

use super::service::Service;
use crate::{
    engine::Engine,
    error::Result,
    queries::{Deadline, Origin, Query, Stage, batch_bytes, client_timeout},
    statement::{Names, Summary},
};

/// In which clients say how long they wait.
const TIMEOUT_HEADER: &str = "grpc-timeout";

impl Service {
    /// A statement has come.
    ///
    /// # Errors
    /// [`Error::Exhausted`](crate::error::Error::Exhausted) when its text is too long, and
    /// [`Error::Unavailable`](crate::error::Error::Unavailable) when the server is shutting down.
    pub(super) fn begin(&self, sql: &str) -> Result<Arc<Query>> {
        self.engine.limits().check_statement(sql)?;
        let names = self.names_in(sql);
        self.begin_with(Summary::of(sql), names)
    }

    /// As [`Service::begin`], for a bulk load into a table.
    pub(super) fn begin_ingest(&self, table: &str) -> Result<Arc<Query>> {
        let writes = BTreeSet::from([table.to_string()]);
        let names = Names {
            writes,
            ..Names::default()
        };
        self.begin_with(Summary::of_ingest(table), || names)
    }

    /// As [`Service::begin`], for a plan without text.
    pub(super) fn begin_plan(&self) -> Result<Arc<Query>> {
        self.begin_with(Summary::of_substrait(), Names::default)
    }

    /// Plans a statement that is not run now, under the same limits.
    ///
    /// # Errors
    /// Those of [`Service::begin`] and of the work.
    pub(super) async fn plan_only<T: Send + 'static>(
        &self,
        sql: &str,
        work: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        self.engine.limits().check_statement(sql)?;
        let names = self.names_in(sql);
        self.look_at(Summary::of(sql), names, work).await
    }

    /// As [`Service::plan_only`], for a plan without text.
    pub(super) async fn look_at_plan<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        self.look_at(Summary::of_substrait(), Names::default, work)
            .await
    }

    async fn look_at<T: Send + 'static>(
        &self,
        summary: Summary,
        names: impl FnOnce() -> Names + Send + 'static,
        work: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        let (origin, deadline) = (self.origin(), self.deadline());
        let queries = self.engine.queries();
        queries
            .look_at(origin, summary, names, deadline, work)
            .await
    }

    /// When the client of this call no longer waits.
    pub(super) fn deadline(&self) -> Option<Deadline> {
        self.deadline
    }

    fn begin_with(
        &self,
        summary: Summary,
        names: impl FnOnce() -> Names + Send + 'static,
    ) -> Result<Arc<Query>> {
        self.engine.queries().begin(self.origin(), summary, names)
    }

    fn names_in(&self, sql: &str) -> impl FnOnce() -> Names + Send + use<> {
        let (engine, sql) = (self.engine.clone(), sql.to_string());
        move || engine.names_in(&sql)
    }

    fn origin(&self) -> Origin {
        Origin {
            caller: Arc::clone(self.engine.caller()),
            session: self.session_id(),
            address: self.address.map(|address| address.to_string()),
        }
    }
}

/// The time that a client gives a call, from now on.
pub(super) fn deadline(metadata: &MetadataMap) -> Option<Deadline> {
    let header = metadata.get(TIMEOUT_HEADER)?.to_str().ok()?;
    client_timeout(header).map(Deadline::after)
}

/// The rows of a statement for its client: computed on the workers' threads, counted, and ended when it is.
///
/// # Errors
/// [`Error::Io`](crate::error::Error::Io) when no thread can be started.
pub(super) fn watched(
    rows: SendableRecordBatchStream,
    stage: Stage,
    deadline: Option<Deadline>,
) -> Result<SendableRecordBatchStream> {
    stage.send(rows, deadline)
}

/// The same rows, counted as they come from a client.
pub(super) fn received(
    rows: SendableRecordBatchStream,
    engine: &Engine,
) -> SendableRecordBatchStream {
    let metrics = Arc::clone(engine.metrics());
    let schema = rows.schema();
    let rows = rows.inspect_ok(move |batch| {
        metrics.received(batch.num_rows() as u64, batch_bytes(batch));
    });
    Box::pin(RecordBatchStreamAdapter::new(schema, rows))
}
