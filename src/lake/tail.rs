//! Rows that belong to a table and are not in it yet: whoever reads the table reads them too.
//!
//! The rows are taken before the table's snapshot, and given up after they were written. So a row is among them, or in
//! the snapshot, or in both; the key tells.

use std::{fmt, sync::Arc};

use arrow::array::RecordBatch;
use datafusion::{
    catalog::{MemTable, TableProvider},
    common::{Column, JoinType},
    datasource::{ViewTable, provider_as_source},
    logical_expr::{Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder, lit},
    scalar::ScalarValue,
};

use super::{Lake, TableName};
use crate::error::Result;

/// What the tail's rows are called in a plan.
const TAIL: &str = "tail";

/// The rows of a table that are not in it yet, and the column that tells one from another.
type Rows = Result<Option<(RecordBatch, &'static str)>>;

/// Asks for the rows of a table that are not in it yet.
pub(crate) struct Tail(pub(crate) Box<dyn Fn(&TableName) -> Rows + Send + Sync>);

impl fmt::Debug for Tail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tail")
    }
}

impl Lake {
    /// Where rows are that are not in their tables yet. Only the first call counts.
    pub(crate) fn set_tail(&self, tail: Tail) {
        let _ = self.tail.set(tail);
    }

    pub(super) fn tail(&self, name: &TableName) -> Rows {
        self.tail.get().map_or(Ok(None), |tail| tail.0(name))
    }
}

/// The table with the rows that are not in it yet.
pub(super) fn with_tail(
    table: Arc<dyn TableProvider>,
    name: &TableName,
    tail: Option<(RecordBatch, &'static str)>,
) -> Result<Arc<dyn TableProvider>> {
    let Some((rows, key)) = tail.filter(|(rows, _)| rows.num_rows() > 0) else {
        return Ok(table);
    };
    let schema = table.schema();
    let columns: Vec<&str> = schema
        .fields()
        .iter()
        .map(|field| field.name().as_str())
        .collect();
    let stored = LogicalPlanBuilder::scan(&name.table, provider_as_source(table), None)?.build()?;
    let tail = MemTable::try_new(rows.schema(), vec![vec![rows]])?;
    let tail = LogicalPlanBuilder::scan(TAIL, provider_as_source(Arc::new(tail)), None)?.build()?;
    let stored_columns: Vec<Expr> = columns
        .iter()
        .map(|column| qualified(&name.table, column))
        .collect();
    let older = LogicalPlanBuilder::from(stored)
        .join(
            tail.clone(),
            JoinType::LeftAnti,
            (vec![column(&name.table, key)], vec![column(TAIL, key)]),
            None,
        )?
        .project(stored_columns)?
        .build()?;
    let newer = aligned(tail, &older)?;
    let both = LogicalPlanBuilder::from(older).union(newer)?.build()?;
    Ok(Arc::new(ViewTable::new(both, None)))
}

/// The rows with the columns of another plan, in its order and of its types.
fn aligned(rows: LogicalPlan, like: &LogicalPlan) -> Result<LogicalPlan> {
    let has = rows.schema().clone();
    let columns: Vec<Expr> = like
        .schema()
        .fields()
        .iter()
        .map(|field| {
            let value = if has.has_column_with_unqualified_name(field.name()) {
                qualified(TAIL, field.name())
            } else {
                lit(ScalarValue::Null)
            };
            Ok(value.cast_to(field.data_type(), &has)?.alias(field.name()))
        })
        .collect::<Result<_>>()?;
    Ok(LogicalPlanBuilder::from(rows).project(columns)?.build()?)
}

fn column(table: &str, name: &str) -> Column {
    Column::new(Some(table), name)
}

fn qualified(table: &str, name: &str) -> Expr {
    Expr::Column(column(table, name))
}
