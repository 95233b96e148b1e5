//! Parameters: `$1`, `$2`, … in a statement's syntax tree, and the values that take their places.
//!
//! They are bound in the tree, so that they work wherever an expression may stand: in LIMIT, in the arguments of relation
//! functions and as the name of a model too. A column that is computed from a parameter is called after the parameter, so
//! that neither its name nor whether the statement can be planned depends on values.

use std::{collections::BTreeSet, ops::ControlFlow};

use arrow::datatypes::DataType;
use datafusion::{
    common::ScalarValue,
    sql::{
        parser::Statement as DfStatement,
        sqlparser::ast::{
            self, FunctionArg, FunctionArgExpr, ObjectNamePart, TableFactor, Value, VisitMut,
            VisitorMut,
        },
    },
};

use super::{
    bound::{self, Bound},
    column_names,
    tokens::VERSION_PLACE,
};
use crate::{
    error::{Error, Result},
    lake::versioned,
};

/// Names the columns that are computed from parameters, and counts the parameters.
///
/// # Errors
/// [`Error::Input`] for parameters that are not called `$1`, `$2`, … without a gap.
pub(super) fn settle(statement: &mut DfStatement) -> Result<usize> {
    let mut places = BTreeSet::new();
    visit(&mut statement.clone(), &mut |place, _| {
        places.insert(place);
        Ok(None)
    })?;
    let count = places.len();
    if let Some(gap) = (1..=count).find(|place| !places.contains(place)) {
        let written: Vec<String> = places.iter().map(|place| format!("${place}")).collect();
        return Err(Error::Input(format!(
            "the statement has {} but no ${gap}: number parameters without a gap",
            written.join(", ")
        )));
    }
    if count > 0 {
        each(statement, &mut |statement| {
            column_names::settle(statement);
            Ok(())
        })?;
    }
    Ok(count)
}

/// Puts values into the places of a settled statement's parameters.
///
/// # Errors
/// [`Error::Input`] when a parameter has no value, or one that cannot stand there.
pub(super) fn bind(statement: &mut DfStatement, values: &[ScalarValue]) -> Result<Bound> {
    let values = widened(values)?;
    let called = bind_after(statement, &values, 0)?;
    Ok(if called {
        Bound::values(values)
    } else {
        Bound::default()
    })
}

/// Whole numbers as wide as those that are written out, NULL too: the rows of many values are of one type.
pub(super) fn widened(values: &[ScalarValue]) -> Result<Vec<ScalarValue>> {
    let values = values.iter().map(|value| match value.data_type() {
        DataType::Int8
        | DataType::Int16
        | DataType::Int32
        | DataType::UInt8
        | DataType::UInt16
        | DataType::UInt32 => Ok(value.cast_to(&DataType::Int64)?),
        DataType::Utf8View | DataType::LargeUtf8 => Ok(value.cast_to(&DataType::Utf8)?),
        _ => Ok(value.clone()),
    });
    values.collect()
}

/// As [`bind`], where the values are widened, and bound behind others. Tells whether any is called by its number.
pub(super) fn bind_after(
    statement: &mut DfStatement,
    values: &[ScalarValue],
    others: usize,
) -> Result<bool> {
    let mut called = false;
    visit(statement, &mut |place, position| {
        let value = value(values, place)?;
        Ok(Some(match position {
            Position::Version => version(value, place)?,
            _ => plain(value, position).unwrap_or_else(|| {
                called = true;
                bound::call(others + place)
            }),
        }))
    })?;
    Ok(called)
}

/// Which parameters NULL stands for, while their values are not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Nulls {
    /// Those that relation functions need to be planned.
    Arguments,
    All,
}

/// Puts NULL into places, for planning without values. Of a table with a version the newest is taken.
pub(super) fn bind_nulls(statement: &mut DfStatement, nulls: Nulls) -> Result<()> {
    visit(statement, &mut |_, position| {
        let is_bound = nulls == Nulls::All || position == Position::Argument;
        let is_bound = is_bound || position == Position::Version;
        Ok(is_bound.then(|| ast::Expr::value(Value::Null)))
    })
}

/// The value of a parameter.
fn value(values: &[ScalarValue], place: usize) -> Result<&ScalarValue> {
    let value = place.checked_sub(1).and_then(|at| values.get(at));
    value.ok_or_else(|| {
        let were = if values.len() == 1 { "was" } else { "were" };
        Error::Input(format!(
            "parameter ${place} has no value: {} {were} bound",
            values.len()
        ))
    })
}

/// The number of a version.
fn version(value: &ScalarValue, place: usize) -> Result<ast::Expr> {
    let number = value.cast_to(&DataType::UInt64);
    match number {
        Ok(ScalarValue::UInt64(Some(number))) => Ok(number_literal(&number.to_string())),
        _ => Err(Error::Input(format!(
            "VERSION AS OF ${place}: expected the number of a version, as DESCRIBE HISTORY lists them, found {value}"
        ))),
    }
}

