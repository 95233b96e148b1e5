//! `kmeans_assign(model, features…)`: the cluster a row belongs to.

use std::sync::Arc;

use arrow::{array::Int32Array, datatypes::DataType};
use datafusion::logical_expr::ScalarUDF;
use datafusion_macros::user_doc;

use crate::{
    arguments::ModelCall, feature_function::FeatureFunction, kernels::nearest::nearest_centroids,
    models::ModelSource,
};

/// The scalar function `kmeans_assign`.
pub(crate) fn kmeans_assign(models: &Arc<ModelSource>) -> ScalarUDF {
    ScalarUDF::from(FeatureFunction {
        call: ModelCall::new("kmeans_assign", models, &["model", "features"]),
        family: ModelCall::kmeans,
        returns: |_| DataType::Int32,
        answer: |kmeans, features| {
            let nearest = nearest_centroids(kmeans, &features.slices());
            Arc::new(Int32Array::new(
                nearest.cluster.into(),
                features.usable.clone(),
            ))
        },
        documentation: || KMeansAssign.doc(),
    })
}

#[user_doc(
    doc_section(label = "Machine Learning Functions"),
    description = "The cluster whose centroid is nearest to a row, counted from 0, by a k-means model: the row is \
standardised with the training means and scales and compared by Euclidean distance. Null where a feature is null, NaN or \
infinite, or the model is not trained yet. A wrong number of features, a missing one or one that is not numeric is refused \
while planning.",
    syntax_example = "kmeans_assign(model, feature_1, feature_2, ...)",
    alternative_syntax = "kmeans_assign(model, features_struct)",
    sql_example = r"```sql
> select distinct kmeans_assign('modes', mean_danceability, mean_energy, mean_speechiness, mean_acousticness,
      mean_instrumentalness, mean_liveness, mean_valence, mean_tempo) as mode
  from silver.sessions order by mode limit 3;
0
1
2
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
struct KMeansAssign;
