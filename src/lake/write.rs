//! All writes: through delta-rs' builders, one atomic commit a statement, one writer a table.
//!
//! A write of no rows makes no commit, except where it makes or replaces a table.

use std::sync::{Arc, Mutex, PoisonError};

use arrow::{
    array::RecordBatch,
    datatypes::{DataType, Field, FieldRef, SchemaRef, TimeUnit},
};
use datafusion::{
    catalog::streaming::StreamingTable,
    common::{
        Column, DataFusionError, Result as DataFusionResult, TableReference,
        tree_node::{Transformed, TreeNode},
    },
    datasource::provider_as_source,
    execution::{SendableRecordBatchStream, SessionState, TaskContext},
    logical_expr::{
        EmptyRelation, Expr, LogicalPlan, LogicalPlanBuilder,
        expr_rewriter::strip_outer_reference,
        logical_plan::dml::{MergeIntoAction, MergeIntoClauseKind, MergeIntoOp},
    },
    physical_plan::{execute_stream, stream::RecordBatchStreamAdapter, streaming::PartitionStream},
    prelude::DataFrame,
};
use deltalake::{
    DeltaTable, DeltaTableBuilder, DeltaTableError,
    delta_datafusion::SessionFallbackPolicy,
    kernel::{StructField, engine::arrow_conversion::TryIntoKernel},
    operations::write::{SchemaMode, WriteBuilder},
    parquet::{basic::Compression, file::properties::WriterProperties},
    protocol::SaveMode,
};
use futures::{StreamExt, TryStreamExt, stream};
use serde_json::Value;

use super::{
    CommitNote, Lake, TableName, constraints, constraints::Constraints, lake_error,
    snapshot::Snapshot,
};
use crate::error::{Error, Result};

/// Rows a Parquet row group: small enough for two readers to share a file and for pruning, large enough to compress.
const ROW_GROUP_ROWS: usize = 131_072;
/// How the two sides of a MERGE are called towards delta-rs.
const TARGET: &str = "target";
const SOURCE: &str = "source";

/// What happens to the rows that are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disposition {
    /// They stay.
    Append,
    /// They go.
    Overwrite,
}

/// A table to be made.
#[derive(Debug, Clone)]
pub struct NewTable {
    /// Its columns, in order.
    pub schema: SchemaRef,
    /// The columns that partition it.
    pub partition_by: Vec<String>,
    /// `CHECK` constraints: name and SQL condition.
    pub checks: Vec<(String, String)>,
    /// Replace a table of this name, on the same log.
    pub replace: bool,
}

impl Lake {
    /// Makes a table without rows.
    ///
    /// # Errors
    /// [`Error::Exists`] when there is one and it is not to be replaced; [`Error::Lake`] when it cannot be written.
    pub async fn create_table(
        &self,
        name: &TableName,
        new: NewTable,
        state: SessionState,
        note: &CommitNote,
    ) -> Result<()> {
        if new.checks.is_empty() {
            let schema = Arc::new(datafusion::common::DFSchema::try_from(Arc::clone(
                &new.schema,
            ))?);
            let plan = LogicalPlan::EmptyRelation(EmptyRelation {
                produce_one_row: false,
                schema,
            });
            self.create_table_as(name, plan, &new.partition_by, new.replace, state, note)
                .await?;
            return Ok(());
        }
        let _writing = self.lock(name).await;
        if self.has_table(name) {
            return Err(if new.replace {
                Error::Unsupported(format!(
                    "{name}: a table with CHECK constraints cannot be replaced; drop it first"
                ))
            } else {
                exists(name)
            });
        }
        let checks = new
            .checks
            .iter()
            .map(|(check, sql)| (format!("delta.constraints.{check}"), Some(sql.clone())));
        let stored = |field: &FieldRef| {
            let data_type =
                stored_type(field.data_type()).unwrap_or_else(|| field.data_type().clone());
            (&Field::new(field.name(), data_type, field.is_nullable())).try_into_kernel()
        };
        let columns = new
            .schema
            .fields()
            .iter()
            .map(stored)
            .collect::<Result<Vec<StructField>, _>>()?;
        let table = self
            .unopened(name)?
            .create()
            .with_columns(columns)
            .with_partition_columns(new.partition_by)
            .with_raise_if_key_not_exists(false)
            .with_configuration(
                checks.chain([("delta.minWriterVersion".to_string(), Some("3".to_string()))]),
            )
            .with_commit_properties(note.properties())
            .await
            .map_err(|error| lake_error(name, error))?;
        self.remember(name, table)?;
        Ok(())
    }

