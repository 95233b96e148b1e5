//! `ml_predict_proba(model[, class], features…)`: how probable a class is for a row.

use std::{ops::Range, sync::Arc};

use arrow::{
    array::{ArrayRef, Float64Array},
    datatypes::{DataType, Field, FieldRef},
};
use datafusion::{
    common::{Result, ScalarValue, internal_err, plan_err},
    logical_expr::{
        ColumnarValue, Documentation, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF,
        ScalarUDFImpl, Signature,
        simplify::{ExprSimplifyResult, SimplifyContext},
    },
};
use datafusion_macros::user_doc;

use crate::{
    arguments::{ModelCall, pin_version},
    models::{Model, ModelSource},
    predictions::{is_number, predictions},
};

/// The scalar function `ml_predict_proba`.
pub(crate) fn ml_predict_proba(models: &Arc<ModelSource>) -> ScalarUDF {
    ScalarUDF::from(MlPredictProba {
        call: ModelCall::new("ml_predict_proba", models, &["model", "features", "class"]),
    })
}

#[user_doc(
    doc_section(label = "Machine Learning Functions"),
    description = "The probability of a class for a row, 0..1, by a logistic model, a random forest or boosted trees. Without \
a class: of the positive class (the second one) if the model is binary, else of the predicted class. To trees a feature that \
is null, NaN or infinite is missing and they answer all the same; of a logistic model the answer is then null. Null too \
where the model is not trained yet. A model that predicts a number, an unknown class, a wrong number of features, a missing \
one or one that is not numeric is refused while planning. By names: model => …, features => a struct, class => ….",
    syntax_example = "ml_predict_proba(model[, class], feature_1, feature_2, ...)",
    alternative_syntax = "ml_predict_proba(model[, class], features_struct)",
    sql_example = r"```sql
> select track_id
  from silver.track_features
  order by ml_predict_proba('mood', 'happy', danceability, energy, key, loudness, mode, speechiness,
      acousticness, instrumentalness, liveness, valence, tempo, time_signature) desc
  limit 3;
```",
    argument(
        name = "model",
        description = "Name of a model that predicts classes, a literal; 'name@version' for a version of it."
    ),
    argument(
        name = "class",
        description = "Label of the class, a literal; may be left out or null."
    ),
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
        // Beside a struct there is only the class, which stays a literal.
        if matches!(given.get(1), Some(DataType::Struct(_))) {
            return Ok(given.to_vec());
        }
        Ok(self.call.coerce_types(given))
    }

    fn return_type(&self, _given: &[DataType]) -> Result<DataType> {
        internal_err!("ml_predict_proba: planned by return_field_from_args")
    }

    fn return_field_from_args(&self, arguments: ReturnFieldArgs) -> Result<FieldRef> {
        if let Some(model) = self.call.planned_model(&arguments)? {
            self.call.predictor(&model)?;
            self.refuse_number(&model)?;
            let types: Vec<&DataType> = arguments
                .arg_fields
                .iter()
                .map(|field| field.data_type())
                .collect();
            let (class, features) = places(&model, &types);
            if let Some(at) = class
                && let Some(class) = self.call.literal(&arguments, at, "class")?
            {
                self.call.class_index(&model, &class)?;
            }
            self.call
                .check_features(&model, &arguments.arg_fields[features])?;
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
        let null = ColumnarValue::Scalar(ScalarValue::Float64(None));
        let Some(model) = self.call.model_of(&arguments.args[0])? else {
            return Ok(null);
        };
        if self.call.predictor(&model)?.is_none() {
            return Ok(null);
        }
        let types: Vec<DataType> = arguments
            .args
            .iter()
            .map(ColumnarValue::data_type)
            .collect();
        let (class, features) = places(&model, &types.iter().collect::<Vec<_>>());
        let class = match class {
            Some(at) => self.call.text_of(&arguments.args[at], "class")?,
            None => None,
        };
        let class = match class {
            Some(class) => self.call.class_index(&model, &class)?,
            None => None,
        };
        let features =
            self.call
                .features(&model, &arguments.args[features], arguments.number_rows)?;
        let Some(answers) = predictions(&model, &features) else {
            return Ok(null);
        };
        let mut by_class = answers.by_class;
        let chosen = match class {
            Some(class) => by_class.swap_remove(class),
            None if by_class.len() == 2 => by_class.swap_remove(1),
            None => largest(&by_class),
        };
        let probabilities: ArrayRef = Arc::new(Float64Array::new(chosen.into(), answers.known));
        Ok(ColumnarValue::Array(probabilities))
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }
}

impl MlPredictProba {
    fn refuse_number(&self, model: &Model) -> Result<()> {
        if is_number(model) {
            return plan_err!(
                "{}: model '{}' predicts a number, use ml_predict",
                self.call.function,
                model.name
            );
        }
        Ok(())
    }
}

/// Where the class is, if there is one, and the features. The class comes first, but after a struct of features, as in a
/// call by names, where what is optional must come last. A `NULL` in its place means no class.
fn places(model: &Model, types: &[&DataType]) -> (Option<usize>, Range<usize>) {
    let is_struct = |at: usize| matches!(types.get(at), Some(DataType::Struct(_)));
    let end = types.len();
    if end == 3 && is_struct(1) {
        return (Some(2), 1..2);
    }
    let features = if is_struct(end - 1) {
        1
    } else {
        model.features.len()
    };
    let is_text = types.get(1).is_some_and(|second| second.is_string());
    if is_text || end == features + 2 {
        (Some(1), 2..end)
    } else {
        (None, 1..end)
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
