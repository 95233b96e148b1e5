//! One version of one table, opened once and shared, and the check that it is still the newest.

use std::sync::{Arc, OnceLock};

use arrow::datatypes::SchemaRef;
use deltalake::{DeltaTable, DeltaTableBuilder, logstore::commit_uri_from_version};
use futures::FutureExt;
use object_store::{ObjectStoreExt, path::Path};
use tokio::sync::OnceCell;

use super::{CommitNote, Lake, TableName, lake_error, scan::ScanFiles};
use crate::error::Result;

/// A table at one version.
#[derive(Debug)]
pub(crate) struct Snapshot {
    pub(super) name: TableName,
    pub(super) table: DeltaTable,
    /// Version and table id: changes with every commit, and when the table was made anew.
    state: String,
    schema: SchemaRef,
    /// The commit file's identity, which a table that was made anew does not share.
    commit_tag: OnceCell<Option<String>>,
    pub(super) files: OnceLock<Arc<ScanFiles>>,
    pub(super) note: OnceCell<CommitNote>,
}

impl Snapshot {
    pub(super) fn new(name: TableName, table: DeltaTable) -> Result<Self> {
        let state = table.snapshot().map_err(|error| lake_error(&name, error))?;
        let id = state.metadata().id().chars().take(8).collect::<String>();
        Ok(Self {
            state: format!("{}@{id}", state.version()),
            schema: state.snapshot().arrow_schema(),
            commit_tag: OnceCell::new(),
            files: OnceLock::new(),
            note: OnceCell::new(),
            name,
            table,
        })
    }

    /// The version's number.
    pub(super) fn version(&self) -> u64 {
        self.table.version().unwrap_or_default()
    }

    /// An opaque text that differs between any two states of a table of this name.
    pub(crate) fn state(&self) -> &str {
        &self.state
    }

    /// The columns as Delta has them.
    pub(super) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Columns that partition the table.
    pub(super) fn partition_columns(&self) -> Vec<String> {
        let state = self.table.snapshot();
        state
            .map(|s| s.metadata().partition_columns().to_vec())
            .unwrap_or_default()
    }

    async fn commit_tag(&self) -> Option<&str> {
        let read = || async { self.tag_of(self.version()).await };
        self.commit_tag.get_or_init(read).await.as_deref()
    }

    async fn tag_of(&self, version: u64) -> Option<String> {
        let store = self.table.log_store().object_store(None);
        let commit: Path = commit_uri_from_version(Some(version));
        let meta = store.head(&commit).await.ok()?;
        Some(
            meta.e_tag
                .unwrap_or_else(|| meta.last_modified.to_rfc3339()),
        )
    }
}

impl Lake {
    /// The newest version of a table, or none if there is no such table.
    pub(super) async fn latest(&self, name: &TableName) -> Result<Option<Arc<Snapshot>>> {
        if !self.has_table(name) {
            self.forget(name);
            return Ok(None);
        }
        if let Some(known) = self.recall(name) {
            let tag = known.commit_tag().await;
            if tag.is_some() && known.tag_of(known.version()).await.as_deref() == tag {
                if known.tag_of(known.version() + 1).await.is_none() {
                    return Ok(Some(known));
                }
                let mut table = known.table.clone();
                table
                    .update_state()
                    .boxed()
                    .await
                    .map_err(|error| lake_error(name, error))?;
                return self.remember(name, table).map(Some);
            }
        }
        let table = DeltaTableBuilder::from_url(self.url(name)?)
            .map_err(|error| lake_error(name, error))?
            .load()
            .boxed()
            .await
            .map_err(|error| lake_error(name, error))?;
        let snapshot = self.remember(name, table)?;
        snapshot.commit_tag().await;
        Ok(Some(snapshot))
    }

    /// A table as it was at `version`.
    pub(super) async fn at_version(
        &self,
        name: &TableName,
        version: u64,
    ) -> Result<Option<Arc<Snapshot>>> {
        if !self.has_table(name) {
            return Ok(None);
        }
        let table = DeltaTableBuilder::from_url(self.url(name)?)
            .map_err(|error| lake_error(name, error))?
            .with_version(version)
            .load()
            .boxed()
            .await
            .map_err(|_| {
                crate::error::Error::NotFound(format!(
                    "{name} has no version {version}; DESCRIBE HISTORY {name} lists those there are"
                ))
            })?;
        Ok(Some(Arc::new(Snapshot::new(name.clone(), table)?)))
    }
}
