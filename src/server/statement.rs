//! Statements: started once, fetched as often as the client likes.
//!
//! `GetFlightInfo` plans a query and keeps the plan; what writes it runs at once. A ticket is a handle to what was kept,
//! or says that all is done, so that fetching it again can never write again. It leads to rows only as long as its owner
//! may see what the statement was planned to show.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use arrow::datatypes::{Schema, SchemaRef};
use arrow_flight::{
    FlightDescriptor, FlightEndpoint, FlightInfo, RenewFlightEndpointRequest, Ticket,
    sql::{CommandStatementQuery, CommandStatementUpdate, ProstMessageExt, TicketStatementQuery},
};
use bytes::Bytes;
use datafusion::{
    common::DataFusionError,
    physical_plan::{SendableRecordBatchStream, stream::RecordBatchStreamAdapter},
    scalar::ScalarValue,
};
use futures::{FutureExt, StreamExt, TryStreamExt, future::BoxFuture, stream};
use prost::Message;
use tonic::Response;

use super::{
    command, handles::Issued, keep_alive::kept_alive, limits, service::Service, session, substrait,
    wire,
};
use crate::{
    access::Rights,
    engine::Engine,
    error::{Error, Result},
    queries::Query,
    statement::{Outcome, Planned},
};

/// Says that nobody counted.
pub(super) const UNCOUNTED: i64 = -1;

/// A statement that has come and is planned, but has not run.
pub(crate) struct Begun {
    pub(super) query: Arc<Query>,
    /// What the caller might do before it was planned.
    pub(super) rights: Rights,
    pub(super) work: Work,
}

/// What is left to do for a statement.
pub(crate) enum Work {
    /// Rows of one schema, planned once for each row of parameters.
    Query {
        schema: SchemaRef,
        plans: Arc<[Planned]>,
    },
    /// A change, which gives the number of rows.
    Change(BoxFuture<'static, Result<i64>>),
    /// A Substrait plan, under the ticket that datafusion-flight-sql-server gave for it.
    Substrait { schema: SchemaRef, ticket: Ticket },
}

/// What a ticket leads to.
pub(crate) struct Answer {
    /// The schema that was announced, and that the stream has.
    schema: SchemaRef,
    query: Arc<Query>,
    rights: Rights,
    source: Mutex<Source>,
    /// Whether somebody began to fetch it.
    is_fetched: AtomicBool,
}

/// Where the rows of an answer come from.
#[derive(Clone)]
pub(crate) enum Source {
    /// A query; each fetch runs the same plans.
    Plans(Arc<[Planned]>),
    /// A query that runs already: the first fetch gets its rows, later ones run the plans again.
    Started(
        Arc<Mutex<Option<SendableRecordBatchStream>>>,
        Arc<[Planned]>,
    ),
    /// A Substrait plan.
    Substrait(Ticket),
    /// A query that was ended.
    Cancelled,
}

impl Answer {
    pub(super) fn new(
        query: Arc<Query>,
        rights: Rights,
        schema: SchemaRef,
        source: Source,
    ) -> Self {
        Self {
            schema,
            query,
            rights,
            source: Mutex::new(source),
            is_fetched: AtomicBool::new(false),
        }
    }

    /// Whether it may make room for others: it was fetched, to its end or not, or is never to be.
    pub(super) fn is_spent(&self) -> bool {
        let was_fetched = self.is_fetched.load(Ordering::Relaxed);
        self.query.has_ended() && (was_fetched || self.query.check_cancelled().is_err())
    }

    /// Ends its query. Returns whether there was one to end.
    pub(super) fn cancel(&self, reason: String) -> bool {
        let mut source = self.source();
        if self.query.has_ended() {
            return false;
        }
        // First: rows that are dropped end their query as one whose client is gone.
        self.query.cancel(reason);
        *source = Source::Cancelled;
        true
    }

    fn source(&self) -> MutexGuard<'_, Source> {
        self.source.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The statement of one fetch: fetching again is running again.
    fn query(&self) -> Result<Arc<Query>> {
        if self.is_fetched.swap(true, Ordering::Relaxed) {
            self.query.check_cancelled()?;
            return self.query.again();
        }
        Ok(Arc::clone(&self.query))
    }
}

impl Service {
    /// `GetFlightInfo` for SQL text.
    pub(super) async fn start_statement(
        &self,
        command: CommandStatementQuery,
        descriptor: FlightDescriptor,
    ) -> Result<Response<FlightInfo>> {
        let begun = self.begin_statement(command).await?;
        self.finish(begun, descriptor).await
    }

    /// Plans SQL text.
    pub(super) async fn begin_statement(&self, command: CommandStatementQuery) -> Result<Begun> {
        session::refuse_transaction(command.transaction_id.as_ref())?;
        let (engine, sql) = (self.engine.clone(), command.query);
        let query = self.begin(&sql)?;
        let rights = engine.rights()?;
        let planning = async move { engine.plan(&sql, &[]).await };
        let (planned, _) = query.work(self.deadline(), planning).await?;
        let work = if planned.is_query {
            Work::Query {
                schema: wire::result_schema(&planned.schema),
                plans: Arc::new([planned]),
            }
        } else {
            Work::Change(async move { changed_rows(planned.run().await?).await }.boxed())
        };
        Ok(Begun {
            query,
            rights,
            work,
        })
    }

