//! What the functions of plain numbers share: named parameters, coercion to doubles, messages for wrong calls.
//!
//! Coercion refuses nothing, as DataFusion would wrap the message in two of its own; the checks belong into
//! `return_field`, which is called while planning too.

use arrow::datatypes::{DataType, FieldRef};
use datafusion::{
    common::{Result, ScalarValue, plan_err},
    logical_expr::{Signature, Volatility},
};

/// A signature with these parameter names, whose types the function checks itself.
pub(crate) fn named_signature(names: &[&str]) -> Signature {
    let mut signature = Signature::user_defined(Volatility::Immutable);
    signature.parameter_names = Some(names.iter().map(|name| (*name).to_owned()).collect());
    signature
}

/// Doubles for numbers, every other type as it is.
pub(crate) fn coerce_numbers(given: &[DataType]) -> Vec<DataType> {
    let coerce = |given: &DataType| {
        if is_numeric(given) {
            DataType::Float64
        } else {
            given.clone()
        }
    };
    given.iter().map(coerce).collect()
}

/// Refuses a call with another number of arguments than `required` to `names.len()`, or one that is not numeric.
pub(crate) fn check_numbers(
    function: &str,
    names: &[&str],
    required: usize,
    given: &[FieldRef],
) -> Result<()> {
    if given.len() < required || given.len() > names.len() {
        let optional = names[required..]
            .iter()
            .fold(String::new(), |text, name| text + "[, " + name + "]");
        let call = format!("{}{optional}", names[..required].join(", "));
        return plan_err!(
            "{function}: expected {function}({call}), got {} arguments",
            given.len()
        );
    }
    for (name, field) in names.iter().zip(given) {
        if !is_numeric(field.data_type()) {
            return plan_err!(
                "{function}: argument '{name}' must be numeric, got {}",
                field.data_type()
            );
        }
    }
    Ok(())
}

/// Whether a type counts as a number; a bare `NULL` does.
pub(crate) fn is_numeric(given: &DataType) -> bool {
    match given {
        DataType::Dictionary(_, values) => is_numeric(values),
        given => given.is_numeric() || given.is_null(),
    }
}

/// A constant as a number; `None` where it is none, a text that looks like one included.
pub(crate) fn number(value: &ScalarValue) -> Result<Option<f64>> {
    if !is_numeric(&value.data_type()) {
        return Ok(None);
    }
    match value.cast_to(&DataType::Float64)? {
        ScalarValue::Float64(number) => Ok(number),
        _ => Ok(None),
    }
}

/// A constant of any numeric type as a whole number; `None` where it is none.
pub(crate) fn whole_number(value: &ScalarValue) -> Result<Option<i64>> {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "nothing behind the point, and what is out of range becomes the nearest that is not"
    )]
    let whole = |number: f64| (number.fract() == 0.0).then_some(number as i64);
    Ok(number(value)?.and_then(whole))
}