/// A value as a literal, if SQL has one that says the same and the position takes it for a value.
fn plain(value: &ScalarValue, position: Position) -> Option<ast::Expr> {
    let is_untyped = value.data_type() == DataType::Null || position == Position::Argument;
    if value.is_null() {
        return is_untyped.then(|| ast::Expr::value(Value::Null));
    }
    // A number in ORDER BY or GROUP BY is the number of a column.
    if position == Position::Order {
        return None;
    }
    match value {
        ScalarValue::Boolean(Some(value)) => Some(ast::Expr::value(Value::Boolean(*value))),
        ScalarValue::Utf8(Some(text)) => {
            Some(ast::Expr::value(Value::SingleQuotedString(text.clone())))
        }
        ScalarValue::Int64(Some(number)) => Some(number_literal(&number.to_string())),
        ScalarValue::Float64(Some(number)) if number.is_finite() => {
            Some(number_literal(&format!("{number:e}")))
        }
        _ => None,
    }
}

fn number_literal(digits: &str) -> ast::Expr {
    ast::Expr::value(Value::Number(digits.to_string(), false))
}

/// Where a parameter stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Position {
    /// Where any expression may stand.
    Expression,
    /// In the arguments of a relation function.
    Argument,
    /// As a whole key of ORDER BY or GROUP BY.
    Order,
    /// As the version of a table.
    Version,
}

/// Gives what takes the place of a parameter, if anything does.
type Replacement<'a> = &'a mut dyn FnMut(usize, Position) -> Result<Option<ast::Expr>>;

fn visit(statement: &mut DfStatement, replacement: Replacement<'_>) -> Result<()> {
    each(statement, &mut |statement| {
        let position = Position::Expression;
        let places = &mut Places {
            replacement: &mut *replacement,
            position,
        };
        done(VisitMut::visit(statement, places))
    })
}

/// Does something with the SQL statement inside.
fn each(
    statement: &mut DfStatement,
    action: &mut dyn FnMut(&mut ast::Statement) -> Result<()>,
) -> Result<()> {
    match statement {
        DfStatement::Statement(statement) => action(statement),
        DfStatement::Explain(explain) => each(&mut explain.statement, action),
        _ => Ok(()),
    }
}

fn done(flow: ControlFlow<Error>) -> Result<()> {
    match flow {
        ControlFlow::Break(error) => Err(error),
        ControlFlow::Continue(()) => Ok(()),
    }
}

fn flow(result: Result<()>) -> ControlFlow<Error> {
    match result {
        Ok(()) => ControlFlow::Continue(()),
        Err(error) => ControlFlow::Break(error),
    }
}

struct Places<'a> {
    replacement: Replacement<'a>,
    position: Position,
}

impl Places<'_> {
    fn replace(&mut self, expr: &mut ast::Expr, position: Position) -> Result<()> {
        if let Some(place) = place_of(expr)?
            && let Some(bound) = (self.replacement)(place, position)?
        {
            *expr = bound;
        }
        Ok(())
    }

    fn replace_version(&mut self, part: &mut ObjectNamePart) -> Result<()> {
        let ObjectNamePart::Identifier(name) = part else {
            return Ok(());
        };
        let Some((table, digits)) = name.value.rsplit_once(VERSION_PLACE) else {
            return Ok(());
        };
        let Some(place) = number_of(&format!("${digits}"))? else {
            return Ok(());
        };
        if let Some(ast::Expr::Value(bound)) = (self.replacement)(place, Position::Version)? {
            name.value = match &bound.value {
                Value::Number(version, _) => versioned(table, version),
                _ => table.to_string(),
            };
        }
        Ok(())
    }

    fn replace_arguments(&mut self, arguments: &mut [FunctionArg]) -> Result<()> {
        for argument in arguments {
            let (FunctionArg::Unnamed(argument)
            | FunctionArg::Named { arg: argument, .. }
            | FunctionArg::ExprNamed { arg: argument, .. }) = argument;
            let FunctionArgExpr::Expr(expr) = argument else {
                continue;
            };
            if matches!(expr, ast::Expr::Subquery(_)) {
                continue;
            }
            done(expr.visit(&mut Places {
                replacement: &mut *self.replacement,
                position: Position::Argument,
            }))?;
        }
        Ok(())
    }
}

