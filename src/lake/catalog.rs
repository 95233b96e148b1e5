//! A statement's own view of the lake: the first time it needs a table the newest snapshot is taken and kept to its end,
//! so that whatever is planned later (a view, the body of a relation function) sees the same version.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, OnceLock, PoisonError, Weak},
};

use arrow::array::RecordBatch;
use async_trait::async_trait;
use datafusion::{
    catalog::{
        CatalogProvider, CatalogProviderList, MemTable, SchemaProvider, TableProvider,
        information_schema::{INFORMATION_SCHEMA, InformationSchemaProvider},
    },
    common::{Result as DataFusionResult, internal_err, plan_err},
    datasource::ViewTable,
    execution::{FunctionRegistry, SessionState},
    logical_expr::{DdlStatement, LogicalPlan, TableType},
    sql::parser::Statement,
};
use futures::{FutureExt, future::BoxFuture};

use super::{
    CATALOG, DEFAULT_SCHEMA, Lake, SCHEMAS, TableName, scan,
    snapshot::Snapshot,
    system_tables::{self, Object},
    tail::with_tail,
    target::Target,
    temporary::{TEMPORARY_SCHEMA, TemporaryTables},
    views,
};
use crate::{
    access::{self, Privilege, Rights, Role},
    engine::size::SizeLimit,
    error::{Error, Result},
};

/// A table name may carry the version to read: `plays@v3` (written by the statement room for `VERSION AS OF`).
const VERSION_MARK: &str = "@v";
/// Views may name views, but not forever.
const VIEW_DEPTH: usize = 16;

/// Reads the text of a CREATE VIEW: the lake itself parses no statements.
pub type ViewParser = fn(&str) -> Result<Statement>;

/// The catalogue of one statement.
#[derive(Debug)]
pub struct StatementCatalog {
    lake: Arc<Lake>,
    /// A session without a catalogue, from which this statement's sessions are made.
    base: Arc<SessionState>,
    /// Models, which the lake does not know, as rows of `system.tables`.
    models: Vec<Object>,
    parse_view: ViewParser,
    /// What its caller may see.
    rights: Rights,
    /// What only its session sees.
    temporary: Arc<TemporaryTables>,
    /// What the statement writes to, as everything in it sees it.
    target: OnceLock<Pinned>,
    seen: Mutex<HashMap<String, Arc<dyn TableProvider>>>,
    states: Mutex<BTreeMap<String, String>>,
    depth: usize,
    this: Weak<Self>,
}

#[derive(Debug, Clone)]
struct Pinned {
    snapshot: Arc<Snapshot>,
    accepts_nulls: bool,
}

impl StatementCatalog {
    /// A catalogue for one statement.
    #[must_use]
    pub fn new(
        lake: Arc<Lake>,
        base: Arc<SessionState>,
        models: Vec<Object>,
        parse_view: ViewParser,
        rights: Rights,
        temporary: Arc<TemporaryTables>,
    ) -> Arc<Self> {
        Arc::new_cyclic(|this| Self {
            lake,
            base,
            models,
            parse_view,
            rights,
            temporary,
            target: OnceLock::new(),
            seen: Mutex::default(),
            states: Mutex::default(),
            depth: 0,
            this: this.clone(),
        })
    }

    /// A session that sees this catalogue, and for which it is now.
    #[must_use]
    pub fn session(&self) -> SessionState {
        let mut state = self.base.as_ref().clone();
        state.register_catalog_list(Arc::new(CatalogList {
            catalog: self.this.upgrade(),
            lookup: Lookup::Named,
        }));
        for function in access::functions(self.rights.caller()) {
            // A function that every session has anew cannot be refused.
            let _ = state.register_udf(Arc::new(function));
        }
        let caller = Arc::new(self.rights.caller().clone());
        state.config_mut().set_extension(caller);
        state.mark_start_execution();
        state
    }

    /// The state of each table that the statement has read so far.
    #[must_use]
    pub fn states(&self) -> BTreeMap<String, String> {
        self.states
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Takes the newest snapshot of a table now, so that it counts as read. Tables that do not exist are left to the planner.
    ///
    /// # Errors
    /// Those of opening the table.
    pub async fn pin(&self, name: &TableName) -> Result<()> {
        self.provider(&name.schema, &name.table).await?;
        Ok(())
    }

    /// Shows the table that the statement writes to as it was taken, before anything is planned. For an INSERT its
    /// columns accept NULL: one must reach the lake, which names the column and the row, and not fail before.
    pub fn pin_target(&self, target: &Target, accepts_nulls: bool) {
        if let Some(snapshot) = target.base.clone() {
            // A statement has one target.
            let _ = self.target.set(Pinned {
                snapshot,
                accepts_nulls,
            });
        }
    }

    async fn provider(&self, schema: &str, table: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        let key = format!("{schema}.{table}");
        if let Some(known) = self
            .seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&key)
        {
            return Ok(Some(Arc::clone(known)));
        }
        let Some(provider) = self.make_provider(schema, table).await? else {
            return Ok(None);
        };
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(Some(Arc::clone(seen.entry(key).or_insert(provider))))
    }

