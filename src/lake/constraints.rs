//! `NOT NULL` and `CHECK`: rows are held against their table's constraints before anything is written, so that the
//! error can name the constraint and a row. (delta-rs checks again while writing, but says neither.)

use std::sync::Arc;

use arrow::{
    array::{Array, RecordBatch},
    datatypes::SchemaRef,
    util::display::{ArrayFormatter, FormatOptions},
};
use datafusion::{
    common::{DFSchema, Result as DataFusionResult, cast::as_boolean_array},
    execution::{SendableRecordBatchStream, SessionState},
    physical_expr::PhysicalExpr,
    physical_plan::stream::RecordBatchStreamAdapter,
};
use futures::StreamExt;

use super::{TableName, lake_error, snapshot::Snapshot};
use crate::{
    access::{self, Restriction},
    error::{Error, Result},
};

/// What a `CHECK`'s name follows in a table's configuration.
const CHECK_PREFIX: &str = "delta.constraints.";

/// Values longer than this are cut in messages.
const SHOWN_VALUE_CHARS: usize = 60;

/// The constraints of a table, ready to be evaluated.
pub(super) struct Constraints {
    table: TableName,
    not_null: Vec<String>,
    checks: Vec<Check>,
}

struct Check {
    name: String,
    /// Its condition; that of a row policy is not for those whom it binds.
    sql: Option<String>,
    expression: Arc<dyn PhysicalExpr>,
}

impl Check {
    fn told(&self) -> String {
        match &self.sql {
            Some(sql) => format!("constraint '{}' ({sql})", self.name),
            None => format!("row policy '{}'", self.name),
        }
    }
}

impl Constraints {
    /// The constraints of a table, for rows of this schema: the table's columns, in its order.
    pub(super) fn of(
        snapshot: &Snapshot,
        schema: &SchemaRef,
        state: &SessionState,
    ) -> Result<Self> {
        let not_null = snapshot
            .schema()
            .fields()
            .iter()
            .filter(|field| !field.is_nullable())
            .map(|field| field.name().clone());
        let table_state = snapshot.table.snapshot();
        let table_state = table_state.map_err(|error| lake_error(&snapshot.name, error))?;
        let df_schema = DFSchema::try_from(Arc::clone(schema))?;
        let state = &access::rule_session(state);
        let mut checks = table_state
            .metadata()
            .configuration()
            .iter()
            .filter_map(|(key, sql)| Some((key.strip_prefix(CHECK_PREFIX)?, sql)))
            .map(|(name, sql)| {
                let expression = state.create_logical_expr(sql, &df_schema)?;
                let expression = access::evaluable(expression, &df_schema, state)?;
                Ok(Check {
                    name: name.to_string(),
                    sql: Some(sql.clone()),
                    expression,
                })
            })
            .collect::<Result<Vec<Check>>>()?;
        checks.sort_unstable_by(|one, other| one.name.cmp(&other.name));
        Ok(Self {
            table: snapshot.name.clone(),
            not_null: not_null.collect(),
            checks,
        })
    }

    /// The row policies that bind the caller besides.
    pub(super) fn with(
        mut self,
        restriction: &Restriction,
        schema: &SchemaRef,
        state: &SessionState,
    ) -> Result<Self> {
        let df_schema = DFSchema::try_from(Arc::clone(schema))?;
        let state = &access::rule_session(state);
        for (name, sql) in &restriction.rows {
            let expression = access::expression("row policy", name, sql, schema, state)?;
            self.checks.push(Check {
                name: name.clone(),
                sql: None,
                expression: access::evaluable(expression, &df_schema, state)?,
            });
        }
        Ok(self)
    }

    /// The same rows, ending in an error at the first one that breaks a constraint.
    pub(super) fn guard(self, rows: SendableRecordBatchStream) -> SendableRecordBatchStream {
        if self.not_null.is_empty() && self.checks.is_empty() {
            return rows;
        }
        let schema = rows.schema();
        let guarded = rows.map(move |batch| {
            let batch = batch?;
            self.check(&batch)?;
            Ok(batch)
        });
        Box::pin(RecordBatchStreamAdapter::new(schema, guarded))
    }

    /// An error that names the first constraint that a row of the batch breaks, and the row.
    pub(super) fn check(&self, batch: &RecordBatch) -> DataFusionResult<()> {
        for column in &self.not_null {
            let Some(values) = batch.column_by_name(column) else {
                continue;
            };
            let first_null = (0..batch.num_rows()).find(|row| values.is_null(*row));
            if let Some(row) = first_null.filter(|_| values.null_count() > 0) {
                return Err(self.broken(&format!("NOT NULL of column '{column}'"), batch, row));
            }
        }
        for check in &self.checks {
            let holds = check.expression.evaluate(batch);
            let holds = holds.map_err(|error| match check.sql {
                Some(_) => error,
                None => access::unevaluable(&self.table.to_string(), &check.told()),
            })?;
            let holds = holds.into_array(batch.num_rows())?;
            let holds = as_boolean_array(&holds)?;
            let broken = (0..holds.len()).find(|row| holds.is_null(*row) || !holds.value(*row));
            if let Some(row) = broken {
                return Err(self.broken(&check.told(), batch, row));
            }
        }
        Ok(())
    }

    fn broken(
        &self,
        constraint: &str,
        batch: &RecordBatch,
        row: usize,
    ) -> datafusion::error::DataFusionError {
        let table = &self.table;
        Error::Constraint(format!(
            "{table}: {constraint} is broken by the row {}; nothing was written",
            describe_row(batch, row)
        ))
        .into()
    }
}

/// Where a table's configuration keeps a `CHECK`.
pub(super) fn key(name: &str) -> String {
    format!("{CHECK_PREFIX}{name}")
}

/// Whether the table has any `CHECK`.
pub(super) fn has_checks(snapshot: &Snapshot) -> bool {
    let is_check = |key: &String| key.starts_with(CHECK_PREFIX);
    let state = snapshot.table.snapshot();
    state.is_ok_and(|state| state.metadata().configuration().keys().any(is_check))
}

/// `{user_id: lena, plays: 3}`
fn describe_row(batch: &RecordBatch, row: usize) -> String {
    let options = FormatOptions::default().with_null("null");
    let schema = batch.schema();
    let values = schema
        .fields()
        .iter()
        .zip(batch.columns())
        .map(|(field, column)| {
            let shown = ArrayFormatter::try_new(column.as_ref(), &options).map_or_else(
                |_| "?".to_string(),
                |formatter| formatter.value(row).to_string(),
            );
            let cut: String = shown.chars().take(SHOWN_VALUE_CHARS).collect();
            let ellipsis = if cut.len() < shown.len() { "…" } else { "" };
            format!("{}: {cut}{ellipsis}", field.name())
        });
    format!("{{{}}}", values.collect::<Vec<_>>().join(", "))
}
