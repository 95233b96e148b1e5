//! `PollFlightInfo`: a statement that runs while its client asks now and then how far it is.
//!
//! The first call starts it, once; every later one names what was started. A change is done when it is committed, a query
//! when its first rows are there, of which no more than a few batches are computed ahead of the fetch.

use std::{
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};

use arrow::{
    array::RecordBatch,
    datatypes::{Schema, SchemaRef},
};
use arrow_flight::{
    FlightDescriptor, FlightInfo, PollInfo,
    sql::{Any, Command},
};
use bytes::Bytes;
use datafusion::{
    common::{DataFusionError, runtime::SpawnedTask, stats::Precision},
    physical_plan::{
        EmptyRecordBatchStream, ExecutionPlan, SendableRecordBatchStream,
        metrics::MetricsSet,
        statistics::{StatisticsArgs, StatisticsContext},
        stream::RecordBatchStreamAdapter,
    },
};
use futures::{StreamExt, stream};
use prost::Message;
use tokio::{sync::watch, time::timeout};
use tonic::{Response, Status};

use super::{
    handles::Issued,
    limits,
    service::Service,
    statement::{Answer, Begun, Source, UNCOUNTED, Work, followed},
    wire,
};
use crate::{
    error::{Error, Result},
    queries::Query,
    statement::Planned,
};

/// How long a call waits for news before it answers that there are none.
const LONG_POLL: Duration = Duration::from_secs(2);
/// What DataFusion's readers count rows by that a condition took out while they were read.
const PASSED_OVER: &str = "pushdown_rows_pruned";
/// What marks a descriptor as one of a statement that runs.
const TYPE_URL: &str = "type.googleapis.com/moodlake.StatementHandle";

/// A statement that runs in the background.
pub(crate) struct Polled {
    query: Arc<Query>,
    schema: SchemaRef,
    descriptor: FlightDescriptor,
    state: Mutex<State>,
    /// Whether it runs no more.
    has_ended: watch::Receiver<bool>,
    progress: Arc<OnceLock<Progress>>,
}

enum State {
    Runs {
        found: Arc<Mutex<Option<Result<Found>>>>,
        /// Ended when nobody asks any more.
        _task: SpawnedTask<()>,
    },
    Ended(Result<FlightInfo, Status>),
}

/// What a statement came to.
enum Found {
    Answer(Box<Answer>),
    /// So many rows were changed.
    Change(i64),
}

impl Polled {
    /// Whether nobody waits for it any more.
    pub(super) fn is_spent(&self) -> bool {
        matches!(*self.state(), State::Ended(_))
    }

