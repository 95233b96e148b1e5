//! Moodlake's SQL functions for any DataFusion session: statistics, predictions, explanations and recommendations.
//!
//! [`register_all`] adds everything to a session. Functions that use a trained model find it in a [`ModelSource`],
//! which the owner of the session fills before a statement is planned. The crate knows no server, no files and no
//! Delta tables: what a relation function reads, it reads by SQL from the session's own tables.

mod als_because;
mod als_call;
mod als_fold_in;
mod als_score;
mod arguments;
mod auc;
mod auc_test;
mod brier;
mod column_choice;
mod confidence;
mod feature_function;
mod gathered_rows;
mod held_pairs;
mod key_drivers;
mod kmeans_assign;
mod kmeans_centroids;
mod kmeans_distance;
mod kmeans_silhouette;
mod kmeans_sweep;
mod labels;
mod local_time;
mod log_loss;
mod many_tests;
mod mean_loss;
mod ml_calibration;
mod ml_confusion_matrix;
mod ml_evaluate;
mod ml_feature_info;
mod ml_global_explain;
mod ml_outputs;
mod ml_predict;
mod ml_predict_proba;
mod ml_roc_curve;
mod ml_weights;
mod model_relation;
mod models;
mod normal_cdf;
mod numbers;
mod pair_accumulators;
mod pair_aggregate;
mod pearson;
mod pearson_matrix;
mod pearson_test;
mod predictions;
mod recommend;
mod relation;
mod relation_documentation;
mod relation_inputs;
mod relation_sql;
mod shap_explain;
mod shap_values;
mod spearman;
mod sql_relation;

pub mod kernels;

use std::sync::Arc;

use datafusion::{
    catalog::TableFunctionImpl,
    common::Result,
    logical_expr::{AggregateUDF, ScalarUDF, planner::RelationPlanner},
    prelude::SessionContext,
    sql::sqlparser::ast,
};

pub use kernels::trees::{Combination, Tree, Trees};
pub use models::{
    Als, Confidence, FeatureStatistics, KMeans, Logistic, Model, ModelCheck, ModelKind, ModelSource,
};
pub use recommend::{RowsOfTable, TrackMemory};
pub use relation::{Parameter, RelationFunctions, RelationSignature, relation_input};
pub use relation_documentation::RelationDocumentation;

use sql_relation::SQL_FUNCTIONS;

/// Adds every function of this crate to a session.
///
/// # Errors
/// When the session refuses a relation planner.
pub fn register_all(ctx: &SessionContext, models: &Arc<ModelSource>) -> Result<()> {
    for function in scalar_functions(models) {
        ctx.register_udf(function.as_ref().clone());
    }
    for function in aggregate_functions(models) {
        ctx.register_udaf(function.as_ref().clone());
    }
    for (name, function) in table_functions(models) {
        ctx.register_udtf(name, function);
    }
    for planner in relation_planners() {
        ctx.register_relation_planner(planner)?;
    }
    Ok(())
}

/// The functions of one row.
#[must_use]
pub fn scalar_functions(models: &Arc<ModelSource>) -> Vec<Arc<ScalarUDF>> {
    [
        als_because::als_because(models),
        als_score::als_score(models),
        kmeans_assign::kmeans_assign(models),
        kmeans_distance::kmeans_distance(models),
        local_time::local_time(),
        recommend::match_similarity(),
        ml_predict::ml_predict(models),
        ml_predict_proba::ml_predict_proba(models),
        normal_cdf::normal_cdf(),
        shap_values::shap_values(models),
    ]
    .into_iter()
    .map(Arc::new)
    .collect()
}

/// The functions of many rows.
#[must_use]
pub fn aggregate_functions(models: &Arc<ModelSource>) -> Vec<Arc<AggregateUDF>> {
    [
        als_fold_in::als_fold_in(models),
        auc::auc(),
        auc_test::auc_test(),
        brier::brier(),
        log_loss::log_loss(),
        pearson::pearson(),
        pearson_test::pearson_test(),
        spearman::spearman(),
    ]
    .into_iter()
    .map(Arc::new)
    .collect()
}

/// The functions in `FROM`, with their names.
#[must_use]
pub fn table_functions(
    models: &Arc<ModelSource>,
) -> Vec<(&'static str, Arc<dyn TableFunctionImpl>)> {
    let mut functions = recommend::table_functions();
    functions.extend(SQL_FUNCTIONS.map(|function| function.table_function(models)));
    functions.push((
        shap_explain::SIGNATURE.function,
        shap_explain::shap_explain(models),
    ));
    functions
}

