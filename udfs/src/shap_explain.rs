//! `shap_explain(model => m, input => (SELECT …)[, class => c][, top_k => n][, output => 'margin' | 'probability'])`:
//! why a logistic model predicts what it does, a row for each input row and feature.
//!
//! Columns: the input's, then `class`, `feature`, `value`, `contribution`, `contribution_pct`, `baseline`, `prediction`.
//! For each input row `baseline + sum(contribution) = prediction`; `contribution_pct` is the signed share in the sum of
//! all absolute contributions, in per cent, whether or not `top_k` keeps them all. The baseline is the prediction with
//! every feature at its training mean.
//!
//! `output => 'margin'` (the default) explains log-odds, exactly and in one pass; of a model with more than two classes
//! the score before the softmax, as `shap.LinearExplainer` does. `output => 'probability'` explains the probability by
//! Shapley's formula over all subsets of the features, exact too, for at most 16 features. Without `class` each row's
//! predicted class is explained. Rows with an unknown feature stay, with null contributions.
//!
//! ```sql
//! select track_id, class, feature, value, contribution
//! from shap_explain('mood', (select * from silver.track_features where is_analysed limit 10), top_k => 3);
//! ```
//!
//! Nothing is computed while planning: the call becomes a projection of `shap_values` and an unnest over the input.

use std::{collections::BTreeSet, sync::Arc};

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
    shap_values::{EXPLANATION_FIELDS, Request, shap_values},
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
    ],
};

/// The list of explanations between the projection and the unnest.
const LIST_COLUMN: &str = "shap_explain()";
/// The list of one that keeps the input's rows as they are.
const BARRIER_COLUMN: &str = "input row";

/// The table function `shap_explain`.
pub(crate) fn shap_explain(models: &Arc<ModelSource>) -> Arc<dyn TableFunctionImpl> {
    Arc::new(ShapExplain {
        call: ModelCall::new(SIGNATURE.function, models, &[]),
        kernel: Arc::new(shap_values(models)),
    })
}

#[derive(Debug)]
struct ShapExplain {
    call: ModelCall,
    kernel: Arc<ScalarUDF>,
}

impl TableFunctionImpl for ShapExplain {
    fn call_with_args(&self, arguments: TableFunctionArgs) -> Result<Arc<dyn TableProvider>> {
        let [model, input, class, top_k, output] = arguments.exprs() else {
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
        let input = unqualified(&input)?;
        let (model, features) = match self.call.text(constant("model", model)?, "model")? {
            Some(name) => {
                let model = self.call.model(&name)?;
                Request::read(&self.call, &model, class, top_k, output)?;
                self.call.check_named(&model, input.schema().fields())?;
                (Some(model.pinned_name()), feature_columns(&model))
            }
            // A statement may be prepared before its values are known: the columns are the same for every model.
            None => (None, vec![lit(ScalarValue::Float64(None))]),
        };
        let literals =
            [&ScalarValue::Utf8(model), class, top_k, output].map(|value| lit(value.clone()));
        let explanations = self
            .kernel
            .call(literals.into_iter().chain(features).collect());
        Ok(Arc::new(ViewTable::new(
            one_row_per_feature(input, explanations)?,
            None,
        )))
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
fn unqualified(input: &LogicalPlan) -> Result<LogicalPlan> {
    let mut seen: BTreeSet<&str> = EXPLANATION_FIELDS
        .iter()
        .map(|field| field.name().as_str())
        .collect();
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

fn one_row_per_feature(input: LogicalPlan, explanations: Expr) -> Result<LogicalPlan> {
    let passed: Vec<Expr> = input
        .schema()
        .columns()
        .into_iter()
        .map(Expr::Column)
        .collect();
    let list = Column::from_name(LIST_COLUMN);
    let with_list = passed
        .iter()
        .cloned()
        .chain([explanations.alias(LIST_COLUMN)]);
    let added = EXPLANATION_FIELDS.iter().map(|field| {
        let name = field.name();
        get_field(Expr::Column(list.clone()), name.as_str()).alias(name)
    });
    let columns: Vec<Expr> = passed.iter().cloned().chain(added).collect();
    let barrier = make_array(vec![lit(true)]).alias(BARRIER_COLUMN);
    let rows = passed.iter().cloned().chain([barrier]);
    LogicalPlanBuilder::from(input)
        // The optimiser moves a projection below a sort, and so below its limit: it would explain rows that are then
        // dropped. An unnest stays where it is.
        .project(rows)?
        .unnest_column(BARRIER_COLUMN)?
        .project(with_list)?
        .unnest_column_with_options(
            list.clone(),
            UnnestOptions::new().with_preserve_nulls(false),
        )?
        .project(columns)?
        .build()
}
