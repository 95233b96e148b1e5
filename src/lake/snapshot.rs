//! One version of one table, opened once and shared, and the check that it is still the newest.

use std::{
    sync::{Arc, OnceLock},
    time::SystemTime,
};

use arrow::datatypes::SchemaRef;
use deltalake::{DeltaTable, DeltaTableBuilder};
use futures::FutureExt;
use tokio::sync::OnceCell;

use super::{CommitNote, Lake, TableName, lake_error, scan::ScanFiles};
use crate::error::{Error, Result};

/// A table at one version.
#[derive(Debug)]
pub(crate) struct Snapshot {
    pub(super) name: TableName,
    pub(super) table: DeltaTable,
    /// Version and table id: changes with every commit, and when the table was made anew.
    state: String,
    schema: SchemaRef,
    /// The commit file's, which a table that was made anew does not share.
    commit_tag: Option<CommitTag>,
    pub(super) files: OnceLock<Arc<ScanFiles>>,
    pub(super) note: OnceCell<CommitNote>,
}

/// Tells a commit file from another of the same name: when it was written, and its bytes.
pub(super) type CommitTag = (SystemTime, u64);

impl Snapshot {
    pub(super) fn new(
        name: TableName,
        table: DeltaTable,
        commit_tag: Option<CommitTag>,
    ) -> Result<Self> {
        let state = table.snapshot().map_err(|error| lake_error(&name, error))?;
        let id = state.metadata().id().chars().take(8).collect::<String>();
        Ok(Self {
            state: format!("{}@{id}", state.version()),
            schema: state.snapshot().arrow_schema(),
            commit_tag,
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

    /// Whether it has no rows.
    pub(super) fn is_empty(&self) -> bool {
        self.file_count() == 0
    }

    /// How many files its rows are in.
    pub(super) fn file_count(&self) -> usize {
        let state = self.table.snapshot();
        state.map_or(0, |state| state.log_data().num_files())
    }

    /// Columns that partition the table.
    pub(super) fn partition_columns(&self) -> Vec<String> {
        let state = self.table.snapshot();
        state
            .map(|s| s.metadata().partition_columns().to_vec())
            .unwrap_or_default()
    }
}

impl Lake {
    /// The newest version of a table, or none if there is no such table.
    pub(super) async fn latest(&self, name: &TableName) -> Result<Option<Arc<Snapshot>>> {
        if let Some(known) = self.recall(name)
            && known.commit_tag.is_some()
            && known.commit_tag == self.commit_tag(name, known.version())
        {
            if self.commit_tag(name, known.version() + 1).is_none() {
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
        if !self.has_table(name) {
            self.forget(name);
            return Ok(None);
        }
        let table = DeltaTableBuilder::from_url(self.url(name)?)
            .map_err(|error| lake_error(name, error))?
            .load()
            .boxed()
            .await
            .map_err(|error| lake_error(name, error))?;
        self.remember(name, table).map(Some)
    }

    /// The tag of a commit, if there is such a commit. A look at the file system: it costs less than handing it on.
    pub(super) fn commit_tag(&self, name: &TableName, version: u64) -> Option<CommitTag> {
        let log = self.folder(name).join("_delta_log");
        let commit = std::fs::metadata(log.join(format!("{version:020}.json"))).ok()?;
        Some((commit.modified().ok()?, commit.len()))
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
                Error::NotFound(format!(
                    "{name} has no version {version}; DESCRIBE HISTORY {name} lists those there are"
                ))
            })?;
        Ok(Some(Arc::new(Snapshot::new(name.clone(), table, None)?)))
    }

    /// How many of a snapshot's files are there no more.
    fn missing_files(&self, snapshot: &Snapshot) -> usize {
        let folder = self.folder(&snapshot.name);
        let is_missing = |path: &str| !folder.join(path).exists();
        let Ok(state) = snapshot.table.snapshot() else {
            return 0;
        };
        let log = state.log_data();
        log.iter().filter(|file| is_missing(&file.path())).count()
    }

    /// A table in a state that was recorded, `version` and all, with its files.
    pub(super) async fn at_state(
        &self,
        name: &TableName,
        version: &str,
        state: &str,
    ) -> Result<Arc<Snapshot>> {
        let gone =
            |cause: &str| Error::NotFound(format!("version {version} of {name} is gone: {cause}"));
        let Some(newest) = self.latest(name).await? else {
            return Err(gone("the table was dropped"));
        };
        let number: u64 = version
            .parse()
            .map_err(|_| gone("it was recorded by another Moodlake"))?;
        if number > newest.version() {
            return Err(gone("the table was made anew since"));
        }
        let Ok(Some(snapshot)) = self.at_version(name, number).await else {
            return Err(gone("its log was vacuumed"));
        };
        if snapshot.state() != state {
            return Err(gone("the table was made anew since"));
        }
        match self.missing_files(&snapshot) {
            0 => Ok(snapshot),
            missing => Err(gone(&format!(
                "{missing} of its {} files were vacuumed",
                snapshot.file_count()
            ))),
        }
    }
}
