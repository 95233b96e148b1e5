//! The engine: one lake, and the only place that builds sessions over it.
//!
//! A statement gets a session of its own (a `Scope`): its view of the catalogue, the functions bound to the models that
//! exist now. What is done with statements is in `statement/`.

pub(crate) mod memory;
mod pausing;
mod runtime;
pub(crate) mod size;
mod stoppable;

use std::{
    fmt,
    path::PathBuf,
    sync::{Arc, PoisonError, RwLock},
};

use datafusion::{
    catalog::Session as PlanningSession,
    common::Result as DataFusionResult,
    execution::{
        FunctionRegistry, SessionState, SessionStateBuilder, context::QueryPlanner,
        runtime_env::RuntimeEnv,
    },
    logical_expr::LogicalPlan,
    optimizer::{Analyzer, AnalyzerRule},
    physical_plan::ExecutionPlan,
    physical_planner::{DefaultPhysicalPlanner, PhysicalPlanner},
    prelude::SessionConfig,
};
use futures::{FutureExt, future::BoxFuture};
use moodlake_udfs::{ModelSource, TrackMemory};

pub use crate::statement::{IngestMode, Outcome, Planned, Prepared, Session};
use crate::{
    access::{Caller, Privilege, Rights, Store},
    audit::Audit,
    error::Result,
    lake::{self, CATALOG, DEFAULT_SCHEMA, Lake, StatementCatalog, TableName, Tail, rows_of_table},
    limits::Limits,
    metrics::Metrics,
    models::store::Models,
    queries::{Queries, current_stop},
    sources,
    statement::{Bound, MODEL_SCHEMA, joins, parse_view},
};
use runtime::Runtime;
use size::SizeLimit;
use stoppable::stoppable;

/// A sort keeps this part of its statement's memory free to merge with, and no more bytes than DataFusion thinks good.
const SORT_SHARE: u64 = 64;
const MOST_SORT_RESERVE: usize = 10 << 20;

/// Where an engine keeps its tables, and which files its statements may read.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The lake's folder; made if it is not there.
    pub dir: PathBuf,
    /// What `spotify_history()` and `tracks_csv()` may read.
    pub files: FileAccess,
}

/// Which files statements may read.
#[derive(Debug, Clone)]
pub enum FileAccess {
    /// Any: the statements are the user's own, in the user's own process.
    Anywhere,
    /// Only files under these folders; none if there are none.
    Under(Vec<PathBuf>),
}

/// A lake as somebody sees it, and what is needed to run statements on it. Clones share everything.
#[derive(Debug, Clone)]
pub struct Engine {
    shared: Arc<Shared>,
    caller: Arc<Caller>,
    session: Arc<Session>,
    /// Memory of one statement; without it the statement draws on that of all.
    memory: Option<Arc<RuntimeEnv>>,
    /// Whether joins sort and spill, because their sides do not fit into memory.
    sorts_joins: bool,
    /// Values that one statement refers to.
    bound: Bound,
}

/// What a session chose for its statements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionSettings {
    /// The schema of names that name none.
    pub schema: String,
    /// The zone in which times without one are read and shown, such as `Europe/Berlin`.
    pub time_zone: String,
}

impl Default for SessionSettings {
    fn default() -> Self {
        Self {
            schema: DEFAULT_SCHEMA.into(),
            time_zone: "UTC".into(),
        }
    }
}

#[derive(Debug)]
struct Shared {
    lake: Arc<Lake>,
    access: Store,
    files: FileAccess,
    runtime: Runtime,
    audit: Arc<Audit>,
    metrics: Arc<Metrics>,
    queries: Arc<Queries>,
    models: RwLock<Arc<Models>>,
    /// The tracks that recommendations were last chosen among.
    tracks: Arc<TrackMemory>,
}

/// What one statement sees.
#[derive(Debug)]
pub(crate) struct Scope {
    pub(crate) catalog: Arc<StatementCatalog>,
    pub(crate) models: Arc<Models>,
    pub(crate) state: SessionState,
}

