//! `shap_explain(model => m, input => (SELECT …)[, class => c][, top_k => n][, output => 'margin' | 'probability'][, format
//! => 'long' | 'wide'])`: why a model predicts what it does, a row for each input row and feature.
//!
//! Columns: the input's, then `class`, `feature`, `value`, `contribution`, `contribution_pct`, `baseline`, `prediction`,
//! `additivity_error`. For each input row `baseline + sum(contribution) = prediction`, up to `additivity_error`, which is
//! rounding; `contribution_pct` is the signed share in the sum of all absolute contributions, in per cent, whether or not
//! `top_k` keeps them all. `format => 'wide'` gives a row for each input row instead: the input's columns, then `class`,
//! `prediction`, `baseline`, `additivity_error` and a column `<feature>_contribution` for each feature.
//!
//! A logistic model's baseline is the prediction with every feature at its training mean. `output => 'margin'` (its
//! default) explains log-odds, exactly and in one pass; of a model with more than two classes the score before the
//! softmax, as `shap.LinearExplainer` does. `output => 'probability'` explains the probability by Shapley's formula over
//! all subsets of the features, exact too, for at most 16 features.
//!
//! Trees are explained exactly too, however deep they are, as `shap.TreeExplainer` does without background data: of a
//! feature outside a coalition both branches are taken in proportion to the training rows that took them, and the baseline
//! is the mean answer over those. A random forest is explained in probability, trees that predict a number in that number,
//! and another `output` is refused; boosted trees of classes in log-odds (of more than two classes in scores before the
//! softmax) or, with `output => 'probability'` and at most 16 features, in the probability at the margin that each coalition
//! makes them expect: the baseline is then the probability at the mean margin. A missing feature takes the branch that the
//! trees learned for it, and is explained.
//!
//! Without `class` each row's predicted class is explained; where a number is predicted `class` is null. Rows with a
//! feature that is unknown to a logistic model stay, with null contributions.
//!
//! ```sql
//! select track_id, class, feature, value, contribution
//! from shap_explain('mood', (select * from silver.track_features where is_analysed limit 10), top_k => 3);
//! ```
//!
//! Nothing is computed while planning: the call becomes a projection of `shap_values` and an unnest over the input.

use std::{collections::BTreeSet, sync::Arc};

use arrow::datatypes::Fields;
use datafusion::{
    catalog::{TableFunctionArgs, TableFunctionImpl, TableProvider},
    common::{Column, Result, ScalarValue, UnnestOptions, plan_err},
    datasource::ViewTable,
    functions::core::expr_fn::get_field,
    functions_nested::expr_fn::make_array,
    logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, ScalarUDF, lit},
};

use crate::{
    arguments::{ModelCall, quoted},
    models::{Model, ModelSource},
    relation::{Parameter, RelationSignature, relation_input},
    shap_values::{EXPLANATION_FIELDS, Request, shap_values, shap_values_wide, wide_fields},
};

/// How `shap_explain` is called.
pub(crate) const SIGNATURE: RelationSignature = RelationSignature {
    function: "shap_explain",
    parameters: &[
        Parameter::Value("model"),
        Parameter::Relation("input"),
        Parameter::Value("class"),
        Parameter::Count("top_k"),
        Parameter::Value("output"),
        Parameter::Value("format"),
    ],
};

/// What is explained of a row between the projection and the unnest.
const EXPLAINED_COLUMN: &str = "shap_explain()";
/// The list of one that keeps the input's rows as they are.
const BARRIER_COLUMN: &str = "input row";

/// The table function `shap_explain`.
pub(crate) fn shap_explain(models: &Arc<ModelSource>) -> Arc<dyn TableFunctionImpl> {
    Arc::new(ShapExplain {
        call: ModelCall::new(SIGNATURE.function, models, &[]),
        long: Arc::new(shap_values(models)),
        wide: Arc::new(shap_values_wide(models)),
    })
}

#[derive(Debug)]
struct ShapExplain {
    call: ModelCall,
    long: Arc<ScalarUDF>,
    wide: Arc<ScalarUDF>,
}

