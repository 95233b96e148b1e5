//! INSERT, MERGE and DELETE: planned by DataFusion, carried out by the lake.

use datafusion::{
    common::{ScalarValue, TableReference},
    logical_expr::{Expr, LogicalPlan, WriteOp, dml::InsertOp},
    sql::{
        parser::Statement as DfStatement,
        sqlparser::ast::{self, SetExpr},
    },
};

use super::{Statement, parameters};
use crate::{
    engine::Engine,
    error::{Error, Result},
    lake::{Disposition, TableName},
};

impl Engine {
    pub(super) async fn change(
        &self,
        df: &DfStatement,
        statement: &Statement,
        text: &str,
    ) -> Result<u64> {
        let scope = self.scope().await?;
        let note = self.note(&scope, statement, text).await?;
        if let Some(target) = insert_target(df)? {
            scope.catalog.accept_nulls(&target).await?;
        }
        let plan = scope.state.statement_to_plan(df.clone()).await?;
        let LogicalPlan::Dml(dml) = plan else {
            return Err(Error::Internal(
                "a change was planned as something else".into(),
            ));
        };
        let name = resolved(&dml.table_name)?;
        refuse_internal(&name)?;
        let state = scope.state;
        match &dml.op {
            WriteOp::Insert(operation) => {
                let disposition = match operation {
                    InsertOp::Append => Disposition::Append,
                    InsertOp::Overwrite => Disposition::Overwrite,
                    InsertOp::Replace => {
                        return Err(Error::Unsupported(
                            "REPLACE INTO is not offered; use MERGE INTO".into(),
                        ));
                    }
                };
                self.lake()
                    .insert(&name, &dml.input, disposition, state, &note)
                    .await
            }
            WriteOp::MergeInto(merge) => {
                let source = dml.input.as_ref().clone();
                self.lake()
                    .merge(&name, &dml.table_name, source, merge, state, &note)
                    .await
            }
            WriteOp::Delete => {
                let condition = delete_condition(&dml.input)?;
                self.lake().delete(&name, condition, state, &note).await
            }
            other => Err(Error::Unsupported(format!("{other} is not offered"))),
        }
    }
}

/// The table of an INSERT … VALUES.
fn insert_target(df: &DfStatement) -> Result<Option<TableName>> {
    let DfStatement::Statement(statement) = df else {
        return Ok(None);
    };
    match statement.as_ref() {
        ast::Statement::Insert(ast::Insert {
            table: ast::TableObject::TableName(name),
            source: Some(source),
            ..
        }) if matches!(source.body.as_ref(), SetExpr::Values(_)) => {
            super::parse::table_name(name).map(Some)
        }
        _ => Ok(None),
    }
}

/// Tables that only their own statements may change.
fn refuse_internal(name: &TableName) -> Result<()> {
    if name.schema == super::references::MODEL_SCHEMA
        && ["models", "metrics", "aliases"].contains(&name.table.as_str())
    {
        return Err(Error::Input(format!(
            "{name} is written by CREATE MODEL and DROP MODEL only"
        )));
    }
    Ok(())
}

fn resolved(table: &TableReference) -> Result<TableName> {
    TableName::new(
        table.schema().unwrap_or(crate::lake::DEFAULT_SCHEMA),
        table.table(),
    )
}

/// The condition of a DELETE. One with a subquery is refused: the rows it means could not be told apart from all rows.
fn delete_condition(input: &LogicalPlan) -> Result<Option<Expr>> {
    match input {
        LogicalPlan::TableScan(_) => Ok(None),
        LogicalPlan::Filter(filter)
            if matches!(filter.input.as_ref(), LogicalPlan::TableScan(_)) =>
        {
            let mut has_subquery = false;
            datafusion::common::tree_node::TreeNode::apply(&filter.predicate, |node| {
                has_subquery |= matches!(
                    node,
                    Expr::InSubquery(_) | Expr::Exists(_) | Expr::ScalarSubquery(_)
                );
                Ok(datafusion::common::tree_node::TreeNodeRecursion::Continue)
            })?;
            if has_subquery {
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
    use datafusion::common::tree_node::{Transformed, TreeNode};
    let rewritten = predicate.transform(|node| match node {
        Expr::Column(column) => Ok(Transformed::yes(Expr::Column(
            datafusion::common::Column::from_name(column.name),
        ))),
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
