//! One statement, from its arrival to its last row.

use std::{
    fmt,
    future::{self, Future},
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use chrono::{DateTime, Utc};
use datafusion::common::{DataFusionError, runtime::SpawnedTask};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, Span, field::Empty};
use uuid::Uuid;

use super::{
    Queries,
    deadline::{Deadline, passed},
    queue::Place,
    stop::with_stop,
};
use crate::{
    access::Caller,
    audit::{Event, Outcome, QueryRow, State},
    error::{Error, Result},
    statement::{Names, Summary, without_values},
};

/// A client fetches at once what was planned for it: so long it is expected to.
const FETCH_IS_EXPECTED: Duration = Duration::from_millis(500);
/// A statement with little time left may wait for long.
const LEAST_SLEEP: Duration = Duration::from_millis(10);

/// Where a statement came from.
#[derive(Debug, Clone)]
pub struct Origin {
    /// For whom it runs.
    pub caller: Arc<Caller>,
    /// The session.
    pub session: Option<String>,
    /// The client's address.
    pub address: Option<String>,
}

/// A statement that a server works on.
#[derive(Debug)]
pub struct Query {
    id: Uuid,
    queries: Arc<Queries>,
    origin: Origin,
    summary: Summary,
    names: Mutex<Named>,
    started_at: DateTime<Utc>,
    span: Span,
    stop: CancellationToken,
    reason: OnceLock<String>,
    rows: AtomicU64,
    bytes: AtomicU64,
    course: Mutex<Course>,
}

/// The tables that a statement names, or how to find them.
enum Named {
    Known(Names),
    Unknown(Box<dyn FnOnce() -> Names + Send>),
}

impl fmt::Debug for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Named")
    }
}

/// How far it is.
#[derive(Debug)]
struct Course {
    state: State,
    changed_at: Instant,
    queued: Duration,
    worked: Duration,
    has_rows: bool,
    error: Option<String>,
    outcome: Option<Outcome>,
}

/// Work on a statement: it holds a place among those that run.
#[derive(Debug)]
pub struct Stage {
    query: Arc<Query>,
    /// None while the client does not read.
    place: Option<Place>,
}

impl Query {
    pub(super) fn new(
        queries: Arc<Queries>,
        origin: Origin,
        summary: Summary,
        names: impl FnOnce() -> Names + Send + 'static,
    ) -> Self {
        let id = Uuid::now_v7();
        let span = tracing::info_span!(
            "statement",
            query_id = %id,
            user = origin.caller.user,
            rows = Empty,
            elapsed_ms = Empty,
        );
        tracing::debug!(parent: &span, statement = summary.text, "begun");
        Self {
            id,
            queries,
            origin,
            summary,
            names: Mutex::new(Named::Unknown(Box::new(names))),
            started_at: Utc::now(),
            span,
            stop: CancellationToken::new(),
            reason: OnceLock::new(),
            rows: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            course: Mutex::new(Course {
                state: State::Planned,
                changed_at: Instant::now(),
                queued: Duration::ZERO,
                worked: Duration::ZERO,
                has_rows: false,
                error: None,
                outcome: None,
            }),
        }
    }

    /// Its id, as `system.queries` has it.
    #[must_use]
    pub fn id(&self) -> Uuid {
        self.id
    }

    /// Where it came from.
    #[must_use]
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// What is logged while it is worked on belongs here.
    #[must_use]
    pub fn span(&self) -> &Span {
        &self.span
    }

    /// The same statement, run once more.
    ///
    /// # Errors
    /// Those of [`Queries::begin`].
    pub fn again(&self) -> Result<Arc<Self>> {
        let names = self.find_names();
        self.queries
            .begin(self.origin.clone(), self.summary.clone(), || names)
    }

