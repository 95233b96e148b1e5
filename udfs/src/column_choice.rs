//! Columns that a call names: one, or several with commas between them.

use arrow::datatypes::DataType;
use datafusion::{
    common::{Result, plan_err},
    logical_expr::LogicalPlan,
};

use crate::numbers::is_numeric;

/// The type of the input's column `name`, which argument `argument` names.
pub(crate) fn column_type<'a>(
    function: &str,
    argument: &str,
    input: &'a LogicalPlan,
    name: &str,
) -> Result<&'a DataType> {
    if let Some((_, field)) = input.schema().fields().find(name) {
        Ok(field.data_type())
    } else {
        plan_err!("{function}: the input has no column '{name}', which {argument} names")
    }
}

/// The names in a text, such as `'energy, tempo'`, each of a column of the input and there once.
pub(crate) fn column_list(
    function: &str,
    argument: &str,
    input: &LogicalPlan,
    text: &str,
) -> Result<Vec<String>> {
    let mut names: Vec<String> = vec![];
    for name in text.split(',').map(str::trim) {
        column_type(function, argument, input, name)?;
        if names.iter().any(|known| known == name) {
            return plan_err!("{function}: {argument} names column '{name}' twice");
        }
        names.push(name.to_owned());
    }
    Ok(names)
}

/// The input's columns whose type is wanted.
pub(crate) fn columns_of(input: &LogicalPlan, is_wanted: fn(&DataType) -> bool) -> Vec<String> {
    let fields = input.schema().fields().iter();
    fields
        .filter(|field| is_wanted(field.data_type()))
        .map(|field| field.name().clone())
        .collect()
}

/// Whether a type holds numbers; a column of nothing but `NULL` does not.
pub(crate) fn holds_numbers(given: &DataType) -> bool {
    is_numeric(given) && !given.is_null()
}

/// Whether a type holds names of few segments: text or true and false.
pub(crate) fn holds_segments(given: &DataType) -> bool {
    match given {
        DataType::Dictionary(_, values) => holds_segments(values),
        given => given.is_string() || *given == DataType::Boolean,
    }
}
