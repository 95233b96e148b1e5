//! A table as a caller sees it who may not see all of it: row policies and masks inside one opaque scan.
//!
//! The scan is a leaf. Nothing above can push an expression below the policies, where an error or a side effect would
//! tell of hidden rows, and EXPLAIN shows neither files nor counts nor conditions of what is inside.

use std::{fmt, sync::Arc};

use arrow::datatypes::{Field, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::{
    catalog::{Session, TableProvider},
    common::{DataFusionError, Result, ScalarValue, internal_err, tree_node::TreeNodeRecursion},
    datasource::provider_as_source,
    execution::{SendableRecordBatchStream, SessionState, TaskContext},
    logical_expr::{
        Expr, LogicalPlanBuilder, Operator, TableProviderFilterPushDown, TableType, cast, ident,
        utils::conjunction,
    },
    physical_expr::{EquivalenceProperties, PhysicalExpr},
    physical_plan::{
        DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties,
        execution_plan::reset_plan_states, stream::RecordBatchStreamAdapter,
    },
};
use futures::StreamExt;

use super::rule::{expression, quotes_no_value, rule_session, unevaluable};
use crate::{error::Error, lake::TableName};

/// What binds a caller at one table, in SQL over its columns.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Restriction {
    /// Names and conditions; a row is seen, added or removed if all of them hold.
    pub rows: Vec<(String, String)>,
    /// Columns and what is seen in their place.
    pub masks: Vec<(String, String)>,
}

impl Restriction {
    /// Whether nothing is hidden.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.masks.is_empty()
    }

    /// All conditions on rows as one, planned over a table's columns.
    ///
    /// # Errors
    /// When a condition does not fit the columns.
    pub fn condition(&self, schema: &Schema, state: &SessionState) -> Result<Option<Expr>> {
        let planned = self
            .rows
            .iter()
            .map(|(name, sql)| expression("row policy", name, sql, schema, state));
        Ok(conjunction(planned.collect::<Result<Vec<_>>>()?))
    }

    /// `row policy 'p' or row policy 'q'`
    pub(super) fn policies(&self) -> String {
        let names = self
            .rows
            .iter()
            .map(|(name, _)| format!("row policy '{name}'"));
        names.collect::<Vec<_>>().join(" or ")
    }

    /// All that may fail on rows that are read.
    fn rules(&self, is_view: bool) -> String {
        let policies = Some(self.policies()).filter(|told| !told.is_empty());
        let masks = self.masks.iter();
        let masks = masks.map(|(column, _)| format!("the mask of column '{column}'"));
        let text = is_view.then(|| "the view's own text".to_string());
        let rules = policies.into_iter().chain(masks).chain(text);
        rules.collect::<Vec<_>>().join(" or ")
    }
}

/// The table with its restriction; the table itself if there is none.
///
/// # Errors
/// When a policy or mask does not fit the table's columns: then nothing of it can be seen.
pub(crate) fn restricted(
    table: Arc<dyn TableProvider>,
    name: &TableName,
    restriction: &Restriction,
    state: &SessionState,
) -> Result<Arc<dyn TableProvider>> {
    if restriction.is_empty() {
        return Ok(table);
    }
    let whole = table.schema();
    let condition = restriction.condition(&whole, state)?;
    let mut masks = Vec::new();
    for (column, sql) in &restriction.masks {
        // A mask of a column that the table does not have hides nothing.
        if let Ok(field) = whole.field_with_name(column) {
            let seen = expression("mask", column, sql, &whole, state)?;
            masks.push((column.clone(), cast(seen, field.data_type().clone())));
        }
    }
    let is_masked = |name: &str| masks.iter().any(|(column, _)| column == name);
    let fields = whole.fields().iter().map(|field| {
        let is_nullable = field.is_nullable() || is_masked(field.name());
        Field::clone(field).with_nullable(is_nullable)
    });
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    Ok(Arc::new(Restricted {
        name: name.to_string(),
        rules: restriction.rules(table.table_type() == TableType::View),
        table,
        schema,
        condition,
        masks,
    }))
}

/// The columns of a table whose rows the caller may not read, for a statement that only adds to them.
pub(crate) fn unreadable(
    table: Arc<dyn TableProvider>,
    refusal: crate::error::Result<()>,
) -> Arc<dyn TableProvider> {
    let refusal = refusal
        .err()
        .map_or_else(String::new, |error| error.to_string());
    Arc::new(Unreadable { table, refusal })
}

#[derive(Debug)]
struct Unreadable {
    table: Arc<dyn TableProvider>,
    refusal: String,
}

#[async_trait]
impl TableProvider for Unreadable {
    fn schema(&self) -> SchemaRef {
        self.table.schema()
    }

    fn table_type(&self) -> TableType {
        self.table.table_type()
    }

    async fn scan(
        &self,
        _session: &dyn Session,
        _projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        _limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Err(Error::Denied(self.refusal.clone()).into())
    }
}

#[derive(Debug)]
struct Restricted {
    name: String,
    /// The names of what is evaluated below.
    rules: String,
    table: Arc<dyn TableProvider>,
    schema: SchemaRef,
    condition: Option<Expr>,
    masks: Vec<(String, Expr)>,
}

impl Restricted {
    /// What is seen as a column.
    fn seen(&self, column: &str) -> Expr {
        let mask = self.masks.iter().find(|(masked, _)| masked == column);
        match mask {
            Some((_, expression)) => expression.clone().alias(column),
            None => ident(column),
        }
    }