    /// Says where to fetch the rows of what was begun; a change is made first.
    pub(super) async fn finish(
        &self,
        begun: Begun,
        descriptor: FlightDescriptor,
    ) -> Result<Response<FlightInfo>> {
        let Begun {
            query,
            rights,
            work,
        } = begun;
        let (schema, source) = match work {
            Work::Query { schema, plans } => (schema, Source::Plans(plans)),
            Work::Substrait { schema, ticket } => (schema, Source::Substrait(ticket)),
            Work::Change(change) => {
                let rows = self.change(&query, change).await?;
                return self.announce_change(rows, descriptor);
            }
        };
        let answer = Answer::new(query, rights, schema, source);
        self.announce(answer, descriptor)
    }

    /// `DoPut` for SQL text: runs its statements and says how many rows they changed.
    pub(super) async fn update_statement(&self, command: CommandStatementUpdate) -> Result<i64> {
        session::refuse_transaction(command.transaction_id.as_ref())?;
        let query = self.begin(&command.query)?;
        let engine = self.engine.clone();
        let change = async move { count(engine.run_script(&command.query).await?) };
        self.change(&query, change).await
    }

    /// Makes a change, which ends its statement.
    pub(super) async fn change(
        &self,
        query: &Arc<Query>,
        change: impl Future<Output = Result<i64>> + Send + 'static,
    ) -> Result<i64> {
        let (changed, _) = query.work(self.deadline(), change).await?;
        query.done(u64::try_from(changed).ok());
        Ok(changed)
    }

    /// `DoGet` for a ticket.
    pub(super) async fn fetch(&self, handle: &[u8]) -> Result<Response<wire::FlightStream>> {
        if self.is_done(handle) {
            return Ok(Response::new(wire::encode(no_rows(
                &Schema::empty().into(),
            ))));
        }
        let answer = self.answer(handle)?;
        let source = answer.source().clone();
        let rows = match source {
            Source::Cancelled => {
                answer.query.check_cancelled()?;
                no_rows(&answer.schema)
            }
            Source::Plans(plans) => self.run_plans(&answer, plans).await?,
            Source::Started(first, plans) => {
                let started = first.lock().unwrap_or_else(PoisonError::into_inner).take();
                match started {
                    Some(rows) => {
                        answer.is_fetched.store(true, Ordering::Relaxed);
                        rows
                    }
                    None => self.run_plans(&answer, plans).await?,
                }
            }
            Source::Substrait(ticket) => {
                let rows = substrait::rows(self.engine.clone(), ticket);
                self.run(&answer, rows).await?
            }
        };
        let rows = wire::encode(kept_alive(rows));
        // As long as rows are sent, the call is under way, and its session in use.
        let session = Arc::clone(self.engine.session());
        let rows = rows.inspect(move |_| {
            let _ = &session;
        });
        Ok(Response::new(rows.boxed()))
    }

    /// Whether a handle is that of a change, which is made.
    pub(super) fn is_done(&self, handle: &[u8]) -> bool {
        self.shared.answers.is_done(self.engine.caller(), handle)
    }

    /// What a handle of the caller's leads to.
    fn answer(&self, handle: &[u8]) -> Result<Arc<Answer>> {
        let answer = self.shared.answers.get(self.engine.caller(), handle);
        let answer = answer.ok_or_else(expired)?;
        if !answer.rights.still_hold(&self.engine.rights()?) {
            return Err(Error::NotFound(
                "this result is of before rights of yours were taken or bounded: run the statement again".into(),
            ));
        }
        Ok(answer)
    }

    async fn run_plans(
        &self,
        answer: &Answer,
        plans: Arc<[Planned]>,
    ) -> Result<SendableRecordBatchStream> {
        let schema = Arc::clone(&answer.schema);
        let rows = async move { run_plans(plans, &schema).await };
        self.run(answer, rows).await
    }

    /// The rows for one fetch of an answer.
    async fn run(
        &self,
        answer: &Answer,
        rows: impl Future<Output = Result<SendableRecordBatchStream>> + Send + 'static,
    ) -> Result<SendableRecordBatchStream> {
        let query = answer.query()?;
        let (rows, stage) = query.work(self.deadline(), rows).await?;
        let rows = wire::conforming(rows, &answer.schema);
        limits::watched(rows, stage, self.deadline())
    }