    /// Ends it. Returns whether there was something to end.
    pub(super) fn cancel(&self, reason: String) -> bool {
        let mut state = self.state();
        let runs = matches!(*state, State::Runs { .. }) && !self.query.has_ended();
        if runs {
            self.query.cancel(reason.clone());
            *state = State::Ended(Err(Error::Cancelled(reason).into()));
        }
        runs
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Service {
    /// `PollFlightInfo` for a statement, or for one that it started.
    pub(super) async fn poll(&self, descriptor: FlightDescriptor) -> Result<PollInfo> {
        let caller = self.engine.caller();
        let (polled, issued) = if let Some(handle) = handle_in(&descriptor) {
            let polls = &self.shared.polls;
            let polled = polls.get(caller, &handle).zip(polls.renew(caller, &handle));
            polled.ok_or_else(|| {
                Error::NotFound(
                    "this statement has ended long since, or never was: run it again".into(),
                )
            })?
        } else {
            let begun = self.begin_command(&descriptor.cmd).await?;
            let run = || start(begun, descriptor);
            let (issued, polled) = self.shared.polls.insert_with(caller, run)?;
            (polled, issued)
        };
        let mut has_ended = polled.has_ended.clone();
        // Nothing new in this time is no error, nor is a task that was ended.
        let _ = timeout(LONG_POLL, has_ended.wait_for(|has_ended| *has_ended)).await;
        self.state_of(&polled, &issued)
    }

    /// Plans the statement of a command.
    async fn begin_command(&self, command: &Bytes) -> Result<Begun> {
        let any = Any::decode(command.clone())
            .map_err(|error| Error::Input(format!("this is no Flight SQL command: {error}")))?;
        match Command::try_from(any)? {
            Command::CommandStatementQuery(command) => self.begin_statement(command).await,
            Command::CommandPreparedStatementQuery(command) => self.begin_prepared(&command).await,
            Command::CommandStatementSubstraitPlan(command) => self.begin_substrait(command).await,
            other => Err(Error::Unsupported(format!(
                "PollFlightInfo: {} runs nothing; GetFlightInfo answers at once",
                super::metadata::command_name(other.type_url())
            ))),
        }
    }

    fn state_of(&self, polled: &Polled, issued: &Issued) -> Result<PollInfo> {
        let mut state = polled.state();
        let found = match &*state {
            State::Runs { found, .. } => {
                found.lock().unwrap_or_else(PoisonError::into_inner).take()
            }
            State::Ended(_) => None,
        };
        if let Some(found) = found {
            let descriptor = polled.descriptor.clone();
            let info = found.and_then(|found| match found {
                Found::Answer(answer) => self.announce(*answer, descriptor),
                Found::Change(rows) => self.announce_change(rows, descriptor),
            });
            *state = State::Ended(info.map(Response::into_inner).map_err(Status::from));
        }
        let expiration_time = Some(issued.expires_at.into());
        match &*state {
            State::Ended(Ok(info)) => Ok(PollInfo {
                info: Some(info.clone()),
                flight_descriptor: None,
                progress: Some(1.0),
                expiration_time,
            }),
            State::Ended(Err(status)) => Err(Error::Remote {
                code: status.code(),
                message: status.message().to_string(),
            }),
            State::Runs { .. } => {
                let again = descriptor_of(&issued.handle);
                let info = FlightInfo::new()
                    .try_with_schema(&polled.schema)?
                    .with_descriptor(again.clone())
                    .with_total_records(UNCOUNTED)
                    .with_total_bytes(UNCOUNTED);
                Ok(PollInfo {
                    info: Some(info),
                    flight_descriptor: Some(again),
                    progress: polled.progress.get().and_then(Progress::share),
                    expiration_time,
                })
            }
        }
    }
}

/// Whether a descriptor is of something that can be polled for.
pub(crate) fn is_polled(descriptor: &FlightDescriptor) -> bool {
    if handle_in(descriptor).is_some() {
        return true;
    }
    let any = Any::decode(descriptor.cmd.clone()).ok();
    let command = any.and_then(|any| Command::try_from(any).ok());
    matches!(
        command,
        Some(
            Command::CommandStatementQuery(_)
                | Command::CommandPreparedStatementQuery(_)
                | Command::CommandStatementSubstraitPlan(_)
        )
    )
}

/// The answer for what is there at once.
pub(crate) fn complete(info: FlightInfo) -> PollInfo {
    PollInfo {
        info: Some(info),
        progress: Some(1.0),
        ..PollInfo::default()
    }
}

/// The handle in a descriptor of ours.
pub(crate) fn handle_in(descriptor: &FlightDescriptor) -> Option<Bytes> {
    let any = Any::decode(descriptor.cmd.clone()).ok()?;
    (any.type_url == TYPE_URL).then_some(any.value)
}

fn descriptor_of(handle: &Bytes) -> FlightDescriptor {
    let any = Any {
        type_url: TYPE_URL.into(),
        value: handle.clone(),
    };
    FlightDescriptor::new_cmd(any.encode_to_vec())
}

/// Lets a statement run.
fn start(begun: Begun, descriptor: FlightDescriptor) -> Polled {
    let progress = Arc::new(OnceLock::new());
    let query = Arc::clone(&begun.query);
    let schema = match &begun.work {
        Work::Query { schema, .. } | Work::Substrait { schema, .. } => Arc::clone(schema),
        Work::Change(_) => Arc::new(Schema::empty()),
    };
    let (ended, has_ended) = watch::channel(false);
    let found = Arc::new(Mutex::new(None));
    let work = {
        let (progress, found) = (Arc::clone(&progress), Arc::clone(&found));
        async move {
            let result = run(begun, progress).await;
            *found.lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
            ended.send_replace(true);
        }
    };
    Polled {
        query,
        schema,
        descriptor,
        state: Mutex::new(State::Runs {
            found,
            _task: SpawnedTask::spawn(work),
        }),
        has_ended,
        progress,
    }
}

async fn run(begun: Begun, progress: Arc<OnceLock<Progress>>) -> Result<Found> {
    let Begun {
        query,
        rights,
        work,
    } = begun;
    let (schema, source) = match work {
        Work::Change(change) => {
            let (changed, _) = query.work(None, change).await?;
            query.done(u64::try_from(changed).ok());
            return Ok(Found::Change(changed));
        }
        Work::Substrait { schema, ticket } => (schema, Source::Substrait(ticket)),
        Work::Query { schema, plans } => {
            let rows = first_rows(&query, &schema, Arc::clone(&plans), progress).await?;
            let source = Source::Started(Arc::new(Mutex::new(Some(rows))), plans);
            (schema, source)
        }
    };
    let answer = Answer::new(query, rights, schema, source);
    Ok(Found::Answer(Box::new(answer)))
}

/// The rows of a query, when the first of them are there.
async fn first_rows(
    query: &Arc<Query>,
    schema: &SchemaRef,
    plans: Arc<[Planned]>,
    progress: Arc<OnceLock<Progress>>,
) -> Result<SendableRecordBatchStream> {
    let none = EmptyRecordBatchStream::new(Arc::clone(schema));
    let running = async move {
        let Some(first) = plans.first() else {
            let none: SendableRecordBatchStream = Box::pin(none);
            return Ok(none);
        };
        let (rows, plan) = first.run_observed().await?;
        // Set once: this runs once.
        let _ = progress.set(Progress(plan));
        Ok(followed(rows, plans))
    };
    let (rows, stage) = query.work(None, running).await?;
    let mut rows = limits::watched(wire::conforming(rows, schema), stage, None)?;
    let first: Option<RecordBatch> = rows.next().await.transpose()?;
    let rows = stream::iter(first.map(Ok::<_, DataFusionError>)).chain(rows);
    let schema = Arc::clone(schema);
    Ok(Box::pin(RecordBatchStreamAdapter::new(schema, rows)))
}

/// How far a query is: the share of the rows that its leaves have given.
struct Progress(Arc<dyn ExecutionPlan>);

impl Progress {
    /// Unknown where a leaf does not say how many rows it has.
    fn share(&self) -> Option<f64> {
        let (mut read, mut all) = (0, 0);
        count(self.0.as_ref(), &mut read, &mut all)?;
        #[expect(clippy::cast_precision_loss, reason = "a share is told, not a count")]
        let share = read as f64 / all as f64;
        (all > 0).then_some(share.min(1.0))
    }
}

fn count(plan: &dyn ExecutionPlan, read: &mut usize, all: &mut usize) -> Option<()> {
    let children = plan.children();
    if children.is_empty() {
        let statistics = StatisticsContext::new()
            .compute(plan, &StatisticsArgs::new())
            .ok()?;
        let Precision::Exact(rows) = statistics.num_rows else {
            return None;
        };
        let metrics = plan.metrics();
        let counted = |name: &str| metrics.as_ref()?.sum_by_name(name);
        let given = metrics.as_ref().and_then(MetricsSet::output_rows);
        let passed_over = counted(PASSED_OVER).map_or(0, |rows| rows.as_usize());
        *all += rows;
        *read += (given.unwrap_or_default() + passed_over).min(rows);
    }
    for child in children {
        count(child.as_ref(), read, all)?;
    }
    Some(())
}