    /// Makes a table from a query's rows, in one commit. Returns how many rows.
    ///
    /// # Errors
    /// As [`Lake::create_table`], and whatever the query fails with.
    pub async fn create_table_as(
        &self,
        name: &TableName,
        query: LogicalPlan,
        partition_by: &[String],
        replace: bool,
        state: SessionState,
        note: &CommitNote,
    ) -> Result<u64> {
        let _writing = self.lock(name).await;
        let existing = self.latest(name).await?;
        if existing.is_some() && !replace {
            return Err(exists(name));
        }
        let builder = match &existing {
            Some(snapshot) => writer(snapshot)?
                .with_save_mode(SaveMode::Overwrite)
                .with_schema_mode(SchemaMode::Overwrite),
            None => WriteBuilder::new(self.unopened(name)?.log_store(), None)
                .with_save_mode(SaveMode::Append),
        };
        let plan = state.create_physical_plan(&storable(query)?).await?;
        let rows = execute_stream(plan, state.task_ctx())?;
        let builder = builder.with_partition_columns(partition_by.to_vec());
        self.write(name, builder, rows, state, note).await
    }

    /// Adds a query's rows to a table, or puts them in the place of its rows. Returns how many rows.
    ///
    /// # Errors
    /// [`Error::Constraint`] with the constraint and a row; nothing is written then.
    pub async fn insert(
        &self,
        name: &TableName,
        query: &LogicalPlan,
        disposition: Disposition,
        state: SessionState,
        note: &CommitNote,
    ) -> Result<u64> {
        let plan = state.create_physical_plan(query).await?;
        let rows = execute_stream(plan, state.task_ctx())?;
        self.insert_rows(name, rows, disposition, state, note).await
    }

    /// [`Lake::insert`] of rows from a stream.
    ///
    /// # Errors
    /// As [`Lake::insert`].
    pub async fn insert_rows(
        &self,
        name: &TableName,
        rows: SendableRecordBatchStream,
        disposition: Disposition,
        state: SessionState,
        note: &CommitNote,
    ) -> Result<u64> {
        let _writing = self.lock(name).await;
        let Some(snapshot) = self.latest(name).await? else {
            return Err(Error::NotFound(format!("table '{name}' not found")));
        };
        let rows = Constraints::of(&snapshot, &state)?.guard(rows);
        let (rows, is_empty) = peek(rows).await?;
        let table_is_empty = snapshot
            .table
            .snapshot()
            .is_ok_and(|s| s.log_data().num_files() == 0);
        if is_empty && (disposition == Disposition::Append || table_is_empty) {
            return Ok(0);
        }
        let mode = match disposition {
            Disposition::Append => SaveMode::Append,
            Disposition::Overwrite => SaveMode::Overwrite,
        };
        let builder = writer(&snapshot)?.with_save_mode(mode);
        self.write(name, builder, rows, state, note).await
    }

    async fn write(
        &self,
        name: &TableName,
        builder: WriteBuilder,
        rows: SendableRecordBatchStream,
        state: SessionState,
        note: &CommitNote,
    ) -> Result<u64> {
        let properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
            .build();
        let (rows, failure) = watched(rows);
        let written = builder
            .with_input_plan(one_shot_plan(rows)?)
            .with_session_state(Arc::new(state))
            .with_session_fallback_policy(SessionFallbackPolicy::RequireSessionState)
            .with_writer_properties(properties)
            .with_commit_properties(note.properties())
            .await;
        // delta-rs keeps only the text of a query's error: the error itself says more.
        if let Some(error) = failure
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
        {
            return Err(error.into());
        }
        let table = written.map_err(|error| lake_error(name, error))?;
        let rows = metric(name, &table, "num_added_rows").await?;
        self.remember(name, table)?;
        Ok(rows)
    }

