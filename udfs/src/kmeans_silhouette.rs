//! `kmeans_silhouette(model, input)`: how clearly a model's clusters lie apart in some rows.

use std::sync::{Arc, LazyLock};

use arrow::{
    array::{ArrayRef, Float64Array, Int32Array, Int64Array},
    datatypes::{DataType, Field, FieldRef, Fields},
};
use datafusion::{
    common::{Result, internal_err},
    logical_expr::{
        ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl,
        Signature, Volatility,
    },
};

use crate::{
    arguments::ModelCall,
    gathered_rows::{gather, gathered, list_of_rows, list_type},
    kernels::{
        kmeans::sample,
        lloyd::nearest,
        rows::Rows,
        scaler::Scaler,
        silhouette::{mean_and_error, silhouettes},
    },
    model_relation::{DEVIATIONS, ModelRelation, named_input},
    models::{KMeans, ModelSource},
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

/// How `kmeans_silhouette` is called.
const SIGNATURE: RelationSignature = RelationSignature {
    function: "kmeans_silhouette",
    parameters: &[Parameter::Value("model"), Parameter::Relation("input")],
};

/// What `kmeans_silhouette` says.
const DOCUMENTATION: RelationDocumentation = RelationDocumentation {
    function: SIGNATURE.function,
    syntax: "kmeans_silhouette(model => 'name', input => (SELECT …))",
    description: "How clearly a model's clusters lie apart in some rows: the mean silhouette (Rousseeuw 1987, doi:10.1016/0377-0427(87)90125-7) by \
Euclidean distance in standard deviations, of each cluster and over all. A silhouette says how much nearer a row is to its own cluster than \
to the next. It is exact over at most 10,000 rows, a sample with a fixed seed of more; a row that is alone in its cluster counts 0. Compare \
with `silhouette_null` in `ml.metrics`: rows without any clusters have a silhouette above 0 too. It is computed when the statement \
runs, in time that grows with the square of the rows.",
    arguments: &[
        (
            "model",
            "name of a 'kmeans' model; `'name@version'` for a version of it",
        ),
        (
            "input",
            "rows with the model's features, by name: `(SELECT …)` or a table's name",
        ),
    ],
    columns: &[
        ("cluster", "the cluster's number, from 0; null over all"),
        ("n", "rows that were looked at"),
        ("silhouette", "mean silhouette of these rows, -1..1"),
        (
            "ci_low",
            "lower end of the mean's 95 % interval, the clusters being given; null for one row",
        ),
        ("ci_high", "upper end of the mean's 95 % interval"),
    ],
    nulls: "Rows with a null, NaN or infinite feature are left out. No rows where fewer than two clusters occur, or for a model that is not \
trained yet.",
    example: "select cluster, n, round(silhouette, 2) as silhouette from kmeans_silhouette('modes', input => (select * from silver.sessions)) order by \
cluster nulls first;",
};

const COLUMNS: [(&str, &str); 5] = [
    ("cluster", "int"),
    ("n", "bigint"),
    ("silhouette", "double"),
    ("ci_low", "double"),
    ("ci_high", "double"),
];

/// Rows that are looked at; distances grow with the square of it.
const MOST_ROWS: usize = 10_000;
/// Of the sample.
const SEED: u64 = 42;

static FIELDS: LazyLock<Fields> = LazyLock::new(|| {
    Fields::from(vec![
        Field::new("cluster", DataType::Int32, true),
        Field::new("n", DataType::Int64, false),
        Field::new("silhouette", DataType::Float64, false),
        Field::new("ci_low", DataType::Float64, true),
        Field::new("ci_high", DataType::Float64, true),
    ])
});

fn query(relation: &ModelRelation, arguments: &[Expr]) -> Result<Query> {
    let [model, input] = arguments else {
        return internal_err!("kmeans_silhouette: takes two arguments");
    };
    let input = named_input(SIGNATURE.function, input)?;
    let Some(model) = relation.model(model)? else {
        return Ok(Query::no_rows(&COLUMNS));
    };
    let is_trained = relation.call.kmeans(&model)?.is_some();
    relation.call.check_named(&model, input.schema().fields())?;
    if !is_trained {
        return Ok(Query::no_rows(&COLUMNS));
    }
    let (rows, known) = gather(&model.features);
    let name = literal(&model.pinned_name());
    Ok(Query {
        sql: format!(
            "select found['cluster'] as cluster, found['n'] as n, found['silhouette'] as silhouette, found['ci_low'] as ci_low, \
             found['ci_high'] as ci_high
             from (select unnest({OF_ROWS}({name}, {rows})) as found from input where {known})"
        ),
        input: Some(input),
    })
}

const OF_ROWS: &str = "kmeans_silhouette_of_rows";

/// What works on the gathered rows.
pub(crate) fn of_rows(models: &Arc<ModelSource>) -> ScalarUDF {
    ScalarUDF::from(OfRows {
        call: ModelCall::new(OF_ROWS, models, &[]),
        signature: Signature::any(2, Volatility::Stable),
    })
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct OfRows {
    call: ModelCall,
    signature: Signature,
}

impl ScalarUDFImpl for OfRows {
    fn name(&self) -> &str {
        OF_ROWS
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _given: &[DataType]) -> Result<DataType> {
        Ok(list_type(&FIELDS))
    }

    fn return_field_from_args(&self, _arguments: ReturnFieldArgs) -> Result<FieldRef> {
        Ok(Arc::new(Field::new(OF_ROWS, list_type(&FIELDS), false)))
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let model = self.call.model_of(&arguments.args[0])?;
        let kmeans = match &model {
            Some(model) => self.call.kmeans(model)?,
            None => None,
        };
        let (mut found, mut lengths) = (Vec::new(), Vec::new());
        for at in 0..arguments.number_rows {
            let rows = gathered(&arguments.args[1], at, arguments.number_rows)?;
            let before = found.len();
            if let Some(kmeans) = kmeans {
                found.extend(of_clusters(kmeans, &rows));
            }
            lengths.push(found.len() - before);
        }
        list_of_rows(&FIELDS, columns(&found), lengths)
    }
}

struct OfCluster {
    cluster: Option<i32>,
    n: i64,
    mean: f64,
    error: Option<f64>,
}

/// Over all, then of each cluster that occurs; nothing where fewer than two do.
fn of_clusters(kmeans: &KMeans, rows: &[Vec<f64>]) -> Vec<OfCluster> {
    let chosen = sample(rows.len(), MOST_ROWS, SEED);
    let values: Vec<f64> = chosen.iter().flat_map(|&row| &rows[row]).copied().collect();
    let scaler = Scaler {
        means: kmeans.means.clone(),
        scales: kmeans.scales.clone(),
    };
    let rows = Rows::scaled(&values, &scaler);
    let clusters = nearest(&rows, &kmeans.centroids);
    let widths = silhouettes(&rows, &clusters, kmeans.centroids.len(), &|| false);
    let Some(widths) = widths.filter(|widths| !widths.is_empty()) else {
        return vec![];
    };
    let mut found = vec![of_cluster(None, &widths)];
    for (number, cluster) in (0_i32..).zip(0..kmeans.centroids.len()) {
        let own: Vec<f64> = clusters
            .iter()
            .zip(&widths)
            .filter(|(of_row, _)| **of_row as usize == cluster)
            .map(|(_, width)| *width)
            .collect();
        if !own.is_empty() {
            found.push(of_cluster(Some(number), &own));
        }
    }
    found
}

fn of_cluster(cluster: Option<i32>, widths: &[f64]) -> OfCluster {
    let (mean, error) = match mean_and_error(widths) {
        Some((mean, error)) => (mean, Some(error)),
        None => (widths.first().copied().unwrap_or(0.0), None),
    };
    OfCluster {
        cluster,
        n: i64::try_from(widths.len()).unwrap_or(i64::MAX),
        mean,
        error,
    }
}

fn columns(found: &[OfCluster]) -> Vec<ArrayRef> {
    let end = |sign: f64| {
        let ends = found.iter().map(move |of| {
            let end = of.mean + sign * DEVIATIONS * of.error?;
            Some(end.clamp(-1.0, 1.0))
        });
        ends.collect::<Float64Array>()
    };
    vec![
        Arc::new(found.iter().map(|of| of.cluster).collect::<Int32Array>()),
        Arc::new(found.iter().map(|of| of.n).collect::<Int64Array>()),
        Arc::new(found.iter().map(|of| of.mean).collect::<Float64Array>()),
        Arc::new(end(-1.0)),
        Arc::new(end(1.0)),
    ]
}