    /// `RenewFlightEndpoint`: the same endpoint, good for longer if it is not at its end. What metadata tickets lead to
    /// never ends.
    pub(super) fn renew(&self, request: RenewFlightEndpointRequest) -> Result<FlightEndpoint> {
        let endpoint = request.endpoint.ok_or_else(|| {
            Error::Input("RenewFlightEndpoint: there is no endpoint in the request".into())
        })?;
        let ticket = endpoint.ticket.as_ref().ok_or_else(|| {
            Error::Input("RenewFlightEndpoint: there is no ticket in the endpoint".into())
        })?;
        let Some(handle) = command::handle_in("RenewFlightEndpoint", &ticket.ticket)? else {
            return Ok(endpoint);
        };
        if !self.is_done(&handle) {
            self.answer(&handle)?;
        }
        let renewed = self.shared.answers.renew(self.engine.caller(), &handle);
        Ok(to_fetch(renewed.ok_or_else(expired)?))
    }

    /// Keeps an answer and says where to fetch it.
    pub(super) fn announce(
        &self,
        answer: Answer,
        descriptor: FlightDescriptor,
    ) -> Result<Response<FlightInfo>> {
        let info = FlightInfo::new().try_with_schema(&answer.schema)?;
        let issued = self.shared.answers.insert(self.engine.caller(), answer)?;
        Ok(announced(info, issued, UNCOUNTED, descriptor))
    }

    /// Says that a change was made, which nothing may refuse any more.
    pub(super) fn announce_change(
        &self,
        rows: i64,
        descriptor: FlightDescriptor,
    ) -> Result<Response<FlightInfo>> {
        let info = FlightInfo::new().try_with_schema(&Schema::empty())?;
        let issued = self.shared.answers.done(self.engine.caller());
        Ok(announced(info, issued, rows, descriptor))
    }
}

fn announced(
    info: FlightInfo,
    issued: Issued,
    records: i64,
    descriptor: FlightDescriptor,
) -> Response<FlightInfo> {
    let info = info
        .with_descriptor(descriptor)
        .with_endpoint(to_fetch(issued))
        .with_total_records(records)
        .with_total_bytes(UNCOUNTED);
    Response::new(info)
}

/// Runs an update once for each row of parameters; rows for an `INSERT … VALUES` make one commit.
pub(super) async fn update(engine: &Engine, sql: &str, rows: &[Vec<ScalarValue>]) -> Result<i64> {
    match rows {
        [] => Ok(0),
        [row] => changed_rows(engine.run(sql, row).await?).await,
        rows => count(engine.run_many(sql, rows).await?),
    }
}

/// Where an answer is fetched, and until when.
fn to_fetch(issued: Issued) -> FlightEndpoint {
    let ticket = TicketStatementQuery {
        statement_handle: issued.handle,
    };
    let ticket = Ticket::new(Bytes::from(ticket.as_any().encode_to_vec()));
    FlightEndpoint {
        ticket: Some(ticket),
        expiration_time: Some(issued.expires_at.into()),
        ..FlightEndpoint::default()
    }
}

fn expired() -> Error {
    Error::NotFound("this result has expired or never was: run the statement again".into())
}

/// Runs plans of one schema one after the other, the next when the one before has no more rows.
async fn run_plans(plans: Arc<[Planned]>, schema: &SchemaRef) -> Result<SendableRecordBatchStream> {
    let Some(first) = plans.first() else {
        return Ok(no_rows(schema));
    };
    // The first runs now, so that what fails at once is the answer to the call.
    let first = query_rows(first).await?;
    Ok(followed(first, plans))
}

/// The rows of the first plan, and those of all others after them.
pub(super) fn followed(
    first: SendableRecordBatchStream,
    plans: Arc<[Planned]>,
) -> SendableRecordBatchStream {
    if plans.len() <= 1 {
        return first;
    }
    let schema = first.schema();
    let rest = stream::iter(1..plans.len()).then(move |index| {
        let plans = Arc::clone(&plans);
        async move {
            query_rows(&plans[index])
                .await
                .map_err(DataFusionError::from)
        }
    });
    let batches = first.chain(rest.try_flatten());
    Box::pin(RecordBatchStreamAdapter::new(schema, batches))
}

async fn query_rows(planned: &Planned) -> Result<SendableRecordBatchStream> {
    match planned.run().await? {
        Outcome::Rows(rows) => Ok(rows),
        Outcome::Changed(_) | Outcome::Done => Ok(no_rows(&planned.schema)),
    }
}

fn no_rows(schema: &SchemaRef) -> SendableRecordBatchStream {
    let nothing = stream::empty::<Result<_, DataFusionError>>();
    Box::pin(RecordBatchStreamAdapter::new(Arc::clone(schema), nothing))
}

/// The number of rows that a statement changed; a query sent as an update is run to its end.
pub(super) async fn changed_rows(outcome: Outcome) -> Result<i64> {
    match outcome {
        Outcome::Changed(rows) => count(rows),
        Outcome::Done => Ok(UNCOUNTED),
        Outcome::Rows(mut rows) => {
            while rows.try_next().await?.is_some() {}
            Ok(UNCOUNTED)
        }
    }
}

fn count(rows: u64) -> Result<i64> {
    i64::try_from(rows).map_err(|_| Error::Internal(format!("{rows} rows are too many to report")))
}
