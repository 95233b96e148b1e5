//! `normal_cdf(z)`: the standard normal distribution function.

use std::sync::Arc;

use arrow::{
    array::{AsArray, Float64Array},
    datatypes::{DataType, Field, FieldRef, Float64Type},
};
use datafusion::{
    common::Result,
    logical_expr::{
        ColumnarValue, Documentation, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF,
        ScalarUDFImpl, Signature,
    },
};
use datafusion_macros::user_doc;

use crate::{
    kernels::normal::standard_normal_cdf,
    numbers::{check_numbers, coerce_numbers, named_signature},
};

const NAMES: [&str; 1] = ["z"];

/// The scalar function `normal_cdf`.
pub(crate) fn normal_cdf() -> ScalarUDF {
    ScalarUDF::from(NormalCdf::new())
}

#[user_doc(
    doc_section(label = "Statistical Functions"),
    description = "The probability that a standard normal variable is at most z, 0..1. A two-sided p-value of a z \
statistic is 2 * normal_cdf(-abs(z)). Small probabilities keep their digits. Null for null, NaN for NaN; 0 and 1 for the \
infinities.",
    syntax_example = "normal_cdf(z)",
    sql_example = r"```sql
> select round(normal_cdf(1.959963984540054), 6);
0.975
```",
    argument(
        name = "z",
        description = "Number in standard deviations from the mean."
    )
)]
#[derive(Debug, PartialEq, Eq, Hash)]
struct NormalCdf {
    signature: Signature,
}

impl NormalCdf {
    fn new() -> Self {
        Self {
            signature: named_signature(&NAMES),
        }
    }
}

impl ScalarUDFImpl for NormalCdf {
    fn name(&self) -> &str {
        "normal_cdf"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        Ok(coerce_numbers(given))
    }

    fn return_type(&self, _given: &[DataType]) -> Result<DataType> {
        Ok(DataType::Float64)
    }

    fn return_field_from_args(&self, arguments: ReturnFieldArgs) -> Result<FieldRef> {
        check_numbers(self.name(), &NAMES, NAMES.len(), arguments.arg_fields)?;
        Ok(Arc::new(Field::new(self.name(), DataType::Float64, true)))
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&arguments.args)?;
        let z = arrays[0].as_primitive::<Float64Type>();
        let probabilities: Float64Array = z.unary(standard_normal_cdf);
        Ok(ColumnarValue::Array(Arc::new(probabilities)))
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }
}
