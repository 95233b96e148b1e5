//! `ml_predict(model, features…)`: the most probable class of a row.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, StringArray},
    datatypes::{DataType, Field, FieldRef},
};
use datafusion::{
    common::{Result, ScalarValue, internal_err},
    logical_expr::{
        ColumnarValue, Documentation, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF,
        ScalarUDFImpl, Signature,
        simplify::{ExprSimplifyResult, SimplifyContext},
    },
};
use datafusion_macros::user_doc;

use crate::{
    arguments::{ModelCall, pin_version},
    kernels::logistic::predicted_classes,
    models::ModelSource,
};

/// The scalar function `ml_predict`.
pub(crate) fn ml_predict(models: &Arc<ModelSource>) -> ScalarUDF {
    ScalarUDF::from(MlPredict {
        call: ModelCall::new("ml_predict", models, &["model", "features"]),
    })
}

#[user_doc(
    doc_section(label = "Machine Learning Functions"),
    description = "The label of the most probable class of a row, by a logistic model. Null where a feature is null, NaN or \
infinite. A wrong number of features, a missing one or one that is not numeric is refused while planning.",
    syntax_example = "ml_predict(model, feature_1, feature_2, ...)",
    alternative_syntax = "ml_predict(model, features_struct)",
    sql_example = r"```sql
> select ml_predict('mood', 0.9, 0.8);
happy
```",
    argument(
        name = "model",
        description = "Name of a logistic model, a literal; 'name@version' for a version of it."
    ),
    argument(
        name = "feature_n",
        description = "The features [n_features], numeric, in training order and units; or one struct with a field for each."
    )
)]
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct MlPredict {
    call: ModelCall,
}

impl ScalarUDFImpl for MlPredict {
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
        internal_err!("ml_predict: planned by return_field_from_args")
    }

    fn return_field_from_args(&self, arguments: ReturnFieldArgs) -> Result<FieldRef> {
        if let Some(model) = self.call.planned_model(&arguments)? {
            self.call.logistic(&model)?;
            self.call
                .check_features(&model, &arguments.arg_fields[1..])?;
        }
        Ok(Arc::new(Field::new(self.name(), DataType::Utf8, true)))
    }

    fn simplify(
        &self,
        arguments: Vec<Expr>,
        _context: &SimplifyContext,
    ) -> Result<ExprSimplifyResult> {
        pin_version(self, &self.call, arguments)
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let Some(model) = self.call.model_of(&arguments.args[0])? else {
            return Ok(ColumnarValue::Scalar(ScalarValue::Utf8(None)));
        };
        let logistic = self.call.logistic(&model)?;
        let features = self
            .call
            .features(&model, &arguments.args[1..], arguments.number_rows)?;
        let classes = predicted_classes(logistic, &features.slices());
        let label = |(row, class): (usize, usize)| {
            features.is_usable(row).then_some(&logistic.classes[class])
        };
        let labels: ArrayRef = Arc::new(
            classes
                .into_iter()
                .enumerate()
                .map(label)
                .collect::<StringArray>(),
        );
        Ok(ColumnarValue::Array(labels))
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }
}
