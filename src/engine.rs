//! The engine: one lake, and the only place that builds sessions over it.
//!
//! A statement gets a session of its own (a `Scope`): its view of the catalogue, the functions bound to the models that
//! exist now. What is done with statements is in `statement/`.

use std::{
    fmt,
    path::PathBuf,
    sync::{Arc, PoisonError, RwLock},
};

use datafusion::{
    catalog::Session,
    common::Result as DataFusionResult,
    execution::{
        SessionState, SessionStateBuilder, context::QueryPlanner, runtime_env::RuntimeEnv,
    },
    logical_expr::LogicalPlan,
    physical_plan::ExecutionPlan,
    physical_planner::{DefaultPhysicalPlanner, PhysicalPlanner},
    prelude::SessionConfig,
};
use futures::{FutureExt, future::BoxFuture};
use moodlake_udfs::ModelSource;

pub use crate::statement::{IngestMode, Outcome, Planned, Prepared};
use crate::{
    error::Result,
    lake::{self, CATALOG, DEFAULT_SCHEMA, Lake, StatementCatalog},
    models::store::Models,
    sources,
    statement::parse_view,
};

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

/// A lake and what is needed to run statements on it. Clones share everything.
#[derive(Debug, Clone)]
pub struct Engine(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    lake: Arc<Lake>,
    files: FileAccess,
    runtime: Arc<RuntimeEnv>,
    models: RwLock<Arc<Models>>,
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
        let shared = Shared {
            lake: Arc::new(Lake::open(&settings.dir)?),
            files: settings.files,
            runtime: Arc::new(RuntimeEnv::default()),
            models: RwLock::default(),
        };
        let engine = Self(Arc::new(shared));
        engine.create_registry().boxed().await?;
        Ok(engine)
    }

    /// A session over the lake as it is now, for plans that were made elsewhere.
    ///
    /// # Errors
    /// When a session refuses a function.
    pub fn session_state(&self) -> Result<SessionState> {
        Ok(self.scope_of(self.known_models())?.state)
    }

    pub(crate) fn lake(&self) -> &Lake {
        &self.0.lake
    }

    /// The view of one statement: newest models, and a catalogue that takes each table's newest version once.
    pub(crate) async fn scope(&self) -> Result<Scope> {
        self.scope_of(self.newest_models().boxed().await?)
    }

    /// A scope without models, for reading the registry itself.
    pub(crate) fn bare_scope(&self) -> Result<Scope> {
        self.scope_of(Arc::default())
    }

    pub(crate) fn known_models(&self) -> Arc<Models> {
        Arc::clone(&self.0.models.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn remember_models(&self, models: Arc<Models>) {
        *self
            .0
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
        let catalog = StatementCatalog::new(
            Arc::clone(&self.0.lake),
            base,
            models.objects.clone(),
            parse_view,
        );
        let state = catalog.session();
        Ok(Scope {
            catalog,
            models,
            state,
        })
    }

    /// A session with every function, and without a catalogue.
    fn base_session(&self, models: &Arc<ModelSource>) -> Result<SessionState> {
        let mut config = SessionConfig::new()
            .with_create_default_catalog_and_schema(false)
            .with_default_catalog_and_schema(CATALOG, DEFAULT_SCHEMA);
        let options = config.options_mut();
        options.execution.parquet.pushdown_filters = true;
        options.execution.time_zone = Some("UTC".into());
        let state = SessionStateBuilder::new()
            .with_config(config)
            .with_runtime_env(Arc::clone(&self.0.runtime))
            .with_default_features()
            .with_query_planner(Arc::new(LakePlanner::new()))
            .build();
        let ctx = session_context(state);
        moodlake_udfs::register_all(&ctx, models)?;
        sources::register(&ctx, &self.0.files);
        Ok(ctx.state())
    }
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
        session: &'c dyn Session,
    ) -> BoxFuture<'d, DataFusionResult<Arc<dyn ExecutionPlan>>>
    where
        'a: 'd,
        'b: 'd,
        'c: 'd,
        Self: 'd,
    {
        self.0.create_physical_plan(plan, session)
    }
}
