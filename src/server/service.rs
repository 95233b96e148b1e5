//! What the calls need of the engine, and what is kept for clients between two calls.

use std::{sync::Arc, time::Duration};

use arrow::{array::RecordBatch, datatypes::SchemaRef};
use arrow_flight::{
    FlightDescriptor, FlightInfo,
    sql::{
        ActionCreatePreparedStatementRequest, ActionCreatePreparedStatementResult,
        CommandGetDbSchemas, CommandGetTables, CommandPreparedStatementQuery,
        CommandPreparedStatementUpdate, CommandStatementIngest, CommandStatementQuery,
        CommandStatementSubstraitPlan, CommandStatementUpdate, DoPutPreparedStatementResult,
        metadata::{SqlInfoData, XdbcTypeInfoData},
        server::PeekableFlightDataStream as Messages,
    },
};
use bytes::Bytes;
use futures::{FutureExt, future::BoxFuture};
use tonic::Response;

use super::{
    handles::Handles, prepared::PreparedStatement, schema, sql_info, statement::Answer,
    substrait::Substrait, wire, xdbc,
};
use crate::{engine::Engine, error::Result};

/// A result waits this long for being fetched (again): clients fetch at once.
const ANSWER_TIME_TO_LIVE: Duration = Duration::from_mins(2);
const MAX_ANSWERS: usize = 256;
/// Tools keep prepared statements open for as long as a window is.
const PREPARED_TIME_TO_LIVE: Duration = Duration::from_hours(8);
const MAX_PREPARED: usize = 4096;

/// One engine and what its clients hold of it.
pub(crate) struct Service {
    pub(super) engine: Engine,
    pub(super) answers: Handles<Answer>,
    pub(super) prepared: Handles<PreparedStatement>,
    pub(super) sql_info: SqlInfoData,
    pub(super) xdbc_types: XdbcTypeInfoData,
    pub(super) substrait: Substrait,
}

impl Service {
    /// The service over an engine.
    ///
    /// # Errors
    /// [`Error::Arrow`](crate::error::Error::Arrow) never in practice: the fixed answers are built here.
    pub(crate) fn new(engine: Engine) -> Result<Self> {
        Ok(Self {
            answers: Handles::new(MAX_ANSWERS, ANSWER_TIME_TO_LIVE),
            prepared: Handles::new(MAX_PREPARED, PREPARED_TIME_TO_LIVE),
            sql_info: sql_info::data(&engine.session_state()?).map_err(wire::flight_error)?,
            xdbc_types: xdbc::data().map_err(wire::flight_error)?,
            substrait: Substrait::new(&engine),
            engine,
        })
    }
}

/// The calls that need a [`Service`].
///
/// A trait for one type, for the compiler's sake: arrow-flight's traits have methods with bounds on lifetimes, under
/// which it proves anew for each of them that everything in a [`Service`], down to DataFusion's plans, can be sent
/// between threads. That took 5 s a method; behind this trait it is proved once.
pub(super) trait Calls: Send + Sync {
    fn sql_info(&self) -> &SqlInfoData;
    fn xdbc_types(&self) -> &XdbcTypeInfoData;
    fn schema_of(&self, command: Bytes) -> Reply<'_, SchemaRef>;
    fn start_statement(
        &self,
        command: CommandStatementQuery,
        descriptor: FlightDescriptor,
    ) -> Reply<'_, Response<FlightInfo>>;
    fn start_substrait(
        &self,
        command: CommandStatementSubstraitPlan,
        descriptor: FlightDescriptor,
    ) -> Reply<'_, Response<FlightInfo>>;
    fn fetch(&self, handle: Bytes) -> Reply<'_, Response<wire::FlightStream>>;
    fn update_statement(&self, command: CommandStatementUpdate) -> Reply<'_, i64>;
    fn ingest(&self, command: CommandStatementIngest, messages: Messages) -> Reply<'_, i64>;
    fn prepare(
        &self,
        command: ActionCreatePreparedStatementRequest,
    ) -> Reply<'_, ActionCreatePreparedStatementResult>;
    fn close_prepared(&self, handle: &[u8]);
    fn bind(
        &self,
        command: CommandPreparedStatementQuery,
        messages: Messages,
    ) -> Reply<'_, DoPutPreparedStatementResult>;
    fn start_prepared(
        &self,
        command: CommandPreparedStatementQuery,
        descriptor: FlightDescriptor,
    ) -> Reply<'_, Response<FlightInfo>>;
    fn update_prepared(
        &self,
        command: CommandPreparedStatementUpdate,
        messages: Messages,
    ) -> Reply<'_, i64>;
    fn db_schemas(&self, command: CommandGetDbSchemas) -> Reply<'_, RecordBatch>;
    fn tables(&self, command: CommandGetTables) -> Reply<'_, RecordBatch>;
}

/// What a call gives, when it is there.
pub(super) type Reply<'a, T> = BoxFuture<'a, Result<T>>;

impl Calls for Service {
    fn sql_info(&self) -> &SqlInfoData {
        &self.sql_info
    }
    fn xdbc_types(&self) -> &XdbcTypeInfoData {
        &self.xdbc_types
    }
    fn schema_of(&self, command: Bytes) -> Reply<'_, SchemaRef> {
        async move { schema::of(self, &command).await }.boxed()
    }
    fn start_statement(
        &self,
        command: CommandStatementQuery,
        descriptor: FlightDescriptor,
    ) -> Reply<'_, Response<FlightInfo>> {
        self.start_statement(command, descriptor).boxed()
    }
    fn start_substrait(
        &self,
        command: CommandStatementSubstraitPlan,
        descriptor: FlightDescriptor,
    ) -> Reply<'_, Response<FlightInfo>> {
        self.start_substrait(command, descriptor).boxed()
    }
    fn fetch(&self, handle: Bytes) -> Reply<'_, Response<wire::FlightStream>> {
        async move { self.fetch(&handle).await }.boxed()
    }
    fn update_statement(&self, command: CommandStatementUpdate) -> Reply<'_, i64> {
        self.update_statement(command).boxed()
    }
    fn ingest(&self, command: CommandStatementIngest, messages: Messages) -> Reply<'_, i64> {
        self.ingest(command, messages).boxed()
    }
    fn prepare(
        &self,
        command: ActionCreatePreparedStatementRequest,
    ) -> Reply<'_, ActionCreatePreparedStatementResult> {
        self.prepare(command).boxed()
    }
    fn close_prepared(&self, handle: &[u8]) {
        self.prepared.remove(handle);
    }
    fn bind(
        &self,
        command: CommandPreparedStatementQuery,
        messages: Messages,
    ) -> Reply<'_, DoPutPreparedStatementResult> {
        self.bind(command, messages).boxed()
    }
    fn start_prepared(
        &self,
        command: CommandPreparedStatementQuery,
        descriptor: FlightDescriptor,
    ) -> Reply<'_, Response<FlightInfo>> {
        self.start_prepared(command, descriptor).boxed()
    }
    fn update_prepared(
        &self,
        command: CommandPreparedStatementUpdate,
        messages: Messages,
    ) -> Reply<'_, i64> {
        self.update_prepared(command, messages).boxed()
    }
    fn db_schemas(&self, command: CommandGetDbSchemas) -> Reply<'_, RecordBatch> {
        self.db_schemas(command).boxed()
    }
    fn tables(&self, command: CommandGetTables) -> Reply<'_, RecordBatch> {
        self.tables(command).boxed()
    }
}

/// A service behind its trait.
pub(super) fn calls(engine: Engine) -> Result<Arc<dyn Calls>> {
    Ok(Arc::new(Service::new(engine)?))
}