    /// Whether a filter may be applied beside the policies: it can neither fail nor see what is masked.
    fn is_harmless(&self, filter: &Expr) -> bool {
        match filter {
            Expr::BinaryExpr(pair) if matches!(pair.op, Operator::And | Operator::Or) => {
                self.is_harmless(&pair.left) && self.is_harmless(&pair.right)
            }
            Expr::BinaryExpr(pair) if is_comparison(pair.op) => {
                self.is_alike(&pair.left, &pair.right) || self.is_alike(&pair.right, &pair.left)
            }
            Expr::IsNull(inner) | Expr::IsNotNull(inner) => self.is_plain(inner),
            Expr::InList(list) => list.list.iter().all(|item| self.is_alike(&list.expr, item)),
            Expr::Between(range) => {
                self.is_alike(&range.expr, &range.low) && self.is_alike(&range.expr, &range.high)
            }
            _ => false,
        }
    }

    fn is_plain(&self, expression: &Expr) -> bool {
        let Expr::Column(column) = expression else {
            return false;
        };
        self.masks.iter().all(|(masked, _)| *masked != column.name)
    }

    /// Whether these are a column that is not masked and a value of its type.
    fn is_alike(&self, column: &Expr, value: &Expr) -> bool {
        let (Expr::Column(named), Expr::Literal(value, _)) = (column, value) else {
            return false;
        };
        let is_null = matches!(value, ScalarValue::Null);
        let field = self.schema.field_with_name(&named.name);
        self.is_plain(column)
            && field.is_ok_and(|field| is_null || *field.data_type() == value.data_type())
    }
}

fn is_comparison(operator: Operator) -> bool {
    use Operator::{Eq, Gt, GtEq, Lt, LtEq, NotEq};
    matches!(operator, Eq | NotEq | Lt | LtEq | Gt | GtEq)
}

#[async_trait]
impl TableProvider for Restricted {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        self.table.table_type()
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(filters
            .iter()
            .map(|filter| {
                if self.is_harmless(filter) {
                    TableProviderFilterPushDown::Inexact
                } else {
                    TableProviderFilterPushDown::Unsupported
                }
            })
            .collect())
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        _limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let schema = match projection {
            Some(columns) => Arc::new(self.schema.project(columns)?),
            None => Arc::clone(&self.schema),
        };
        let source = provider_as_source(Arc::clone(&self.table));
        let mut plan = LogicalPlanBuilder::scan("restricted", source, None)?;
        let filters = filters.iter().filter(|filter| self.is_harmless(filter));
        for condition in self.condition.iter().chain(filters) {
            plan = plan.filter(condition.clone())?;
        }
        let seen = schema.fields().iter().map(|field| self.seen(field.name()));
        let plan = plan.project(seen.collect::<Vec<_>>())?.build()?;
        let Some(state) = session.as_any().downcast_ref::<SessionState>() else {
            return internal_err!("{} is read in a session of another kind", self.name);
        };
        let plan = rule_session(state).create_physical_plan(&plan).await;
        let plan = plan.map_err(|error| match error.find_root() {
            DataFusionError::Plan(_)
            | DataFusionError::SchemaError(..)
            | DataFusionError::NotImplemented(_)
            | DataFusionError::Internal(_) => error,
            _ => veiled(error, &self.name, &self.rules),
        })?;
        let scan = RestrictedScan::new(&self.name, &self.rules, plan, schema);
        Ok(Arc::new(scan))
    }
}

/// An error of evaluating something on rows that may be hidden, without what it says of them.
fn veiled(error: DataFusionError, table: &str, rules: &str) -> DataFusionError {
    if quotes_no_value(&error) {
        error
    } else {
        unevaluable(table, rules)
    }
}

/// A finished plan that shows nothing of itself.
struct RestrictedScan {
    table: String,
    rules: String,
    plan: Arc<dyn ExecutionPlan>,
    properties: Arc<PlanProperties>,
}

impl RestrictedScan {
    fn new(table: &str, rules: &str, plan: Arc<dyn ExecutionPlan>, schema: SchemaRef) -> Self {
        let inner = plan.properties();
        let properties = PlanProperties::new(
            EquivalenceProperties::new(schema),
            Partitioning::UnknownPartitioning(inner.partitioning.partition_count()),
            inner.emission_type,
            inner.boundedness,
        );
        Self {
            table: table.to_string(),
            rules: rules.to_string(),
            properties: Arc::new(properties),
            plan,
        }
    }
}

impl fmt::Debug for RestrictedScan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RestrictedScan({})", self.table)
    }
}

impl DisplayAs for RestrictedScan {
    fn fmt_as(&self, format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match format {
            DisplayFormatType::TreeRender => writeln!(f, "table={}", self.table),
            _ => write!(f, "RestrictedScan: table={}", self.table),
        }
    }
}

impl ExecutionPlan for RestrictedScan {
    fn name(&self) -> &str {
        "RestrictedScan"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(
        &self,
        _f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(
        self: Arc<Self>,
        _children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    // What recursive queries run again; the plan inside is no child that they would reset.
    fn reset_state(self: Arc<Self>) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(Arc::new(Self {
            table: self.table.clone(),
            rules: self.rules.clone(),
            plan: reset_plan_states(Arc::clone(&self.plan))?,
            properties: Arc::clone(&self.properties),
        }))
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let schema = self.schema();
        let (table, rules) = (self.table.clone(), self.rules.clone());
        let rows = self.plan.execute(partition, context);
        let rows = rows.map_err(|error| veiled(error, &table, &rules))?;
        let target = Arc::clone(&schema);
        let rows = rows.map(move |batch| {
            let batch = batch.map_err(|error| veiled(error, &table, &rules))?;
            Ok(batch.with_schema(Arc::clone(&target))?)
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, rows)))
    }
}
