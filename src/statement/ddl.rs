//! CREATE and DROP of schemas, tables and views, and DESCRIBE HISTORY.

use std::sync::Arc;

use arrow::{
    array::RecordBatch,
    datatypes::{Schema, SchemaRef},
};
use datafusion::{
    catalog::MemTable,
    datasource::provider_as_source,
    logical_expr::{DdlStatement, LogicalPlan, LogicalPlanBuilder},
    sql::{
        parser::Statement as DfStatement,
        sqlparser::ast::{self, ColumnOption},
    },
};

use super::{
    Outcome, Planned, Statement, checks, parse,
    parse::{CreateTable, Dropped},
    protected, view_names,
};
use crate::{
    access::{Access, Privilege, Role, Securable, rule_session},
    engine::{Engine, Scope},
    error::{Error, Result},
    lake::{NewTable, SCHEMAS, TableName},
};

impl Engine {
    pub(super) async fn create_table(
        &self,
        create: &CreateTable,
        statement: &Statement,
        text: &str,
    ) -> Result<Outcome> {
        let name = &create.name;
        if create.replace {
            protected::refuse_replacing(name)?;
        }
        self.check_new_table(name)?;
        if create.if_not_exists && self.lake().has_table(name) {
            return Ok(Outcome::Done);
        }
        let target = self.lake().target(name).await?;
        self.check_create(name, create.replace && target.exists())?;
        if create.if_not_exists && target.exists() {
            return Ok(Outcome::Done);
        }
        let scope = self.scope().await?;
        scope.catalog.pin_target(&target, false);
        let note = self.note(&scope, statement, text).await?;
        let Some(query) = &create.query else {
            let schema = columns(&scope, create).await?;
            let new = NewTable {
                partition_by: create.partition_by.clone(),
                checks: checks::of(create, &schema, &scope.state)?,
                schema,
                replace: create.replace,
            };
            self.lake().create_table(&target, new, &note).await?;
            return Ok(Outcome::Done);
        };
        if !create.columns.is_empty() || !create.constraints.is_empty() {
            return Err(Error::Unsupported(format!(
                "CREATE TABLE {name}: give columns or AS SELECT, not both"
            )));
        }
        let query = ast::Statement::Query(query.clone());
        let plan = scope
            .state
            .statement_to_plan(DfStatement::Statement(Box::new(query)))
            .await?;
        let rows = self
            .lake()
            .create_table_as(
                &target,
                plan,
                &create.partition_by,
                create.replace,
                scope.state,
                &note,
            )
            .await?;
        Ok(Outcome::Changed(rows))
    }

    /// Refuses a name under which no table can be made, whether it is to be replaced or not.
    pub(super) fn check_new_table(&self, name: &TableName) -> Result<()> {
        protected::refuse_change(name)?;
        if !self.lake().schemas()?.contains(&name.schema) {
            return Err(no_schema(&name.schema));
        }
        if self.lake().view(name)?.is_some() {
            return Err(Error::Exists(format!(
                "'{name}' is a view; drop it before making a table of that name"
            )));
        }
        Ok(())
    }

    pub(super) async fn create_view(
        &self,
        name: &TableName,
        definition: &DfStatement,
        replace: bool,
        if_not_exists: bool,
        text: &str,
    ) -> Result<Outcome> {
        protected::refuse_replacing(name)?;
        if !self.lake().schemas()?.contains(&name.schema) {
            return Err(no_schema(&name.schema));
        }
        let was_there = self.lake().view(name)?.is_some();
        self.check_create(name, replace && was_there)?;
        if if_not_exists && was_there {
            return Ok(Outcome::Done);
        }
        let schema = &self.session().settings().schema;
        let (definition, text) = view_names::written_out(name, definition, text, schema)?;
        // Planned only to refuse a query that cannot work.
        let scope = self.scope().await?;
        let state = rule_session(&scope.state);
        state.statement_to_plan(definition).await?;
        let reads_itself = scope.catalog.states().contains_key(&name.to_string());
        if reads_itself && !self.lake().has_table(name) {
            return Err(Error::Input(format!(
                "CREATE VIEW {name}: the view would read itself"
            )));
        }
        self.lake().create_view(name, &text, replace)?;
        Ok(Outcome::Done)
    }

    pub(super) fn create_schema(&self, name: &str, if_not_exists: bool) -> Result<Outcome> {
        protected::refuse_schema(name)?;
        let rights = self.rights()?;
        if !matches!(rights.caller().role, Role::Admin | Role::Analyst) {
            return Err(Error::Denied(format!(
                "CREATE SCHEMA {name}: only admins and analysts make schemas; {} is neither",
                rights.caller()
            )));
        }
        let was_missing = self.lake().create_schema(name)?;
        if was_missing && !rights.caller().is_admin() {
            let owner = rights.caller().user.clone();
            self.access().change(|access| {
                access.owners.insert(name.to_string(), owner);
                Ok(())
            })?;
        }
        if was_missing || if_not_exists {
            return Ok(Outcome::Done);
        }
        Err(Error::Exists(format!(
            "schema '{name}' exists already; use CREATE SCHEMA IF NOT EXISTS to keep it"
        )))
    }

