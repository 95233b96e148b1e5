//! Policies, masks and checks as expressions: a rule means the same in every session, so it is planned and evaluated as
//! one whose time zone is UTC, whatever its reader has chosen.

use std::{borrow::Cow, sync::Arc};

use arrow::datatypes::Schema;
use datafusion::{
    common::{DFSchema, DataFusionError, Result, plan_err},
    execution::{FunctionRegistry, SessionState},
    logical_expr::{Expr, simplify::SimplifyContext},
    optimizer::simplify_expressions::ExprSimplifier,
    parquet::errors::ParquetError,
    physical_expr::PhysicalExpr,
};

use crate::error::Error;

/// The time zone of rules.
const RULE_ZONE: &str = "UTC";

/// The session as rules see it.
pub(crate) fn rule_session(state: &SessionState) -> Cow<'_, SessionState> {
    let is_zone = |zone: &String| zone == RULE_ZONE;
    if state
        .config_options()
        .execution
        .time_zone
        .as_ref()
        .is_some_and(is_zone)
    {
        return Cow::Borrowed(state);
    }
    let mut state = state.clone();
    state.config_mut().options_mut().execution.time_zone = Some(RULE_ZONE.into());
    let options = Arc::clone(state.config_options());
    // Functions such as to_timestamp() know the zone by themselves.
    let functions = state.scalar_functions().values();
    let functions: Vec<_> = functions
        .filter_map(|function| function.inner().with_updated_config(&options))
        .collect();
    for function in functions {
        // A function in the place of itself cannot be refused.
        let _ = state.register_udf(Arc::new(function));
    }
    state.execution_props_mut().config_options = Some(options);
    Cow::Owned(state)
}

/// Plans a rule over a table's columns.
///
/// # Errors
/// That names the rule when the expression does not fit the columns.
pub(crate) fn expression(
    kind: &str,
    name: &str,
    sql: &str,
    schema: &Schema,
    state: &SessionState,
) -> Result<Expr> {
    let columns = DFSchema::try_from(schema.clone())?;
    match rule_session(state).create_logical_expr(sql, &columns) {
        Ok(expression) => Ok(expression),
        Err(error) => plan_err!("{kind} '{name}' ({sql}): {}", error.strip_backtrace()),
    }
}

/// What is said where evaluating these rules of a table fails: the error itself would quote a hidden value.
pub(crate) fn unevaluable(table: &str, rules: &str) -> DataFusionError {
    let message =
        format!("{table}: {rules} cannot be evaluated on its rows; an admin has to mend it");
    Error::Denied(message).into()
}

/// Whether an error met while hidden rows are read is of the machine or of a limit, and so quotes no value.
pub(super) fn quotes_no_value(error: &DataFusionError) -> bool {
    match error.find_root() {
        DataFusionError::ResourcesExhausted(_)
        | DataFusionError::IoError(_)
        | DataFusionError::ObjectStore(_) => true,
        DataFusionError::ParquetError(error) => match error.as_ref() {
            ParquetError::External(source) => source.is::<object_store::Error>(),
            ParquetError::ArrowError(_) => false,
            _ => true,
        },
        DataFusionError::External(source) => {
            source.is::<object_store::Error>()
                || source.downcast_ref().is_some_and(|error: &Error| {
                    matches!(
                        error,
                        Error::Lake(_)
                            | Error::Io { .. }
                            | Error::Conflict(_)
                            | Error::Denied(_)
                            | Error::Exhausted(_)
                            | Error::TimedOut(_)
                            | Error::Cancelled(_)
                            | Error::Unavailable(_)
                    )
                })
        }
        _ => false,
    }
}

/// An expression ready to be evaluated on rows with these columns, as this session means it.
///
/// # Errors
/// When the expression does not fit the columns.
pub(crate) fn evaluable(
    expression: Expr,
    columns: &DFSchema,
    state: &SessionState,
) -> Result<Arc<dyn PhysicalExpr>> {
    let context = SimplifyContext::builder()
        .with_schema(Arc::new(columns.clone()))
        .with_config_options(Arc::clone(state.config_options()))
        .with_query_execution_start_time(state.execution_props().query_execution_start_time)
        .build();
    let simplifier = ExprSimplifier::new(context);
    // Functions such as now() are known by their values only.
    let expression = simplifier.simplify(simplifier.coerce(expression, columns)?)?;
    state.create_physical_expr(expression, columns)
}
