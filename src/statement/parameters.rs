//! Parameters are bound in the syntax tree, so that they work wherever an expression may stand: in LIMIT and in the
//! arguments of relation functions too.

use std::{collections::BTreeMap, ops::ControlFlow};

use arrow::{
    compute::can_cast_types,
    datatypes::{DataType, Field, Schema},
};
use datafusion::{
    common::ScalarValue,
    logical_expr::{Expr, LogicalPlan},
    sql::{
        parser::Statement as DfStatement,
        sqlparser::ast::{self, Value, VisitMut, VisitorMut},
        unparser::expr_to_sql,
    },
};

use crate::error::{Error, Result};

/// Puts values into the places of `$1`, `$2`, … .
///
/// # Errors
/// [`Error::Input`] when a parameter has no value.
pub(super) fn bind(statement: &mut DfStatement, values: &[ScalarValue]) -> Result<()> {
    let literals = values.iter().map(literal).collect::<Result<Vec<_>>>()?;
    replace(
        statement,
        &mut |place| match place.checked_sub(1).and_then(|at| literals.get(at)) {
            Some(literal) => Ok(Some(literal.clone())),
            None => Err(Error::Input(format!(
                "parameter ${place} has no value: {} were bound",
                literals.len()
            ))),
        },
    )
}

/// Puts NULL into every place, for planning without values.
pub(super) fn bind_nulls(statement: &mut DfStatement) -> Result<()> {
    replace(statement, &mut |_| Ok(Some(ast::Expr::value(Value::Null))))
}

/// The highest parameter's number.
pub(super) fn count(statement: &DfStatement) -> Result<usize> {
    let mut highest = 0;
    replace(&mut statement.clone(), &mut |place| {
        highest = highest.max(place);
        Ok(None)
    })?;
    Ok(highest)
}

/// The parameters' types as far as the plan tells, in order `$1`, `$2`, …; text where it does not.
pub(super) fn schema(plan: Option<&LogicalPlan>, count: usize) -> Schema {
    let known: BTreeMap<String, DataType> = plan
        .and_then(|plan| plan.get_parameter_types().ok())
        .unwrap_or_default()
        .into_iter()
        .filter_map(|(name, data_type)| Some((name, data_type?)))
        .collect();
    let fields = (1..=count).map(|place| {
        let name = format!("${place}");
        let data_type = match known.get(&name) {
            None | Some(DataType::Null | DataType::Utf8View) => DataType::Utf8,
            Some(DataType::BinaryView) => DataType::Binary,
            Some(data_type) => data_type.clone(),
        };
        Field::new(name, data_type, true)
    });
    Schema::new(fields.collect::<Vec<_>>())
}

fn replace(
    statement: &mut DfStatement,
    value: &mut dyn FnMut(usize) -> Result<Option<ast::Expr>>,
) -> Result<()> {
    match statement {
        DfStatement::Statement(statement) => match statement.visit(&mut Places { value }) {
            ControlFlow::Break(error) => Err(error),
            ControlFlow::Continue(()) => Ok(()),
        },
        DfStatement::Explain(explain) => replace(&mut explain.statement, value),
        _ => Ok(()),
    }
}

struct Places<'a> {
    value: &'a mut dyn FnMut(usize) -> Result<Option<ast::Expr>>,
}

impl VisitorMut for Places<'_> {
    type Break = Error;

    fn pre_visit_expr(&mut self, expr: &mut ast::Expr) -> ControlFlow<Error> {
        let ast::Expr::Value(value) = expr else {
            return ControlFlow::Continue(());
        };
        let Value::Placeholder(mark) = &value.value else {
            return ControlFlow::Continue(());
        };
        let Some(place) = mark
            .strip_prefix('$')
            .and_then(|digits| digits.parse().ok())
        else {
            return ControlFlow::Break(Error::Input(format!(
                "parameter '{mark}': expected ? or $1, $2, …"
            )));
        };
        match (self.value)(place) {
            Ok(Some(bound)) => *expr = bound,
            Ok(None) => {}
            Err(error) => return ControlFlow::Break(error),
        }
        ControlFlow::Continue(())
    }
}