    async fn make_provider(
        &self,
        schema: &str,
        table: &str,
    ) -> Result<Option<Arc<dyn TableProvider>>> {
        if schema == "system" && table == system_tables::TABLES {
            return Ok(Some(self.system_tables().await?));
        }
        if schema == "system"
            && let Some(listing) = self.rights.access().listing(table)
        {
            self.rights
                .require(Privilege::Select, &TableName::new(schema, table)?)?;
            return Ok(Some(in_memory(listing?)?));
        }
        let version = split_version(table);
        let Ok(name) = TableName::new(schema, version.map_or(table, |(table, _)| table)) else {
            return Ok(None);
        };
        let pinned = self
            .target
            .get()
            .filter(|pinned| pinned.snapshot.name == name);
        if let (Some(pinned), None) = (pinned, version) {
            self.record(&pinned.snapshot);
            return self.pinned_provider(pinned).await.map(Some);
        }
        // Before the snapshot: what is in neither would be missing.
        let tail = match version {
            Some(_) => None,
            None => self.lake.tail(&name)?,
        };
        let snapshot = match version {
            Some((_, version)) => self.lake.at_version(&name, version).await?,
            None => self.lake.latest(&name).await?,
        };
        if let Some(snapshot) = snapshot {
            self.rights.require(Privilege::Select, &name)?;
            if version.is_none() {
                self.record(&snapshot);
            }
            let table = with_tail(scan::provider(snapshot).await?, &name, tail)?;
            return self.as_seen(table, &name, false).map(Some);
        }
        let view = match version {
            Some(_) => None,
            None => self.lake.view(&name)?,
        };
        let Some(statement) = view else {
            return Ok(None);
        };
        self.rights.require(Privilege::Select, &name)?;
        let view = self.plan_view(&name, statement).await?;
        self.as_seen(view, &name, true).map(Some)
    }

    /// The table that the statement writes to. Its rows are seen by those only who may read them.
    async fn pinned_provider(&self, pinned: &Pinned) -> Result<Arc<dyn TableProvider>> {
        let name = &pinned.snapshot.name;
        let table = scan::provider(Arc::clone(&pinned.snapshot)).await?;
        let seen = if self.rights.may(Privilege::Select, name) {
            self.as_seen(table, name, false)?
        } else {
            access::unreadable(table, self.rights.require(Privilege::Select, name))
        };
        Ok(if pinned.accepts_nulls {
            scan::accepting_nulls(seen)
        } else {
            seen
        })
    }

    /// A table under the row policies and masks that bind the caller.
    fn as_seen(
        &self,
        table: Arc<dyn TableProvider>,
        name: &TableName,
        is_view: bool,
    ) -> Result<Arc<dyn TableProvider>> {
        let restriction = self.rights.restriction(name, &table.schema(), is_view)?;
        if restriction.is_empty() {
            return Ok(table);
        }
        Ok(access::restricted(
            table,
            name,
            &restriction,
            &self.session(),
        )?)
    }

    /// What there is, as far as the caller may read it.
    async fn system_tables(&self) -> Result<Arc<dyn TableProvider>> {
        let mut objects = self.lake.objects().await?;
        objects.extend(self.models.iter().cloned());
        let mut listed = Vec::with_capacity(objects.len());
        for mut object in objects {
            let name = TableName::new(&object.schema, &object.name);
            let Ok(name) = name else { continue };
            if !self.is_listed(&name).await {
                continue;
            }
            if !self.rights.sees_statements() {
                object.statement = None;
                object.reads = None;
            }
            listed.push(object);
        }
        in_memory(system_tables::batch(&listed)?)
    }

    /// Whether lists show a table, view or model: if the caller may read it. Whether a listener may, a table's columns say.
    async fn is_listed(&self, name: &TableName) -> bool {
        if !self.rights.may(Privilege::Select, name) {
            return false;
        }
        if self.rights.caller().role != Role::Listener {
            return true;
        }
        match self.lake.latest(name).await {
            Ok(Some(table)) => {
                let restriction = self.rights.restriction(name, table.schema(), false);
                restriction.is_ok()
            }
            Ok(None) => true,
            Err(_) => false,
        }
    }

