//! Labels of two classes: booleans, or the numbers 0 and 1.

use arrow::{
    array::{ArrayRef, AsArray, Float64Array},
    compute::cast,
    datatypes::{DataType, FieldRef, Float64Type},
};
use datafusion::common::{Result, exec_err, plan_err};

use crate::numbers::is_numeric;

/// Booleans stay booleans, numbers become doubles; every other type as it is.
pub(crate) fn coerce_label(given: &DataType) -> DataType {
    match given {
        DataType::Dictionary(_, values) => coerce_label(values),
        given if is_numeric(given) => DataType::Float64,
        given => given.clone(),
    }
}

/// Refuses a label that is neither boolean nor numeric.
pub(crate) fn check_label(function: &str, field: &FieldRef) -> Result<()> {
    let given = field.data_type();
    if *given == DataType::Boolean || is_numeric(given) {
        return Ok(());
    }
    plan_err!("{function}: argument 'label' must be boolean or 0 and 1, got {given}")
}

/// Labels as 0 and 1.
///
/// # Errors
/// When a number is neither; a null is none.
pub(crate) fn labels(function: &str, given: &ArrayRef) -> Result<Float64Array> {
    let labels = cast(given, &DataType::Float64)?;
    let labels = labels.as_primitive::<Float64Type>();
    let other = labels
        .iter()
        .flatten()
        .find(|value| ![0.0, 1.0].contains(value));
    match other {
        Some(other) => {
            exec_err!("{function}: argument 'label' must be true, false, 0 or 1, got {other}")
        }
        None => Ok(labels.clone()),
    }
}
