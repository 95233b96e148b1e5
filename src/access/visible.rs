//! The condition of a change on the rows that row policies let through: one function that holds both, so that nothing
//! evaluates the condition on a hidden row, where an error would quote it. (As `policy and condition`, or as a CASE, the
//! two are reordered, pushed into files and simplified apart.)

use std::{collections::HashSet, sync::Arc};

use arrow::{
    array::{Array, ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions},
    compute::{and, cast, prep_null_mask_filter},
    datatypes::{DataType, Field, Fields, Schema},
};
use datafusion::{
    common::{DFSchema, Result, cast::as_boolean_array},
    execution::SessionState,
    logical_expr::{
        self, ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
        Volatility, ident,
    },
    physical_expr::PhysicalExpr,
};

use super::{
    Restriction,
    rule::{evaluable, rule_session, unevaluable},
};
use crate::{error::Error, lake::TableName};

/// Where the condition, over a table's columns, holds on a row that the caller sees; all that they see without one.
///
/// # Errors
/// When a row policy does not fit the columns.
pub(crate) fn on_visible_rows(
    table: &TableName,
    restriction: &Restriction,
    columns: &Schema,
    condition: Option<Expr>,
    state: &SessionState,
) -> Result<Option<Expr>> {
    let Some(visible) = restriction.condition(columns, state)? else {
        return Ok(condition);
    };
    let both = || std::iter::once(&visible).chain(&condition);
    let volatility = if both().any(Expr::is_volatile) {
        Volatility::Volatile
    } else {
        Volatility::Immutable
    };
    let named: HashSet<&str> = both()
        .flat_map(Expr::column_refs)
        .map(|column| column.name.as_str())
        .collect();
    // A condition without columns is over rows as well.
    let fields = columns.fields().iter().enumerate();
    let fields: Fields = fields
        .filter(|(at, field)| {
            named.contains(field.name().as_str()) || (named.is_empty() && *at == 0)
        })
        .map(|(_, field)| Field::clone(field).with_nullable(true))
        .collect();
    let given: Vec<Expr> = fields.iter().map(|field| ident(field.name())).collect();
    let columns = DFSchema::from_unqualified_fields(fields.clone(), [].into())?;
    let rules = rule_session(state);
    let mut conditions = vec![evaluable(flag(visible), &columns, &rules)?];
    if let Some(condition) = condition {
        conditions.push(evaluable(flag(condition), &columns, state)?);
    }
    let function = OnVisibleRows {
        table: table.to_string(),
        policies: restriction.policies(),
        conditions,
        signature: Signature::any(fields.len(), volatility),
        fields,
    };
    Ok(Some(ScalarUDF::from(function).call(given)))
}

/// What the policies refused, where an error holds it as a part of its text.
pub(crate) fn policies_refusal(
    table: &TableName,
    restriction: &Restriction,
    error: Error,
) -> Error {
    let refusal = Error::from(unevaluable(&table.to_string(), &restriction.policies()));
    if error.to_string().contains(&refusal.to_string()) {
        refusal
    } else {
        error
    }
}

/// The condition as a flag, which a bare NULL is not.
fn flag(condition: Expr) -> Expr {
    logical_expr::cast(condition, DataType::Boolean)
}

/// A function of the columns that its conditions name.
#[derive(Debug, PartialEq, Eq, Hash)]
struct OnVisibleRows {
    table: String,
    policies: String,
    fields: Fields,
    /// Each is evaluated where those before it hold; the first is that of the policies.
    conditions: Vec<Arc<dyn PhysicalExpr>>,
    signature: Signature,
}

impl ScalarUDFImpl for OnVisibleRows {
    fn name(&self) -> &'static str {
        "on_visible_rows"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _given: &[DataType]) -> Result<DataType> {
        Ok(DataType::Boolean)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = args.number_rows;
        let columns = args.args.into_iter().zip(&self.fields);
        let columns = columns.map(|(values, field)| {
            let values = values.into_array(rows)?;
            Ok(cast(&values, field.data_type())?)
        });
        let batch = RecordBatch::try_new_with_options(
            Arc::new(Schema::new(self.fields.clone())),
            columns.collect::<Result<Vec<_>>>()?,
            &RecordBatchOptions::new().with_row_count(Some(rows)),
        )?;
        let mut selected = BooleanArray::from(vec![true; rows]);
        for (at, condition) in self.conditions.iter().enumerate() {
            let holds = condition.evaluate_selection(&batch, &selected);
            let holds = holds.map_err(|error| match at {
                0 => unevaluable(&self.table, &self.policies),
                _ => error,
            })?;
            selected = and(&selected, &true_only(&holds.into_array(rows)?)?)?;
        }
        Ok(ColumnarValue::Array(Arc::new(selected)))
    }
}

/// Null does not hold.
fn true_only(values: &ArrayRef) -> Result<BooleanArray> {
    let values = as_boolean_array(values)?;
    Ok(if values.null_count() == 0 {
        values.clone()
    } else {
        prep_null_mask_filter(values)
    })
}