    fn record(&self, snapshot: &Snapshot) {
        let mut states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        states.insert(snapshot.name.to_string(), snapshot.state().to_string());
    }

    async fn plan_view(
        &self,
        name: &TableName,
        statement: String,
    ) -> DataFusionResult<Arc<dyn TableProvider>> {
        self.states
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(name.to_string(), views::state(&statement));
        if self.depth >= VIEW_DEPTH {
            return plan_err!(
                "view '{name}' names itself, or views are nested more than {VIEW_DEPTH} deep"
            );
        }
        let nested = Arc::new_cyclic(|this| Self {
            lake: Arc::clone(&self.lake),
            base: Arc::clone(&self.base),
            models: self.models.clone(),
            parse_view: self.parse_view,
            rights: self.rights.clone(),
            // A view outlives temporary tables, and reads none.
            temporary: Arc::default(),
            target: self.target.clone(),
            seen: Mutex::new(
                self.seen
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .clone(),
            ),
            states: Mutex::default(),
            depth: self.depth + 1,
            this: this.clone(),
        });
        let broken = |error: Error| Error::Input(format!("view '{name}': {error}"));
        let parsed = (self.parse_view)(&statement).map_err(broken)?;
        // A view means the same in every session.
        let mut session = access::rule_session(&nested.session()).into_owned();
        let options = session.config_mut().options_mut();
        options.catalog.default_schema = DEFAULT_SCHEMA.into();
        let plan = Box::pin(session.statement_to_plan(parsed)).await;
        let LogicalPlan::Ddl(DdlStatement::CreateView(view)) =
            plan.map_err(|error| broken(error.into()))?
        else {
            return internal_err!("view '{name}' was planned as something else");
        };
        if let Some(limit) = self.base.config().get_extension::<SizeLimit>() {
            limit.check(&view.input)?;
        }
        self.states
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend(nested.states());
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        for (key, provider) in nested
            .seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .drain()
        {
            seen.entry(key).or_insert(provider);
        }
        let plan = Arc::unwrap_or_clone(view.input);
        let text = self.rights.sees_statements().then_some(statement);
        Ok(Arc::new(ViewTable::new(plan, text)))
    }
}

fn in_memory(batch: RecordBatch) -> Result<Arc<dyn TableProvider>> {
    let schema = batch.schema();
    Ok(Arc::new(MemTable::try_new(schema, vec![vec![batch]])?))
}

fn split_version(table: &str) -> Option<(&str, u64)> {
    let (table, version) = table.rsplit_once(VERSION_MARK)?;
    Some((table, version.parse().ok()?))
}

/// What `VERSION AS OF` turns a table's name into.
#[must_use]
pub(crate) fn versioned(table: &str, version: &str) -> String {
    format!("{table}{VERSION_MARK}{version}")
}

/// What tables are looked up for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lookup {
    /// A statement that names them.
    Named,
    /// The lists of `information_schema`, which leave out what cannot be read.
    Listed,
    /// Its list of views.
    Views,
}

/// The list with the one catalogue. It keeps the statement's catalogue alive as long as its sessions live.
#[derive(Debug)]
struct CatalogList {
    catalog: Option<Arc<StatementCatalog>>,
    lookup: Lookup,
}

impl CatalogProviderList for CatalogList {
    fn register_catalog(
        &self,
        _name: String,
        _catalog: Arc<dyn CatalogProvider>,
    ) -> Option<Arc<dyn CatalogProvider>> {
        None
    }

    fn catalog_names(&self) -> Vec<String> {
        vec![CATALOG.to_string()]
    }

    fn catalog(&self, name: &str) -> Option<Arc<dyn CatalogProvider>> {
        let catalog = self.catalog.clone().filter(|_| name == CATALOG)?;
        Some(Arc::new(Catalog {
            catalog,
            lookup: self.lookup,
        }))
    }
}

#[derive(Debug)]
struct Catalog {
    catalog: Arc<StatementCatalog>,
    lookup: Lookup,
}

impl CatalogProvider for Catalog {
    fn schema_names(&self) -> Vec<String> {
        let schemas = self.catalog.lake.schemas();
        let mut names = schemas.unwrap_or_else(|_| SCHEMAS.map(str::to_string).to_vec());
        names.retain(|name| self.catalog.rights.may_see_schema(name));
        if !self.catalog.temporary.is_empty() && self.lookup != Lookup::Views {
            names.push(TEMPORARY_SCHEMA.to_string());
        }
        names
    }

