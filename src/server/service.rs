//! What the calls need of the engine, and what is kept for clients between two calls.

use std::{
    net::SocketAddr,
    ops::Deref,
    sync::{Arc, Weak},
    time::Duration,
};

use arrow::{array::RecordBatch, datatypes::SchemaRef};
use arrow_flight::{
    Action, FlightDescriptor, FlightInfo, HandshakeRequest, PollInfo,
    sql::{
        CommandGetDbSchemas, CommandGetTables, CommandPreparedStatementQuery,
        CommandPreparedStatementUpdate, CommandStatementIngest, CommandStatementQuery,
        CommandStatementSubstraitPlan, CommandStatementUpdate, DoPutPreparedStatementResult,
        metadata::XdbcTypeInfoData, server::PeekableFlightDataStream as Messages,
    },
};
use bytes::Bytes;
use datafusion::common::runtime::SpawnedTask;
use futures::{FutureExt, future::BoxFuture};
use tokio::time::sleep;
use tonic::{Extensions, Response, Streaming, metadata::MetadataMap};
use uuid::Uuid;

use super::{
    auth::{
        self, Gate,
        visits::{self, Refusals},
    },
    clock::Clock,
    handles::{Capacity, Handles, Kind, Lifetime},
    limits, metrics,
    poll::Polled,
    prepared::PreparedStatement,
    schema,
    session::{SessionLimits, Sessions},
    sql_info::SqlInfos,
    statement::Answer,
    wire, xdbc,
};
use crate::{engine::Engine, error::Result, limits::Limits, queries::Deadline};

/// A result waits this long for being fetched (again): clients fetch at once.
const ANSWER_LIFETIME: Lifetime = Lifetime {
    unused: Duration::from_mins(5),
    longest: Duration::from_hours(1),
};
const ANSWERS: Kind = Kind {
    plural: "results",
    remedy: "fetch them",
    per_user: "--user-results",
    in_all: "--max-results",
};
/// Whoever polls comes back soon.
const POLL_LIFETIME: Lifetime = Lifetime {
    unused: Duration::from_mins(2),
    longest: Duration::from_hours(24 * 7),
};
const POLLS: Kind = Kind {
    plural: "statements that are polled for",
    remedy: "wait for them or cancel some",
    per_user: "--user-results",
    in_all: "--max-results",
};
/// Tools keep prepared statements open for as long as a window is.
const PREPARED_LIFETIME: Lifetime = Lifetime {
    unused: Duration::from_hours(8),
    longest: Duration::from_hours(24 * 7),
};
const PREPARED: Kind = Kind {
    plural: "prepared statements",
    remedy: "close some",
    per_user: "--user-prepared",
    in_all: "--max-prepared",
};
/// How often what nobody used for too long is given up.
const SWEEP_INTERVAL: Duration = Duration::from_secs(30);

/// One lake, and what is kept for its clients between two calls.
pub(crate) struct Shared {
    engine: Engine,
    gate: Gate,
    refusals: Refusals,
    pub(super) kept: Arc<Kept>,
    pub(super) sql_info: SqlInfos,
    pub(super) xdbc_types: XdbcTypeInfoData,
    _sweeping: SpawnedTask<()>,
}

/// What clients come back for.
pub(crate) struct Kept {
    pub(super) answers: Handles<Answer>,
    pub(super) polls: Handles<Polled>,
    pub(super) prepared: Handles<PreparedStatement>,
    pub(super) sessions: Sessions,
}

impl Deref for Shared {
    type Target = Kept;

    fn deref(&self) -> &Kept {
        &self.kept
    }
}

impl Kept {
    fn new(limits: &Limits) -> Self {
        let clock = Clock::default();
        let answers = Capacity::new(limits.results_per_user, limits.results);
        let prepared = Capacity::new(limits.prepared_per_user, limits.prepared);
        let sessions = SessionLimits {
            capacity: Capacity::new(limits.sessions_per_user, limits.sessions),
            unused: limits.session_idle,
        };
        Self {
            answers: Handles::new(
                ANSWERS,
                answers,
                ANSWER_LIFETIME,
                clock.clone(),
                Answer::is_spent,
            ),
            polls: Handles::new(
                POLLS,
                answers,
                POLL_LIFETIME,
                clock.clone(),
                Polled::is_spent,
            ),
            prepared: Handles::new(PREPARED, prepared, PREPARED_LIFETIME, clock.clone(), |_| {
                false
            }),
            sessions: Sessions::new(sessions, clock),
        }
    }

    /// Gives up what nobody used for too long, now and then, as long as anything is kept.
    async fn keep_swept(kept: Weak<Self>) {
        loop {
            sleep(SWEEP_INTERVAL).await;
            let Some(kept) = kept.upgrade() else {
                return;
            };
            kept.answers.sweep();
            kept.polls.sweep();
            kept.prepared.sweep();
            kept.sessions.sweep();
        }
    }
}

