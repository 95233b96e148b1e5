//! The argument `confidence` of the tests: the coverage of an interval, a literal between 0 and 1.

use std::sync::Arc;

use datafusion::{
    common::{Result, ScalarValue, plan_err},
    logical_expr::Expr,
    physical_expr::{PhysicalExpr, expressions::Literal},
};

/// The coverage where none is given.
pub(crate) const DEFAULT_CONFIDENCE: f64 = 0.95;

/// The coverage that the third argument of a function asks for.
pub(crate) fn confidence(function: &str, arguments: &[Arc<dyn PhysicalExpr>]) -> Result<f64> {
    match arguments.get(2) {
        None => Ok(DEFAULT_CONFIDENCE),
        Some(argument) => match argument.downcast_ref::<Literal>() {
            Some(literal) => read(function, literal.value()),
            None => no_literal(function),
        },
    }
}

/// Refuses a third argument that is no coverage, as far as planning shows it.
pub(crate) fn check_confidence(function: &str, arguments: &[Expr]) -> Result<()> {
    match arguments.get(2) {
        Some(Expr::Literal(value, _)) => read(function, value).map(drop),
        Some(column) if column.any_column_refs() => no_literal(function),
        // None, a parameter, or something that is folded later: checked where the accumulator is made.
        _ => Ok(()),
    }
}

fn read(function: &str, value: &ScalarValue) -> Result<f64> {
    match value {
        value if value.is_null() => Ok(DEFAULT_CONFIDENCE),
        ScalarValue::Float64(Some(value)) if *value > 0.0 && *value < 1.0 => Ok(*value),
        value => plan_err!("{function}: confidence must lie between 0 and 1, got {value}"),
    }
}

fn no_literal<T>(function: &str) -> Result<T> {
    plan_err!("{function}: argument 'confidence' must be a literal between 0 and 1")
}
