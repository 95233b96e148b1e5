//! `ml_evaluate(model, input[, label])`: how good a model is on given rows.

mod body;

use datafusion::{
    common::{Result, internal_err},
    logical_expr::Expr,
};

use crate::{
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

/// How `ml_evaluate` is called.
const SIGNATURE: RelationSignature = RelationSignature {
    function: "ml_evaluate",
    parameters: &[
        Parameter::Value("model"),
        Parameter::Relation("input"),
        Parameter::Value("label"),
    ],
};

/// What `ml_evaluate` says.
const DOCUMENTATION: RelationDocumentation = RelationDocumentation {
    function: SIGNATURE.function,
    syntax: "ml_evaluate(model => 'name', input => (SELECT …)[, label => 'column'])",
    description: "How good a classifier or a model of a number is on given rows, a row for each metric with its 95 % interval. \
Rows that the model was trained on flatter it: `ml.metrics` has what it reached on rows that it had not seen. Classes: `auc` \
(DeLong's interval; with more than two classes the mean of one against the rest, without interval), `accuracy` of the most \
probable class, `majority_accuracy` of always saying these rows' most frequent class (Wilson's intervals), `log_loss` and \
`brier` (normal intervals of a mean; Brier summed over the classes if there are more than two), `ece` in 15 equal bins (Guo \
et al. 2017, arXiv:1706.04599; of the positive class, or of the most probable one of more than two); of two classes also \
`prevalence` of the positive one (the second), `precision`, `recall` and `f1` at probability 0.5. A number: `rmse`, `mae`, \
`r2`. `coverage` is the share of the input's rows that could be judged. Intervals take rows as independent.",
    arguments: &[
        ("model", "name of a classifier or of a model of a number; `'name@version'` for a version of it"),
        (
            "input",
            "rows with the model's features and the label: `(SELECT …)` or a table's name",
        ),
        ("label", "the column with what happened; the model's own label if left out"),
    ],
    columns: &[
        ("metric", "which metric"),
        ("value", "its estimate; null where the rows allow none"),
        ("ci_low", "lower end of its 95 % interval; null where there is none"),
        ("ci_high", "upper end of its 95 % interval; null where there is none"),
        ("n", "rows behind it"),
    ],
    nulls: "Rows are left out, and lower `coverage`, where the label is null or no class of the model, and where a feature that \
the model needs is null, NaN or infinite. A model that is not trained yet has no rows here.",
    example: "select metric, round(value, 2) as value, round(ci_low, 2) as ci_low, round(ci_high, 2) as ci_high, n
from ml_evaluate(model => 'mood', label => 'genre', input => (
    select f.*, g.genre
    from silver.track_features as f inner join silver.track_genres as g on f.track_id = g.track_id));",
};

/// The columns and their types.
const COLUMNS: [(&str, &str); 5] = [
    ("metric", "varchar"),
    ("value", "double"),
    ("ci_low", "double"),
    ("ci_high", "double"),
    ("n", "bigint"),
];

/// The query behind a call.
fn query(relation: &ModelRelation, arguments: &[Expr]) -> Result<Query> {
    let [model, input, label] = arguments else {
        return internal_err!("ml_evaluate: takes three arguments");
    };
    let Some(judged) = relation.judged(model, input, label)? else {
        return Ok(Query::no_rows(&COLUMNS));
    };
    let sql = if judged.classes().is_empty() {
        body::of_a_number(&judged)?
    } else {
        body::of_classes(&judged)
    };
    Ok(Query {
        sql,
        input: Some(judged.input),
    })
}