/// A value as SQL: plain where SQL has it plainly, through `arrow_cast` where the type would be lost.
fn literal(value: &ScalarValue) -> Result<ast::Expr> {
    let plain = match value {
        _ if value.is_null() => Some(ast::Expr::value(Value::Null)),
        ScalarValue::Int64(_) | ScalarValue::Boolean(_) | ScalarValue::Utf8(_) => {
            Some(expr_to_sql(&Expr::Literal(value.clone(), None))?)
        }
        ScalarValue::Utf8View(Some(text)) | ScalarValue::LargeUtf8(Some(text)) => {
            Some(ast::Expr::value(Value::SingleQuotedString(text.clone())))
        }
        ScalarValue::Int8(_)
        | ScalarValue::Int16(_)
        | ScalarValue::Int32(_)
        | ScalarValue::UInt8(_)
        | ScalarValue::UInt16(_)
        | ScalarValue::UInt32(_) => Some(expr_to_sql(&Expr::Literal(
            value.cast_to(&DataType::Int64)?,
            None,
        ))?),
        ScalarValue::Binary(Some(bytes))
        | ScalarValue::LargeBinary(Some(bytes))
        | ScalarValue::BinaryView(Some(bytes)) => {
            let digits =
                |byte: &u8| [byte >> 4, byte & 15].map(|digit| char::from_digit(digit.into(), 16));
            let hex = bytes.iter().flat_map(digits).flatten().collect();
            Some(ast::Expr::value(Value::HexStringLiteral(hex)))
        }
        _ => None,
    };
    match plain {
        Some(expr) => Ok(expr),
        None => cast_literal(value),
    }
}

fn cast_literal(value: &ScalarValue) -> Result<ast::Expr> {
    let data_type = value.data_type();
    // As text and back: what has no text of its own cannot go this way.
    let has_text = !data_type.is_nested() && can_cast_types(&DataType::Utf8, &data_type);
    let text = value.cast_to(&DataType::Utf8).ok().filter(|_| has_text);
    let text = text.ok_or_else(|| {
        Error::Unsupported(format!("a parameter of type {data_type} cannot be bound"))
    })?;
    let text = text.to_string().replace('\'', "''");
    let sql = format!("arrow_cast('{text}', '{data_type}')");
    let dialect = datafusion::sql::sqlparser::dialect::GenericDialect {};
    datafusion::sql::sqlparser::parser::Parser::new(&dialect)
        .try_with_sql(&sql)
        .and_then(|mut parser| parser.parse_expr())
        .map_err(|error| Error::Internal(format!("a bound value became no SQL: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statement::parse::parse_one;

    fn bound(sql: &str, values: &[ScalarValue]) -> Result<String> {
        let mut statement = parse_one(sql)?;
        bind(&mut statement, values)?;
        Ok(statement.to_string())
    }

    #[test]
    fn values_go_everywhere_an_expression_may_stand() {
        let sql = bound(
            "select * from recommend($1) where a = $2 limit $3",
            &["it's".into(), 0.5.into(), 3_i64.into()],
        );
        assert_eq!(
            sql.unwrap(),
            "SELECT * FROM recommend('it''s') WHERE a = arrow_cast('0.5', 'Float64') LIMIT 3"
        );
    }

    #[test]
    fn a_parameter_without_a_value_is_named() {
        let error = bound("select $1, $2", &[1_i64.into()]).unwrap_err();
        assert_eq!(error.to_string(), "parameter $2 has no value: 1 were bound");
    }

    #[test]
    fn a_type_without_a_text_of_its_own_is_refused() {
        let list = ScalarValue::new_list_nullable(&[1_i64.into()], &DataType::Int64);
        for value in [
            ScalarValue::List(list),
            ScalarValue::DurationSecond(Some(1)),
        ] {
            let error = bound("select $1", &[value]).unwrap_err().to_string();
            assert!(
                error.starts_with("a parameter of type ") && error.ends_with("cannot be bound"),
                "{error}"
            );
        }
    }
}