impl Engine {
    /// Opens a lake, making its folders and the registry's tables if they are not there.
    ///
    /// # Errors
    /// [`Io`](crate::error::Error::Io) or [`Lake`](crate::error::Error::Lake) when the folder cannot be used.
    pub async fn open(settings: Settings) -> Result<Self> {
        Self::open_within(settings, Limits::default()).await
    }

    /// As [`Engine::open`], for statements that keep to these limits.
    ///
    /// # Errors
    /// As [`Engine::open`].
    pub async fn open_within(settings: Settings, limits: Limits) -> Result<Self> {
        let lake = Arc::new(Lake::open(&settings.dir)?);
        let audit = Arc::new(Audit::new(&limits));
        let metrics = Arc::<Metrics>::default();
        let runtime = Runtime::new(&limits)?;
        let queries = Queries::new(Arc::new(limits), Arc::clone(&audit), Arc::clone(&metrics));
        lake.set_tail(tail(&audit, &queries));
        let shared = Shared {
            lake,
            access: Store::new(&settings.dir),
            files: settings.files,
            runtime,
            audit,
            metrics,
            queries,
            models: RwLock::default(),
            tracks: Arc::new(TrackMemory::new(rows_of_table)),
        };
        let engine = Self {
            shared: Arc::new(shared),
            caller: Arc::new(Caller::owner()),
            session: Arc::default(),
            memory: None,
            sorts_joins: false,
            bound: Bound::default(),
        };
        engine.create_registry().boxed().await?;
        Ok(engine)
    }

