//! Statements: started once, fetched as often as the client likes.
//!
//! `GetFlightInfo` plans a query and keeps the plan; what writes it runs at once and keeps that it is
//! done. A ticket is a handle to what was kept, so that fetching it again can never write again.

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
use futures::{
    FutureExt, StreamExt, TryStreamExt,
    future::{self, BoxFuture},
    stream,
};
use prost::Message;
use tonic::Response;

use super::{
    command, handles::Issued, keep_alive::kept_alive, limits, service::Service, session, substrait,
    wire,
};
use crate::{
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
    source: Mutex<Source>,
    /// Whether somebody began to fetch it.
    is_fetched: AtomicBool,
    /// Whether all rows were sent once.
    is_spent: AtomicBool,
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
    /// A statement that has run and has no rows.
    Done,
    /// A Substrait plan.
    Substrait(Ticket),
    /// A query that was ended.
    Cancelled,
}

impl Answer {
    pub(super) fn new(query: Arc<Query>, schema: SchemaRef, source: Source) -> Self {
        let is_spent = AtomicBool::new(matches!(source, Source::Done));
        Self {
            schema,
            query,
            source: Mutex::new(source),
            is_fetched: AtomicBool::new(false),
            is_spent,
        }
    }

    /// The answer of a change that was made.
    pub(super) fn done(query: Arc<Query>) -> Self {
        Self::new(query, Arc::new(Schema::empty()), Source::Done)
    }

    /// Whether it may make room for others.
    pub(super) fn is_spent(&self) -> bool {
        self.is_spent.load(Ordering::Relaxed)
    }

    /// Ends its query. Returns whether there was one to end.
    pub(super) fn cancel(&self, reason: String) -> bool {
        let mut source = self.source();
        if self.query.has_ended() {
            return false;
        }
        *source = Source::Cancelled;
        drop(source);
        self.query.cancel(reason);
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

    /// The rows with the answer kept until their end, which is noted.
    fn noted(self: Arc<Self>, rows: SendableRecordBatchStream) -> SendableRecordBatchStream {
        let end = stream::once(async move {
            self.is_spent.store(true, Ordering::Relaxed);
            None
        });
        let schema = rows.schema();
        let rows = rows.map(Some).chain(end).filter_map(future::ready);
        Box::pin(RecordBatchStreamAdapter::new(schema, rows))
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
        Ok(Begun { query, work })
    }

    /// Says where to fetch the rows of what was begun; a change is made first.
    pub(super) async fn finish(
        &self,
        Begun { query, work }: Begun,
        descriptor: FlightDescriptor,
    ) -> Result<Response<FlightInfo>> {
        let (answer, records) = match work {
            Work::Query { schema, plans } => {
                let answer = Answer::new(query, schema, Source::Plans(plans));
                (answer, UNCOUNTED)
            }
            Work::Change(change) => {
                let records = self.change(&query, change).await?;
                (Answer::done(query), records)
            }
            Work::Substrait { schema, ticket } => {
                let answer = Answer::new(query, schema, Source::Substrait(ticket));
                (answer, UNCOUNTED)
            }
        };
        self.announce(answer, records, descriptor)
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
        let answer = self.shared.answers.get(self.engine.caller(), handle);
        let answer = answer.ok_or_else(expired)?;
        let source = answer.source().clone();
        let rows = match source {
            Source::Done => no_rows(&answer.schema),
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
        Ok(Response::new(wire::encode(kept_alive(answer.noted(rows)))))
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

    /// `RenewFlightEndpoint`: the same endpoint, good for longer. What metadata tickets lead to never ends.
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
        let renewed = self.shared.answers.renew(self.engine.caller(), &handle);
        Ok(to_fetch(renewed.ok_or_else(expired)?))
    }

    /// Keeps an answer and says where to fetch it.
    pub(super) fn announce(
        &self,
        answer: Answer,
        records: i64,
        descriptor: FlightDescriptor,
    ) -> Result<Response<FlightInfo>> {
        let info = FlightInfo::new().try_with_schema(&answer.schema)?;
        let issued = self.shared.answers.insert(self.engine.caller(), answer)?;
        let info = info
            .with_descriptor(descriptor)
            .with_endpoint(to_fetch(issued))
            .with_total_records(records)
            .with_total_bytes(UNCOUNTED);
        Ok(Response::new(info))
    }
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