    /// Drops a schema without tables and views, and what was granted on it and in it.
    pub(super) fn drop_schema(&self, name: &str, if_exists: bool) -> Result<Outcome> {
        protected::refuse_schema(name)?;
        if SCHEMAS.contains(&name) {
            return Err(Error::Input(format!(
                "DROP SCHEMA {name}: every lake has {}; they cannot be dropped",
                SCHEMAS.join(", ")
            )));
        }
        let rights = self.rights()?;
        if !rights.owns(name) {
            rights.require_admin(&format!("dropping schema {name}, which is not theirs,"))?;
        }
        if !self.lake().drop_schema(name)? {
            return if if_exists {
                Ok(Outcome::Done)
            } else {
                Err(no_schema(name))
            };
        }
        self.access().change(|access| {
            access.owners.remove(name);
            access.grants.retain(|grant| grant.on.schema() != name);
            Ok(())
        })?;
        Ok(Outcome::Done)
    }

    /// Drops a table or view, and what was granted on it.
    pub(super) async fn drop_object(
        &self,
        kind: Dropped,
        name: &TableName,
        if_exists: bool,
    ) -> Result<Outcome> {
        protected::refuse_replacing(name)?;
        self.rights()?.require(Privilege::Drop, name)?;
        let is_there = match kind {
            Dropped::Table => self.lake().has_table(name),
            // One that cannot be read can be dropped.
            Dropped::View => !matches!(self.lake().view(name), Ok(None)),
        };
        if is_there {
            self.revoke_all(name)?;
        }
        let (word, was_there) = match kind {
            Dropped::Table => ("table", self.lake().drop_table(name).await?),
            Dropped::View => ("view", self.lake().drop_view(name)?),
        };
        if was_there || if_exists {
            return Ok(Outcome::Done);
        }
        Err(Error::NotFound(format!("{word} '{name}' not found")))
    }

    /// Takes back what was granted on a table or view, before it goes: whoever makes the next of its name grants anew.
    fn revoke_all(&self, name: &TableName) -> Result<()> {
        let on = Securable::Table(name.clone());
        let is_granted = |access: &Access| access.grants.iter().any(|grant| grant.on == on);
        if !is_granted(self.rights()?.access()) {
            return Ok(());
        }
        self.access().change(|access| {
            access.grants.retain(|grant| grant.on != on);
            Ok(())
        })
    }

    pub(super) async fn plan_history(
        &self,
        name: &TableName,
        limit: Option<usize>,
    ) -> Result<Planned> {
        if !self.caller().is_admin() {
            let columns = self.lake().schema(name).await?;
            self.check_history(name, &columns.unwrap_or_else(|| Arc::new(Schema::empty())))?;
        }
        let history = self.lake().history(name).await?;
        let rows = limit.unwrap_or(usize::MAX).min(history.num_rows());
        let plan = batch_plan("history", history.slice(0, rows))?;
        Ok(Planned::query(plan, self.bare_scope()?.state))
    }
}

/// A plan that yields one batch.
pub(crate) fn batch_plan(name: &str, batch: RecordBatch) -> Result<LogicalPlan> {
    let table = MemTable::try_new(batch.schema(), vec![vec![batch]])?;
    Ok(LogicalPlanBuilder::scan(name, provider_as_source(Arc::new(table)), None)?.build()?)
}

pub(super) fn no_schema(schema: &str) -> Error {
    Error::NotFound(format!(
        "schema '{schema}' not found; CREATE SCHEMA {schema} makes it"
    ))
}

/// The column types as DataFusion reads them: it plans the bare definition, without options it does not know.
pub(super) async fn columns(scope: &Scope, create: &CreateTable) -> Result<SchemaRef> {
    let definitions: Vec<String> = create
        .columns
        .iter()
        .map(|column| {
            let is_required = column
                .options
                .iter()
                .any(|option| option.option == ColumnOption::NotNull);
            format!(
                "{} {}{}",
                column.name,
                column.data_type,
                if is_required { " not null" } else { "" }
            )
        })
        .collect();
    if definitions.is_empty() {
        return Err(Error::Input(format!(
            "CREATE TABLE {}: expected columns or AS SELECT",
            create.name
        )));
    }
    let bare = parse::parse_one(&format!("create table bare ({})", definitions.join(", ")))?;
    match scope.state.statement_to_plan(bare).await? {
        LogicalPlan::Ddl(DdlStatement::CreateMemoryTable(bare)) => {
            Ok(Arc::clone(bare.input.schema().inner()))
        }
        _ => Err(Error::Internal(
            "a table's columns were planned as something else".into(),
        )),
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;
    use crate::{
        access::Caller,
        engine::{FileAccess, Settings},
    };

    #[tokio::test]
    async fn a_history_waits_for_no_writer() {
        let folder = tempfile::tempdir().unwrap();
        let owner = Engine::open(Settings {
            dir: folder.path().to_path_buf(),
            files: FileAccess::Anywhere,
        });
        let owner = owner.boxed().await.unwrap();
        let make = "create table gold.t as select 1 as n";
        owner.run(make, &[]).await.unwrap();
        let name: TableName = "gold.t".parse().unwrap();
        let _writing = owner.lake().target(&name).await.unwrap();
        let analyst = Caller::user("ann", Role::Analyst);
        let analyst = owner.on_behalf_of(Arc::new(analyst), Arc::default());
        let planned = analyst.plan("describe history gold.t", &[]);
        let planned = tokio::time::timeout(std::time::Duration::from_mins(1), planned);
        assert!(planned.await.unwrap().is_ok());
    }
}
