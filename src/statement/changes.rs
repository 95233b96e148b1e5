//! INSERT, MERGE and DELETE: planned by DataFusion, carried out by the lake.

use std::sync::Arc;

use datafusion::{
    common::{
        Column, TableReference,
        tree_node::{Transformed, TreeNode},
    },
    execution::SessionState,
    logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, WriteOp, dml::InsertOp},
    sql::{
        parser::Statement as DfStatement,
        sqlparser::ast::{self, SetExpr},
    },
};

use super::{
    Statement, bound,
    parse::{last_part, parse_one},
    protected, references,
};
use crate::{
    access::{on_visible_rows, policies_refusal},
    engine::{Engine, Scope},
    error::{Error, Result},
    lake::{DEFAULT_SCHEMA, Disposition, Target, has_subquery},
};

/// A change, planned.
pub(super) struct PlannedChange {
    pub(super) target: Target,
    pub(super) operation: WriteOp,
    /// The rows that are added, merged or, for DELETE, taken away.
    pub(super) rows: LogicalPlan,
    pub(super) scope: Scope,
    /// How the statement calls the target.
    called: TableReference,
}

impl Engine {
    pub(super) async fn change(
        &self,
        df: &DfStatement,
        statement: &Statement,
        text: &str,
    ) -> Result<u64> {
        let PlannedChange {
            target,
            operation,
            rows,
            scope,
            called,
        } = Box::pin(self.plan_change(df, statement)).await?;
        let note = self.note(&scope, statement, text).await?;
        let state = scope.state;
        match &operation {
            WriteOp::Insert(operation) => {
                let disposition = disposition(*operation, insert(df))?;
                self.lake()
                    .insert(&target, rows, disposition, state, &note)
                    .await
            }
            WriteOp::MergeInto(merge) => {
                self.lake()
                    .merge(&target, &called, rows, merge, state, &note)
                    .await
            }
            WriteOp::Delete => {
                let condition = delete_condition(&rows)?;
                let condition = theirs(&target, condition, &state)?;
                let deleted = self.lake().delete(&target, condition, state, &note).await;
                deleted.map_err(|error| policies_refusal(&target.name, target.restriction(), error))
            }
            other => Err(Error::Unsupported(format!("{other} is not offered"))),
        }
    }

    /// Plans a change whose caller may make it.
    pub(super) async fn plan_change(
        &self,
        df: &DfStatement,
        statement: &Statement,
    ) -> Result<PlannedChange> {
        let name = self.references(statement)?.writes.ok_or_else(|| {
            Error::Unsupported("this form is not offered: it names no table to change".into())
        })?;
        protected::refuse_change(&name)?;
        if self.lake().view(&name)?.is_some() {
            return Err(Error::Input(format!(
                "'{name}' is a view; change the tables that it reads"
            )));
        }
        let insert = insert(df);
        let mut target = self.lake().target(&name).await?;
        if let DfStatement::Statement(statement) = df {
            self.check_change(&mut target, statement)?;
        }
        let scope = self.scope().await?;
        scope.catalog.pin_target(&target, insert.is_some());
        let mut df = df.clone();
        let rows = match insert.filter(|insert| !is_values(insert)) {
            Some(insert) => Some(plan_rows(&scope, &target, insert, &mut df).await?),
            None => None,
        };
        let plan = scope.state.statement_to_plan(df).await;
        let plan = plan.map_err(|error| miscounted(&target, insert, error.into()))?;
        let LogicalPlan::Dml(dml) = plan else {
            return Err(Error::Internal(
                "a change was planned as something else".into(),
            ));
        };
        Ok(PlannedChange {
            target,
            operation: settled(dml.op)?,
            rows: rows.unwrap_or_else(|| Arc::unwrap_or_clone(dml.input)),
            scope,
            called: dml.table_name,
        })
    }
}

/// The operation with the values of parameters in it: delta-rs plans the conditions of a MERGE on its own.
fn settled(operation: WriteOp) -> Result<WriteOp> {
    let WriteOp::MergeInto(merge) = operation else {
        return Ok(operation);
    };
    let expressions = merge.exprs().into_iter().cloned();
    let expressions = expressions.map(bound::settled).collect::<Result<_, _>>()?;
    let merge = merge.with_new_exprs(expressions)?;
    Ok(WriteOp::MergeInto(Box::new(merge)))
}

fn insert(df: &DfStatement) -> Option<&ast::Insert> {
    match df {
        DfStatement::Statement(statement) => match statement.as_ref() {
            ast::Statement::Insert(insert) => Some(insert),
            _ => None,
        },
        _ => None,
    }
}

