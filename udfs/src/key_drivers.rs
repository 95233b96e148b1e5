//! `key_drivers(input, outcome[, versus][, segments])`: which segments explain a difference between two groups.

mod body;

use arrow::datatypes::DataType;
use datafusion::{
    common::{Result, internal_err, plan_err},
    logical_expr::{Expr, LogicalPlan},
};

use crate::{
    arguments::quoted,
    column_choice::{column_list, column_type, columns_of, holds_numbers, holds_segments},
    model_relation::{ModelRelation, named_input},
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

/// How `key_drivers` is called.
const SIGNATURE: RelationSignature = RelationSignature {
    function: "key_drivers",
    parameters: &[
        Parameter::Relation("input"),
        Parameter::Value("outcome"),
        Parameter::Value("versus"),
        Parameter::Value("segments"),
    ],
};

/// What `key_drivers` says.
const DOCUMENTATION: RelationDocumentation = RelationDocumentation {
    function: SIGNATURE.function,
    syntax: "key_drivers(input => (SELECT …), outcome => 'column'[, versus => 'column'][, segments => 'daypart, genre, …'])",
    description: "Which segments explain why the mean of an outcome differs between two groups of rows, such as this month and \
before: a row for each value of each segment column. `mix_effect` is what comes of the segment being more or less frequent, \
`rate_effect` of its own mean having changed, each at the average of both groups (Kitagawa 1955, \
doi:10.1080/01621459.1955.10501299; the mix is taken from the average mean, which changes no sum). Over the segments of one \
column both add up to `difference`, exactly. The p-value is of `contribution` against none, by its variance over rows (delta \
method, normal); it takes rows as independent: for plays, which come in sessions, it is too sure. Segments explain, they do \
not prove a cause.",
    arguments: &[
        (
            "input",
            "rows with the outcome, a boolean column and segment columns: `(SELECT …)` or a table's name",
        ),
        ("outcome", "the column whose mean is explained, numeric or boolean (then a share, 0..1)"),
        (
            "versus",
            "the boolean column that is true in group a, the one explained, and false in group b; may be left out if there is \
only one",
        ),
        (
            "segments",
            "the segment columns' names with commas between them; all text and the other boolean columns if left out",
        ),
    ],
    columns: &[
        ("column", "the segment column"),
        ("segment", "its value as text; null is a segment too"),
        ("n_a", "rows of the segment in group a"),
        ("n_b", "rows of the segment in group b"),
        ("share_a", "share of group a's rows, 0..1"),
        ("share_b", "share of group b's rows, 0..1"),
        ("mean_a", "mean outcome of the segment in group a; null without rows"),
        ("mean_b", "mean outcome of the segment in group b; null without rows"),
        ("mix_effect", "part of the difference that its share explains, in the outcome's unit"),
        ("rate_effect", "part of the difference that its mean explains, in the outcome's unit"),
        ("contribution", "both together"),
        ("difference", "mean outcome of group a less that of group b: the sum of a column's contributions"),
        ("p_value", "two-sided, 0..1, of this contribution alone"),
        ("q_value", "`p_value` by Benjamini and Hochberg among all rows, 0..1"),
    ],
    nulls: "Rows where the outcome or `versus` is null are left out. Effects are null if a group has no rows; the p-value is \
null where nothing varies.",
    example: "select \"column\", segment, round(contribution, 4) as contribution, round(q_value, 3) as q_value
from key_drivers(outcome => 'is_completed', versus => 'is_weekend', segments => 'daypart', input => (
    select daypart, is_completed, weekday >= 6 as is_weekend from silver.plays))
order by abs(contribution) desc;",
};

/// The query behind a call.
fn query(relation: &ModelRelation, arguments: &[Expr]) -> Result<Query> {
    let [input, outcome, versus, segments] = arguments else {
        return internal_err!("key_drivers: takes four arguments");
    };
    let function = SIGNATURE.function;
    let outcome = relation.text("outcome", outcome)?;
    let versus = relation.text("versus", versus)?;
    let segments = relation.text("segments", segments)?;
    let input = named_input(function, input)?;
    let Some(outcome) = outcome else {
        return plan_err!("{function}: argument 'outcome' is missing, write outcome => 'column'");
    };
    let given = column_type(function, "outcome", &input, &outcome)?;
    if *given != DataType::Boolean && !holds_numbers(given) {
        return plan_err!(
            "{function}: column '{outcome}', the outcome, must be numeric or boolean, got {given}"
        );
    }
    let versus = versus_column(&input, versus, &outcome)?;
    let segments = match segments {
        Some(names) => column_list(function, "segments", &input, &names)?,
        None => columns_of(&input, holds_segments)
            .into_iter()
            .filter(|name| *name != outcome && *name != versus)
            .collect(),
    };
    if let Some(name) = segments
        .iter()
        .find(|name| **name == outcome || **name == versus)
    {
        return plan_err!(
            "{function}: column '{name}' cannot be a segment, it is the outcome or versus"
        );
    }
    if segments.is_empty() {
        return plan_err!(
            "{function}: the input has no segment column, give it one of text or name one with segments => 'column'"
        );
    }
    Ok(Query {
        sql: body::sql(&outcome, &versus, &segments),
        input: Some(input),
    })
}

/// The column of the two groups: the one named, else the only boolean one beside the outcome.
fn versus_column(input: &LogicalPlan, given: Option<String>, outcome: &str) -> Result<String> {
    let function = SIGNATURE.function;
    if let Some(name) = given {
        let given = column_type(function, "versus", input, &name)?;
        if *given != DataType::Boolean || name == outcome {
            return plan_err!(
                "{function}: column '{name}', versus, must be a boolean other than the outcome, got {given}"
            );
        }
        return Ok(name);
    }
    let mut candidates = columns_of(input, |given| *given == DataType::Boolean);
    candidates.retain(|name| name != outcome);
    match candidates.as_slice() {
        [only] => Ok(only.clone()),
        [] => plan_err!(
            "{function}: the input has no boolean column that tells the two groups apart, add one such as played_at >= '2024-05-01' as is_after"
        ),
        several => plan_err!(
            "{function}: argument 'versus' is missing, the boolean columns are {}",
            quoted(several)
        ),
    }
}