    /// The same lake as another caller sees it, in a session of theirs.
    #[must_use]
    pub fn on_behalf_of(&self, caller: Arc<Caller>, session: Arc<Session>) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            caller,
            session,
            memory: None,
            sorts_joins: false,
            bound: Bound::default(),
        }
    }

    /// The same for a statement that refers to values.
    pub(crate) fn with_bound(&self, bound: Bound) -> Self {
        Self {
            bound,
            ..self.clone()
        }
    }

    /// The same with joins that need no memory for a whole side.
    pub(crate) async fn with_sorted_joins(&self) -> Self {
        if let Some(memory) = &self.memory {
            memory::given_back(memory).await;
        }
        Self {
            sorts_joins: true,
            // Whatever still ends holds memory of all, and none of this one.
            ..self.with_own_memory()
        }
    }

    /// Whether joins sort and spill.
    pub(crate) fn sorts_joins(&self) -> bool {
        self.sorts_joins
    }

    /// The same with memory for one statement.
    pub(crate) fn with_own_memory(&self) -> Self {
        Self {
            memory: Some(memory::for_one_statement(&self.shared.runtime.shared)),
            ..self.clone()
        }
    }

    /// The limits that statements keep to.
    #[must_use]
    pub fn limits(&self) -> &Arc<Limits> {
        self.shared.queries.limits()
    }

    /// The statements that a server works on.
    #[must_use]
    pub fn queries(&self) -> &Arc<Queries> {
        &self.shared.queries
    }

    /// What happened.
    #[must_use]
    pub fn audit(&self) -> &Arc<Audit> {
        &self.shared.audit
    }

    /// What is counted.
    #[must_use]
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.shared.metrics
    }

    /// How many commits were made to tables since the engine was opened.
    #[must_use]
    pub fn commits(&self) -> u64 {
        self.shared.lake.commits()
    }

    /// What operators of all statements hold now: bytes of memory, and of files.
    #[must_use]
    pub fn holds(&self) -> (u64, u64) {
        let runtime = &self.shared.runtime.shared;
        (
            runtime.memory_pool.reserved() as u64,
            runtime.spilling_progress().current_bytes,
        )
    }

    /// What outlives a statement here.
    #[must_use]
    pub fn session(&self) -> &Arc<Session> {
        &self.session
    }

    /// For whom statements run here.
    #[must_use]
    pub fn caller(&self) -> &Arc<Caller> {
        &self.caller
    }

    /// The users and rules of the lake.
    #[must_use]
    pub fn access(&self) -> &Store {
        &self.shared.access
    }

    /// What the caller may do now.
    ///
    /// # Errors
    /// Those of reading the rules.
    pub fn rights(&self) -> Result<Rights> {
        Ok(Rights::new(
            Arc::clone(&self.caller),
            self.shared.access.current()?,
        ))
    }

    /// A session over the lake as it is now, for plans that were made elsewhere.
    ///
    /// # Errors
    /// When a session refuses a function.
    pub fn session_state(&self) -> Result<SessionState> {
        Ok(self.scope_of(self.known_models())?.state)
    }

    pub(crate) fn lake(&self) -> &Lake {
        &self.shared.lake
    }

    /// The view of one statement: newest models, and a catalogue that takes each table's newest version once.
    pub(crate) async fn scope(&self) -> Result<Scope> {
        self.scope_of(self.newest_models().boxed().await?)
    }

    /// The view of a statement that reads no tables.
    pub(crate) fn scope_without_models(&self) -> Result<Scope> {
        self.scope_of(Arc::default())
    }

    /// A scope without models, for reading the registry itself: with all rights, whoever asks.
    pub(crate) fn bare_scope(&self) -> Result<Scope> {
        let owner = self.on_behalf_of(Arc::new(Caller::owner()), Arc::default());
        owner.scope_of(Arc::default())
    }

    pub(crate) fn known_models(&self) -> Arc<Models> {
        Arc::clone(
            &self
                .shared
                .models
                .read()
                .unwrap_or_else(PoisonError::into_inner),
        )
    }

    pub(crate) fn remember_models(&self, models: Arc<Models>) {
        *self
            .shared
            .models
            .write()
            .unwrap_or_else(PoisonError::into_inner) = models;
    }

    fn scope_of(&self, models: Arc<Models>) -> Result<Scope> {
        let base = if let Some(known) = models.session.get() {
            Arc::clone(known)
        } else {
            let made = Arc::new(self.base_session(&models.source)?);
            Arc::clone(models.session.get_or_init(|| made))
        };
        let rights = self.rights()?;
        let catalog = StatementCatalog::new(
            Arc::clone(&self.shared.lake),
            with_allowed_models(self.with_settings(base), &models.source, &rights),
            models.objects.clone(),
            parse_view,
            rights,
            Arc::clone(self.session.temporary()),
        );
        let mut state = match &self.memory {
            Some(memory) => SessionStateBuilder::new_from_existing(catalog.session())
                .with_runtime_env(Arc::clone(memory))
                .build(),
            None => catalog.session(),
        };
        if self.sorts_joins {
            joins::sort_joins(&mut state);
        }
        self.bound.register(&mut state)?;
        Ok(Scope {
            catalog,
            models,
            state,
        })
    }

    /// The session as this one's settings want it.
    fn with_settings(&self, base: Arc<SessionState>) -> Arc<SessionState> {
        let settings = self.session.settings();
        if *settings == SessionSettings::default() {
            return base;
        }
        let mut state = Arc::unwrap_or_clone(base);
        let options = state.config_mut().options_mut();
        options.catalog.default_schema.clone_from(&settings.schema);
        options.execution.time_zone = Some(settings.time_zone.clone());
        Arc::new(state)
    }

    /// What a sort keeps free to merge with: little where a statement has little.
    fn sort_reserve(&self) -> usize {
        let share = self.limits().statement_memory / SORT_SHARE;
        usize::try_from(share).map_or(MOST_SORT_RESERVE, |share| share.min(MOST_SORT_RESERVE))
    }

    /// A session with every function, and without a catalogue.
    fn base_session(&self, models: &Arc<ModelSource>) -> Result<SessionState> {
        let mut config = SessionConfig::new()
            .with_create_default_catalog_and_schema(false)
            .with_default_catalog_and_schema(CATALOG, DEFAULT_SCHEMA);
        let options = config.options_mut();
        options.execution.parquet.pushdown_filters = true;
        options.execution.sort_spill_reservation_bytes = self.sort_reserve();
        options.execution.time_zone = Some("UTC".into());
        let size = Arc::new(SizeLimit::new(self.limits()));
        config.set_extension(Arc::clone(&size));
        config.set_extension(Arc::clone(&self.shared.tracks));
        let mut rules: Vec<Arc<dyn AnalyzerRule + Send + Sync>> = vec![Arc::clone(&size) as _];
        rules.extend(Analyzer::new().rules);
        let state = SessionStateBuilder::new()
            .with_config(config)
            .with_runtime_env(Arc::clone(&self.shared.runtime.shared))
            .with_analyzer_rules(rules)
            .with_default_features()
            .with_query_planner(Arc::new(LakePlanner::new()))
            .build();
        let ctx = session_context(state);
        moodlake_udfs::register_all(&ctx, models)?;
        sources::register(&ctx, &self.shared.files);
        Ok(ctx.state())
    }
}

