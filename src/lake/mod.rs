//! The lake: schemas of Delta tables under one folder. The only room that knows `deltalake`.
//!
//! A table `schema.table` is the folder `<root>/<schema>/<table>`; a view is the file `<root>/<schema>/<view>.view.sql`.
//! What is there under another spelling, or under a name that cannot be said, is nothing.
//! Nothing here parses SQL statements or knows the pipeline.

mod catalog;
mod columns;
mod compact;
mod constraints;
mod faults;
mod history;
mod merge;
mod names;
mod rows;
mod scan;
mod snapshot;
mod system_tables;
mod tail;
mod target;
mod temporary;
mod views;
mod write;

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, OnceLock, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
};

use arrow::datatypes::SchemaRef;
use datafusion::physical_planner::ExtensionPlanner;
use deltalake::{DeltaTable, delta_datafusion::planner::DeltaExtensionPlanner};
use url::Url;

pub(crate) use catalog::versioned;
pub use catalog::{StatementCatalog, ViewParser};
pub use history::CommitNote;
pub(crate) use merge::has_subquery;
pub use names::TableName;
pub(crate) use names::check_part;
pub(crate) use rows::one_shot_plan;
pub(crate) use scan::rows_of_table;
pub use system_tables::Object;
pub(crate) use tail::Tail;
pub use target::Target;
pub use temporary::{TEMPORARY_SCHEMA, TemporaryTable, TemporaryTables, is_temporary};
pub use write::{Disposition, NewTable};

use crate::error::{Error, Result};
use faults::{conflict, lake_error};
use names::{SCHEMA, is_listed, refuse_taken};
use snapshot::Snapshot;

/// The one catalogue's name.
pub const CATALOG: &str = "moodlake";
/// The schema of names that name none.
pub const DEFAULT_SCHEMA: &str = "gold";
/// The schemas that every lake has.
pub const SCHEMAS: [&str; 5] = ["bronze", "silver", "ml", "gold", "system"];

/// Where dropped tables lie until they are vacuumed.
const DROPPED: &str = ".dropped";

/// All tables under one folder, shared by every statement of the process.
#[derive(Debug)]
pub struct Lake {
    root: PathBuf,
    /// The newest snapshot known of each table; refreshed, not trusted.
    snapshots: Mutex<HashMap<TableName, Arc<Snapshot>>>,
    /// One writer a table at a time, so that writers of this process never conflict. Kept as long as there is one.
    writers: Mutex<HashMap<TableName, Weak<tokio::sync::Mutex<()>>>>,
    /// Rows that are not in their tables yet.
    tail: OnceLock<Tail>,
    commits: AtomicU64,
}

impl Lake {
    /// The lake in `root`, which is made if it is not there.
    ///
    /// # Errors
    /// [`Error::Io`] when the folder cannot be made or read.
    pub fn open(root: &Path) -> Result<Self> {
        for schema in SCHEMAS {
            let folder = root.join(schema);
            std::fs::create_dir_all(&folder).map_err(Error::io(folder))?;
        }
        let root = root.canonicalize().map_err(Error::io(root))?;
        Ok(Self {
            root,
            snapshots: Mutex::default(),
            writers: Mutex::default(),
            tail: OnceLock::new(),
            commits: AtomicU64::new(0),
        })
    }

    /// The folder that it is.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Makes a schema. Returns whether it was missing.
    ///
    /// # Errors
    /// [`Error::Input`] for an impossible name, [`Error::Io`] when the folder cannot be made.
    pub fn create_schema(&self, schema: &str) -> Result<bool> {
        check_part(SCHEMA, schema)?;
        if self.has_schema(schema) {
            return Ok(false);
        }
        let folder = self.root.join(schema);
        refuse_taken(&folder, schema)?;
        std::fs::create_dir_all(folder).map_err(Error::io(schema))?;
        Ok(true)
    }