impl VisitorMut for Places<'_> {
    type Break = Error;

    fn pre_visit_expr(&mut self, expr: &mut ast::Expr) -> ControlFlow<Error> {
        let position = self.position;
        flow(self.replace(expr, position))
    }

    fn pre_visit_query(&mut self, query: &mut ast::Query) -> ControlFlow<Error> {
        let Some(order) = &mut query.order_by else {
            return ControlFlow::Continue(());
        };
        let ast::OrderByKind::Expressions(keys) = &mut order.kind else {
            return ControlFlow::Continue(());
        };
        let replaced = keys
            .iter_mut()
            .try_for_each(|key| self.replace(&mut key.expr, Position::Order));
        flow(replaced)
    }

    fn pre_visit_select(&mut self, select: &mut ast::Select) -> ControlFlow<Error> {
        let ast::GroupByExpr::Expressions(keys, _) = &mut select.group_by else {
            return ControlFlow::Continue(());
        };
        let replaced = keys
            .iter_mut()
            .try_for_each(|key| self.replace(key, Position::Order));
        flow(replaced)
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<Error> {
        match factor {
            TableFactor::Table {
                args: Some(call), ..
            } => flow(self.replace_arguments(&mut call.args)),
            TableFactor::Table { name, .. } => {
                let version = name.0.last_mut();
                flow(version.map_or(Ok(()), |part| self.replace_version(part)))
            }
            _ => ControlFlow::Continue(()),
        }
    }
}

/// The number of a parameter, if the expression is one.
fn place_of(expr: &ast::Expr) -> Result<Option<usize>> {
    match expr {
        ast::Expr::Value(value) => match &value.value {
            Value::Placeholder(mark) => number_of(mark),
            _ => Ok(None),
        },
        _ => Ok(None),
    }
}

fn number_of(mark: &str) -> Result<Option<usize>> {
    let digits = mark.strip_prefix('$').unwrap_or_default();
    match digits.parse() {
        Ok(place) if place > 0 => Ok(Some(place)),
        _ => Err(Error::Input(format!(
            "parameter '{mark}': expected ? or $1, $2, …"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statement::parse::parse_one;

    fn bound(sql: &str, values: &[ScalarValue]) -> Result<String> {
        let mut statement = parse_one(sql)?;
        settle(&mut statement)?;
        bind(&mut statement, values)?;
        Ok(statement.to_string())
    }

    #[test]
    fn values_go_everywhere_an_expression_may_stand() {
        let sql = bound(
            "select * from recommend($1, k => $4) where a = $2 limit $3",
            &[
                "it's".into(),
                ScalarValue::Float32(Some(0.5)),
                3_i64.into(),
                ScalarValue::Int64(None),
            ],
        );
        assert_eq!(
            sql.unwrap(),
            "SELECT * FROM recommend('it''s', k => NULL) WHERE a = \"$\"(2) LIMIT 3"
        );
    }

    #[test]
    fn a_number_is_no_column_to_order_or_group_by() {
        let sql = bound(
            "select a from t group by $1, a order by $1, a + $1",
            &[1_i64.into()],
        );
        assert_eq!(
            sql.unwrap(),
            "SELECT a FROM t GROUP BY \"$\"(1), a ORDER BY \"$\"(1), a + 1"
        );
    }

    #[test]
    fn a_column_is_called_after_its_parameter() {
        let sql = bound(
            "select $2, $1, $1, a + $1, $2 as b, (select $1) from (select $2, $1)",
            &[1_i64.into(), 2_i64.into()],
        );
        assert_eq!(
            sql.unwrap(),
            "SELECT 2 AS \"$2\", 1 AS \"$1\", 1 AS \"$1:1\", a + 1 AS \"a + $1\", 2 AS b, \
             (SELECT 1 AS \"$1\") AS \"(SELECT $1)\" FROM (SELECT 2 AS \"$2\", 1 AS \"$1\")"
        );
    }

    #[test]
    fn a_parameter_names_a_version() {
        let sql = "select * from silver.\"t@v$1\" as t";
        let version = bound(sql, &[ScalarValue::Int32(Some(3))]).unwrap();
        assert_eq!(version, "SELECT * FROM silver.\"t@v3\" AS t");
        let error = bound(sql, &["x".into()]).unwrap_err().to_string();
        assert!(
            error.starts_with("VERSION AS OF $1: expected the number"),
            "{error}"
        );
        let mut newest = parse_one(sql).unwrap();
        bind_nulls(&mut newest, Nulls::Arguments).unwrap();
        assert_eq!(newest.to_string(), "SELECT * FROM silver.\"t\" AS t");
    }

    #[test]
    fn parameters_are_numbered_without_a_gap() {
        for (sql, message) in [
            (
                "select $1, $3",
                "the statement has $1, $3 but no $2: number parameters without a gap",
            ),
            ("select $0", "parameter '$0': expected ? or $1, $2, …"),
            ("select $name", "parameter '$name': expected ? or $1, $2, …"),
            ("select $1, $2", "parameter $2 has no value: 1 was bound"),
        ] {
            let error = bound(sql, &[1_i64.into()]).unwrap_err();
            assert_eq!(error.to_string(), message, "{sql}");
        }
    }
}
