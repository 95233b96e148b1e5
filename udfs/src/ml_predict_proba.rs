//! `ml_predict_proba(model[, class], features…)`: how probable a class is for a row.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, Float64Array},
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
    kernels::logistic::probabilities,
    models::{Model, ModelSource},
};

/// The scalar function `ml_predict_proba`.
pub(crate) fn ml_predict_proba(models: &Arc<ModelSource>) -> ScalarUDF {
    ScalarUDF::from(MlPredictProba {
        call: ModelCall::new("ml_predict_proba", models, &["model", "class", "features"]),
    })
}

#[user_doc(
    doc_section(label = "Machine Learning Functions"),
    description = "The probability of a class for a row, 0..1, by a logistic model. Without a class: of the positive class \
(the second one) if the model is binary, else of the predicted class. Null where a feature is null, NaN or infinite. An \
unknown class, a wrong number of features, a missing one or one that is not numeric is refused while planning.",
    syntax_example = "ml_predict_proba(model[, class], feature_1, feature_2, ...)",
    alternative_syntax = "ml_predict_proba(model[, class], features_struct)",
    sql_example = r"```sql
> select round(ml_predict_proba('mood', 'happy', 0.9, 0.8), 3);
0.832
```",
    argument(
        name = "model",
        description = "Name of a logistic model, a literal; 'name@version' for a version of it."
    ),
    argument(name = "class", description = "Label of the class, a literal."),
    argument(
        name = "feature_n",
        description = "The features [n_features], numeric, in training order and units; or one struct with a field for each."
    )
)]
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct MlPredictProba {
    call: ModelCall,
}

impl ScalarUDFImpl for MlPredictProba {
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
        internal_err!("ml_predict_proba: planned by return_field_from_args")
    }

    fn return_field_from_args(&self, arguments: ReturnFieldArgs) -> Result<FieldRef> {
        if let Some(model) = self.call.planned_model(&arguments)? {
            self.call.logistic(&model)?;
            let types: Vec<&DataType> = arguments
                .arg_fields
                .iter()
                .map(|field| field.data_type())
                .collect();
            let first_feature = first_feature(&model, &types);
            if first_feature == 2
                && let Some(class) = self.call.literal(&arguments, 1, "class")?
            {
                self.call.class_index(&model, &class)?;
            }
            self.call
                .check_features(&model, &arguments.arg_fields[first_feature..])?;
        }
        Ok(Arc::new(Field::new(self.name(), DataType::Float64, true)))
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
            return Ok(ColumnarValue::Scalar(ScalarValue::Float64(None)));
        };
        let types: Vec<DataType> = arguments
            .args
            .iter()
            .map(ColumnarValue::data_type)
            .collect();
        let first_feature = first_feature(&model, &types.iter().collect::<Vec<_>>());
        let class = match first_feature {
            2 => self.call.text_of(&arguments.args[1], "class")?,
            _ => None,
        };
        let class = class
            .map(|class| self.call.class_index(&model, &class))
            .transpose()?;
        let features = self.call.features(
            &model,
            &arguments.args[first_feature..],
            arguments.number_rows,
        )?;
        let mut by_class = probabilities(self.call.logistic(&model)?, &features.slices());
        let chosen = match class {
            Some(class) => by_class.swap_remove(class),
            None if by_class.len() == 2 => by_class.swap_remove(1),
            None => largest(&by_class),
        };
        let probabilities: ArrayRef = Arc::new(Float64Array::new(chosen.into(), features.usable));
        Ok(ColumnarValue::Array(probabilities))
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }
}

/// Where the features begin: after the class, if there is one. A `NULL` in its place means no class.
fn first_feature(model: &Model, types: &[&DataType]) -> usize {
    let named = types
        .last()
        .is_some_and(|last| matches!(last, DataType::Struct(_)));
    let features = if named { 1 } else { model.features.len() };
    let is_text = types.get(1).is_some_and(|second| second.is_string());
    if is_text || types.len() == features + 2 {
        2
    } else {
        1
    }
}

/// The largest probability of each row; shape `[n_rows]`.
fn largest(by_class: &[Vec<f64>]) -> Vec<f64> {
    let mut largest = by_class.first().cloned().unwrap_or_default();
    for class in by_class {
        largest
            .iter_mut()
            .zip(class)
            .for_each(|(largest, value)| *largest = largest.max(*value));
    }
    largest
}
