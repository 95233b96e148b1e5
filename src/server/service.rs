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
use futures::{
    FutureExt,
    future::{self, BoxFuture},
};
use tonic::{Extensions, Response, metadata::MetadataMap};

use super::{
    handles::Handles, prepared::PreparedStatement, schema, sql_info, statement::Answer, wire, xdbc,
};
use crate::{engine::Engine, error::Result};

/// A result waits this long for being fetched (again): clients fetch at once.
const ANSWER_TIME_TO_LIVE: Duration = Duration::from_mins(2);
const MAX_ANSWERS: usize = 256;
/// Tools keep prepared statements open for as long as a window is.
const PREPARED_TIME_TO_LIVE: Duration = Duration::from_hours(8);
const MAX_PREPARED: usize = 4096;

/// One lake, and what is kept for its clients between two calls.
pub(crate) struct Shared {
    engine: Engine,
    pub(super) answers: Handles<Answer>,
    pub(super) prepared: Handles<PreparedStatement>,
    pub(super) sql_info: SqlInfoData,
    pub(super) xdbc_types: XdbcTypeInfoData,
}

/// One caller's view of the server, made anew for every call.
pub(crate) struct Service {
    /// The lake as the caller sees it.
    pub(super) engine: Engine,
    pub(super) shared: Arc<Shared>,
}

impl Shared {
    /// What clients of `engine` share.
    ///
    /// # Errors
    /// [`Error::Arrow`](crate::error::Error::Arrow) never in practice: the fixed answers are built here.
    fn new(engine: Engine) -> Result<Self> {
        Ok(Self {
            answers: Handles::new(MAX_ANSWERS, ANSWER_TIME_TO_LIVE),
            prepared: Handles::new(MAX_PREPARED, PREPARED_TIME_TO_LIVE),
            sql_info: sql_info::data(&engine.session_state()?).map_err(wire::flight_error)?,
            xdbc_types: xdbc::data().map_err(wire::flight_error)?,
            engine,
        })
    }
}

/// The way in: who is calling, and what they may then call.
pub(super) trait Entrance: Send + Sync {
    /// The calls of whoever sent this request.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`](crate::error::Error::Unauthenticated) when the request does not say, or wrongly.
    fn enter<'a>(&'a self, request: &'a Credentials) -> Reply<'a, Arc<dyn Calls>>;
}

/// What a request says of its caller.
pub(super) struct Credentials {
    /// Its headers.
    pub(super) metadata: MetadataMap,
    /// What the transport knows: addresses and certificates.
    pub(super) extensions: Extensions,
}

impl Entrance for Arc<Shared> {
    fn enter<'a>(&'a self, _request: &'a Credentials) -> Reply<'a, Arc<dyn Calls>> {
        let service = Service {
            engine: self.engine.clone(),
            shared: Self::clone(self),
        };
        future::ready(Ok(Arc::new(service) as Arc<dyn Calls>)).boxed()
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
        &self.shared.sql_info
    }
    fn xdbc_types(&self) -> &XdbcTypeInfoData {
        &self.shared.xdbc_types
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
        self.shared.prepared.remove(handle);
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

/// The entrance to a lake.
pub(super) fn entrance(engine: Engine) -> Result<Arc<dyn Entrance>> {
    Ok(Arc::new(Arc::new(Shared::new(engine)?)))
}