    /// Whether it has ended.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.lock().outcome.is_some()
    }

    /// Ends it, if it has not ended; its client is told why.
    pub fn cancel(&self, reason: String) {
        // The first reason stays.
        let _ = self.reason.set(reason);
        self.stop.cancel();
        let waits = self.lock().state == State::Planned;
        if waits {
            self.failed(&self.cancelled());
        }
    }

    /// Waits for a place and does the work, which goes on by itself: so whoever waits is answered in time, even while it
    /// computes without a pause. Gives what it gave, and its stage to go on in.
    ///
    /// # Errors
    /// Those of the work; [`Error::TimedOut`], [`Error::Cancelled`] and [`Error::Exhausted`].
    pub async fn work<T: Send + 'static>(
        self: &Arc<Self>,
        deadline: Option<Deadline>,
        work: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<(T, Stage)> {
        let mut unfinished = Unfinished(Some(self));
        let worked = self.work_on(deadline, work).await;
        unfinished.0 = None;
        worked.inspect_err(|error| self.failed(error))
    }

    async fn work_on<T: Send + 'static>(
        self: &Arc<Self>,
        deadline: Option<Deadline>,
        work: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<(T, Stage)> {
        let stage = tokio::select! {
            stage = self.enter() => stage?,
            error = self.stopped(deadline) => return Err(error),
        };
        let query = Arc::clone(self);
        let work = async move {
            // Here are the large stacks.
            query.find_names();
            let done = work.await?;
            Ok((done, stage))
        };
        let work = with_stop(self.stop_token(), work);
        let task = self.spawn(work.instrument(self.span.clone()))?;
        tokio::select! {
            done = task.join() => done.map_err(|error| Error::Internal(error.to_string()))?,
            error = self.stopped(deadline) => Err(error),
        }
    }

    /// Waits until the work must stop, and says why.
    pub(crate) async fn stopped(&self, deadline: Option<Deadline>) -> Error {
        tokio::select! {
            () = self.stop.cancelled() => self.cancelled(),
            () = self.worked_too_long() => self.queries.limits.timed_out(self.worked()),
            () = passed(deadline) => {
                let after = deadline.map(|deadline| deadline.after).unwrap_or_default();
                Error::TimedOut(format!(
                    "the statement was stopped after {}, the time that its client gave it (grpc-timeout)",
                    crate::limits::Span(after)
                ))
            }
        }
    }

    /// Waits until the time to work is used up, which does not go on while nobody works.
    async fn worked_too_long(&self) {
        let limit = self.queries.limits.statement_time;
        if limit.is_zero() {
            return future::pending().await;
        }
        loop {
            let left = limit.saturating_sub(self.worked());
            if left.is_zero() {
                return;
            }
            sleep(left.max(LEAST_SLEEP)).await;
        }
    }

    /// Counts rows that were sent.
    ///
    /// # Errors
    /// [`Error::Exhausted`] when they are too many.
    pub fn sent(&self, rows: u64, bytes: u64) -> Result<()> {
        let rows = self.rows.fetch_add(rows, Ordering::Relaxed) + rows;
        let bytes = self.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
        self.queries.limits.check_result(rows, bytes)
    }

    /// That it ended well, with so many rows sent or changed. Only the first end counts.
    pub fn done(&self, rows: Option<u64>) {
        self.end(Outcome::Done, State::Done, |course| {
            course.has_rows = rows.is_some();
            self.rows.store(rows.unwrap_or_default(), Ordering::Relaxed);
        });
    }

    /// That it ended otherwise. Only the first end counts.
    pub fn failed(&self, error: &Error) {
        let error = root(error);
        let (outcome, state) = match error {
            Error::Cancelled(_) => (Outcome::Cancelled, State::Cancelled),
            Error::Denied(_) | Error::Unauthenticated(_) => (Outcome::Denied, State::Failed),
            _ => (Outcome::Failed, State::Failed),
        };
        self.end(outcome, state, |course| course.error = Some(kept(error)));
    }

    /// That nobody waits for it any more, because of what it was cancelled for or because its client went away.
    pub(super) fn abandoned(&self) {
        let gone = || Error::Cancelled("its client went away".into());
        let reason = self.check_cancelled().err();
        self.failed(&reason.unwrap_or_else(gone));
    }

    /// That it was only looked at: nothing is kept of it.
    pub(super) fn forget(&self) {
        self.lock().outcome = Some(Outcome::Done);
        self.queries.lock().remove(&self.id);
    }

    /// Whether somebody ended it.
    ///
    /// # Errors
    /// [`Error::Cancelled`].
    pub fn check_cancelled(&self) -> Result<()> {
        // The token alone says only that nothing more is to be done.
        if self.reason.get().is_some() {
            return Err(self.cancelled());
        }
        Ok(())
    }

    /// How many rows were sent.
    #[must_use]
    pub fn rows_sent(&self) -> u64 {
        self.rows.load(Ordering::Relaxed)
    }

    /// Whether it waits, or is worked on.
    pub(super) fn is_active(&self) -> bool {
        matches!(self.lock().state, State::Queued | State::Running)
    }

    /// Whether it is active, or about to be.
    pub(super) fn is_expected(&self) -> bool {
        let course = self.lock();
        match course.state {
            State::Queued | State::Running => true,
            State::Planned => course.changed_at.elapsed() < FETCH_IS_EXPECTED,
            State::Done | State::Failed | State::Cancelled => false,
        }
    }

    pub(super) fn row(&self) -> QueryRow {
        let course = self.lock();
        let rows = self.rows.load(Ordering::Relaxed);
        let milliseconds = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        QueryRow {
            query_id: self.id.to_string(),
            user: self.origin.caller.user.clone(),
            proxy: self.origin.caller.proxy.clone(),
            session: self.origin.session.clone(),
            address: self.origin.address.clone(),
            kind: self.summary.kind.clone(),
            state: course.state,
            started_at: self.started_at,
            queued_ms: milliseconds(course.queued_until_now()),
            elapsed_ms: milliseconds(course.worked_until_now()),
            rows: (course.has_rows || rows > 0).then_some(rows),
            bytes: self.bytes.load(Ordering::Relaxed),
            error: course.error.clone(),
            statement: self.summary.text.clone(),
        }
    }

    pub(super) fn event(&self) -> Event {
        let names = match &*self.names.lock().unwrap_or_else(PoisonError::into_inner) {
            Named::Known(names) => names.clone(),
            Named::Unknown(_) => Names::default(),
        };
        let course = self.lock();
        Event {
            address: self.origin.address.clone(),
            session: self.origin.session.clone(),
            reads: names.reads.into_iter().collect(),
            writes: names.writes.into_iter().collect(),
            outcome: course.outcome.unwrap_or(Outcome::Cancelled),
            error: course.error.clone(),
            statement: Some(self.summary.text.clone()),
            query_id: Some(self.id.to_string()),
            ..Event::of(&self.origin.caller, &self.summary.kind)
        }
    }

    fn end(&self, outcome: Outcome, state: State, note: impl FnOnce(&mut Course)) {
        {
            let mut course = self.lock();
            if course.outcome.is_some() {
                return;
            }
            course.enter(state);
            course.outcome = Some(outcome);
            note(&mut course);
        }
        let row = self.row();
        self.span.record("rows", row.rows);
        self.span.record("elapsed_ms", row.elapsed_ms);
        tracing::debug!(parent: &self.span, state = state.name(), error = row.error, "ended");
        self.queries.ended(self);
    }

    async fn enter(self: &Arc<Self>) -> Result<Stage> {
        self.lock().enter(State::Queued);
        let place = self.queries.queue.place(&self.origin.caller.user).await?;
        self.lock().enter(State::Running);
        Ok(Stage {
            query: Arc::clone(self),
            place: Some(place),
        })
    }

    /// Does work on the workers' threads.
    pub(super) fn spawn<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<SpawnedTask<T>> {
        self.queries.workers.spawn(work)
    }

    pub(super) fn stop_token(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// The tables that it names, which are looked for once.
    fn find_names(&self) -> Names {
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        match std::mem::replace(&mut *names, Named::Known(Names::default())) {
            Named::Known(known) => *names = Named::Known(known),
            Named::Unknown(find) => *names = Named::Known(find()),
        }
        match &*names {
            Named::Known(names) => names.clone(),
            Named::Unknown(_) => Names::default(),
        }
    }

    fn worked(&self) -> Duration {
        self.lock().worked_until_now()
    }

    /// Nobody works on it now.
    fn wait(&self) {
        let mut course = self.lock();
        if course.outcome.is_none() {
            course.enter(State::Planned);
        }
    }

    fn cancelled(&self) -> Error {
        let reason = self.reason.get().cloned();
        Error::Cancelled(reason.unwrap_or_else(|| "the statement was cancelled".into()))
    }

    fn lock(&self) -> MutexGuard<'_, Course> {
        self.course.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Query {
    fn drop(&mut self) {
        // Planned, and never fetched: clients do that to look at a schema.
        self.done(None);
    }
}

/// Work whose client waits for it.
struct Unfinished<'a>(Option<&'a Arc<Query>>);

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        if let Some(query) = self.0 {
            query.abandoned();
        }
    }
}

