//! Tables kept small: many files become few, and files that no version needs are removed.

use std::sync::Arc;

use datafusion::execution::SessionState;
use deltalake::delta_datafusion::SessionFallbackPolicy;

use super::{CommitNote, Lake, history::Base, lake_error, target::Target};
use crate::error::Result;

impl Lake {
    /// Writes the rows of many small files into few, in a commit that changes no rows.
    ///
    /// # Errors
    /// [`Error::Conflict`](crate::error::Error::Conflict) when another writer was faster, and those of reading and writing.
    pub async fn compact(&self, target: &Target, state: SessionState) -> Result<()> {
        let name = &target.name;
        let optimize = target
            .snapshot()?
            .table
            .clone()
            .optimize()
            .with_session_state(Arc::new(state))
            .with_session_fallback_policy(SessionFallbackPolicy::RequireSessionState)
            .with_commit_properties(CommitNote::default().properties(Base::Pinned));
        let (table, _metrics) = optimize.await.map_err(|error| lake_error(name, error))?;
        self.committed(name, table)?;
        Ok(())
    }

    /// Removes files that no version of the last week needs.
    ///
    /// # Errors
    /// Those of reading the log and removing files.
    pub async fn vacuum(&self, target: &Target) -> Result<()> {
        let name = &target.name;
        let vacuum = target.snapshot()?.table.clone().vacuum();
        let (table, _metrics) = vacuum.await.map_err(|error| lake_error(name, error))?;
        self.remember(name, table)?;
        Ok(())
    }
}
