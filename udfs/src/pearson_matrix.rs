//! `pearson_matrix(input[, columns])`: the correlations of all pairs of columns, held to account for being many.

use datafusion::{
    common::{Result, internal_err, plan_err},
    logical_expr::Expr,
};

use crate::{
    column_choice::{column_list, column_type, columns_of, holds_numbers},
    many_tests::adjusted,
    model_relation::{ModelRelation, named_input},
    relation::{Parameter, RelationSignature},
    relation_documentation::RelationDocumentation,
    relation_sql::{identifier, literal},
    sql_relation::{Query, SqlFunction},
};

/// The function as a whole.
pub(crate) const FUNCTION: SqlFunction = SqlFunction {
    signature: SIGNATURE,
    documentation: DOCUMENTATION,
    decide: query,
};

/// How `pearson_matrix` is called.
const SIGNATURE: RelationSignature = RelationSignature {
    function: "pearson_matrix",
    parameters: &[Parameter::Relation("input"), Parameter::Value("columns")],
};

/// What `pearson_matrix` says.
const DOCUMENTATION: RelationDocumentation = RelationDocumentation {
    function: SIGNATURE.function,
    syntax: "pearson_matrix(input => (SELECT …)[, columns => 'energy, tempo, …'])",
    description: "Pearson's correlation of every pair of numeric columns, a row for each pair, as `pearson_test` gives it, with \
p-values that account for all pairs: `p_holm` keeps the chance of any false finding at its level (Holm 1979), `q_value` is the \
expected share of false ones among the findings up to there (Benjamini & Hochberg 1995). The input is read once.",
    arguments: &[
        ("input", "rows with numeric columns: `(SELECT …)` or a table's name"),
        (
            "columns",
            "the columns' names with commas between them, 2 to 64; all numeric columns if left out",
        ),
    ],
    columns: &[
        ("x", "one column's name"),
        ("y", "the other's, which comes later"),
        ("r", "Pearson's coefficient, -1..1"),
        ("n", "rows where both are known"),
        ("p_value", "two-sided, 0..1, of this pair alone"),
        ("ci_low", "lower end of the 95 % interval of `r` (Fisher's z)"),
        ("ci_high", "upper end of the 95 % interval of `r`"),
        ("p_holm", "`p_value` by Holm's step-down, 0..1"),
        ("q_value", "`p_value` by Benjamini and Hochberg's step-up, 0..1"),
    ],
    nulls: "A pair leaves out the rows where a side is null; all but the names is null for fewer than three rows or a constant \
side, and NaN with a NaN or an infinity. Such a pair is no test and does not count among the others.",
    example: "select x, y, round(r, 2) as r, q_value < 0.05 as is_found
from pearson_matrix(input => silver.track_features, columns => 'energy, loudness, acousticness') order by abs(r) desc;",
};

/// 64 columns have 2,016 pairs, each an aggregate of its own.
const MOST_COLUMNS: usize = 64;

/// The query behind a call.
fn query(relation: &ModelRelation, arguments: &[Expr]) -> Result<Query> {
    let [input, columns] = arguments else {
        return internal_err!("pearson_matrix: takes two arguments");
    };
    let function = SIGNATURE.function;
    let columns = relation.text("columns", columns)?;
    let input = named_input(function, input)?;
    let columns = match columns {
        Some(columns) => column_list(function, "columns", &input, &columns)?,
        None => columns_of(&input, holds_numbers),
    };
    for column in &columns {
        let given = column_type(function, "columns", &input, column)?;
        if !holds_numbers(given) {
            return plan_err!("{function}: column '{column}' must be numeric, got {given}");
        }
    }
    if !(2..=MOST_COLUMNS).contains(&columns.len()) {
        return plan_err!(
            "{function}: takes 2 to {MOST_COLUMNS} numeric columns, got {}; name them with columns => 'energy, tempo'",
            columns.len()
        );
    }
    Ok(Query {
        sql: sql(&columns),
        input: Some(input),
    })
}

fn sql(columns: &[String]) -> String {
    let (mut tests, mut pairs) = (vec![], vec![]);
    for (at, x) in columns.iter().enumerate() {
        for y in &columns[at + 1..] {
            let test = format!("test_{}", tests.len());
            tests.push(format!(
                "pearson_test({}, {}) as {test}",
                identifier(x),
                identifier(y)
            ));
            pairs.push(format!(
                "named_struct('x', {}, 'y', {}, 'test', {test})",
                literal(x),
                literal(y)
            ));
        }
    }
    let rows = format!(
        "select pair['x'] as x, pair['y'] as y, pair['test']['r'] as r, pair['test']['n'] as n, pair['test']['p_value'] as p_value,
            pair['test']['ci_low'] as ci_low, pair['test']['ci_high'] as ci_high
         from (select unnest([{}]) as pair from (select {} from input))",
        pairs.join(", "),
        tests.join(", ")
    );
    format!(
        "select x, y, r, n, p_value, ci_low, ci_high, p_holm, q_value from ({})",
        adjusted(&rows)
    )
}