impl TableFunctionImpl for ShapExplain {
    fn call_with_args(&self, arguments: TableFunctionArgs) -> Result<Arc<dyn TableProvider>> {
        let [model, input, class, top_k, output, format] = arguments.exprs() else {
            return plan_err!(
                "shap_explain: expected shap_explain(model => 'name', input => (SELECT …))"
            );
        };
        let Some(input) = relation_input(input) else {
            return plan_err!(
                "shap_explain: argument 'input' is missing, write input => (SELECT …) or input => table_name"
            );
        };
        let (class, top_k, output) = (
            constant("class", class)?,
            constant("top_k", top_k)?,
            constant("output", output)?,
        );
        let is_wide = self.is_wide(constant("format", format)?, top_k)?;
        let model = match self.call.text(constant("model", model)?, "model")? {
            Some(name) => Some(self.call.model(&name)?),
            // A statement may be prepared before its values are known: a long form's columns are the same for every model.
            None => None,
        };
        let names = model.as_ref().map_or(&[][..], |model| &model.features);
        let added = if is_wide {
            wide_fields(names)
        } else {
            EXPLANATION_FIELDS.clone()
        };
        let input = unqualified(&input, &added)?;
        let (name, features) = match &model {
            Some(model) => {
                Request::read(&self.call, model, class, top_k, output)?;
                self.call.check_named(model, input.schema().fields())?;
                (Some(model.pinned_name()), feature_columns(model))
            }
            None => (None, vec![lit(ScalarValue::Float64(None))]),
        };
        let literals =
            [&ScalarValue::Utf8(name), class, top_k, output].map(|value| lit(value.clone()));
        let kernel = if is_wide { &self.wide } else { &self.long };
        let explained = kernel.call(literals.into_iter().chain(features).collect());
        let plan = explained_rows(input, explained, &added, is_wide)?;
        Ok(Arc::new(ViewTable::new(plan, None)))
    }
}

impl ShapExplain {
    fn is_wide(&self, format: &ScalarValue, top_k: &ScalarValue) -> Result<bool> {
        match self.call.text(format, "format")?.as_deref() {
            None | Some("long") => Ok(false),
            Some("wide") if !top_k.is_null() => plan_err!(
                "shap_explain: 'wide' has a column for every feature, leave top_k out or use 'long'"
            ),
            Some("wide") => Ok(true),
            Some(other) => {
                plan_err!("shap_explain: unknown format '{other}', expected 'long' or 'wide'")
            }
        }
    }
}

fn constant<'a>(name: &str, argument: &'a Expr) -> Result<&'a ScalarValue> {
    match argument {
        Expr::Literal(value, _) => Ok(value),
        other => plan_err!("shap_explain: argument '{name}' must be a constant, got {other}"),
    }
}

fn feature_columns(model: &Model) -> Vec<Expr> {
    model
        .features
        .iter()
        .map(|name| Expr::Column(Column::from_name(name)))
        .collect()
}

/// The input with bare column names, which must be unique and none of those that are added.
fn unqualified(input: &LogicalPlan, added: &Fields) -> Result<LogicalPlan> {
    let mut seen: BTreeSet<&str> = added.iter().map(|field| field.name().as_str()).collect();
    let added: Vec<&str> = seen.iter().copied().collect();
    for field in input.schema().fields() {
        if added.contains(&field.name().as_str()) {
            return plan_err!(
                "shap_explain: the input has a column '{}', rename it: {} are added",
                field.name(),
                quoted(&added)
            );
        }
        if !seen.insert(field.name()) {
            return plan_err!(
                "shap_explain: the input has two columns '{}', rename one",
                field.name()
            );
        }
    }
    let columns = input.schema().columns().into_iter().map(|column| {
        let name = column.name.clone();
        Expr::Column(column).alias(name)
    });
    LogicalPlanBuilder::from(input.clone())
        .project(columns)?
        .build()
}

/// The input's columns and those of the explanations: a row for each element of a list of structs, or for each struct.
fn explained_rows(
    input: LogicalPlan,
    explained: Expr,
    added: &Fields,
    is_wide: bool,
) -> Result<LogicalPlan> {
    let passed: Vec<Expr> = input
        .schema()
        .columns()
        .into_iter()
        .map(Expr::Column)
        .collect();
    let column = Column::from_name(EXPLAINED_COLUMN);
    let with_explained = passed
        .iter()
        .cloned()
        .chain([explained.alias(EXPLAINED_COLUMN)]);
    let added = added.iter().map(|field| {
        let name = field.name();
        get_field(Expr::Column(column.clone()), name.as_str()).alias(name)
    });
    let columns: Vec<Expr> = passed.iter().cloned().chain(added).collect();
    let barrier = make_array(vec![lit(true)]).alias(BARRIER_COLUMN);
    let rows = passed.iter().cloned().chain([barrier]);
    let plan = LogicalPlanBuilder::from(input)
        // The optimiser moves a projection below a sort, and so below its limit: it would explain rows that are then
        // dropped. An unnest stays where it is.
        .project(rows)?
        .unnest_column(BARRIER_COLUMN)?
        .project(with_explained)?;
    let plan = if is_wide {
        plan
    } else {
        let dropping_nulls = UnnestOptions::new().with_preserve_nulls(false);
        plan.unnest_column_with_options(column.clone(), dropping_nulls)?
    };
    plan.project(columns)?.build()
}
