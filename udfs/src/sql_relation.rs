//! A function in `FROM` that is a query over its input, whose text its arguments decide.

use std::{fmt, sync::Arc};

use datafusion::{
    catalog::{TableFunctionArgs, TableFunctionImpl, TableProvider},
    common::{Result, ScalarValue, plan_err},
    logical_expr::{Expr, LogicalPlan},
};

use crate::{
    key_drivers, kmeans_centroids, kmeans_silhouette, kmeans_sweep, ml_calibration,
    ml_confusion_matrix, ml_evaluate, ml_feature_info, ml_global_explain, ml_roc_curve, ml_weights,
    model_relation::{INPUT, ModelRelation},
    models::ModelSource,
    pearson_matrix,
    relation::RelationSignature,
    relation_documentation::RelationDocumentation,
    relation_sql::{no_rows, relation},
};

/// What a call becomes.
pub(crate) struct Query {
    pub(crate) sql: String,
    /// The relation called [`INPUT`] in it.
    pub(crate) input: Option<LogicalPlan>,
}

impl Query {
    /// No rows of these columns, a name and an SQL type each: for a model that is not known or not trained yet.
    pub(crate) fn no_rows(columns: &[(&str, &str)]) -> Self {
        Self {
            sql: no_rows(columns),
            input: None,
        }
    }

    /// These rows, each written as `(value, …)`, of these columns.
    pub(crate) fn values(columns: &[(&str, &str)], rows: &[String]) -> Self {
        if rows.is_empty() {
            return Self::no_rows(columns);
        }
        let columns = columns.iter().enumerate();
        let columns: Vec<String> = columns
            .map(|(at, (name, sql_type))| format!("cast(column{} as {sql_type}) as {name}", at + 1))
            .collect();
        let (columns, rows) = (columns.join(", "), rows.join(", "));
        Self {
            sql: format!("select {columns} from (values {rows})"),
            input: None,
        }
    }
}

/// Whether a flag is set; one that was left out is not.
pub(crate) fn is_true(value: &ScalarValue) -> bool {
    matches!(value, ScalarValue::Boolean(Some(true)))
}

/// Decides the query from the arguments in the order of the signature.
pub(crate) type Decide = fn(&ModelRelation, &[Expr]) -> Result<Query>;

/// A function in `FROM` of this kind: how it is called, what it says, what it becomes.
#[derive(Clone, Copy)]
pub(crate) struct SqlFunction {
    pub(crate) signature: RelationSignature,
    pub(crate) documentation: RelationDocumentation,
    pub(crate) decide: Decide,
}

/// All of them.
pub(crate) const SQL_FUNCTIONS: [SqlFunction; 12] = [
    key_drivers::FUNCTION,
    kmeans_centroids::FUNCTION,
    kmeans_silhouette::FUNCTION,
    kmeans_sweep::FUNCTION,
    ml_calibration::FUNCTION,
    ml_confusion_matrix::FUNCTION,
    ml_evaluate::FUNCTION,
    ml_feature_info::FUNCTION,
    ml_global_explain::FUNCTION,
    ml_roc_curve::FUNCTION,
    ml_weights::FUNCTION,
    pearson_matrix::FUNCTION,
];

impl SqlFunction {
    /// Its name and its table function.
    pub(crate) fn table_function(
        self,
        models: &Arc<ModelSource>,
    ) -> (&'static str, Arc<dyn TableFunctionImpl>) {
        let function = SqlRelation {
            signature: self.signature,
            relation: ModelRelation::new(self.signature.function, models),
            decide: self.decide,
        };
        (self.signature.function, Arc::new(function))
    }
}

struct SqlRelation {
    signature: RelationSignature,
    relation: ModelRelation,
    decide: Decide,
}

impl fmt::Debug for SqlRelation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SqlRelation")
            .field(&self.signature.function)
            .finish()
    }
}

impl TableFunctionImpl for SqlRelation {
    fn call_with_args(&self, arguments: TableFunctionArgs) -> Result<Arc<dyn TableProvider>> {
        let (given, parameters) = (arguments.exprs(), self.signature.parameters);
        if given.len() != parameters.len() {
            return plan_err!(
                "{}: expected {} arguments, got {}",
                self.signature.function,
                parameters.len(),
                given.len()
            );
        }
        let Query { sql, input } = (self.decide)(&self.relation, given)?;
        let relations: Vec<(&str, &LogicalPlan)> =
            input.iter().map(|input| (INPUT, input)).collect();
        relation(
            arguments.session(),
            &sql,
            &relations,
            &self.relation.functions,
        )
    }
}