/// One caller's view of the server, made anew for every call.
pub(crate) struct Service {
    /// The lake as the caller sees it.
    pub(super) engine: Engine,
    pub(super) shared: Arc<Shared>,
    /// From where it is called.
    pub(super) address: Option<SocketAddr>,
    /// When its client no longer waits.
    pub(super) deadline: Option<Deadline>,
    session_id: Option<Uuid>,
    /// By what the client may name its session from now on.
    cookie: Option<String>,
}

impl Service {
    /// What the session is called in lists; nobody gets into it by that.
    pub(super) fn session_id(&self) -> Option<String> {
        self.session_id.map(|id| id.to_string())
    }
}

impl Shared {
    /// What clients of `engine` share.
    ///
    /// # Errors
    /// [`Error::Arrow`](crate::error::Error::Arrow) never in practice: the fixed answers are built here.
    fn new(engine: Engine, gate: Gate) -> Result<Self> {
        let kept = Arc::new(Kept::new(engine.limits()));
        Ok(Self {
            _sweeping: SpawnedTask::spawn(Kept::keep_swept(Arc::downgrade(&kept))),
            kept,
            sql_info: SqlInfos::new(&engine.session_state()?, engine.limits())?,
            xdbc_types: xdbc::data().map_err(wire::flight_error)?,
            engine,
            gate,
            refusals: Refusals::default(),
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

    /// How much is kept for clients.
    fn kept(&self) -> metrics::Kept;

    /// A connection has ended.
    fn left(&self, client: SocketAddr);

    /// The token with which whoever shakes hands may come back.
    ///
    /// # Errors
    /// As [`Entrance::enter`].
    fn shake_hands<'a>(
        &'a self,
        request: &'a Credentials,
        messages: &'a mut Streaming<HandshakeRequest>,
    ) -> Reply<'a, String>;
}

/// What a request says of its caller.
pub(super) struct Credentials {
    /// Its headers.
    pub(super) metadata: MetadataMap,
    /// What the transport knows: addresses and certificates.
    pub(super) extensions: Extensions,
}

impl Entrance for Arc<Shared> {
    fn enter<'a>(&'a self, request: &'a Credentials) -> Reply<'a, Arc<dyn Calls>> {
        async move {
            let guest = self.gate.admit(self.engine.access(), request).await;
            let guest = guest.inspect_err(|error| {
                visits::turned_away(&self.engine, &self.refusals, request, error);
            })?;
            let caller = Arc::new(guest.caller);
            let address = auth::peer(request);
            let entered = self.sessions.enter(&caller, guest.session, address)?;
            if entered.is_new {
                let session = entered.id.map(|id| id.to_string());
                visits::came(&self.engine, &caller, address, session);
            }
            let service = Service {
                engine: self.engine.on_behalf_of(caller, entered.session),
                shared: Self::clone(self),
                address,
                deadline: limits::deadline(&request.metadata),
                session_id: entered.id,
                cookie: entered.cookie,
            };
            Ok(Arc::new(service) as Arc<dyn Calls>)
        }
        .boxed()
    }

    fn kept(&self) -> metrics::Kept {
        metrics::Kept {
            sessions: self.sessions.count(),
            prepared: self.prepared.count(),
            results: self.answers.count() + self.polls.count(),
        }
    }

    fn left(&self, client: SocketAddr) {
        self.sessions.left(client);
    }

    fn shake_hands<'a>(
        &'a self,
        request: &'a Credentials,
        messages: &'a mut Streaming<HandshakeRequest>,
    ) -> Reply<'a, String> {
        async move {
            let welcome = self.gate.welcome(self.engine.access(), request, messages);
            let token = welcome.await;
            match &token {
                Ok(_) => visits::logged_in(&self.engine, request),
                Err(error) => {
                    visits::refused(&self.engine, &self.refusals, request, error);
                }
            }
            token
        }
        .boxed()
    }
}

/// The calls that need a [`Service`].
///
/// A trait for one type, for the compiler's sake: arrow-flight's traits have methods with bounds on lifetimes, under
/// which it proves anew for each of them that everything in a [`Service`], down to DataFusion's plans, can be sent
/// between threads. That took 5 s a method; behind this trait it is proved once.
pub(super) trait Calls: Send + Sync {
    fn sql_info(&self) -> &SqlInfos;
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
    fn act(&self, action: Action) -> Reply<'_, Bytes>;
    fn poll(&self, descriptor: FlightDescriptor) -> Reply<'_, PollInfo>;
    fn cookie(&self) -> Option<&str>;
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
    fn sql_info(&self) -> &SqlInfos {
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
    fn act(&self, action: Action) -> Reply<'_, Bytes> {
        self.act(action).boxed()
    }
    fn poll(&self, descriptor: FlightDescriptor) -> Reply<'_, PollInfo> {
        self.poll(descriptor).boxed()
    }
    fn cookie(&self) -> Option<&str> {
        self.cookie.as_deref()
    }
    fn close_prepared(&self, handle: &[u8]) {
        let prepared = &self.shared.prepared;
        prepared.remove(self.engine.caller(), handle);
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
pub(super) fn entrance(engine: Engine, gate: Gate) -> Result<Arc<dyn Entrance>> {
    Ok(Arc::new(Arc::new(Shared::new(engine, gate)?)))
}
