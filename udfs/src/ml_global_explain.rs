//! `ml_global_explain(model, input[, class][, output])`: what each feature adds to a model's predictions on the whole.

use datafusion::{
    common::{Result, ScalarValue, internal_err},
    logical_expr::Expr,
};

use crate::{
    model_relation::{INPUT, ModelRelation, constant, named_input},
    models::{Model, ModelKind},
    predictions::classes,
    relation::{Parameter, RelationSignature},
    relation_documentation::RelationDocumentation,
    relation_sql::{identifier, literal},
    shap_values::Request,
    sql_relation::{Query, SqlFunction},
};

/// The function.
pub(crate) const FUNCTION: SqlFunction = SqlFunction {
    signature: SIGNATURE,
    documentation: DOCUMENTATION,
    decide: query,
};

/// How `ml_global_explain` is called.
const SIGNATURE: RelationSignature = RelationSignature {
    function: "ml_global_explain",
    parameters: &[
        Parameter::Value("model"),
        Parameter::Relation("input"),
        Parameter::Value("class"),
        Parameter::Value("output"),
    ],
};

/// What `ml_global_explain` says.
const DOCUMENTATION: RelationDocumentation = RelationDocumentation {
    function: SIGNATURE.function,
    syntax: "ml_global_explain(model => 'name', input => (SELECT …)[, class => 'label'][, output => 'margin' | 'probability'])",
    description: "Which features a model's predictions on given rows rest on, a row for each feature: the mean absolute and \
the mean of its Shapley values, which are those of `shap_explain`. A feature may add much to single predictions and nothing \
to their mean. Values are in the unit of the output: log-odds, probability, or that of the number that is predicted. What a \
model rests on is not what moves the world: of two features that say the same, either may get it all.",
    arguments: &[
        (
            "model",
            "name of a model that predicts classes or a number; `'name@version'` for a version of it",
        ),
        (
            "input",
            "rows with the model's features: `(SELECT …)` or a table's name",
        ),
        (
            "class",
            "the class whose predictions are explained; if left out the positive one (the second) of two, of more each row's predicted class",
        ),
        ("output", "as of `shap_explain`"),
    ],
    columns: &[
        ("feature", "the feature's name"),
        ("mean_abs_contribution", "mean absolute Shapley value, from 0"),
        ("mean_contribution", "mean Shapley value"),
        ("rank", "1 for the largest mean absolute value; ties in the order of names"),
        ("n", "rows explained"),
    ],
    nulls: "As of `shap_explain`: to trees a null, NaN or infinite feature is missing and explained; of a logistic model such \
rows are left out. A model that is not trained yet has no rows here.",
    example: "select rank, feature, round(mean_abs_contribution, 3) as mean_abs_contribution
from ml_global_explain(model => 'mood', class => 'happy', input => (select * from silver.track_features where is_analysed))
order by rank;",
};

/// The columns and their types.
const COLUMNS: [(&str, &str); 5] = [
    ("feature", "varchar"),
    ("mean_abs_contribution", "double"),
    ("mean_contribution", "double"),
    ("rank", "bigint"),
    ("n", "bigint"),
];

/// The query behind a call.
fn query(relation: &ModelRelation, arguments: &[Expr]) -> Result<Query> {
    let [model, input, class, output] = arguments else {
        return internal_err!("ml_global_explain: takes four arguments");
    };
    let call = &relation.call;
    let input = named_input(call.function, input)?;
    let Some(model) = relation.model(model)? else {
        return Ok(Query::no_rows(&COLUMNS));
    };
    call.check_named(&model, input.schema().fields())?;
    let (class, output) = (
        constant(call.function, "class", class)?,
        constant(call.function, "output", output)?,
    );
    Request::read(call, &model, class, &ScalarValue::Null, output)?;
    if model.kind == ModelKind::Untrained {
        return Ok(Query::no_rows(&COLUMNS));
    }
    let class = call.text(class, "class")?;
    let class = class.as_deref().or_else(|| positive_class(&model));
    Ok(Query {
        sql: body(&model, class, call.text(output, "output")?.as_deref()),
        input: Some(input),
    })
}

fn positive_class(model: &Model) -> Option<&str> {
    match classes(model) {
        [_, positive] => Some(positive),
        _ => None,
    }
}

fn body(model: &Model, class: Option<&str>, output: Option<&str>) -> String {
    let text = |text: Option<&str>| text.map_or_else(|| "null".to_owned(), literal);
    let features: Vec<String> = model.features.iter().map(|name| identifier(name)).collect();
    format!(
        "with features as (
             select unnest(shap_values({}, {}, null, {}, {})) as explained from {INPUT}),
         means as (
             select explained['feature'] as feature, avg(abs(explained['contribution'])) as mean_abs_contribution,
                 avg(explained['contribution']) as mean_contribution, count(*) as n
             from features where explained['contribution'] is not null group by explained['feature'])
         select feature, mean_abs_contribution, mean_contribution,
             cast(row_number() over (order by mean_abs_contribution desc, feature) as bigint) as rank, n
         from means",
        literal(&model.pinned_name()),
        text(class),
        text(output),
        features.join(", ")
    )
}