    /// Takes away a schema that has neither tables nor views. Returns whether there was one.
    ///
    /// # Errors
    /// [`Error::Input`] when something is in it, [`Error::Io`] when the folder cannot be removed.
    pub fn drop_schema(&self, schema: &str) -> Result<bool> {
        check_part(SCHEMA, schema)?;
        if !self.has_schema(schema) {
            return Ok(false);
        }
        let inside = [self.tables(schema)?, self.views(schema)?].concat();
        if let Some(first) = inside.first() {
            return Err(Error::Input(format!(
                "schema '{schema}' is not empty: drop {schema}.{first} first ({} tables and views in all)",
                inside.len()
            )));
        }
        // What is left are folders of tables that were broken off before their first commit.
        self.move_aside(&self.root.join(schema), schema)?;
        Ok(true)
    }

    /// The schemas there are, sorted.
    ///
    /// # Errors
    /// [`Error::Io`] when the root cannot be read.
    pub fn schemas(&self) -> Result<Vec<String>> {
        let mut names = folder_names(&self.root)?;
        names.retain(|name| check_part(SCHEMA, name).is_ok());
        Ok(names)
    }

    /// The tables of a schema, sorted; views not among them.
    ///
    /// # Errors
    /// [`Error::Io`] when the schema's folder cannot be read.
    pub fn tables(&self, schema: &str) -> Result<Vec<String>> {
        if !self.has_schema(schema) {
            return Ok(Vec::new());
        }
        let folder = self.root.join(schema);
        let mut names = folder_names(&folder)?;
        names.retain(|name| has_commits(&folder.join(name)));
        Ok(names)
    }

    /// Whether a table of this name exists.
    #[must_use]
    pub fn has_table(&self, name: &TableName) -> bool {
        has_commits(&self.folder(name)) && self.holds(&name.schema, &name.table)
    }

    /// The newest state of a table: a text that changes with its content.
    ///
    /// # Errors
    /// Those of opening the table.
    pub async fn state(&self, name: &TableName) -> Result<Option<String>> {
        Ok(self
            .latest(name)
            .await?
            .map(|snapshot| snapshot.state().to_string()))
    }

    /// The columns of a table's newest version, or none if there is no such table.
    ///
    /// # Errors
    /// Those of opening the table.
    pub async fn schema(&self, name: &TableName) -> Result<Option<SchemaRef>> {
        let snapshot = self.latest(name).await?;
        Ok(snapshot.map(|snapshot| Arc::clone(snapshot.schema())))
    }

    /// Moves a table aside, into a hidden folder from where it can be brought back or vacuumed.
    /// Returns whether there was one.
    ///
    /// # Errors
    /// [`Error::Io`] when the folder cannot be moved.
    pub async fn drop_table(&self, name: &TableName) -> Result<bool> {
        let _writing = self.lock(name).await;
        if !self.has_table(name) {
            return Ok(false);
        }
        self.move_aside(&self.folder(name), &name.to_string())?;
        self.forget(name);
        Ok(true)
    }

    fn move_aside(&self, folder: &Path, name: &str) -> Result<()> {
        let dropped = self.root.join(DROPPED);
        std::fs::create_dir_all(&dropped).map_err(Error::io(DROPPED))?;
        let aside = dropped.join(format!("{name}.{}", uuid::Uuid::now_v7()));
        std::fs::rename(folder, aside).map_err(Error::io(name))
    }

    fn has_schema(&self, schema: &str) -> bool {
        check_part(SCHEMA, schema).is_ok()
            && self.root.join(schema).is_dir()
            && is_listed(&self.root, schema)
    }

    /// Whether a schema's folder has exactly this entry.
    fn holds(&self, schema: &str, entry: &str) -> bool {
        is_listed(&self.root, schema) && is_listed(&self.root.join(schema), entry)
    }

    fn folder(&self, name: &TableName) -> PathBuf {
        self.root.join(&name.schema).join(&name.table)
    }

    fn url(&self, name: &TableName) -> Result<Url> {
        let folder = self.folder(name);
        Url::from_directory_path(&folder)
            .map_err(|()| Error::Internal(format!("{} is no absolute path", folder.display())))
    }

    async fn lock(&self, name: &TableName) -> tokio::sync::OwnedMutexGuard<()> {
        let lock = {
            let mut writers = self.writers.lock().unwrap_or_else(PoisonError::into_inner);
            let known = writers.get(name).and_then(Weak::upgrade);
            known.unwrap_or_else(|| {
                writers.retain(|_, writer| writer.strong_count() > 0);
                let lock = Arc::default();
                writers.insert(name.clone(), Arc::downgrade(&lock));
                lock
            })
        };
        lock.lock_owned().await
    }

