//! Brings the rows that are kept in memory into their tables, keeps those tables in few files, and takes away what is old.

use std::time::Duration;

use arrow::array::RecordBatch;
use chrono::{DateTime, Days, Utc};
use datafusion::{
    logical_expr::{col, lit},
    scalar::ScalarValue,
};

use super::{AUDIT, QUERIES, SCHEMA, event, query};
use crate::{
    engine::Engine,
    error::Result,
    lake::{CommitNote, Disposition, NewTable, TableName},
    statement::batch_plan,
};

/// How often it is looked whether rows are due.
const STEP: Duration = Duration::from_secs(2);
/// How often old rows are looked for.
const TIDY_EVERY: Duration = Duration::from_hours(24);
/// So many files become one.
const MOST_FILES: usize = 64;

/// A table, and the column that says how old a row is.
const TABLES: [(&str, &str); 2] = [(QUERIES, "started_at"), (AUDIT, "event_at")];

impl Engine {
    /// Makes the tables of the audit where they are missing.
    ///
    /// # Errors
    /// Those of writing them.
    pub async fn make_audit_tables(&self) -> Result<()> {
        for (table, schema) in [(QUERIES, query::schema()), (AUDIT, event::schema())] {
            let target = self.lake().target(&TableName::new(SCHEMA, table)?).await?;
            if target.exists() {
                continue;
            }
            let new = NewTable {
                schema,
                partition_by: Vec::new(),
                checks: Vec::new(),
                replace: false,
            };
            self.lake()
                .create_table(&target, new, &CommitNote::default())
                .await?;
        }
        Ok(())
    }

    /// Brings rows into their tables whenever there are enough, or the oldest has waited long; for ever.
    pub async fn keep_audit(&self) {
        let mut tidied: Option<std::time::Instant> = None;
        loop {
            if tidied.is_none_or(|at| at.elapsed() >= TIDY_EVERY) {
                tidied = Some(std::time::Instant::now());
                if let Err(error) = self.tidy_audit(Utc::now()).await {
                    tracing::warn!(%error, "old rows of the audit could not be taken away");
                }
            }
            tokio::time::sleep(STEP).await;
            if let Err(error) = self.write_audit(false).await {
                tracing::error!(%error, "the audit could not be written; it is tried again");
            }
        }
    }

    /// Brings all rows into their tables, or only those that are due.
    ///
    /// # Errors
    /// Those of writing them; the rows are kept.
    pub async fn write_audit(&self, all: bool) -> Result<()> {
        let audit = self.audit();
        if (all || audit.queries.is_due())
            && let Some(taken) = audit.queries.take()?
        {
            self.append_audit(QUERIES, taken.batch.clone()).await?;
            audit.queries.forget(&taken);
        }
        if (all || audit.events.is_due())
            && let Some(taken) = audit.events.take()?
        {
            self.append_audit(AUDIT, taken.batch.clone()).await?;
            audit.events.forget(&taken);
        }
        Ok(())
    }

    /// Takes away the rows that are older than they are kept, and the files that no version needs.
    ///
    /// # Errors
    /// Those of reading and writing the tables.
    pub async fn tidy_audit(&self, now: DateTime<Utc>) -> Result<()> {
        let days = self.audit().keep_days;
        let Some(oldest) = now.checked_sub_days(Days::new(days)).filter(|_| days > 0) else {
            return Ok(());
        };
        let oldest =
            ScalarValue::TimestampMicrosecond(Some(oldest.timestamp_micros()), Some("UTC".into()));
        for (table, time) in TABLES {
            let name = TableName::new(SCHEMA, table)?;
            let target = self.lake().target(&name).await?;
            if !target.exists() || target.is_empty() {
                continue;
            }
            let is_old = col(time).lt(lit(oldest.clone()));
            let state = self.bare_scope()?.state;
            let gone = self
                .lake()
                .delete(&target, Some(is_old), state, &CommitNote::default())
                .await?;
            if gone > 0 {
                tracing::info!(table, rows = gone, "took away old rows");
            }
            self.lake().vacuum(&target).await?;
        }
        Ok(())
    }

    async fn append_audit(&self, table: &str, rows: RecordBatch) -> Result<()> {
        let name = TableName::new(SCHEMA, table)?;
        let target = self.lake().target(&name).await?;
        let rows = batch_plan("rows", rows)?;
        let state = self.bare_scope()?.state;
        let note = CommitNote::default();
        self.lake()
            .insert(&target, rows, Disposition::Append, state.clone(), &note)
            .await?;
        drop(target);
        let target = self.lake().target(&name).await?;
        if target.files() > MOST_FILES {
            self.lake().compact(&target, state).await?;
        }
        Ok(())
    }
}
