//! `ml_weights(model[, standardize])`: the coefficients of a logistic model, with what is known of them.

use datafusion::{
    common::{Result, internal_err, plan_err},
    logical_expr::Expr,
};

use crate::{
    kernels::normal::standard_normal_cdf,
    model_relation::{DEVIATIONS, ModelRelation, constant},
    models::{Logistic, Model, ModelKind},
    relation::{Parameter, RelationSignature},
    relation_documentation::RelationDocumentation,
    relation_sql::literal,
    sql_relation::{Query, SqlFunction, is_true},
};

/// The function as a whole.
pub(crate) const FUNCTION: SqlFunction = SqlFunction {
    signature: SIGNATURE,
    documentation: DOCUMENTATION,
    decide: query,
};

/// How `ml_weights` is called.
const SIGNATURE: RelationSignature = RelationSignature {
    function: "ml_weights",
    parameters: &[Parameter::Value("model"), Parameter::Flag("standardize")],
};

/// What `ml_weights` says.
const DOCUMENTATION: RelationDocumentation = RelationDocumentation {
    function: SIGNATURE.function,
    syntax: "ml_weights(model => 'name'[, standardize => true])",
    description: "The coefficients of a logistic model, a row for each class and feature and one for the intercept. Of two classes \
there are those of the second, whose odds they change; of more, those of each class, which sum to 0 over the classes. Standard errors are \
the roots of the diagonal of the inverse Hessian, the penalty included: without one those of maximum likelihood (Wald). A penalty pulls \
coefficients towards 0, so that intervals are those of the penalised fit. Rows that depend on each other, such as plays of one \
listener, make errors look smaller than they are. Everything is as the model keeps it; nothing is read.",
    arguments: &[
        (
            "model",
            "name of a 'logistic' model; `'name@version'` for a version of it",
        ),
        (
            "standardize",
            "whether a coefficient is of one standard deviation of its feature, rather than of one unit; false if left out. The intercept \
is left out then",
        ),
    ],
    columns: &[
        ("class", "the class whose log-odds are changed"),
        ("feature", "the feature's name, or '(intercept)'"),
        (
            "coefficient",
            "what one unit of the feature adds to the log-odds",
        ),
        ("std_error", "its standard error"),
        ("z", "`coefficient` divided by `std_error`"),
        ("p_value", "two-sided, of a coefficient of 0, 0..1"),
        ("ci_low", "lower end of the coefficient's 95 % interval"),
        ("ci_high", "upper end of the coefficient's 95 % interval"),
        (
            "odds_ratio",
            "what one unit of the feature multiplies the odds by",
        ),
        ("odds_ratio_low", "lower end of its 95 % interval"),
        ("odds_ratio_high", "upper end of its 95 % interval"),
    ],
    nulls: "What depends on the standard error is null where the model keeps none: the Hessian had no inverse, or the model is of before this \
function. No rows for a model that is not trained yet.",
    example: "select feature, round(odds_ratio, 2) as odds_ratio, p_value < 0.05 as is_found from ml_weights('replay', standardize => true) \
order by abs(coefficient) desc;",
};

const COLUMNS: [(&str, &str); 11] = [
    ("class", "varchar"),
    ("feature", "varchar"),
    ("coefficient", "double"),
    ("std_error", "double"),
    ("z", "double"),
    ("p_value", "double"),
    ("ci_low", "double"),
    ("ci_high", "double"),
    ("odds_ratio", "double"),
    ("odds_ratio_low", "double"),
    ("odds_ratio_high", "double"),
];

const INTERCEPT: &str = "(intercept)";

fn query(relation: &ModelRelation, arguments: &[Expr]) -> Result<Query> {
    let [model, standardize] = arguments else {
        return internal_err!("ml_weights: takes two arguments");
    };
    let standardize = is_true(constant(SIGNATURE.function, "standardize", standardize)?);
    let Some(model) = relation.model(model)? else {
        return Ok(Query::no_rows(&COLUMNS));
    };
    let rows = match &model.kind {
        ModelKind::Logistic(logistic) => rows(&model, logistic, standardize),
        ModelKind::Untrained => vec![],
        other => {
            return plan_err!(
                "ml_weights: model '{}' is {}, which has no coefficients, expected a logistic one",
                model.name,
                other.name()
            );
        }
    };
    Ok(Query::values(&COLUMNS, &rows))
}

fn rows(model: &Model, logistic: &Logistic, standardize: bool) -> Vec<String> {
    let mut rows = Vec::new();
    // Of two classes only the second has coefficients.
    let first = logistic.classes.len() - logistic.weights.len();
    for (column, class) in logistic.classes[first..].iter().enumerate() {
        let error_of = |at: usize| Some(*logistic.std_errors.get(column)?.get(at)?);
        for (at, feature) in model.features.iter().enumerate() {
            let (weight, scale) = (logistic.weights[column][at], logistic.scales[at]);
            let error = error_of(at);
            let (coefficient, error) = if standardize {
                (weight, error.map(|error| error * scale))
            } else {
                (weight / scale, error)
            };
            rows.push(row(class, feature, coefficient, error));
        }
        if !standardize {
            let shift = (0..model.features.len())
                .map(|at| logistic.weights[column][at] / logistic.scales[at] * logistic.means[at]);
            let intercept = logistic.intercepts[column] - shift.sum::<f64>();
            rows.push(row(
                class,
                INTERCEPT,
                intercept,
                error_of(model.features.len()),
            ));
        }
    }
    rows
}

fn row(class: &str, feature: &str, coefficient: f64, error: Option<f64>) -> String {
    let known = match error.filter(|error| *error > 0.0) {
        None => "null, null, null, null, null".to_owned(),
        Some(error) => {
            let z = coefficient / error;
            let (low, high) = ends(coefficient, error);
            format!(
                "{error:e}, {z:e}, {:e}, {low:e}, {high:e}",
                2.0 * standard_normal_cdf(-z.abs())
            )
        }
    };
    let ratios = match error.filter(|error| *error > 0.0) {
        None => format!("{}, null, null", number(coefficient.exp())),
        Some(error) => {
            let (low, high) = ends(coefficient, error);
            [coefficient, low, high]
                .map(|end| number(end.exp()))
                .join(", ")
        }
    };
    format!(
        "({}, {}, {coefficient:e}, {known}, {ratios})",
        literal(class),
        literal(feature)
    )
}

fn ends(coefficient: f64, error: f64) -> (f64, f64) {
    let margin = DEVIATIONS * error;
    (coefficient - margin, coefficient + margin)
}

/// A number as SQL writes it; what is too large for one is infinite.
fn number(value: f64) -> String {
    if value.is_finite() {
        format!("{value:e}")
    } else {
        "cast('inf' as double)".to_owned()
    }
}
