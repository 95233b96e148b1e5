//! `ml_roc_curve(model, input[, class][, label])`: what each threshold on a probability would catch, and at what price.

use datafusion::{
    common::{Result, internal_err, plan_err},
    logical_expr::Expr,
};

use crate::{
    arguments::quoted,
    model_relation::ModelRelation,
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

/// How `ml_roc_curve` is called.
const SIGNATURE: RelationSignature = RelationSignature {
    function: "ml_roc_curve",
    parameters: &[
        Parameter::Value("model"),
        Parameter::Relation("input"),
        Parameter::Value("class"),
        Parameter::Value("label"),
    ],
};

/// What `ml_roc_curve` says.
const DOCUMENTATION: RelationDocumentation = RelationDocumentation {
    function: SIGNATURE.function,
    syntax: "ml_roc_curve(model => 'name', input => (SELECT …)[, class => 'label'][, label => 'column'])",
    description: "The ROC curve of a classifier on given rows, a row for each probability that occurs: what happens when a row \
counts as the class from that probability on. The curve starts at (0, 0), above the highest threshold, which is no row. The \
area below it is the `auc` of `ml_evaluate`.",
    arguments: &[
        ("model", "name of a classifier; `'name@version'` for a version of it"),
        (
            "input",
            "rows with the model's features and the label: `(SELECT …)` or a table's name",
        ),
        (
            "class",
            "the class that counts as positive; the second one of a binary model if left out, needed with more classes",
        ),
        ("label", "the column with what happened; the model's own label if left out"),
    ],
    columns: &[
        ("threshold", "probability of the class, 0..1, from which on a row counts as positive"),
        ("recall", "share of the positive rows that are caught, 0..1; null without any"),
        ("false_positive_rate", "share of the negative rows that are caught too, 0..1; null without any"),
        ("true_positives", "positive rows at or above the threshold"),
        ("false_positives", "negative rows at or above the threshold"),
        ("true_negatives", "negative rows below it"),
        ("false_negatives", "positive rows below it"),
    ],
    nulls: "Rows are left out where the label is null or no class of the model, and where a feature that the model needs is \
null, NaN or infinite. A model that is not trained yet has no rows here.",
    example: "select round(threshold, 2) as threshold, round(recall, 2) as recall, round(false_positive_rate, 2) as false_positive_rate
from ml_roc_curve(model => 'mood', class => 'party', label => 'genre', input => (
    select f.*, g.genre
    from silver.track_features as f inner join silver.track_genres as g on f.track_id = g.track_id))
order by threshold desc limit 5;",
};

const COLUMNS: [(&str, &str); 7] = [
    ("threshold", "double"),
    ("recall", "double"),
    ("false_positive_rate", "double"),
    ("true_positives", "bigint"),
    ("false_positives", "bigint"),
    ("true_negatives", "bigint"),
    ("false_negatives", "bigint"),
];

/// The query behind a call.
fn query(relation: &ModelRelation, arguments: &[Expr]) -> Result<Query> {
    let [model, input, class, label] = arguments else {
        return internal_err!("ml_roc_curve: takes four arguments");
    };
    let class = relation.text("class", class)?;
    let Some(judged) = relation.judged(model, input, label)? else {
        return Ok(Query::no_rows(&COLUMNS));
    };
    let Some(class) = judged.class(SIGNATURE.function, class.as_deref())? else {
        return plan_err!(
            "ml_roc_curve: argument 'class' is missing, model '{}' has {}",
            judged.model.name,
            quoted(judged.classes())
        );
    };
    let sql = format!(
        "select threshold, true_positives / cast(nullif(positives, 0) as double) as recall,
            false_positives / cast(nullif(negatives, 0) as double) as false_positive_rate, true_positives, false_positives,
            negatives - false_positives as true_negatives, positives - true_positives as false_negatives
         from (
            select threshold,
                sum(positive) over (order by threshold desc rows between unbounded preceding and current row) as true_positives,
                sum(negative) over (order by threshold desc rows between unbounded preceding and current row) as false_positives,
                sum(positive) over () as positives, sum(negative) over () as negatives
            from (
                select outputs[{class}] as threshold, count(*) filter (where actual = {class}) as positive,
                    count(*) filter (where actual <> {class}) as negative
                from ({classified}) where actual is not null group by outputs[{class}]))",
        classified = judged.classified()
    );
    Ok(Query {
        sql,
        input: Some(judged.input),
    })
}
