//! `kmeans_distance(model, features…)`: how far a row is from its cluster's centroid.

use std::sync::Arc;

use arrow::{array::Float64Array, datatypes::DataType};
use datafusion::logical_expr::ScalarUDF;
use datafusion_macros::user_doc;

use crate::{
    arguments::ModelCall, feature_function::FeatureFunction, kernels::nearest::nearest_centroids,
    models::ModelSource,
};

/// The scalar function `kmeans_distance`.
pub(crate) fn kmeans_distance(models: &Arc<ModelSource>) -> ScalarUDF {
    ScalarUDF::from(FeatureFunction {
        call: ModelCall::new("kmeans_distance", models, &["model", "features"]),
        family: ModelCall::kmeans,
        returns: |_| DataType::Float64,
        answer: |kmeans, features| {
            let nearest = nearest_centroids(kmeans, &features.slices());
            Arc::new(Float64Array::new(
                nearest.distance.into(),
                features.usable.clone(),
            ))
        },
        documentation: || KMeansDistance.doc(),
    })
}

#[user_doc(
    doc_section(label = "Machine Learning Functions"),
    description = "The Euclidean distance of a row to the nearest centroid of a k-means model, 0 or more, in standard \
deviations of the training rows. Null where a feature is null, NaN or infinite, or the model is not trained yet. A wrong \
number of features, a missing one or one that is not numeric is refused while planning.",
    syntax_example = "kmeans_distance(model, feature_1, feature_2, ...)",
    alternative_syntax = "kmeans_distance(model, features_struct)",
    sql_example = r"```sql
> select session_id
  from silver.sessions
  order by kmeans_distance('modes', mean_danceability, mean_energy, mean_speechiness, mean_acousticness,
      mean_instrumentalness, mean_liveness, mean_valence, mean_tempo) desc
  limit 3;
```",
    argument(
        name = "model",
        description = "Name of a k-means model, a literal; 'name@version' for a version of it."
    ),
    argument(
        name = "feature_n",
        description = "The features [n_features], numeric, in training order and units; or one struct with a field for each."
    )
)]
struct KMeansDistance;
