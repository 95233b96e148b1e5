//! Making tables and adding rows: through delta-rs' builders, one atomic commit a statement.
//!
//! A write of no rows makes no commit, except where it makes or replaces a table. A write that depends on what its
//! statement read is never put on top of another writer's commit: that is a conflict, and the statement is to be run again.

use std::sync::{Arc, PoisonError};

use arrow::datatypes::{Schema, SchemaRef};
use datafusion::{
    execution::{SendableRecordBatchStream, SessionState},
    logical_expr::LogicalPlan,
    physical_plan::execute_stream,
};
use deltalake::{
    DeltaTable, DeltaTableBuilder,
    delta_datafusion::SessionFallbackPolicy,
    operations::write::{SchemaMode, WriteBuilder},
    parquet::{basic::Compression, file::properties::WriterProperties},
    protocol::SaveMode,
};
use futures::TryStreamExt;
use serde_json::Value;

use super::{
    CommitNote, Lake, TableName,
    columns::{check_partitions, conforming, delta_columns, storable},
    conflict,
    constraints::{self, Constraints},
    history::Base,
    lake_error,
    rows::{one_shot_plan, peek, under, watched},
    snapshot::Snapshot,
    target::Target,
};
use crate::{
    access,
    error::{Error, Result},
};

/// Rows a Parquet row group: small enough for two readers to share a file and for pruning, large enough to compress.
const ROW_GROUP_ROWS: usize = 131_072;