    /// How many commits this process has made.
    #[must_use]
    pub fn commits(&self) -> u64 {
        self.commits.load(Ordering::Relaxed)
    }

    /// Remembers a table that was just written.
    fn committed(&self, name: &TableName, table: DeltaTable) -> Result<Arc<Snapshot>> {
        self.commits.fetch_add(1, Ordering::Relaxed);
        self.remember(name, table)
    }

    fn remember(&self, name: &TableName, table: DeltaTable) -> Result<Arc<Snapshot>> {
        let tag = self.commit_tag(name, table.version().unwrap_or_default());
        let snapshot = Arc::new(Snapshot::new(name.clone(), table, tag)?);
        let mut snapshots = self
            .snapshots
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        snapshots.insert(name.clone(), Arc::clone(&snapshot));
        Ok(snapshot)
    }

    fn recall(&self, name: &TableName) -> Option<Arc<Snapshot>> {
        let snapshots = self
            .snapshots
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        snapshots.get(name).cloned()
    }

    fn forget(&self, name: &TableName) {
        let mut snapshots = self
            .snapshots
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        snapshots.remove(name);
    }
}

/// What lowers the plan nodes of delta-rs' builders: every session that writes needs it.
pub(crate) fn extension_planners() -> Vec<Arc<dyn ExtensionPlanner + Send + Sync>> {
    vec![Arc::new(DeltaExtensionPlanner {})]
}

/// Names of the folders in `folder` that a statement can say, sorted.
fn folder_names(folder: &Path) -> Result<Vec<String>> {
    let entries = std::fs::read_dir(folder).map_err(Error::io("the lake"))?;
    let mut names: Vec<String> = entries
        .filter_map(|entry| {
            let entry = entry.ok()?;
            entry.file_type().ok()?.is_dir().then_some(())?;
            entry.file_name().into_string().ok()
        })
        .filter(|name| check_part("table", name).is_ok())
        .collect();
    names.sort_unstable();
    Ok(names)
}

/// Whether a table's folder has a log with a commit in it: one that was broken off in its first commit has not.
fn has_commits(folder: &Path) -> bool {
    let is_commit = |file: &str| {
        let version = file.strip_suffix(".json").unwrap_or_default();
        let is_version = !version.is_empty() && version.bytes().all(|byte| byte.is_ascii_digit());
        is_version || (file.contains(".checkpoint") && file.ends_with(".parquet"))
    };
    std::fs::read_dir(folder.join("_delta_log"))
        .into_iter()
        .flatten()
        .flatten()
        .any(|entry| entry.file_name().to_str().is_some_and(is_commit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn writers_of_names_are_forgotten_when_they_have_written() {
        let folder = tempfile::tempdir().unwrap();
        let lake = Lake::open(folder.path()).unwrap();
        for number in 0..100 {
            let name = TableName::new("gold", format!("x{number}")).unwrap();
            let held = lake.lock(&name).await;
            let again = lake.lock(&name);
            assert!(futures::FutureExt::now_or_never(again).is_none());
            drop(held);
        }
        assert_eq!(lake.writers.lock().unwrap().len(), 1);
    }

    #[test]
    fn folders_that_no_statement_can_name_are_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let lake = Lake::open(folder.path()).unwrap();
        for odd in [
            "moodlake",
            "a.b",
            "gold/c.d/_delta_log",
            "gold/e@v1/_delta_log",
        ] {
            std::fs::create_dir_all(folder.path().join(odd)).unwrap();
        }
        for log in ["c.d", "e@v1"] {
            let log = folder.path().join("gold").join(log).join("_delta_log");
            std::fs::write(log.join("00000000000000000000.json"), "").unwrap();
        }
        assert_eq!(
            lake.schemas().unwrap(),
            ["bronze", "gold", "ml", "silver", "system"]
        );
        assert!(lake.tables("gold").unwrap().is_empty());
        assert!(lake.create_schema("moodlake").is_err());
        std::fs::write(folder.path().join("taken"), "").unwrap();
        assert!(matches!(lake.create_schema("taken"), Err(Error::Exists(_))));
    }
}
