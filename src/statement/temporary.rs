//! Statements on temporary tables, which their session alone sees. Their bare names come before those of the session's schema.

use std::{collections::BTreeSet, ops::ControlFlow, sync::Arc};

use arrow::datatypes::{Schema, SchemaRef};
use datafusion::{
    common::{Column, ScalarValue},
    execution::{SendableRecordBatchStream, SessionState},
    logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, WriteOp, cast, dml::InsertOp, lit},
    physical_plan::execute_stream,
    sql::{
        parser::Statement as DfStatement,
        resolve::resolve_table_references,
        sqlparser::ast::{
            self, ColumnOption, Ident, ObjectName, ObjectNamePart, TableFactor, VisitMut,
            VisitorMut,
        },
    },
};

use super::{
    IngestMode, Outcome, Statement, ddl,
    parse::{CreateTable, Dropped, name_part, parse_one},
};
use crate::{
    engine::{Engine, Scope},
    error::{Error, Result},
    lake::{TEMPORARY_SCHEMA, TableName, TemporaryTable, is_temporary, one_shot_plan},
};

/// Writes their schema before the bare names of temporary tables.
pub(super) fn qualify(statement: &mut DfStatement, temporary: &[String]) -> Result<()> {
    if temporary.is_empty() {
        return Ok(());
    }
    let (_, ctes) = resolve_table_references(statement, true)?;
    let is_cte = |name: &str| ctes.iter().any(|cte| cte.table() == name);
    let mut names = Names {
        temporary: temporary.iter().filter(|name| !is_cte(name)).collect(),
        functions: BTreeSet::new(),
    };
    match statement {
        DfStatement::Statement(statement) => names.qualify(statement),
        DfStatement::Explain(explain) => qualify(&mut explain.statement, temporary)?,
        _ => {}
    }
    Ok(())
}

/// As [`qualify`], on text; the text as it is when there are no temporary tables.
pub(super) fn qualified(text: &str, temporary: &[String]) -> Result<String> {
    if temporary.is_empty() {
        return Ok(text.to_string());
    }
    let mut statement = parse_one(text)?;
    qualify(&mut statement, temporary)?;
    Ok(statement.to_string())
}

struct Names<'a> {
    temporary: BTreeSet<&'a String>,
    /// Relation functions, whose names look like tables'.
    functions: BTreeSet<String>,
}

impl Names<'_> {
    fn qualify(&mut self, statement: &mut ast::Statement) {
        let made = match statement {
            ast::Statement::CreateTable(create) => Some(create.name.clone()),
            _ => None,
        };
        let _ = statement.visit(self);
        match (statement, made) {
            (ast::Statement::CreateTable(create), Some(name)) => create.name = name,
            (ast::Statement::Drop { names, .. }, _) => {
                for name in names {
                    self.qualify_name(name);
                }
            }
            _ => {}
        }
    }

    fn qualify_name(&self, name: &mut ObjectName) {
        if let [only] = name.0.as_slice()
            && let bare = name_part(only)
            && self.temporary.contains(&bare)
            && !self.functions.contains(&bare)
        {
            let schema = ObjectNamePart::Identifier(Ident::new(TEMPORARY_SCHEMA));
            name.0.insert(0, schema);
        }
    }
}

impl VisitorMut for Names<'_> {
    type Break = ();

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
        if let TableFactor::Table {
            name,
            args: Some(_),
            ..
        } = factor
        {
            self.functions.extend(name.0.last().map(name_part));
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_relation(&mut self, name: &mut ObjectName) -> ControlFlow<()> {
        self.qualify_name(name);
        ControlFlow::Continue(())
    }
}

impl Engine {
    /// Carries out a statement on a temporary table; none if it is about none.
    pub(super) async fn carry_out_temporary(
        &self,
        statement: &Statement,
    ) -> Result<Option<Outcome>> {
        let outcome = match statement {
            Statement::CreateTable(create) if is_temporary(&create.name) => {
                self.create_temporary(create).await?
            }
            Statement::Drop {
                kind: Dropped::Table,
                name,
                if_exists,
            } if is_temporary(name) => self.drop_temporary(name, *if_exists)?,
            _ if self.session().temporary().is_empty() => return Ok(None),
            Statement::Change(df) => {
                let target = self.references(statement)?.writes.filter(is_temporary);
                let Some(name) = target else {
                    return Ok(None);
                };
                let changed = self.change_temporary(&name, df.as_ref().clone());
                Outcome::Changed(changed.await?)
            }
            Statement::CreateView { name, .. } => {
                let reads = self.references(statement)?.reads;
                match reads.into_iter().find(is_temporary) {
                    Some(read) => {
                        return Err(Error::Input(format!(
                            "CREATE VIEW {name}: '{}' is a temporary table, which a view would outlive",
                            read.table
                        )));
                    }
                    None => return Ok(None),
                }
            }
            _ => return Ok(None),
        };
        Ok(Some(outcome))
    }

