//! `ml_predict(model, features…)`: the most probable class of a row, or the number that is expected of it.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, Float64Array, StringArray, new_null_array},
    datatypes::DataType,
};
use datafusion::logical_expr::ScalarUDF;
use datafusion_macros::user_doc;

use crate::{
    arguments::{Features, ModelCall},
    feature_function::FeatureFunction,
    models::{Model, ModelSource},
    predictions::{classes, is_number, most_probable, predictions},
};

/// The scalar function `ml_predict`.
pub(crate) fn ml_predict(models: &Arc<ModelSource>) -> ScalarUDF {
    ScalarUDF::from(FeatureFunction {
        call: ModelCall::new("ml_predict", models, &["model", "features"]),
        family: ModelCall::predictor,
        returns,
        answer,
        documentation: || MlPredict.doc(),
    })
}

fn returns(model: Option<&Model>) -> DataType {
    if model.is_some_and(is_number) {
        DataType::Float64
    } else {
        DataType::Utf8
    }
}

fn answer(model: &Model, features: &Features) -> ArrayRef {
    if let Some((predicted, known)) = most_probable(model, features) {
        let labels = classes(model);
        let label = |(row, class): (usize, usize)| {
            let is_known = known.as_ref().is_none_or(|known| known.is_valid(row));
            is_known.then_some(&labels[class])
        };
        let labels: StringArray = predicted.into_iter().enumerate().map(label).collect();
        return Arc::new(labels);
    }
    let number = predictions(model, features)
        .and_then(|mut answers| Some((answers.by_class.pop()?, answers.known)));
    match number {
        Some((numbers, known)) => Arc::new(Float64Array::new(numbers.into(), known)),
        None => new_null_array(&returns(Some(model)), features.rows()),
    }
}

#[user_doc(
    doc_section(label = "Machine Learning Functions"),
    description = "The label of the most probable class of a row, by a logistic model, a random forest or boosted trees; of \
trees that predict a number the number, a DOUBLE in the label's unit. To trees a feature that is null, NaN or infinite is \
missing and they answer all the same; of a logistic model the answer is then null. Null too where the model is not trained \
yet. A wrong number of features, a missing one or one that is not numeric is refused \
while planning.",
    syntax_example = "ml_predict(model, feature_1, feature_2, ...)",
    alternative_syntax = "ml_predict(model, features_struct)",
    sql_example = r"```sql
> select distinct ml_predict('mood', danceability, energy, key, loudness, mode, speechiness,
      acousticness, instrumentalness, liveness, valence, tempo, time_signature) as mood
  from silver.track_features order by mood limit 3;
chill
happy
party
```",
    argument(
        name = "model",
        description = "Name of a model that predicts classes or a number, a literal; 'name@version' for a version of it."
    ),
    argument(
        name = "feature_n",
        description = "The features [n_features], numeric, in training order and units; or one struct with a field for each."
    )
)]
struct MlPredict;
