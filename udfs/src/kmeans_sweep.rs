//! `kmeans_sweep(input[, k_min][, k_max][, seed])`: how many clusters some rows have.

use std::sync::{Arc, LazyLock};

use arrow::{
    array::{ArrayRef, BooleanArray, Float64Array, Int64Array},
    datatypes::{DataType, Field, FieldRef, Fields},
};
use datafusion::{
    common::{Result, ScalarValue, internal_err, plan_err},
    logical_expr::{
        ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl,
        Signature, Volatility,
    },
};

use crate::{
    column_choice::{columns_of, holds_numbers},
    gathered_rows::{gather, gathered, list_of_rows, list_type},
    kernels::{
        kmeans::{Settings, Start, sample},
        kmeans_choice::{CHOICE_ROWS, Candidate, sweep},
        rows::Rows,
        scaler::Scaler,
    },
    model_relation::{ModelRelation, constant, named_input},
    relation::{Parameter, RelationSignature},
    relation_documentation::RelationDocumentation,
    sql_relation::{Query, SqlFunction},
};

/// The function as a whole.
pub(crate) const FUNCTION: SqlFunction = SqlFunction {
    signature: SIGNATURE,
    documentation: DOCUMENTATION,
    decide: query,
};

/// How `kmeans_sweep` is called.
const SIGNATURE: RelationSignature = RelationSignature {
    function: "kmeans_sweep",
    parameters: &[
        Parameter::Relation("input"),
        Parameter::Count("k_min"),
        Parameter::Count("k_max"),
        Parameter::Count("seed"),
    ],
};

/// What `kmeans_sweep` says.
const DOCUMENTATION: RelationDocumentation = RelationDocumentation {
    function: SIGNATURE.function,
    syntax: "kmeans_sweep(input => (SELECT …)[, k_min => 2][, k_max => 12][, seed => 42])",
    description: "How many clusters some rows have: k-means for each number of clusters, held against the same rows with each column shuffled, \
which have none. All columns are features and are z-scored; of more than 10,000 rows a sample is looked at. `chosen` marks what \
`CREATE MODEL … (type = 'kmeans', k = 'auto')` takes: the smallest number whose lead of `silhouette` over `silhouette_null` is within one standard \
error of the largest, among those with a `stability` of at least 0.8 and a `min_share` of at least 0.03, or among all where there are none \
such. It trains when the statement runs, not while it is planned.",
    arguments: &[
        (
            "input",
            "rows whose columns are all features, numeric: `(SELECT …)` or a table's name",
        ),
        ("k_min", "least number of clusters, 2 to 50; 2 if left out"),
        ("k_max", "largest number of clusters, 2 to 50; 12 if left out"),
        ("seed", "of every random choice, from 0; 42 if left out"),
    ],
    columns: &[
        ("k", "number of clusters"),
        (
            "inertia",
            "sum of the squared distances to the own cluster's mean, in standard deviations, over the rows looked at",
        ),
        (
            "silhouette",
            "mean silhouette of at most 2,000 of the rows, -1..1",
        ),
        (
            "silhouette_null",
            "the same where each column was shuffled, mean of three shuffles",
        ),
        (
            "stability",
            "how well the clusters come back in ten bootstrap samples: mean adjusted Rand index, 1 if wholly, 0 if by chance",
        ),
        (
            "min_share",
            "share of the smallest cluster in the rows, 0..1",
        ),
        ("chosen", "whether this is the number to take"),
        ("n", "rows that were looked at"),
    ],
    nulls: "Rows with a null, NaN or infinite value are left out. Numbers beyond that of different rows have no row.",
    example: "select k, round(silhouette - silhouette_null, 2) as lead, round(stability, 2) as stability, chosen
from kmeans_sweep(input => (select mean_energy, mean_valence, mean_tempo from silver.sessions), k_max => 6) order by k;",
};

/// Each number is tried, with shuffles and bootstraps.
const MOST_CLUSTERS: i64 = 50;
const DEFAULT_K_MAX: i64 = 12;
const DEFAULT_SEED: i64 = 42;
const N_RUNS: u64 = 10;
const MAX_ITERATIONS: u64 = 300;
const OF_ROWS: &str = "kmeans_sweep_of_rows";

static FIELDS: LazyLock<Fields> = LazyLock::new(|| {
    Fields::from(vec![
        Field::new("k", DataType::Int64, false),
        Field::new("inertia", DataType::Float64, false),
        Field::new("silhouette", DataType::Float64, true),
        Field::new("silhouette_null", DataType::Float64, true),
        Field::new("stability", DataType::Float64, false),
        Field::new("min_share", DataType::Float64, false),
        Field::new("chosen", DataType::Boolean, false),
        Field::new("n", DataType::Int64, false),
    ])
});