    async fn create_temporary(&self, create: &CreateTable) -> Result<Outcome> {
        let CreateTable { name, query, .. } = create;
        let old = self.session().temporary().get(&name.table);
        match old {
            Some(_) if create.if_not_exists => return Ok(Outcome::Done),
            Some(_) if !create.replace => return Err(exists(name)),
            _ => {}
        }
        refuse_options(create)?;
        let scope = self.scope().await?;
        let (plan, schema) = if let Some(query) = query {
            let query = Box::new(ast::Statement::Query(query.clone()));
            let query = DfStatement::Statement(query);
            let plan = scope.state.statement_to_plan(query).await?;
            let schema = nullable(plan.schema().as_arrow());
            (plan, schema)
        } else {
            let schema = ddl::columns(&scope, create).await?;
            let plan = LogicalPlanBuilder::empty(false).build()?;
            (plan, schema)
        };
        let table = self.gather(&name.table, schema, None, plan, &scope.state);
        let table = table.await?;
        let rows = table.rows() as u64;
        let temporary = self.session().temporary();
        temporary.put(&name.table, old.as_ref(), table)?;
        Ok(match query {
            Some(_) => Outcome::Changed(rows),
            None => Outcome::Done,
        })
    }

    /// INSERT into a temporary table; nothing else changes one.
    async fn change_temporary(&self, name: &TableName, df: DfStatement) -> Result<u64> {
        let old = self.temporary_table(name)?;
        let scope = self.scope().await?;
        let LogicalPlan::Dml(dml) = scope.state.statement_to_plan(df).await? else {
            return Err(Error::Internal(
                "a change was planned as something else".into(),
            ));
        };
        let before = match &dml.op {
            WriteOp::Insert(InsertOp::Append) => Some(&*old),
            WriteOp::Insert(InsertOp::Overwrite) => None,
            other => {
                return Err(Error::Unsupported(format!(
                    "{other}: '{}' is a temporary table; INSERT INTO, INSERT OVERWRITE and DROP TABLE are offered",
                    name.table
                )));
            }
        };
        let input = Arc::unwrap_or_clone(dml.input);
        self.add_temporary(name, &old, before, input, &scope).await
    }

    /// Bulk ingest into a temporary table.
    pub(super) async fn ingest_temporary(
        &self,
        name: &TableName,
        mode: IngestMode,
        rows: SendableRecordBatchStream,
    ) -> Result<u64> {
        TableName::new(&name.schema, &name.table)?;
        let rows = one_shot_plan(rows)?;
        let scope = self.scope_without_models()?;
        let old = self.session().temporary().get(&name.table);
        match (mode, old) {
            (IngestMode::Create, Some(_)) => Err(exists(name)),
            (IngestMode::Append | IngestMode::Fill, None) => Err(missing(name)),
            (IngestMode::Fill, Some(old)) if old.rows() > 0 => Err(Error::Exists(format!(
                "temporary table '{}' has rows already",
                name.table
            ))),
            (IngestMode::Append | IngestMode::CreateAppend | IngestMode::Fill, Some(old)) => {
                let rows = conforming(rows, name, old.schema())?;
                self.add_temporary(name, &old, Some(&old), rows, &scope)
                    .await
            }
            (IngestMode::Create | IngestMode::CreateAppend | IngestMode::Replace, old) => {
                let schema = nullable(rows.schema().as_arrow());
                let table = self.gather(&name.table, schema, None, rows, &scope.state);
                let table = table.await?;
                let count = table.rows() as u64;
                let temporary = self.session().temporary();
                temporary.put(&name.table, old.as_ref(), table)?;
                Ok(count)
            }
        }
    }

    fn drop_temporary(&self, name: &TableName, if_exists: bool) -> Result<Outcome> {
        if self.session().temporary().remove(&name.table) || if_exists {
            return Ok(Outcome::Done);
        }
        Err(missing(name))
    }