/// What gives the functions in `FROM` their named arguments and relation inputs.
#[must_use]
pub fn relation_planners() -> Vec<Arc<dyn RelationPlanner>> {
    vec![Arc::new(RelationFunctions::new(relation_signatures()))]
}

/// Writes `input => tracks` out as `input => (select * from tracks)` in a parsed statement, wherever a function of this
/// crate takes a relation.
///
/// DataFusion looks tables up before it plans and finds none in an argument: to accept a table's name there, call this
/// between parsing and planning. Subqueries and CTEs are accepted without it.
///
/// # Errors
/// When a name cannot be read as a table's.
pub fn expand_inputs(statement: &mut ast::Statement) -> Result<()> {
    relation_inputs::expand(statement, relation_signatures())
}

fn relation_signatures() -> Vec<RelationSignature> {
    let mut signatures = recommend::SIGNATURES.to_vec();
    signatures.extend(SQL_FUNCTIONS.map(|function| function.signature));
    signatures.push(shap_explain::SIGNATURE);
    signatures
}

/// The documentation of the functions in `FROM`, but for those whose file's first lines are theirs.
#[must_use]
pub fn relation_documentations() -> Vec<RelationDocumentation> {
    SQL_FUNCTIONS
        .map(|function| function.documentation)
        .to_vec()
}

/// The tables that a function in `FROM` reads by itself, such as `silver.plays`; empty for every other function.
#[must_use]
pub fn tables_read(function: &str) -> &'static [&'static str] {
    recommend::TABLES_READ
        .iter()
        .find(|(name, _)| *name == function)
        .map_or(&[], |(_, tables)| tables)
}

/// The parameters of a function in `FROM`, in positional order; none for functions that this crate has not.
#[must_use]
pub fn relation_parameters(function: &str) -> Option<&'static [Parameter]> {
    let signatures = relation_signatures().into_iter();
    let mut signatures = signatures.filter(|signature| signature.function == function);
    signatures.next().map(|signature| signature.parameters)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_function_has_one_name_and_a_documentation_with_an_example() {
        let models = Arc::new(ModelSource::new());
        let mut seen = BTreeSet::new();
        let scalars = scalar_functions(&models);
        let aggregates = aggregate_functions(&models);
        let documented = scalars
            .iter()
            .map(|function| (function.name(), function.documentation()))
            .chain(
                aggregates
                    .iter()
                    .map(|function| (function.name(), function.documentation())),
            );
        for (name, documentation) in documented {
            assert!(seen.insert(name.to_owned()), "{name} is listed twice");
            let documentation = documentation.unwrap_or_else(|| panic!("{name} is not documented"));
            assert!(documentation.sql_example.is_some(), "{name} has no example");
            let arguments = documentation.arguments.as_ref().map_or(0, Vec::len);
            assert!(arguments > 0, "{name} documents no argument");
            assert!(
                documentation
                    .syntax_example
                    .starts_with(&format!("{name}(")),
                "{name}: syntax of another function"
            );
        }
        for (name, _) in table_functions(&models) {
            assert!(seen.insert(name.to_owned()), "{name} is listed twice");
        }
    }

    #[test]
    fn every_table_function_takes_named_arguments() {
        let models = Arc::new(ModelSource::new());
        let listed: BTreeSet<&str> = table_functions(&models)
            .into_iter()
            .map(|(name, _)| name)
            .collect();
        let signatures = relation_signatures().into_iter();
        let with_names: BTreeSet<&str> = signatures.map(|signature| signature.function).collect();
        assert_eq!(listed, with_names);
    }

    #[test]
    fn what_is_documented_of_a_table_function_is_how_it_is_called() {
        for documentation in relation_documentations() {
            let name = documentation.function;
            let parameters = relation_parameters(name).unwrap_or_else(|| panic!("no {name}"));
            let parameters: Vec<&str> = parameters.iter().map(|one| one.name()).collect();
            let documented: Vec<&str> = documentation
                .arguments
                .iter()
                .map(|(name, _)| *name)
                .collect();
            assert_eq!(documented, parameters, "{name}");
            assert!(
                documentation.syntax.starts_with(&format!("{name}(")),
                "{name}"
            );
            assert!(
                documentation.example.contains(&format!("{name}(")),
                "{name}"
            );
            assert!(
                !documentation.columns.is_empty() && documentation.example.ends_with(';'),
                "{name}"
            );
        }
    }

    #[test]
    fn only_relation_functions_read_tables_by_themselves() {
        assert!(tables_read("recommend").contains(&"silver.plays"));
        assert!(tables_read("pearson").is_empty());
    }
}