    fn schema(&self, name: &str) -> Option<Arc<dyn SchemaProvider>> {
        if name == INFORMATION_SCHEMA {
            return Some(Arc::new(InformationSchema {
                lists: self.information_schema(Lookup::Listed),
                views: self.information_schema(Lookup::Views),
            }));
        }
        if name == TEMPORARY_SCHEMA {
            return Some(Arc::clone(&self.catalog.temporary) as _);
        }
        Some(Arc::new(LakeSchema {
            catalog: Arc::clone(&self.catalog),
            name: name.to_string(),
            lookup: self.lookup,
        }))
    }
}

impl Catalog {
    fn information_schema(&self, lookup: Lookup) -> InformationSchemaProvider {
        let catalogs = CatalogList {
            catalog: Some(Arc::clone(&self.catalog)),
            lookup,
        };
        let functions = self.catalog.base.table_functions().clone();
        InformationSchemaProvider::new(Arc::new(catalogs)).with_table_functions(functions)
    }
}

/// DataFusion's `information_schema`, whose `views` would list tables as well.
#[derive(Debug)]
struct InformationSchema {
    lists: InformationSchemaProvider,
    views: InformationSchemaProvider,
}

#[async_trait]
impl SchemaProvider for InformationSchema {
    fn table_names(&self) -> Vec<String> {
        self.lists.table_names()
    }

    async fn table(&self, name: &str) -> Found {
        let lists = if name.eq_ignore_ascii_case("views") {
            &self.views
        } else {
            &self.lists
        };
        lists.table(name).await
    }

    fn table_exist(&self, name: &str) -> bool {
        self.lists.table_exist(name)
    }
}

#[derive(Debug)]
struct LakeSchema {
    catalog: Arc<StatementCatalog>,
    name: String,
    lookup: Lookup,
}

type Found = DataFusionResult<Option<Arc<dyn TableProvider>>>;

impl LakeSchema {
    fn find(&self, table: &str) -> BoxFuture<'static, Found> {
        let (catalog, schema, table) = (
            Arc::clone(&self.catalog),
            self.name.clone(),
            table.to_string(),
        );
        let is_tolerant = self.lookup != Lookup::Named;
        async move {
            match catalog.provider(&schema, &table).await {
                Err(error) if is_tolerant => {
                    tracing::debug!(schema, table, "left out of information_schema: {error}");
                    Ok(None)
                }
                found => Ok(found?),
            }
        }
        .boxed()
    }

    fn is_listed(&self, table: TableName) -> BoxFuture<'static, bool> {
        let catalog = Arc::clone(&self.catalog);
        async move { catalog.is_listed(&table).await }.boxed()
    }
}

#[async_trait]
impl SchemaProvider for LakeSchema {
    fn table_names(&self) -> Vec<String> {
        let lake = &self.catalog.lake;
        let mut names = lake.views(&self.name).unwrap_or_default();
        if self.lookup != Lookup::Views {
            names.extend(lake.tables(&self.name).unwrap_or_default());
        }
        if self.name == "system" && self.lookup != Lookup::Views {
            names.push(system_tables::TABLES.to_string());
            names.extend(access::LISTINGS.map(str::to_string));
        }
        let may_read = |table: &String| {
            TableName::new(&self.name, table)
                .is_ok_and(|name| self.catalog.rights.may(Privilege::Select, &name))
        };
        names.retain(may_read);
        names
    }

    // As async_trait would write it, but for the proof that everything in here can be sent between threads: with the
    // bounds on lifetimes in sight the compiler takes seconds for that, in a function of its own it has it ready.
    fn table<'a, 'b, 'c>(&'a self, name: &'b str) -> BoxFuture<'c, Found>
    where
        'a: 'c,
        'b: 'c,
        Self: 'c,
    {
        self.find(name)
    }

    async fn table_type(&self, name: &str) -> DataFusionResult<Option<TableType>> {
        let is_listing = name == system_tables::TABLES || access::LISTINGS.contains(&name);
        if self.name == "system" && is_listing {
            return Ok(Some(TableType::View));
        }
        let name = TableName::new(&self.name, name)?;
        if self.lookup != Lookup::Named && !self.is_listed(name.clone()).await {
            return Ok(None);
        }
        if self.catalog.lake.has_table(&name) {
            return Ok(Some(TableType::Base));
        }
        // One that cannot be read is a view, too.
        let is_missing = matches!(self.catalog.lake.view(&name), Ok(None));
        Ok((!is_missing).then_some(TableType::View))
    }

    fn table_exist(&self, name: &str) -> bool {
        let Ok(table) = TableName::new(&self.name, name) else {
            return false;
        };
        let lake = &self.catalog.lake;
        lake.has_table(&table) || matches!(lake.view(&table), Ok(Some(_)))
    }
}