    async fn add_temporary(
        &self,
        name: &TableName,
        old: &Arc<TemporaryTable>,
        before: Option<&TemporaryTable>,
        rows: LogicalPlan,
        scope: &Scope,
    ) -> Result<u64> {
        let schema = Arc::clone(old.schema());
        let table = self.gather(&name.table, schema, before, rows, &scope.state);
        let table = table.await?;
        let added = table.rows() - before.map_or(0, TemporaryTable::rows);
        let temporary = self.session().temporary();
        temporary.put(&name.table, Some(old), table)?;
        Ok(added as u64)
    }

    async fn gather(
        &self,
        name: &str,
        schema: SchemaRef,
        before: Option<&TemporaryTable>,
        rows: LogicalPlan,
        state: &SessionState,
    ) -> Result<TemporaryTable> {
        let plan = state.create_physical_plan(&rows).await?;
        let rows = execute_stream(plan, state.task_ctx())?;
        let pool = &state.runtime_env().memory_pool;
        TemporaryTable::collect(name, schema, before, rows, pool).await
    }

    fn temporary_table(&self, name: &TableName) -> Result<Arc<TemporaryTable>> {
        let table = self.session().temporary().get(&name.table);
        table.ok_or_else(|| missing(name))
    }
}

/// Refuses what is kept of a table on disk only.
fn refuse_options(create: &CreateTable) -> Result<()> {
    let options = create.columns.iter().flat_map(|column| &column.options);
    let are_plain = options
        .map(|definition| &definition.option)
        .all(|option| matches!(option, ColumnOption::Null | ColumnOption::NotNull));
    if are_plain && create.partition_by.is_empty() && create.constraints.is_empty() {
        return Ok(());
    }
    Err(Error::Unsupported(format!(
        "CREATE TEMPORARY TABLE {}: CHECK and PARTITIONED BY are not offered",
        create.name.table
    )))
}

/// The rows with the columns of a table, found by name; those that are not given are null.
fn conforming(rows: LogicalPlan, name: &TableName, schema: &Schema) -> Result<LogicalPlan> {
    let given = Arc::clone(rows.schema());
    let unknown = given.fields().iter();
    if let Some(unknown) = unknown.map(|field| field.name()).find(|field| {
        let known = schema.fields().iter();
        !known.map(|field| field.name()).any(|known| known == *field)
    }) {
        return Err(Error::Input(format!(
            "temporary table '{}' has no column '{unknown}'",
            name.table
        )));
    }
    let columns = schema.fields().iter().map(|field| {
        let value = match given.index_of_column_by_name(None, field.name()) {
            Some(_) => Expr::Column(Column::from_name(field.name())),
            None => lit(ScalarValue::Null),
        };
        cast(value, field.data_type().clone()).alias(field.name())
    });
    let columns: Vec<Expr> = columns.collect();
    Ok(LogicalPlanBuilder::from(rows).project(columns)?.build()?)
}

fn nullable(schema: &Schema) -> SchemaRef {
    let fields = schema.fields().iter();
    let fields = fields.map(|field| field.as_ref().clone().with_nullable(true));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

fn exists(name: &TableName) -> Error {
    Error::Exists(format!(
        "temporary table '{table}' exists already; DROP TABLE {table} or use CREATE OR REPLACE",
        table = name.table
    ))
}

fn missing(name: &TableName) -> Error {
    Error::NotFound(format!(
        "temporary table '{}' not found in this session",
        name.table
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_schemas(sql: &str) -> String {
        let mut statement = parse_one(sql).unwrap();
        qualify(&mut statement, &["picked".into(), "recommend".into()]).unwrap();
        statement.to_string()
    }

    #[test]
    fn bare_names_of_temporary_tables_get_their_schema() {
        for (sql, expected) in [
            (
                "SELECT * FROM picked AS p JOIN gold.picked AS g ON p.a = g.a",
                "SELECT * FROM temporary.picked AS p JOIN gold.picked AS g ON p.a = g.a",
            ),
            (
                "WITH picked AS (SELECT 1) SELECT * FROM picked",
                "WITH picked AS (SELECT 1) SELECT * FROM picked",
            ),
            (
                "INSERT INTO picked SELECT * FROM other WHERE a IN (SELECT a FROM PICKED)",
                "INSERT INTO temporary.picked SELECT * FROM other WHERE a IN (SELECT a FROM temporary.PICKED)",
            ),
            ("DROP TABLE picked", "DROP TABLE temporary.picked"),
            (
                "CREATE TABLE picked AS SELECT * FROM picked",
                "CREATE TABLE picked AS SELECT * FROM temporary.picked",
            ),
            (
                "EXPLAIN SELECT * FROM picked",
                "EXPLAIN SELECT * FROM temporary.picked",
            ),
        ] {
            assert_eq!(with_schemas(sql), expected);
        }
    }
}