fn query(_relation: &ModelRelation, arguments: &[Expr]) -> Result<Query> {
    let [input, k_min, k_max, seed] = arguments else {
        return internal_err!("kmeans_sweep: takes four arguments");
    };
    let function = SIGNATURE.function;
    let k_min = whole("k_min", k_min, 2, MOST_CLUSTERS)?.unwrap_or(2);
    let k_max = whole("k_max", k_max, 2, MOST_CLUSTERS)?.unwrap_or(k_min.max(DEFAULT_K_MAX));
    let seed = whole("seed", seed, 0, i64::MAX)?.unwrap_or(DEFAULT_SEED);
    if k_min > k_max {
        return plan_err!(
            "{function}: k_min is {k_min} and k_max {k_max}, expected k_min <= k_max"
        );
    }
    let input = named_input(function, input)?;
    for field in input.schema().fields() {
        if !holds_numbers(field.data_type()) {
            return plan_err!(
                "{function}: column '{}' is {}, features must be numeric: cast it or leave it out of the input",
                field.name(),
                field.data_type()
            );
        }
    }
    let (rows, known) = gather(&columns_of(&input, holds_numbers));
    let fields: Vec<String> = FIELDS
        .iter()
        .map(|field| format!("found['{name}'] as {name}", name = field.name()))
        .collect();
    Ok(Query {
        sql: format!(
            "select {} from (select unnest({OF_ROWS}({rows}, {k_min}, {k_max}, {seed})) as found from input where {known})",
            fields.join(", ")
        ),
        input: Some(input),
    })
}

fn whole(name: &str, argument: &Expr, low: i64, high: i64) -> Result<Option<i64>> {
    match constant(SIGNATURE.function, name, argument)? {
        value if value.is_null() => Ok(None),
        ScalarValue::Int64(Some(number)) if (low..=high).contains(number) => Ok(Some(*number)),
        other if high == i64::MAX => plan_err!(
            "{}: argument '{name}' must be a whole number from {low}, got {other}",
            SIGNATURE.function
        ),
        other => plan_err!(
            "{}: argument '{name}' must be a whole number from {low} to {high}, got {other}",
            SIGNATURE.function
        ),
    }
}

/// What works on the gathered rows.
pub(crate) fn of_rows() -> ScalarUDF {
    ScalarUDF::from(OfRows {
        signature: Signature::any(4, Volatility::Stable),
    })
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct OfRows {
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
        let [rows, k_min, k_max, seed] = arguments.args.as_slice() else {
            return internal_err!("{OF_ROWS}: takes four arguments");
        };
        let (least, most, seed) = (number(k_min)?, number(k_max)?, number(seed)?);
        let (mut found, mut lengths) = (Vec::new(), Vec::new());
        for at in 0..arguments.number_rows {
            let rows = gathered(rows, at, arguments.number_rows)?;
            let candidates = candidates(&rows, least, most, seed);
            lengths.push(candidates.len());
            let looked_at = i64::try_from(rows.len().min(CHOICE_ROWS)).unwrap_or(i64::MAX);
            found.extend(
                candidates
                    .into_iter()
                    .map(|candidate| (candidate, looked_at)),
            );
        }
        list_of_rows(&FIELDS, columns(&found), lengths)
    }
}

fn number(value: &ColumnarValue) -> Result<u64> {
    match value {
        ColumnarValue::Scalar(ScalarValue::Int64(Some(number))) => Ok(number.unsigned_abs()),
        other => internal_err!("{OF_ROWS}: {other} is no number"),
    }
}

fn candidates(rows: &[Vec<f64>], least: u64, most: u64, seed: u64) -> Vec<Candidate> {
    let chosen = sample(rows.len(), CHOICE_ROWS, seed);
    let distinct = chosen
        .windows(2)
        .filter(|pair| rows[pair[0]] != rows[pair[1]]);
    let distinct = distinct.count() + usize::from(!chosen.is_empty());
    let size = |number| usize::try_from(number).unwrap_or(usize::MAX);
    let (least, most) = (size(least), size(most).min(distinct));
    if most < least {
        return vec![];
    }
    let values: Vec<f64> = chosen.iter().flat_map(|&row| &rows[row]).copied().collect();
    let n_features = values.len() / chosen.len();
    let rows = Rows::scaled(&values, &Scaler::fit(&values, n_features));
    let settings = Settings {
        k: most,
        n_runs: N_RUNS,
        max_iterations: MAX_ITERATIONS,
        seed,
        start: Start::PlusPlus,
    };
    sweep(&rows, least, &settings, &|| false).unwrap_or_default()
}

fn columns(found: &[(Candidate, i64)]) -> Vec<ArrayRef> {
    let doubles = |of: fn(&Candidate) -> Option<f64>| -> ArrayRef {
        let values = found.iter().map(|(candidate, _)| of(candidate));
        Arc::new(values.collect::<Float64Array>())
    };
    let k = |of: &(Candidate, i64)| i64::try_from(of.0.k).unwrap_or(i64::MAX);
    vec![
        Arc::new(found.iter().map(k).collect::<Int64Array>()),
        doubles(|candidate| Some(candidate.inertia)),
        doubles(|candidate| candidate.silhouette),
        doubles(|candidate| candidate.silhouette_null),
        doubles(|candidate| Some(candidate.stability)),
        doubles(|candidate| Some(candidate.min_share)),
        Arc::new(
            found
                .iter()
                .map(|of| Some(of.0.is_chosen))
                .collect::<BooleanArray>(),
        ),
        Arc::new(found.iter().map(|of| of.1).collect::<Int64Array>()),
    ]
}