/// What happens to the rows that are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disposition {
    /// They stay. The new rows do not depend on them, and come beside whatever others commit meanwhile.
    Append,
    /// They stay. The new rows depend on what was read: a commit of another writer meanwhile is a conflict.
    Extend,
    /// They go. A commit of another writer meanwhile is a conflict.
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
    /// Makes a table without rows. One that replaces another has its own constraints only.
    ///
    /// # Errors
    /// [`Error::Exists`] when there is one and it is not to be replaced; [`Error::Lake`] when it cannot be written.
    pub async fn create_table(
        &self,
        target: &Target,
        new: NewTable,
        note: &CommitNote,
    ) -> Result<()> {
        let name = &target.name;
        let mode = match (target.exists(), new.replace) {
            (false, _) => SaveMode::ErrorIfExists,
            (true, true) => SaveMode::Overwrite,
            (true, false) => return Err(exists(name)),
        };
        check_partitions(name, new.schema.fields(), &new.partition_by)?;
        let columns = delta_columns(name, &new.schema)?;
        let mut configuration: Vec<_> = new
            .checks
            .into_iter()
            .map(|(constraint, sql)| (constraints::key(&constraint), Some(sql)))
            .collect();
        if !configuration.is_empty() {
            configuration.push(("delta.minWriterVersion".into(), Some("3".into())));
        }
        let written = self
            .unopened(name)?
            .create()
            .with_save_mode(mode)
            .with_columns(columns)
            .with_partition_columns(new.partition_by)
            .with_raise_if_key_not_exists(false)
            .with_configuration(configuration)
            .with_commit_properties(note.properties(Base::Pinned))
            .await
            .map_err(|error| lake_error(name, error));
        let table = written.map_err(|error| self.given_up(target, error))?;
        self.committed(name, table)?;
        Ok(())
    }

    /// Makes a table from a query's rows, in one commit. Its columns take NULL. Returns how many rows.
    ///
    /// # Errors
    /// As [`Lake::create_table`], and whatever the query fails with.
    pub async fn create_table_as(
        &self,
        target: &Target,
        query: LogicalPlan,
        partition_by: &[String],
        replace: bool,
        state: SessionState,
        note: &CommitNote,
    ) -> Result<u64> {
        let name = &target.name;
        match &target.base {
            Some(_) if !replace => return Err(exists(name)),
            Some(base) if constraints::has_checks(base) => return Err(has_checks(name)),
            _ => {}
        }
        check_partitions(name, query.schema().fields(), partition_by)?;
        let plan = state
            .create_physical_plan(&storable(name, query, partition_by)?)
            .await?;
        let rows = nullable(execute_stream(plan, state.task_ctx())?);
        let builder = match &target.base {
            Some(base) => writer(base)?
                .with_save_mode(SaveMode::Overwrite)
                .with_schema_mode(SchemaMode::Overwrite),
            None => WriteBuilder::new(self.unopened(name)?.log_store(), None)
                .with_save_mode(SaveMode::Append),
        };
        let builder = builder
            .with_partition_columns(partition_by.to_vec())
            .with_commit_properties(note.properties(Base::Pinned));
        let written = self.write(name, builder, rows, state).await;
        written.map_err(|error| self.given_up(target, error))
    }

    /// Adds a query's rows to a table, or puts them in the place of its rows. Columns are found by name.
    /// Returns how many rows.
    ///
    /// # Errors
    /// [`Error::Constraint`] with the constraint and a row; nothing is written then. [`Error::Input`] for columns that
    /// the table has not.
    pub async fn insert(
        &self,
        target: &Target,
        query: LogicalPlan,
        disposition: Disposition,
        state: SessionState,
        note: &CommitNote,
    ) -> Result<u64> {
        let base = target.snapshot()?;
        let plan = state
            .create_physical_plan(&conforming(query, base)?)
            .await?;
        let rows = execute_stream(plan, state.task_ctx())?;
        let constraints = Constraints::of(base, &rows.schema(), &state)?;
        let constraints = constraints.with(&target.restriction, &rows.schema(), &state)?;
        let (rows, is_empty) = peek(constraints.guard(rows)).await?;
        if is_empty && (disposition != Disposition::Overwrite || base.is_empty()) {
            return Ok(0);
        }
        let (mode, commit_base) = match disposition {
            Disposition::Append => (SaveMode::Append, Base::Newest),
            Disposition::Extend => (SaveMode::Append, Base::Pinned),
            Disposition::Overwrite => (SaveMode::Overwrite, Base::Pinned),
        };
        let builder = writer(base)?
            .with_save_mode(mode)
            .with_commit_properties(note.properties(commit_base));
        self.write(&target.name, builder, rows, state).await
    }

    async fn write(
        &self,
        name: &TableName,
        builder: WriteBuilder,
        rows: SendableRecordBatchStream,
        state: SessionState,
    ) -> Result<u64> {
        let properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
            .build();
        let (rows, failure) = watched(rows);
        // delta-rs evaluates nothing but the table's constraints.
        let state = access::rule_session(&state).into_owned();
        let written = builder
            .with_input_plan(one_shot_plan(rows)?)
            .with_session_state(Arc::new(state))
            .with_session_fallback_policy(SessionFallbackPolicy::RequireSessionState)
            .with_writer_properties(properties)
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
        self.committed(name, table)?;
        Ok(rows)
    }

    /// The error of a table that was not made; its folder does not stay behind empty.
    fn given_up(&self, target: &Target, error: Error) -> Error {
        if target.exists() {
            return error;
        }
        if self.has_table(&target.name) {
            return conflict(&target.name);
        }
        // Fails where another process has begun to write there, which is right.
        let _ = std::fs::remove_dir(self.folder(&target.name));
        error
    }

    fn unopened(&self, name: &TableName) -> Result<DeltaTable> {
        let folder = self.folder(name);
        if !self.holds(&name.schema, &name.table) {
            super::refuse_taken(&folder, &name.to_string())?;
        }
        std::fs::create_dir_all(&folder).map_err(Error::io(name.to_string()))?;
        DeltaTableBuilder::from_url(self.url(name)?)
            .and_then(DeltaTableBuilder::build)
            .map_err(|error| lake_error(name, error))
    }
}

fn exists(name: &TableName) -> Error {
    Error::Exists(format!(
        "table '{name}' exists already; use CREATE OR REPLACE TABLE to replace it or CREATE TABLE IF NOT EXISTS to keep it"
    ))
}

fn has_checks(name: &TableName) -> Error {
    Error::Unsupported(format!(
        "{name}: the table to be replaced has CHECK constraints, which the new rows would be held against; \
         DROP TABLE {name} first, or CREATE OR REPLACE TABLE {name} with columns and INSERT the rows"
    ))
}

/// The same rows, all of whose columns take NULL.
fn nullable(rows: SendableRecordBatchStream) -> SendableRecordBatchStream {
    let schema = rows.schema();
    let fields = schema
        .fields()
        .iter()
        .map(|field| field.as_ref().clone().with_nullable(true));
    under(Arc::new(Schema::new(fields.collect::<Vec<_>>())), rows)
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