    /// Merges a query's rows into a table. Returns how many rows were inserted, updated and deleted together.
    ///
    /// # Errors
    /// [`Error::Constraint`] when a row breaks a constraint; [`Error::Unsupported`] for clauses that MERGE lacks here.
    pub async fn merge(
        &self,
        name: &TableName,
        target: &TableReference,
        source: LogicalPlan,
        merge: &MergeIntoOp,
        state: SessionState,
        note: &CommitNote,
    ) -> Result<u64> {
        let _writing = self.lock(name).await;
        let Some(snapshot) = self.latest(name).await? else {
            return Err(Error::NotFound(format!("table '{name}' not found")));
        };
        let side = |expression: &Expr| with_sides(expression, target);
        let mut builder = snapshot
            .table
            .clone()
            .merge(DataFrame::new(state.clone(), source), side(&merge.on)?)
            .with_source_alias(SOURCE)
            .with_target_alias(TARGET)
            .with_session_state(Arc::new(state))
            .with_commit_properties(note.properties());
        for clause in &merge.clauses {
            let predicate = clause.predicate.as_ref().map(side).transpose()?;
            builder = add_clause(builder, clause.kind, &clause.action, predicate, side).map_err(
                |error| match error {
                    Error::Lake(message) => Error::Lake(format!("{name}: {message}")),
                    other => other,
                },
            )?;
        }
        let (table, metrics) = builder
            .await
            .map_err(|error| broken_by_merge(&snapshot, error))?;
        self.remember(name, table)?;
        let changed = metrics.num_target_rows_inserted
            + metrics.num_target_rows_updated
            + metrics.num_target_rows_deleted;
        Ok(changed as u64)
    }

    /// Deletes the rows that a condition holds for (all without one). Returns how many.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is no such table.
    pub async fn delete(
        &self,
        name: &TableName,
        condition: Option<Expr>,
        state: SessionState,
        note: &CommitNote,
    ) -> Result<u64> {
        let _writing = self.lock(name).await;
        let Some(snapshot) = self.latest(name).await? else {
            return Err(Error::NotFound(format!("table '{name}' not found")));
        };
        let mut builder = snapshot
            .table
            .clone()
            .delete()
            .with_session_state(Arc::new(state))
            .with_commit_properties(note.properties());
        if let Some(condition) = condition {
            builder = builder.with_predicate(condition);
        }
        let (table, metrics) = builder.await.map_err(|error| lake_error(name, error))?;
        self.remember(name, table)?;
        Ok(metrics.num_deleted_rows.unwrap_or_default() as u64)
    }

    fn unopened(&self, name: &TableName) -> Result<DeltaTable> {
        let folder = self.folder(name);
        std::fs::create_dir_all(&folder).map_err(Error::io(folder))?;
        DeltaTableBuilder::from_url(self.url(name)?)
            .and_then(DeltaTableBuilder::build)
            .map_err(|error| lake_error(name, error))
    }
}

/// The same rows in types that Delta has: signed integers, microseconds, UTC.
fn storable(query: LogicalPlan) -> Result<LogicalPlan> {
    let columns = query.schema().columns();
    let fields = query.schema().fields();
    if fields
        .iter()
        .all(|field| stored_type(field.data_type()).is_none())
    {
        return Ok(query);
    }
    let cast = |(column, field): (&Column, &FieldRef)| {
        let value = Expr::Column(column.clone());
        match stored_type(field.data_type()) {
            Some(data_type) => datafusion::logical_expr::cast(value, data_type).alias(field.name()),
            None => value,
        }
    };
    let columns: Vec<Expr> = columns.iter().zip(fields.iter()).map(cast).collect();
    Ok(LogicalPlanBuilder::from(query).project(columns)?.build()?)
}

