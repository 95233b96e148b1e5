//! The statements that a server works on now: who may run, how long, and how to end them.
//!
//! A [`Query`] is one statement from its arrival to its last row. It may be worked on in several [stages](Stage), as a
//! client first has it planned and then fetches; between them it holds no place. Its end is told to the audit and the
//! metrics once.

mod deadline;
mod query;
mod queue;
mod rows;
mod stop;
mod workers;

use std::{
    collections::BTreeMap,
    future::Future,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::sync::watch;
use uuid::Uuid;

pub use deadline::{Deadline, client_timeout};
pub use query::{Origin, Query, Stage};
pub(crate) use rows::batch_bytes;
pub(crate) use stop::current_stop;

use crate::{
    access::Caller,
    audit::{Audit, QueryRow},
    error::{Error, Result},
    limits::Limits,
    metrics::Metrics,
    statement::{Names, Summary},
};
use queue::Queue;
use workers::Workers;

/// How often it is looked whether the statements that run have ended.
const DRAIN_STEP: Duration = Duration::from_millis(20);
/// How long statements that were ended may take to tell their clients.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// The statements of one engine.
#[derive(Debug)]
pub struct Queries {
    limits: Arc<Limits>,
    queue: Arc<Queue>,
    workers: Workers,
    audit: Arc<Audit>,
    metrics: Arc<Metrics>,
    /// By id, which grows with time.
    live: Mutex<BTreeMap<Uuid, Weak<Query>>>,
    is_closed: AtomicBool,
    closing: watch::Sender<bool>,
}

impl Queries {
    pub(crate) fn new(limits: Arc<Limits>, audit: Arc<Audit>, metrics: Arc<Metrics>) -> Arc<Self> {
        Arc::new(Self {
            queue: Queue::new(Arc::clone(&limits)),
            workers: Workers::new(&limits),
            limits,
            audit,
            metrics,
            live: Mutex::default(),
            is_closed: AtomicBool::new(false),
            closing: watch::Sender::new(false),
        })
    }

    /// The limits that all statements keep to.
    #[must_use]
    pub fn limits(&self) -> &Arc<Limits> {
        &self.limits
    }

    /// A statement has come. It counts as cancelled if it is dropped before it ended.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the server is shutting down.
    pub fn begin(
        self: &Arc<Self>,
        origin: Origin,
        summary: Summary,
        names: impl FnOnce() -> Names + Send + 'static,
    ) -> Result<Arc<Query>> {
        self.check_open()?;
        let query = Arc::new(Query::new(Arc::clone(self), origin, summary, names));
        self.lock().insert(query.id(), Arc::downgrade(&query));
        Ok(query)
    }

    /// Does work for a statement that is not run: it keeps to the same limits, and leaves a trace only if it fails.
    ///
    /// # Errors
    /// Those of [`Queries::begin`] and [`Query::work`].
    pub async fn look_at<T: Send + 'static>(
        self: &Arc<Self>,
        origin: Origin,
        summary: Summary,
        names: impl FnOnce() -> Names + Send + 'static,
        deadline: Option<Deadline>,
        work: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        let query = self.begin(origin, summary, names)?;
        let (found, _stage) = query.work(deadline, work).await?;
        query.forget();
        Ok(found)
    }

    /// Refuses what is new while the server shuts down.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub fn check_open(&self) -> Result<()> {
        if self.is_closed.load(Ordering::Relaxed) {
            return Err(Error::Unavailable(
                "the server is shutting down: connect again later".into(),
            ));
        }
        Ok(())
    }

    /// Ends a statement, for its own user or an admin.
    ///
    /// # Errors
    /// [`Error::NotFound`] when no such statement runs, or it is somebody else's.
    pub fn cancel(&self, query_id: &str, caller: &Caller) -> Result<()> {
        let query = Uuid::parse_str(query_id).ok().and_then(|id| self.get(id));
        let query = query.filter(|query| {
            let owner = &query.origin().caller;
            caller.is_admin() || (owner.user == caller.user && owner.proxy == caller.proxy)
        });
        let Some(query) = query else {
            return Err(Error::NotFound(format!(
                "no statement '{query_id}' runs; system.queries lists those that do"
            )));
        };
        query.cancel(format!("the statement was cancelled by {}", caller.user));
        Ok(())
    }

    /// A statement that has not ended.
    #[must_use]
    pub fn get(&self, id: Uuid) -> Option<Arc<Query>> {
        self.lock().get(&id)?.upgrade()
    }

    /// How many run, and how many wait.
    #[must_use]
    pub fn numbers(&self) -> (u64, u64) {
        self.queue.numbers()
    }

    /// The rows of those that have not ended, oldest first.
    pub(crate) fn rows(&self) -> Vec<QueryRow> {
        self.all().iter().map(|query| query.row()).collect()
    }

    /// Refuses whatever comes from now on.
    pub fn close(&self) {
        self.is_closed.store(true, Ordering::Relaxed);
        self.closing.send_replace(true);
    }

    /// Waits until nothing more is taken.
    pub async fn closed(&self) {
        let mut closing = self.closing.subscribe();
        // Fails when the sender is gone, which `self` holds.
        let _ = closing.wait_for(|is_closed| *is_closed).await;
    }

    /// Refuses what is new, lets those that run have `grace` to end, and then ends them. Returns how many it ended.
    pub async fn drain(&self, grace: Duration) -> usize {
        self.close();
        let start = Instant::now();
        while start.elapsed() < grace && self.all().iter().any(|query| query.is_expected()) {
            tokio::time::sleep(DRAIN_STEP).await;
        }
        let late = self.all();
        let late = late.iter().filter(|query| query.is_active());
        let ended = late
            .map(|query| {
                query.cancel("the statement was ended because the server shuts down".into());
            })
            .count();
        // What was told to end needs a moment to say so to its client.
        let start = Instant::now();
        while ended > 0 && start.elapsed() < LAST_WORDS && self.numbers().0 > 0 {
            tokio::time::sleep(DRAIN_STEP).await;
        }
        ended
    }

    fn ended(&self, query: &Query) {
        let row = query.row();
        self.metrics.statement(&row);
        self.audit.note(query.event());
        // First kept, then no longer live: it is never in neither.
        self.audit.note_query(row);
        self.lock().remove(&query.id());
    }

    fn all(&self) -> Vec<Arc<Query>> {
        self.lock().values().filter_map(Weak::upgrade).collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Uuid, Weak<Query>>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