impl Stage {
    /// The statement that is worked on.
    #[must_use]
    pub fn query(&self) -> &Arc<Query> {
        &self.query
    }

    /// Gives the place to others.
    pub(super) fn leave(&mut self) {
        self.place = None;
        self.query.wait();
    }

    /// Waits for a place again, however many others wait, and however long it takes.
    pub(super) async fn enter_again(&mut self) -> Result<()> {
        let query = &self.query;
        query.lock().enter(State::Queued);
        let user = &query.origin.caller.user;
        self.place = Some(query.queries.queue.place_again(user).await?);
        query.lock().enter(State::Running);
        Ok(())
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if self.place.is_some() {
            self.query.wait();
        }
    }
}

impl Course {
    fn enter(&mut self, state: State) {
        self.queued = self.queued_until_now();
        self.worked = self.worked_until_now();
        self.state = state;
        self.changed_at = Instant::now();
    }

    fn queued_until_now(&self) -> Duration {
        match self.state {
            State::Queued => self.queued + self.changed_at.elapsed(),
            _ => self.queued,
        }
    }

    fn worked_until_now(&self) -> Duration {
        match self.state {
            State::Running => self.worked + self.changed_at.elapsed(),
            _ => self.worked,
        }
    }
}

/// The error of ours that came through DataFusion, or else the error.
fn root(error: &Error) -> &Error {
    if let Error::DataFusion(outer) = error
        && let DataFusionError::External(inner) = outer.find_root()
        && let Some(inner) = inner.downcast_ref::<Error>()
    {
        return inner;
    }
    error
}

/// An error as it is kept. What we say of limits holds no values of the statement, and numbers that matter.
fn kept(error: &Error) -> String {
    match error {
        Error::Exhausted(message) | Error::TimedOut(message) | Error::Cancelled(message) => {
            message.clone()
        }
        // Memory and disk, as operators tell.
        Error::DataFusion(inner)
            if matches!(inner.find_root(), DataFusionError::ResourcesExhausted(_)) =>
        {
            error.to_string()
        }
        other => without_values(&other.to_string()),
    }
}
