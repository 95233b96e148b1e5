//! `kmeans_centroids(model[, standardize])`: where a model's clusters lie.

use datafusion::{
    common::{Result, internal_err},
    logical_expr::Expr,
};

use crate::{
    model_relation::{ModelRelation, constant},
    models::{KMeans, Model},
    relation::{Parameter, RelationSignature},
    relation_documentation::RelationDocumentation,
    relation_sql::literal,
    sql_relation::{Query, SqlFunction, is_true},
};

/// The function as a whole.
pub(crate) const FUNCTION: SqlFunction = SqlFunction {
    signature: SIGNATURE,
    documentation: DOCUMENTATION,
    decide: query,
};

/// How `kmeans_centroids` is called.
const SIGNATURE: RelationSignature = RelationSignature {
    function: "kmeans_centroids",
    parameters: &[Parameter::Value("model"), Parameter::Flag("standardize")],
};

/// What `kmeans_centroids` says.
const DOCUMENTATION: RelationDocumentation = RelationDocumentation {
    function: SIGNATURE.function,
    syntax: "kmeans_centroids(model => 'name'[, standardize => true])",
    description: "Where a model's clusters lie: the mean of each feature over a cluster's training rows, a row for each cluster and \
feature. Everything is as the model keeps it; nothing is read.",
    arguments: &[
        (
            "model",
            "name of a 'kmeans' model; `'name@version'` for a version of it",
        ),
        (
            "standardize",
            "whether `value` is in standard deviations from the training mean, as `standardized` is; false if left out",
        ),
    ],
    columns: &[
        (
            "cluster",
            "its number, from 0, as `kmeans_assign` gives it: the largest first",
        ),
        ("feature", "the feature's name"),
        ("value", "its mean in the cluster, in its own unit"),
        (
            "standardized",
            "the same in standard deviations from the mean of all training rows: what sets the cluster apart",
        ),
        ("size", "training rows in the cluster"),
        ("share", "their share in all training rows, 0..1"),
    ],
    nulls: "No rows for a model that is not trained yet.",
    example: "select cluster, feature, round(standardized, 2) as standardized from kmeans_centroids('modes') order by cluster, abs(standardized) desc;",
};

const COLUMNS: [(&str, &str); 6] = [
    ("cluster", "int"),
    ("feature", "varchar"),
    ("value", "double"),
    ("standardized", "double"),
    ("size", "bigint"),
    ("share", "double"),
];

fn query(relation: &ModelRelation, arguments: &[Expr]) -> Result<Query> {
    let [model, standardize] = arguments else {
        return internal_err!("kmeans_centroids: takes two arguments");
    };
    let standardize = is_true(constant(SIGNATURE.function, "standardize", standardize)?);
    let Some(model) = relation.model(model)? else {
        return Ok(Query::no_rows(&COLUMNS));
    };
    let rows = match relation.call.kmeans(&model)? {
        Some(kmeans) => rows(&model, kmeans, standardize),
        None => vec![],
    };
    Ok(Query::values(&COLUMNS, &rows))
}

#[expect(clippy::cast_precision_loss, reason = "fewer than 2^53 rows")]
fn rows(model: &Model, kmeans: &KMeans, standardize: bool) -> Vec<String> {
    let total: u64 = kmeans.sizes.iter().sum();
    let mut rows = Vec::new();
    for (cluster, (centroid, size)) in kmeans.centroids.iter().zip(&kmeans.sizes).enumerate() {
        let share = *size as f64 / total as f64;
        for (at, (feature, standardized)) in model.features.iter().zip(centroid).enumerate() {
            let value = if standardize {
                *standardized
            } else {
                kmeans.means[at] + kmeans.scales[at] * standardized
            };
            rows.push(format!(
                "({cluster}, {}, {value:e}, {standardized:e}, {size}, {share:e})",
                literal(feature)
            ));
        }
    }
    rows
}
