//! `INSERT … VALUES` with many rows of parameters: one statement, and one commit.

use std::ops::ControlFlow;

use arrow::{
    array::{RecordBatch, new_null_array},
    datatypes::DataType,
};
use datafusion::{
    common::ScalarValue,
    sql::{
        parser::Statement as DfStatement,
        sqlparser::ast::{self, Ident, SetExpr, Value, VisitMut, VisitorMut},
    },
};

use super::{
    bound::{Bound, ROWS},
    parameters,
    parse::parse_one,
};
use crate::error::{Error, Result};

/// An INSERT of VALUES, once for each row of parameters, as one statement; none for other statements.
pub(super) fn of_rows(
    statement: &DfStatement,
    rows: &[Vec<ScalarValue>],
) -> Result<Option<(DfStatement, Bound)>> {
    let mut statement = statement.clone();
    let Some(values) = values_of(&mut statement) else {
        return Ok(None);
    };
    let query = match values.as_mut_slice() {
        [row] => as_query(row)?,
        _ => None,
    };
    let rows = rows.iter().map(|row| parameters::widened(row));
    let rows: Vec<_> = rows.collect::<Result<_>>()?;
    if let Some(query) = query
        && let Some(batch) = batch(&rows)
    {
        set_source(&mut statement, query);
        return Ok(Some((statement, Bound::rows(batch))));
    }
    all_values(&statement, &rows).map(Some)
}

/// The rows written out one after the other.
fn all_values(statement: &DfStatement, rows: &[Vec<ScalarValue>]) -> Result<(DfStatement, Bound)> {
    let mut all = statement.clone();
    let mut values = Vec::new();
    let mut is_called = false;
    for (at, row) in rows.iter().enumerate() {
        let mut one = statement.clone();
        is_called |= parameters::bind_after(&mut one, row, at * row.len())?;
        let added = values_of(&mut one).map(std::mem::take);
        values.extend(added.into_iter().flatten());
    }
    if let Some(written) = values_of(&mut all) {
        *written = values;
    }
    let bound = if is_called {
        Bound::values(rows.concat())
    } else {
        Bound::default()
    };
    Ok((all, bound))
}

fn values_of(statement: &mut DfStatement) -> Option<&mut Vec<ast::Parens<Vec<ast::Expr>>>> {
    let DfStatement::Statement(statement) = statement else {
        return None;
    };
    let ast::Statement::Insert(insert) = statement.as_mut() else {
        return None;
    };
    let query = insert.source.as_mut()?;
    let is_bare = query.with.is_none() && query.order_by.is_none();
    if !is_bare || query.limit_clause.is_some() || query.fetch.is_some() {
        return None;
    }
    match query.body.as_mut() {
        SetExpr::Values(values) => Some(&mut values.rows),
        _ => None,
    }
}

fn set_source(statement: &mut DfStatement, query: Box<ast::Query>) {
    if let DfStatement::Statement(statement) = statement
        && let ast::Statement::Insert(insert) = statement.as_mut()
    {
        insert.source = Some(query);
    }
}

/// A row of VALUES as a query of the bound rows; none where a parameter must be a value when the query is planned.
fn as_query(row: &[ast::Expr]) -> Result<Option<Box<ast::Query>>> {
    let mut columns = row.to_vec();
    if columns
        .iter_mut()
        .any(|expr| VisitMut::visit(expr, &mut Columns).is_break())
    {
        return Ok(None);
    }
    // Two columns may be the same parameter.
    let items = columns.into_iter().enumerate();
    let items = items.map(|(at, expr)| ast::SelectItem::ExprWithAlias {
        expr,
        alias: Ident::with_quote('"', format!("column{}", at + 1)),
    });
    let items = items.collect();
    if let DfStatement::Statement(statement) = parse_one(&format!("select 1 from {ROWS}()"))?
        && let ast::Statement::Query(mut query) = *statement
        && let SetExpr::Select(select) = query.body.as_mut()
    {
        select.projection = items;
        return Ok(Some(query));
    }
    Err(Error::Internal("the bound rows became no query".into()))
}

/// Turns parameters into columns, in expressions that take a column where they take a value.
struct Columns;

impl VisitorMut for Columns {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut ast::Expr) -> ControlFlow<()> {
        match expr {
            ast::Expr::Value(value) => {
                if let Value::Placeholder(mark) = &value.value {
                    *expr = ast::Expr::Identifier(Ident::with_quote('"', mark));
                }
                ControlFlow::Continue(())
            }
            ast::Expr::Nested(_)
            | ast::Expr::Cast { .. }
            | ast::Expr::UnaryOp { .. }
            | ast::Expr::BinaryOp { .. } => ControlFlow::Continue(()),
            _ => ControlFlow::Break(()),
        }
    }
}

/// Rows as columns `$1`, `$2`, …; none where a column's values are of several types.
fn batch(rows: &[Vec<ScalarValue>]) -> Option<RecordBatch> {
    let columns = 0..rows.first()?.len();
    let columns = columns.map(|at| {
        let values = || rows.iter().map(|row| &row[at]);
        let typed = values().find(|value| value.data_type() != DataType::Null);
        let Some(data_type) = typed.map(ScalarValue::data_type) else {
            return Some(new_null_array(&DataType::Null, rows.len()));
        };
        let null = ScalarValue::try_new_null(&data_type).ok()?;
        let values = values().map(|value| match value {
            ScalarValue::Null => null.clone(),
            value => value.clone(),
        });
        ScalarValue::iter_to_array(values).ok()
    });
    let columns: Vec<_> = columns.collect::<Option<_>>()?;
    let columns = columns.into_iter().enumerate();
    let named = columns.map(|(at, values)| (format!("${}", at + 1), values, true));
    RecordBatch::try_from_iter_with_nullable(named).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inserted(sql: &str, rows: &[Vec<ScalarValue>]) -> String {
        let statement = parse_one(sql).unwrap();
        let (statement, _) = of_rows(&statement, rows).unwrap().unwrap();
        statement.to_string()
    }

    #[test]
    fn rows_are_read_like_a_table() {
        let rows = [
            vec![1_i64.into(), "a".into()],
            vec![2_i64.into(), ScalarValue::Null],
        ];
        assert_eq!(
            inserted(
                "insert into t values ($1, $2, -$1, cast($2 as varchar), 'x')",
                &rows
            ),
            "INSERT INTO t SELECT \"$1\" AS \"column1\", \"$2\" AS \"column2\", -\"$1\" AS \"column3\", \
             CAST(\"$2\" AS VARCHAR) AS \"column4\", 'x' AS \"column5\" FROM bound_rows()"
        );
    }

    #[test]
    fn rows_that_are_no_table_are_written_out() {
        let floats = [0.5_f32, 1.5].map(|value| vec![ScalarValue::Float32(Some(value))]);
        assert_eq!(
            inserted("insert into t values ($1), (round($1))", &floats),
            "INSERT INTO t VALUES (\"$\"(1)), (round(\"$\"(1))), (\"$\"(2)), (round(\"$\"(2)))"
        );
        let mixed = [vec![1_i64.into()], vec!["a".into()]];
        assert_eq!(
            inserted("insert into t values ($1)", &mixed),
            "INSERT INTO t VALUES (1), ('a')"
        );
    }

    #[test]
    fn only_values_take_many_rows() {
        for sql in [
            "insert into t select $1",
            "insert into t values ($1) limit $1",
            "delete from t",
        ] {
            let statement = parse_one(sql).unwrap();
            let rows = of_rows(&statement, &[vec![1_i64.into()]]).unwrap();
            assert!(rows.is_none(), "{sql}");
        }
    }
}
