//! `ml_feature_info(model)`: what a model's features looked like in the rows that it was trained on.

use datafusion::{
    common::{Result, internal_err},
    logical_expr::Expr,
};

use crate::{
    model_relation::ModelRelation,
    models::{FeatureStatistics, Model, ModelKind},
    relation::{Parameter, RelationSignature},
    relation_documentation::RelationDocumentation,
    relation_sql::literal,
    sql_relation::{Query, SqlFunction},
};

/// The function as a whole.
pub(crate) const FUNCTION: SqlFunction = SqlFunction {
    signature: SIGNATURE,
    documentation: DOCUMENTATION,
    decide: query,
};

/// How `ml_feature_info` is called.
const SIGNATURE: RelationSignature = RelationSignature {
    function: "ml_feature_info",
    parameters: &[Parameter::Value("model")],
};

/// What `ml_feature_info` says.
const DOCUMENTATION: RelationDocumentation = RelationDocumentation {
    function: SIGNATURE.function,
    syntax: "ml_feature_info(model => 'name')",
    description: "What a model's features looked like in the rows that it was trained on, a row for each: compare it with the \
rows that it is used on. Everything is as the model keeps it; nothing is read.",
    arguments: &[(
        "model",
        "name of a model with features; `'name@version'` for a version of it",
    )],
    columns: &[
        (
            "position",
            "place of the feature in the training order, from 1",
        ),
        ("feature", "its name"),
        ("mean", "its mean, in its own unit"),
        ("std_dev", "its standard deviation, in its own unit"),
        ("min", "its least value, in its own unit"),
        ("max", "its largest value, in its own unit"),
        ("count", "training rows where it was known"),
        (
            "null_count",
            "training rows where it was null, NaN or infinite",
        ),
    ],
    nulls: "What the model does not keep is null: models of before this function keep mean and standard deviation at most.",
    example: "select feature, round(mean, 3) as mean, round(std_dev, 3) as std_dev from ml_feature_info('mood') order by position;",
};

const COLUMNS: [(&str, &str); 8] = [
    ("position", "bigint"),
    ("feature", "varchar"),
    ("mean", "double"),
    ("std_dev", "double"),
    ("min", "double"),
    ("max", "double"),
    ("count", "bigint"),
    ("null_count", "bigint"),
];

/// The query behind a call.
fn query(relation: &ModelRelation, arguments: &[Expr]) -> Result<Query> {
    let [model] = arguments else {
        return internal_err!("ml_feature_info: takes one argument");
    };
    let rows = match relation.model(model)? {
        Some(model) => rows(&model),
        None => vec![],
    };
    if rows.is_empty() {
        return Ok(Query::no_rows(&COLUMNS));
    }
    let columns: Vec<String> = COLUMNS
        .iter()
        .enumerate()
        .map(|(at, (name, sql_type))| format!("cast(column{} as {sql_type}) as {name}", at + 1))
        .collect();
    Ok(Query {
        sql: format!(
            "select {} from (values {})",
            columns.join(", "),
            rows.join(", ")
        ),
        input: None,
    })
}

/// A row of values for each feature.
fn rows(model: &Model) -> Vec<String> {
    let features = model.features.iter().enumerate();
    features
        .map(|(at, feature)| {
            let position = at + 1;
            let described = match (&model.statistics, scaling(model, at)) {
                (Some(statistics), _) => described(&statistics[at]),
                (None, Some((mean, scale))) => {
                    format!("{mean:e}, {scale:e}, null, null, null, null")
                }
                (None, None) => "null, null, null, null, null, null".to_owned(),
            };
            format!("({position}, {}, {described})", literal(feature))
        })
        .collect()
}

fn described(statistics: &FeatureStatistics) -> String {
    let FeatureStatistics {
        count,
        null_count,
        mean,
        std_dev,
        min,
        max,
    } = statistics;
    let number = |value: &f64| {
        if value.is_finite() {
            format!("{value:e}")
        } else {
            "null".to_owned()
        }
    };
    format!(
        "{}, {}, {}, {}, {count}, {null_count}",
        number(mean),
        number(std_dev),
        number(min),
        number(max)
    )
}

/// Mean and scale that a model standardises the feature with.
fn scaling(model: &Model, at: usize) -> Option<(f64, f64)> {
    let (means, scales) = match &model.kind {
        ModelKind::KMeans(kmeans) => (&kmeans.means, &kmeans.scales),
        ModelKind::Logistic(logistic) => (&logistic.means, &logistic.scales),
        _ => return None,
    };
    Some((*means.get(at)?, *scales.get(at)?))
}