/// An INSERT of plain values does not depend on what is there, any other may.
fn disposition(operation: InsertOp, insert: Option<&ast::Insert>) -> Result<Disposition> {
    let query = insert.and_then(|insert| insert.source.as_deref());
    match operation {
        InsertOp::Append => Ok(match query {
            Some(query) if references::query_reads(query, DEFAULT_SCHEMA)?.is_empty() => {
                Disposition::Append
            }
            _ => Disposition::Extend,
        }),
        InsertOp::Overwrite => Ok(Disposition::Overwrite),
        InsertOp::Replace => Err(Error::Unsupported(
            "REPLACE INTO is not offered; use MERGE INTO".into(),
        )),
    }
}

fn is_values(insert: &ast::Insert) -> bool {
    let query = insert.source.as_deref();
    query.is_none_or(|query| matches!(query.body.as_ref(), SetExpr::Values(_)))
}

/// Plans the query of an INSERT by itself, its columns called after the target's, and leaves as many NULLs in its place.
/// (DataFusion would read every VALUES inside the query as rows of the target.)
async fn plan_rows(
    scope: &Scope,
    target: &Target,
    insert: &ast::Insert,
    df: &mut DfStatement,
) -> Result<LogicalPlan> {
    let query = insert.source.clone().map(ast::Statement::Query);
    let query = query.ok_or_else(|| Error::Internal("an INSERT without rows".into()))?;
    let query = DfStatement::Statement(Box::new(query));
    let rows = scope.state.statement_to_plan(query).await?;
    let nulls = vec!["null"; rows.schema().fields().len()].join(", ");
    if let DfStatement::Statement(statement) = df
        && let ast::Statement::Insert(insert) = statement.as_mut()
        && let DfStatement::Statement(nulls) = parse_one(&format!("values ({nulls})"))?
        && let ast::Statement::Query(nulls) = *nulls
    {
        insert.source = Some(nulls);
    }
    let columns = columns(target, insert);
    let named = rows.schema().columns().into_iter().zip(columns);
    let named: Vec<Expr> = named
        .map(|(column, name)| Expr::Column(column).alias(name))
        .collect();
    Ok(LogicalPlanBuilder::from(rows).project(named)?.build()?)
}

/// The columns that an INSERT names, or else all.
fn columns(target: &Target, insert: &ast::Insert) -> Vec<String> {
    match insert.columns.as_slice() {
        [] => target.columns(),
        named => named.iter().map(last_part).collect(),
    }
}

/// DataFusion says that there are too many or too few values, but not where.
fn miscounted(target: &Target, insert: Option<&ast::Insert>, error: Error) -> Error {
    let message = error.to_string();
    let is_count = message.starts_with("Column count doesn't match")
        || message.starts_with("Inconsistent data length");
    let Some(insert) = insert.filter(|_| is_count) else {
        return error;
    };
    let columns = columns(target, insert);
    Error::Input(format!(
        "INSERT INTO {}: a row must have {} values, one for each of the columns {}",
        target.name,
        columns.len(),
        columns.join(", ")
    ))
}

/// The condition of a DELETE. One with a subquery is refused: the rows it means could not be told apart from all rows.
fn delete_condition(input: &LogicalPlan) -> Result<Option<Expr>> {
    match input {
        LogicalPlan::TableScan(_) => Ok(None),
        LogicalPlan::Filter(filter)
            if matches!(filter.input.as_ref(), LogicalPlan::TableScan(_)) =>
        {
            if has_subquery(&filter.predicate)? {
                return Err(Error::Unsupported(
                    "DELETE with a subquery is not offered; use MERGE INTO … WHEN MATCHED THEN DELETE".into(),
                ));
            }
            let predicate = bound::settled(filter.predicate.clone())?;
            unqualified(predicate).map(Some)
        }
        _ => Err(Error::Unsupported(
            "this form of DELETE is not offered; use MERGE INTO … WHEN MATCHED THEN DELETE".into(),
        )),
    }
}

/// The condition on the rows that the caller sees. One on a masked column would tell what is behind the mask.
fn theirs(target: &Target, condition: Option<Expr>, state: &SessionState) -> Result<Option<Expr>> {
    let restriction = target.restriction();
    let columns = condition.iter().flat_map(Expr::column_refs);
    for column in columns {
        if restriction
            .masks
            .iter()
            .any(|(masked, _)| *masked == column.name)
        {
            return Err(Error::Denied(format!(
                "DELETE FROM {}: column '{}' is masked; it cannot stand in the condition",
                target.name, column.name
            )));
        }
    }
    Ok(on_visible_rows(
        &target.name,
        restriction,
        &target.schema(),
        condition,
        state,
    )?)
}

fn unqualified(predicate: Expr) -> Result<Expr> {
    let rewritten = predicate.transform(|node| match node {
        Expr::Column(column) => Ok(Transformed::yes(Expr::Column(Column::from_name(
            column.name,
        )))),
        other => Ok(Transformed::no(other)),
    })?;
    Ok(rewritten.data)
}
