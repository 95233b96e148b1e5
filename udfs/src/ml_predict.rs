//! `ml_predict(model, features…)`: the most probable class of a row.

use std::sync::Arc;

use arrow::{array::StringArray, datatypes::DataType};
use datafusion::logical_expr::ScalarUDF;
use datafusion_macros::user_doc;

use crate::{
    arguments::{Features, ModelCall},
    feature_function::FeatureFunction,
    kernels::logistic::predicted_classes,
    models::{Logistic, ModelSource},
};

/// The scalar function `ml_predict`.
pub(crate) fn ml_predict(models: &Arc<ModelSource>) -> ScalarUDF {
    ScalarUDF::from(FeatureFunction {
        call: ModelCall::new("ml_predict", models, &["model", "features"]),
        family: ModelCall::logistic,
        returns: DataType::Utf8,
        answer: |logistic, features| Arc::new(labels(logistic, features)),
        documentation: || MlPredict.doc(),
    })
}

fn labels(logistic: &Logistic, features: &Features) -> StringArray {
    let classes = predicted_classes(logistic, &features.slices());
    let label =
        |(row, class): (usize, usize)| features.is_usable(row).then_some(&logistic.classes[class]);
    classes.into_iter().enumerate().map(label).collect()
}

#[user_doc(
    doc_section(label = "Machine Learning Functions"),
    description = "The label of the most probable class of a row, by a logistic model. Null where a feature is null, NaN or \
infinite, or the model is not trained yet. A wrong number of features, a missing one or one that is not numeric is refused \
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
        description = "Name of a logistic model, a literal; 'name@version' for a version of it."
    ),
    argument(
        name = "feature_n",
        description = "The features [n_features], numeric, in training order and units; or one struct with a field for each."
    )
)]
struct MlPredict;
