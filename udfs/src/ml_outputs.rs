//! What a model says of a row, whatever its family: the list of its classes' probabilities, or of one number.
//!
//! Not for users: the relations that judge a model call it once for each row.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, Float64Array, ListArray},
    buffer::{NullBuffer, OffsetBuffer},
    datatypes::{DataType, Field, FieldRef},
};
use datafusion::{
    common::{Result, ScalarValue, internal_err},
    logical_expr::{
        ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    },
};

use crate::{arguments::ModelCall, models::ModelSource, predictions::predictions};

/// The scalar function `ml_outputs`.
pub(crate) fn ml_outputs(models: &Arc<ModelSource>) -> ScalarUDF {
    ScalarUDF::from(MlOutputs {
        call: ModelCall::new("ml_outputs", models, &["model", "features"]),
    })
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct MlOutputs {
    call: ModelCall,
}

fn list_type() -> DataType {
    DataType::List(Arc::new(Field::new_list_field(DataType::Float64, true)))
}

impl ScalarUDFImpl for MlOutputs {
    fn name(&self) -> &str {
        self.call.function
    }

    fn signature(&self) -> &Signature {
        self.call.signature()
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        Ok(self.call.coerce_types(given))
    }

    fn return_type(&self, _given: &[DataType]) -> Result<DataType> {
        internal_err!("ml_outputs: planned by return_field_from_args")
    }

    fn return_field_from_args(&self, _arguments: ReturnFieldArgs) -> Result<FieldRef> {
        Ok(Arc::new(Field::new(self.name(), list_type(), true)))
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let null = || ScalarValue::try_new_null(&list_type()).map(ColumnarValue::Scalar);
        let Some(model) = self.call.model_of(&arguments.args[0])? else {
            return null();
        };
        let features = self
            .call
            .features(&model, &arguments.args[1..], arguments.number_rows)?;
        match predictions(&model, &features) {
            Some(answers) => Ok(ColumnarValue::Array(lists(
                &answers.by_class,
                answers.known,
                arguments.number_rows,
            )?)),
            None => null(),
        }
    }
}

fn lists(columns: &[Vec<f64>], known: Option<NullBuffer>, rows: usize) -> Result<ArrayRef> {
    let width = columns.len();
    let mut values = vec![0.0; rows * width];
    for (at, column) in columns.iter().enumerate() {
        let places = values.iter_mut().skip(at).step_by(width);
        places
            .zip(column)
            .for_each(|(place, value)| *place = *value);
    }
    Ok(Arc::new(ListArray::try_new(
        Arc::new(Field::new_list_field(DataType::Float64, true)),
        OffsetBuffer::from_lengths(std::iter::repeat_n(width, rows)),
        Arc::new(Float64Array::from(values)),
        known,
    )?))
}
