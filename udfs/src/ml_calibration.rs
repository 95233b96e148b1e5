//! `ml_calibration(model, input[, class][, bins][, label])`: whether what is called 70 % probable happens in 70 %.

use datafusion::{
    common::{Result, internal_err, plan_err},
    logical_expr::Expr,
};

use crate::{
    model_relation::{ModelRelation, constant, wilson},
    numbers::whole_number,
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

/// How `ml_calibration` is called.
const SIGNATURE: RelationSignature = RelationSignature {
    function: "ml_calibration",
    parameters: &[
        Parameter::Value("model"),
        Parameter::Relation("input"),
        Parameter::Value("class"),
        Parameter::Count("bins"),
        Parameter::Value("label"),
    ],
};

/// What `ml_calibration` says.
const DOCUMENTATION: RelationDocumentation = RelationDocumentation {
    function: SIGNATURE.function,
    syntax: "ml_calibration(model => 'name', input => (SELECT …)[, class => 'label'][, bins => 10][, label => 'column'])",
    description: "Whether what a classifier calls 70 % probable happens in 70 % of the cases: a row for each of equally wide \
bins of the probability. A model is well calibrated where `mean_predicted` lies between `ci_low` and `ci_high`, Wilson's 95 % \
interval, which takes rows as independent.",
    arguments: &[
        ("model", "name of a classifier; `'name@version'` for a version of it"),
        (
            "input",
            "rows with the model's features and the label: `(SELECT …)` or a table's name",
        ),
        (
            "class",
            "whose probability; if left out the second class of a binary model, else whether the most probable class is right",
        ),
        ("bins", "how many bins, 1 to 1,000; 10 if left out"),
        ("label", "the column with what happened; the model's own label if left out"),
    ],
    columns: &[
        ("bin", "number of the bin, from 1"),
        ("low", "least probability in it"),
        ("high", "probability where the next one starts; the last bin includes 1"),
        ("n", "rows in it"),
        ("mean_predicted", "mean probability of its rows, 0..1; null without rows"),
        ("observed", "share of its rows where it happened, 0..1; null without rows"),
        ("ci_low", "lower end of the 95 % interval of `observed`"),
        ("ci_high", "upper end of the 95 % interval of `observed`"),
    ],
    nulls: "Rows are left out where the label is null or no class of the model, and where a feature that the model needs is \
null, NaN or infinite. A model that is not trained yet has no rows here.",
    example: "select low, high, n, round(mean_predicted, 2) as mean_predicted, round(observed, 2) as observed
from ml_calibration(model => 'mood', bins => 5, label => 'genre', input => (
    select f.*, g.genre
    from silver.track_features as f inner join silver.track_genres as g on f.track_id = g.track_id))
order by bin;",
};

const COLUMNS: [(&str, &str); 8] = [
    ("bin", "bigint"),
    ("low", "double"),
    ("high", "double"),
    ("n", "bigint"),
    ("mean_predicted", "double"),
    ("observed", "double"),
    ("ci_low", "double"),
    ("ci_high", "double"),
];
const DEFAULT_BINS: i64 = 10;
/// More bins than this hold too little to say anything.
const MOST_BINS: i64 = 1000;

/// The query behind a call.
fn query(relation: &ModelRelation, arguments: &[Expr]) -> Result<Query> {
    let [model, input, class, bins, label] = arguments else {
        return internal_err!("ml_calibration: takes five arguments");
    };
    let class = relation.text("class", class)?;
    let bins = bin_count(bins)?;
    let Some(judged) = relation.judged(model, input, label)? else {
        return Ok(Query::no_rows(&COLUMNS));
    };
    let (probability, happened) = match judged.class(SIGNATURE.function, class.as_deref())? {
        Some(class) => (format!("outputs[{class}]"), format!("actual = {class}")),
        None => (
            "array_max(outputs)".to_owned(),
            "cast(array_position(outputs, array_max(outputs)) as bigint) = actual".to_owned(),
        ),
    };
    let (low, high) = wilson("observed", "cast(nullif(n, 0) as double)");
    let sql = format!(
        "select all_bins.bin + 1 as bin, all_bins.bin / {bins}.0 as low, (all_bins.bin + 1) / {bins}.0 as high, n, mean_predicted, observed,
            {low} as ci_low, {high} as ci_high
         from (
            select all_bins.bin, coalesce(filled.n, 0) as n, filled.mean_predicted, filled.observed
            from (select unnest(generate_series(0, {last})) as bin) as all_bins
            left join (
                select bin, count(*) as n, avg(probability) as mean_predicted, avg(cast(happened as double)) as observed
                from (
                    select probability, happened, cast(least(floor(probability * {bins}), {last}) as bigint) as bin
                    from (select {probability} as probability, {happened} as happened from ({classified}) where actual is not null))
                group by bin) as filled
            on all_bins.bin = filled.bin) as all_bins",
        last = bins - 1,
        classified = judged.classified()
    );
    Ok(Query {
        sql,
        input: Some(judged.input),
    })
}

fn bin_count(argument: &Expr) -> Result<i64> {
    let given = constant(SIGNATURE.function, "bins", argument)?;
    if given.is_null() {
        return Ok(DEFAULT_BINS);
    }
    match whole_number(given)? {
        Some(bins) if (1..=MOST_BINS).contains(&bins) => Ok(bins),
        _ => plan_err!("ml_calibration: bins must be 1 to {MOST_BINS}, got {given}"),
    }
}
