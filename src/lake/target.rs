//! A table about to be written: held by one writer of this process, from before its statement is planned to the commit.
//!
//! The plan and the commit have the same snapshot for their base, so that a commit of another process in between is seen.

use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use tokio::sync::OwnedMutexGuard;

use super::{Lake, TableName, snapshot::Snapshot};
use crate::{
    access::Restriction,
    error::{Error, Result},
};

/// The right to write to one table, and the state that it is in.
#[derive(Debug)]
pub struct Target {
    /// The table's name.
    pub name: TableName,
    /// The newest snapshot when the right was given; none if there is no table.
    pub(super) base: Option<Arc<Snapshot>>,
    /// What binds the rows that the statement's caller adds and removes.
    pub(super) restriction: Restriction,
    _writing: OwnedMutexGuard<()>,
}

impl Target {
    /// Whether the table exists.
    #[must_use]
    pub fn exists(&self) -> bool {
        self.base.is_some()
    }

    /// Whether the table exists and has no rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.base.as_ref().is_some_and(|base| base.is_empty())
    }

    /// How many files its rows are in.
    #[must_use]
    pub fn files(&self) -> usize {
        self.base.as_ref().map_or(0, |base| base.file_count())
    }

    /// Binds the rows that are added and removed.
    pub fn restrict(&mut self, restriction: Restriction) {
        self.restriction = restriction;
    }

    /// What binds the rows that are added and removed.
    #[must_use]
    pub fn restriction(&self) -> &Restriction {
        &self.restriction
    }

    /// The table's schema; without columns if there is no table.
    #[must_use]
    pub fn schema(&self) -> SchemaRef {
        let schema = self.base.as_ref().map(|base| Arc::clone(base.schema()));
        schema.unwrap_or_else(|| Arc::new(Schema::empty()))
    }

    /// The table's columns, in order; none if there is no table.
    #[must_use]
    pub fn columns(&self) -> Vec<String> {
        let fields = self.base.iter().flat_map(|base| base.schema().fields());
        fields.map(|field| field.name().clone()).collect()
    }

    pub(super) fn snapshot(&self) -> Result<&Arc<Snapshot>> {
        let missing = || Error::NotFound(format!("table '{}' not found", self.name));
        self.base.as_ref().ok_or_else(missing)
    }
}

impl Lake {
    /// Waits until no other statement of this process writes to the table, and takes its newest snapshot.
    ///
    /// # Errors
    /// Those of opening the table.
    pub async fn target(&self, name: &TableName) -> Result<Target> {
        let writing = self.lock(name).await;
        Ok(Target {
            base: self.latest(name).await?,
            name: name.clone(),
            restriction: Restriction::default(),
            _writing: writing,
        })
    }
}