fn stored_type(data_type: &DataType) -> Option<DataType> {
    match data_type {
        DataType::UInt8 => Some(DataType::Int16),
        DataType::UInt16 => Some(DataType::Int32),
        DataType::UInt32 | DataType::UInt64 => Some(DataType::Int64),
        DataType::Float16 => Some(DataType::Float32),
        DataType::Null => Some(DataType::Utf8),
        DataType::Timestamp(TimeUnit::Microsecond, None) => None,
        DataType::Timestamp(_, None) => Some(DataType::Timestamp(TimeUnit::Microsecond, None)),
        DataType::Timestamp(TimeUnit::Microsecond, Some(zone)) if zone.as_ref() == "UTC" => None,
        DataType::Timestamp(_, Some(_)) => Some(DataType::Timestamp(
            TimeUnit::Microsecond,
            Some("UTC".into()),
        )),
        _ => None,
    }
}

fn exists(name: &TableName) -> Error {
    Error::Exists(format!(
        "table '{name}' exists already; use CREATE OR REPLACE TABLE to replace it or CREATE TABLE IF NOT EXISTS to keep it"
    ))
}

fn writer(snapshot: &Snapshot) -> Result<WriteBuilder> {
    let state = snapshot
        .table
        .snapshot()
        .map_err(|error| lake_error(&snapshot.name, error))?;
    Ok(WriteBuilder::new(
        snapshot.table.log_store(),
        Some(state.snapshot().clone()),
    ))
}

/// A number of the newest commit's metrics.
async fn metric(name: &TableName, table: &DeltaTable, key: &str) -> Result<u64> {
    let newest = table
        .history(Some(1))
        .try_next()
        .await
        .map_err(|error| lake_error(name, error))?;
    let metrics = newest.and_then(|mut commit| commit.info.remove("operationMetrics"));
    Ok(metrics
        .as_ref()
        .and_then(|metrics| metrics.get(key))
        .and_then(Value::as_u64)
        .unwrap_or_default())
}

/// The first error of a stream of rows, kept aside.
type Failure = Arc<Mutex<Option<DataFusionError>>>;

/// The same rows, whose error is kept aside.
fn watched(rows: SendableRecordBatchStream) -> (SendableRecordBatchStream, Failure) {
    let failure = Failure::default();
    let kept = Arc::clone(&failure);
    let schema = rows.schema();
    let rows = rows.map_err(move |error| {
        let stopped = DataFusionError::Execution("the query failed".into());
        kept.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get_or_insert(error);
        stopped
    });
    (
        Box::pin(RecordBatchStreamAdapter::new(schema, rows)),
        failure,
    )
}

/// The same rows, and whether there are none.
async fn peek(mut rows: SendableRecordBatchStream) -> Result<(SendableRecordBatchStream, bool)> {
    let schema = rows.schema();
    let first = loop {
        match rows.try_next().await? {
            Some(batch) if batch.num_rows() == 0 => {}
            other => break other,
        }
    };
    let is_empty = first.is_none();
    let rows = stream::iter(first.map(Ok)).chain(rows);
    Ok((
        Box::pin(RecordBatchStreamAdapter::new(schema, rows)),
        is_empty,
    ))
}

/// A plan that yields a stream's rows, once: what delta-rs' writer takes.
pub(crate) fn one_shot_plan(rows: SendableRecordBatchStream) -> Result<LogicalPlan> {
    let schema = rows.schema();
    let partition = OneShot {
        schema: Arc::clone(&schema),
        rows: Mutex::new(Some(rows)),
    };
    let table = StreamingTable::try_new(schema, vec![Arc::new(partition)])?;
    Ok(LogicalPlanBuilder::scan("rows", provider_as_source(Arc::new(table)), None)?.build()?)
}

struct OneShot {
    schema: SchemaRef,
    rows: Mutex<Option<SendableRecordBatchStream>>,
}

