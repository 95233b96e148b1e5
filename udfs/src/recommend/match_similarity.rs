//! `match_similarity(value, typical, spread)`: how alike a track and a listener's usual are in one feature.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, AsArray, Float64Array},
    datatypes::{DataType, Field, FieldRef, Float64Type},
};
use datafusion::{
    common::{Result, internal_err},
    logical_expr::{
        ColumnarValue, Documentation, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF,
        ScalarUDFImpl, Signature,
    },
};
use datafusion_macros::user_doc;

use super::profile::similarity;
use crate::numbers::{check_numbers, coerce_numbers, named_signature};

const NAMES: [&str; 3] = ["value", "typical", "spread"];

/// The scalar function.
pub(super) fn match_similarity() -> ScalarUDF {
    ScalarUDF::from(MatchSimilarity {
        signature: named_signature(&NAMES),
    })
}

#[user_doc(
    doc_section(label = "Recommendation Functions"),
    description = "How alike a track and a listener's usual are in one audio feature, in [0, 1]: exp(-(value - typical)^2 / (2 spread^2)). A match_score is the sum of weight * match_similarity over the features of listening_profile(). NULL where an argument is NULL or spread is not positive; NaN where value or typical is NaN.",
    syntax_example = "match_similarity(value, typical, spread)",
    argument(
        name = "value",
        description = "The track's feature, in the feature's unit."
    ),
    argument(
        name = "typical",
        description = "The listener's typical value, in the same unit."
    ),
    argument(
        name = "spread",
        description = "The listener's spread, positive, in the same unit."
    ),
    sql_example = "```sql\n> select round(match_similarity(0.6, 0.5, 0.1), 6);\n0.606531\n```"
)]
#[derive(Debug, PartialEq, Eq, Hash)]
struct MatchSimilarity {
    signature: Signature,
}

impl ScalarUDFImpl for MatchSimilarity {
    fn name(&self) -> &str {
        "match_similarity"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        Ok(coerce_numbers(given))
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Float64)
    }

    fn return_field_from_args(&self, arguments: ReturnFieldArgs) -> Result<FieldRef> {
        check_numbers(self.name(), &NAMES, NAMES.len(), arguments.arg_fields)?;
        Ok(Arc::new(Field::new(self.name(), DataType::Float64, true)))
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&arguments.args)?;
        let [value, typical, spread] = arrays.as_slice() else {
            return internal_err!(
                "match_similarity: expected 3 arguments, got {}",
                arrays.len()
            );
        };
        let column = |array: &ArrayRef| array.as_primitive::<Float64Type>().clone();
        let (value, typical, spread) = (column(value), column(typical), column(spread));
        let similarities: Float64Array = value
            .iter()
            .zip(&typical)
            .zip(&spread)
            .map(|((value, typical), spread)| {
                let spread = spread.filter(|spread| *spread > 0.0)?;
                Some(similarity(value?, typical?, spread))
            })
            .collect();
        Ok(ColumnarValue::Array(Arc::new(similarities)))
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }
}