/// The session with functions that refuse models which the caller may not use, by whatever way they are named.
fn with_allowed_models(
    base: Arc<SessionState>,
    models: &ModelSource,
    rights: &Rights,
) -> Arc<SessionState> {
    if rights.may_everywhere_in(Privilege::Select, MODEL_SCHEMA) {
        return base;
    }
    let of_caller = rights.clone();
    let allowed = Arc::new(models.checked(Box::new(move |model| {
        let name = TableName::new(MODEL_SCHEMA, model)?;
        Ok(of_caller.require(Privilege::Select, &name)?)
    })));
    let mut state = Arc::unwrap_or_clone(base);
    for function in moodlake_udfs::scalar_functions(&allowed) {
        // A function that every session has anew cannot be refused.
        let _ = state.register_udf(function);
    }
    for function in moodlake_udfs::aggregate_functions(&allowed) {
        let _ = state.register_udaf(function);
    }
    for (name, function) in moodlake_udfs::table_functions(&allowed) {
        state.register_udtf(name, function);
    }
    Arc::new(state)
}

/// The rows of the audit's tables that are not in them yet.
fn tail(audit: &Arc<Audit>, queries: &Arc<Queries>) -> Tail {
    let (audit, queries) = (Arc::clone(audit), Arc::clone(queries));
    Tail(Box::new(move |name| audit.tail(name, || queries.rows())))
}

#[expect(
    clippy::disallowed_methods,
    reason = "sessions are built here and nowhere else"
)]
fn session_context(state: SessionState) -> datafusion::prelude::SessionContext {
    datafusion::prelude::SessionContext::new_with_state(state)
}

/// DataFusion's planner, which also lowers the nodes of delta-rs' builders.
struct LakePlanner(DefaultPhysicalPlanner);

impl LakePlanner {
    fn new() -> Self {
        let extensions = lake::extension_planners();
        Self(DefaultPhysicalPlanner::with_extension_planners(extensions))
    }
}

impl fmt::Debug for LakePlanner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LakePlanner")
    }
}

impl QueryPlanner for LakePlanner {
    // As async_trait would write it, without a future of its own around the planner's.
    fn create_physical_plan<'a, 'b, 'c, 'd>(
        &'a self,
        plan: &'b LogicalPlan,
        session: &'c dyn PlanningSession,
    ) -> BoxFuture<'d, DataFusionResult<Arc<dyn ExecutionPlan>>>
    where
        'a: 'd,
        'b: 'd,
        'c: 'd,
        Self: 'd,
    {
        let planned = self.0.create_physical_plan(plan, session);
        async move { stoppable(planned.await?, current_stop().as_ref()) }.boxed()
    }
}
