//! `ml_confusion_matrix(model, input[, label])`: which classes a model takes for which.

use datafusion::{
    common::{Result, internal_err},
    logical_expr::Expr,
};

use crate::{
    model_relation::ModelRelation,
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

/// How `ml_confusion_matrix` is called.
const SIGNATURE: RelationSignature = RelationSignature {
    function: "ml_confusion_matrix",
    parameters: &[
        Parameter::Value("model"),
        Parameter::Relation("input"),
        Parameter::Value("label"),
    ],
};

/// What `ml_confusion_matrix` says.
const DOCUMENTATION: RelationDocumentation = RelationDocumentation {
    function: SIGNATURE.function,
    syntax: "ml_confusion_matrix(model => 'name', input => (SELECT …)[, label => 'column'])",
    description: "Which classes a classifier takes for which on given rows, a row for each pair of classes, those that never \
happen included. The predicted class is the most probable one, the first of equals.",
    arguments: &[
        (
            "model",
            "name of a classifier; `'name@version'` for a version of it",
        ),
        (
            "input",
            "rows with the model's features and the label: `(SELECT …)` or a table's name",
        ),
        (
            "label",
            "the column with what happened; the model's own label if left out",
        ),
    ],
    columns: &[
        ("actual", "the class that the label says"),
        ("predicted", "the class that the model says"),
        ("n", "rows"),
        (
            "share",
            "share of the rows of the actual class, 0..1; null without any",
        ),
    ],
    nulls: "Rows are left out where the label is null or no class of the model, and where a feature that the model needs is \
null, NaN or infinite. A model that is not trained yet has no rows here.",
    example: "select actual, predicted, n, round(share, 2) as share
from ml_confusion_matrix(model => 'mood', label => 'genre', input => (
    select f.*, g.genre
    from silver.track_features as f inner join silver.track_genres as g on f.track_id = g.track_id))
order by actual, predicted;",
};

const COLUMNS: [(&str, &str); 4] = [
    ("actual", "varchar"),
    ("predicted", "varchar"),
    ("n", "bigint"),
    ("share", "double"),
];

/// The query behind a call.
fn query(relation: &ModelRelation, arguments: &[Expr]) -> Result<Query> {
    let [model, input, label] = arguments else {
        return internal_err!("ml_confusion_matrix: takes three arguments");
    };
    let Some(judged) = relation.judged(model, input, label)? else {
        return Ok(Query::no_rows(&COLUMNS));
    };
    let classes = judged.classes_of(SIGNATURE.function)?;
    let labels: Vec<String> = classes.iter().map(|class| literal(class)).collect();
    let numbers: Vec<String> = (1..=classes.len()).map(|class| class.to_string()).collect();
    let sql = format!(
        "select array_element([{labels}], actuals.class) as actual, array_element([{labels}], predictions.class) as predicted,
            coalesce(counts.n, 0) as n,
            coalesce(counts.n, 0) / cast(nullif(sum(counts.n) over (partition by actuals.class), 0) as double) as share
         from (select unnest([{numbers}]) as class) as actuals
         cross join (select unnest([{numbers}]) as class) as predictions
         left join (
            select actual, predicted, count(*) as n
            from (
                select actual, cast(array_position(outputs, array_max(outputs)) as bigint) as predicted
                from ({classified}) where actual is not null)
            group by actual, predicted) as counts
         on counts.actual = actuals.class and counts.predicted = predictions.class",
        labels = labels.join(", "),
        numbers = numbers.join(", "),
        classified = judged.classified()
    );
    Ok(Query {
        sql,
        input: Some(judged.input),
    })
}
