//! `shap_values(model, class, top_k, output, features…)`: a prediction divided over its features, as a list.
//!
//! The kernel of [`shap_explain`](crate::shap_explain), which most callers want instead.

mod explained;
mod request;
mod shape;

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef};
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
    models::ModelSource,
};
use explained::Explained;

pub(crate) use request::Request;
pub(crate) use shape::{EXPLANATION_FIELDS, wide_fields};

/// Arguments before the features: model, class, `top_k`, output.
const LEADING_ARGUMENTS: usize = 4;

/// The scalar function `shap_values`.
pub(crate) fn shap_values(models: &Arc<ModelSource>) -> ScalarUDF {
    of_shape(models, Shape::List)
}

/// The same with a column for each feature instead of a list: a struct of [`wide_fields`], for `shap_explain` only.
pub(crate) fn shap_values_wide(models: &Arc<ModelSource>) -> ScalarUDF {
    of_shape(models, Shape::Wide)
}

fn of_shape(models: &Arc<ModelSource>, shape: Shape) -> ScalarUDF {
    let name = match shape {
        Shape::List => "shap_values",
        Shape::Wide => "shap_values_wide",
    };
    let arguments = ["model", "class", "top_k", "output", "features"];
    ScalarUDF::from(ShapValues {
        call: ModelCall::new(name, models, &arguments),
        shape,
    })
}

/// What a row's explanation is returned as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Shape {
    List,
    Wide,
}

#[user_doc(
    doc_section(label = "Machine Learning Functions"),
    description = "Shapley values of a model's prediction for a row: a list [n_features] (or [top_k]) of structs of class, \
feature, value, contribution, contribution_pct (signed share of the sum of all absolute contributions, -100..100), baseline, \
prediction and additivity_error, where baseline + the sum of all contributions = prediction up to additivity_error. A \
logistic model is explained against the training means; a random forest and boosted trees against the training rows that \
take each branch, as shap.TreeExplainer does without background data. The relation function shap_explain gives the same as \
rows. To trees a feature that is null, NaN or infinite is missing and explained as such; of a logistic model contributions \
and prediction are then null. Where the model is not trained yet, the list is null.",
    syntax_example = "shap_values(model, class, top_k, output, feature_1, feature_2, ...)",
    alternative_syntax = "shap_values(model, class, top_k, output, features_struct)",
    sql_example = r"```sql
> select track_id, shap_values('mood', 'happy', 1, 'probability', danceability, energy, key, loudness, mode, speechiness,
      acousticness, instrumentalness, liveness, valence, tempo, time_signature)[1]['feature'] as feature
  from silver.track_features limit 3;
```",
    argument(
        name = "model",
        description = "Name of a model that predicts classes or a number, a literal; 'name@version' for a version of it."
    ),
    argument(
        name = "class",
        description = "Label of the class explained, a literal; null for each row's predicted class, and for a number."
    ),
    argument(
        name = "top_k",
        description = "How many of the largest absolute contributions to keep, from 1; null for all."
    ),
    argument(
        name = "output",
        description = "'margin' (log-odds; before the softmax if there are more than two classes; the number if one is predicted) \
or 'probability' (at most 16 features, but of a random forest any number), a literal; null for 'margin', of a random forest for \
'probability', which is all that it has."
    ),
    argument(
        name = "feature_n",
        description = "The features [n_features], numeric, in training order and units; or one struct with a field for each."
    )
)]
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct ShapValues {
    call: ModelCall,
    shape: Shape,
}

impl ScalarUDFImpl for ShapValues {
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
        internal_err!("shap_values: planned by return_field_from_args")
    }

    fn return_field_from_args(&self, arguments: ReturnFieldArgs) -> Result<FieldRef> {
        let model = self.call.planned_model(&arguments)?;
        if let Some(model) = &model {
            let [_, Some(class), Some(top_k), Some(output), ..] = arguments.scalar_arguments else {
                return plan_err!(
                    "shap_values: arguments 'class', 'top_k' and 'output' must be literals"
                );
            };
            Request::read(&self.call, model, class, top_k, output)?;
            self.call
                .check_features(model, &arguments.arg_fields[LEADING_ARGUMENTS..])?;
        }
        Ok(Arc::new(Field::new(
            self.name(),
            match self.shape {
                Shape::List => DataType::List(shape::list_item()),
                Shape::Wide => DataType::Struct(
                    model.map_or_else(|| wide_fields(&[]), |model| wide_fields(&model.features)),
                ),
            },
            true,
        )))
    }

    fn simplify(
        &self,
        arguments: Vec<Expr>,
        _context: &SimplifyContext,
    ) -> Result<ExprSimplifyResult> {
        pin_version(self, &self.call, arguments)
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [
            model,
            ColumnarValue::Scalar(class),
            ColumnarValue::Scalar(top_k),
            ColumnarValue::Scalar(output),
            given @ ..,
        ] = arguments.args.as_slice()
        else {
            return internal_err!(
                "shap_values: called with {} arguments or without literals",
                arguments.args.len()
            );
        };
        let null = || {
            let null = ScalarValue::try_new_null(arguments.return_field.data_type());
            null.map(ColumnarValue::Scalar)
        };
        let Some(model) = self.call.model_of(model)? else {
            return null();
        };
        let request = Request::read(&self.call, &model, class, top_k, output)?;
        let features = self.call.features(&model, given, arguments.number_rows)?;
        let Some(explained) = Explained::of(&model, &request, &features) else {
            return null();
        };
        Ok(ColumnarValue::Array(match self.shape {
            Shape::List => shape::lists(&model, &explained, &features, request.top_k)?,
            Shape::Wide => shape::wide(&model, &explained)?,
        }))
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }
}
