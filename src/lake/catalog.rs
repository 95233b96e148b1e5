//! A statement's own view of the lake: the first time it needs a table the newest snapshot is taken and kept to its end,
//! so that whatever is planned later (a view, the body of a relation function) sees the same version.

mod providers;

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, OnceLock, PoisonError, Weak},
};

use arrow::array::RecordBatch;
use datafusion::{
    catalog::{MemTable, TableProvider},
    common::{Result as DataFusionResult, internal_err, plan_err},
    datasource::ViewTable,
    execution::{FunctionRegistry, SessionState},
    logical_expr::{DdlStatement, LogicalPlan},
    sql::parser::Statement,
};

use super::{
    DEFAULT_SCHEMA, Lake, TableName, scan,
    snapshot::Snapshot,
    system_tables::{self, Object},
    tail::with_tail,
    target::Target,
    temporary::TemporaryTables,
    views,
};
use crate::{
    access::{self, Privilege, Rights, Role},
    engine::size::SizeLimit,
    error::{Error, Result},
};
use providers::{CatalogList, Lookup};

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

    /// Shows a table as it was in a state that was recorded once, to everything in the statement. A view has no versions:
    /// it is left to be compared.
    ///
    /// # Errors
    /// [`Error::NotFound`] when that state is gone; the message says why.
    pub(crate) async fn pin_state(&self, name: &TableName, state: &str) -> Result<()> {
        let Some((version, _)) = state.split_once('@') else {
            return Ok(());
        };
        self.rights.require(Privilege::Select, name)?;
        let snapshot = self.lake.at_state(name, version, state).await?;
        self.record(&snapshot);
        let table = self.as_seen(scan::provider(snapshot).await?, name, false)?;
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.insert(name.to_string(), table);
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
