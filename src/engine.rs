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
    access::{Caller, Rights, Store},
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

/// A lake as somebody sees it, and what is needed to run statements on it. Clones share everything.
#[derive(Debug, Clone)]
pub struct Engine {
    shared: Arc<Shared>,
    caller: Arc<Caller>,
    settings: Arc<SessionSettings>,
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
            access: Store::new(&settings.dir),
            files: settings.files,
            runtime: Arc::new(RuntimeEnv::default()),
            models: RwLock::default(),
        };
        let engine = Self {
            shared: Arc::new(shared),
            caller: Arc::new(Caller::owner()),
            settings: Arc::default(),
        };
        engine.create_registry().boxed().await?;
        Ok(engine)
    }

    /// The same lake as another caller sees it, with the settings of their session.
    #[must_use]
    pub fn on_behalf_of(&self, caller: Arc<Caller>, settings: Arc<SessionSettings>) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            caller,
            settings,
        }
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

    /// A scope without models, for reading the registry itself.
    pub(crate) fn bare_scope(&self) -> Result<Scope> {
        self.scope_of(Arc::default())
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
        let catalog = StatementCatalog::new(
            Arc::clone(&self.shared.lake),
            base,
            models.objects.clone(),
            parse_view,
            self.rights()?,
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
            .with_runtime_env(Arc::clone(&self.shared.runtime))
            .with_default_features()
            .with_query_planner(Arc::new(LakePlanner::new()))
            .build();
        let ctx = session_context(state);
        moodlake_udfs::register_all(&ctx, models)?;
        sources::register(&ctx, &self.shared.files);
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