impl std::fmt::Debug for OneShot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("OneShot")
    }
}

impl PartitionStream for OneShot {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _ctx: Arc<TaskContext>) -> SendableRecordBatchStream {
        let rows = self
            .rows
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        rows.unwrap_or_else(|| {
            let gone: DataFusionResult<RecordBatch> = Err(DataFusionError::Internal(
                "a stream of rows was read twice".into(),
            ));
            Box::pin(RecordBatchStreamAdapter::new(
                Arc::clone(&self.schema),
                stream::iter([gone]),
            ))
        })
    }
}

/// Columns of the target become `target.x`, all others `source.x`: the names that the merge gives its sides.
fn with_sides(expression: &Expr, target: &TableReference) -> Result<Expr> {
    let expression = strip_outer_reference(expression.clone());
    let rewritten = expression.transform(|node| match node {
        Expr::Column(column) => {
            let is_target = column
                .relation
                .as_ref()
                .is_some_and(|relation| relation.resolved_eq(target));
            let side = if is_target { TARGET } else { SOURCE };
            Ok(Transformed::yes(Expr::Column(Column::new(
                Some(side),
                column.name,
            ))))
        }
        other => Ok(Transformed::no(other)),
    })?;
    Ok(rewritten.data)
}

/// delta-rs shows the rows that break a constraint, but not which: the table's constraints are named beside them.
fn broken_by_merge(snapshot: &Snapshot, error: DeltaTableError) -> Error {
    let message = error.to_string();
    let Some(preview) = message.find("Preview of invalid data:") else {
        return lake_error(&snapshot.name, error);
    };
    let rows = message[preview..]
        .lines()
        .skip(1)
        .filter(|line| !line.is_empty());
    Error::Constraint(format!(
        "{}: {} is broken by these rows; nothing was written\n{}",
        snapshot.name,
        constraints::names(snapshot).join(", "),
        rows.collect::<Vec<_>>().join("\n")
    ))
}

fn add_clause(
    builder: deltalake::operations::merge::MergeBuilder,
    kind: MergeIntoClauseKind,
    action: &MergeIntoAction,
    predicate: Option<Expr>,
    side: impl Fn(&Expr) -> Result<Expr>,
) -> Result<deltalake::operations::merge::MergeBuilder> {
    let lake = |error: DeltaTableError| Error::Lake(error.to_string());
    match (kind, action) {
        (MergeIntoClauseKind::Matched, MergeIntoAction::Update(assignments)) => {
            let assignments = assignments
                .iter()
                .map(|(column, value)| Ok((column.clone(), side(value)?)))
                .collect::<Result<Vec<_>>>()?;
            builder
                .when_matched_update(|mut update| {
                    for (column, value) in assignments {
                        update = update.update(column, value);
                    }
                    match predicate {
                        Some(predicate) => update.predicate(predicate),
                        None => update,
                    }
                })
                .map_err(lake)
        }
        (MergeIntoClauseKind::Matched, MergeIntoAction::Delete) => builder
            .when_matched_delete(|delete| match predicate {
                Some(predicate) => delete.predicate(predicate),
                None => delete,
            })
            .map_err(lake),
        (
            MergeIntoClauseKind::NotMatched | MergeIntoClauseKind::NotMatchedByTarget,
            MergeIntoAction::Insert { columns, values },
        ) => {
            let values = values.iter().map(side).collect::<Result<Vec<_>>>()?;
            builder
                .when_not_matched_insert(|mut insert| {
                    for (column, value) in columns.iter().zip(values) {
                        insert = insert.set(column.clone(), value);
                    }
                    match predicate {
                        Some(predicate) => insert.predicate(predicate),
                        None => insert,
                    }
                })
                .map_err(lake)
        }
        _ => Err(Error::Unsupported(
            "MERGE: only WHEN MATCHED THEN UPDATE or DELETE and WHEN NOT MATCHED THEN INSERT are offered".into(),
        )),
    }
}
