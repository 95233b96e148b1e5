//! INSERT, MERGE and DELETE: planned by DataFusion, carried out by the lake.

use std::sync::Arc;

use datafusion::{
    common::{
        Column, ScalarValue,
        tree_node::{Transformed, TreeNode},
    },
    logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, WriteOp, dml::InsertOp},
    sql::{
        parser::Statement as DfStatement,
        sqlparser::ast::{self, SetExpr},
    },
};

use super::{
    Statement, parameters,
    parse::{last_part, parse_one},
    protected, references,
};
use crate::{
    engine::{Engine, Scope},
    error::{Error, Result},
    lake::{Disposition, Target, has_subquery},
};

impl Engine {
    pub(super) async fn change(
        &self,
        df: &DfStatement,
        statement: &Statement,
        text: &str,
    ) -> Result<u64> {
        let name = references::of_statement(statement)?.writes.ok_or_else(|| {
            Error::Unsupported("this form is not offered: it names no table to change".into())
        })?;
        protected::refuse_change(&name)?;
        if self.lake().view(&name)?.is_some() {
            return Err(Error::Input(format!(
                "'{name}' is a view; change the tables that it reads"
            )));
        }
        let insert = insert(df);
        let target = self.lake().target(&name).await?;
        let scope = self.scope().await?;
        scope.catalog.pin_target(&target, insert.is_some());
        let note = self.note(&scope, statement, text).await?;
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
        let state = scope.state;
        let input = rows.unwrap_or_else(|| Arc::unwrap_or_clone(dml.input));
        match &dml.op {
            WriteOp::Insert(operation) => {
                let disposition = disposition(*operation, insert)?;
                self.lake()
                    .insert(&target, input, disposition, state, &note)
                    .await
            }
            WriteOp::MergeInto(merge) => {
                self.lake()
                    .merge(&target, &dml.table_name, input, merge, state, &note)
                    .await
            }
            WriteOp::Delete => {
                let condition = delete_condition(&input)?;
                self.lake().delete(&target, condition, state, &note).await
            }
            other => Err(Error::Unsupported(format!("{other} is not offered"))),
        }
    }
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
            Some(query) if references::query_reads(query)?.is_empty() => Disposition::Append,
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
            unqualified(filter.predicate.clone()).map(Some)
        }
        _ => Err(Error::Unsupported(
            "this form of DELETE is not offered; use MERGE INTO … WHEN MATCHED THEN DELETE".into(),
        )),
    }
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

/// `INSERT … VALUES` of one row as the same insert of many, a row for each row of parameters.
pub(super) fn with_rows(
    statement: &DfStatement,
    rows: &[Vec<ScalarValue>],
) -> Result<Option<DfStatement>> {
    let mut many: Option<DfStatement> = None;
    for row in rows {
        let mut bound = statement.clone();
        let Some(_) = values_of(&mut bound) else {
            return Ok(None);
        };
        parameters::bind(&mut bound, row)?;
        match &mut many {
            None => many = Some(bound),
            Some(first) => {
                let added = values_of(&mut bound)
                    .map(std::mem::take)
                    .unwrap_or_default();
                if let Some(values) = values_of(first) {
                    values.extend(added);
                }
            }
        }
    }
    Ok(many)
}

fn values_of(statement: &mut DfStatement) -> Option<&mut Vec<ast::Parens<Vec<ast::Expr>>>> {
    let DfStatement::Statement(statement) = statement else {
        return None;
    };
    let ast::Statement::Insert(insert) = statement.as_mut() else {
        return None;
    };
    match insert.source.as_mut()?.body.as_mut() {
        SetExpr::Values(values) => Some(&mut values.rows),
        _ => None,
    }
}
