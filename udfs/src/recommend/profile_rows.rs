//! `profile_rows`: the figures of a listener's profile as rows, for `listening_profile`.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, AsArray, Float64Array, ListArray, StringArray, StructArray},
    buffer::OffsetBuffer,
    datatypes::{DataType, Field, FieldRef, Fields},
};
use datafusion::{
    common::{Result, internal_err},
    logical_expr::{
        ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
    },
};

use super::{gather::listening_at, profile::FEATURES};

/// The name that the query of `listening_profile` calls it by.
pub(super) const PROFILE_ROWS: &str = "profile_rows";

/// The scalar function.
pub(super) fn profile_rows() -> ScalarUDF {
    ScalarUDF::from(ProfileRows {
        signature: Signature::any(1, Volatility::Immutable),
    })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct ProfileRows {
    signature: Signature,
}

impl ScalarUDFImpl for ProfileRows {
    fn name(&self) -> &str {
        PROFILE_ROWS
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::List(item()))
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [listening] = &ColumnarValue::values_to_arrays(&arguments.args)?[..] else {
            return internal_err!("{PROFILE_ROWS}: expected one argument");
        };
        let Some(listening) = listening.as_struct_opt() else {
            return internal_err!(
                "{PROFILE_ROWS}: expected structs, got {}",
                listening.data_type()
            );
        };
        let (mut typical, mut spread, mut lengths) = (vec![], vec![], vec![]);
        for row in 0..listening.len() {
            let profile = listening_at(listening, row)?.profile();
            lengths.push(profile.as_ref().map_or(0, |_| FEATURES.len()));
            if let Some(profile) = profile {
                typical.extend(profile.typical);
                spread.extend(profile.spread);
            }
        }
        let length = typical.len();
        let features = || FEATURES.iter().cycle().take(length);
        let names = StringArray::from_iter_values(features().map(|feature| feature.name));
        let weights = Float64Array::from_iter_values(features().map(|feature| feature.weight));
        let columns: Vec<ArrayRef> = vec![
            Arc::new(names),
            Arc::new(Float64Array::from(typical)),
            Arc::new(Float64Array::from(spread)),
            Arc::new(weights),
        ];
        let rows = StructArray::try_new(fields(), columns, None)?;
        let list = ListArray::try_new(
            item(),
            OffsetBuffer::from_lengths(lengths),
            Arc::new(rows),
            None,
        )?;
        Ok(ColumnarValue::Array(Arc::new(list)))
    }
}

fn item() -> FieldRef {
    Arc::new(Field::new_list_field(DataType::Struct(fields()), true))
}

fn fields() -> Fields {
    let double = |name| Field::new(name, DataType::Float64, true);
    Fields::from(vec![
        Field::new("feature", DataType::Utf8, true),
        double("typical"),
        double("spread"),
        double("weight"),
    ])
}
