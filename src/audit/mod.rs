//! What happened on a server, in two tables that only admins read: `system.queries`, a row for each statement, and
//! `system.audit`, a row for whatever somebody did or was refused.
//!
//! Rows are kept in memory and appended in batches: a SELECT makes no commit. Whoever reads the tables sees those rows
//! too. No row holds a value of a statement, a password or a token.

mod event;
mod keeper;
mod pending;
mod query;

use arrow::array::RecordBatch;

pub use event::{Event, Outcome};
pub use query::{QueryRow, State};

use crate::{error::Result, lake::TableName, limits::Limits};
use pending::Pending;

/// The schema of both tables.
const SCHEMA: &str = "system";
/// The table of statements.
pub(crate) const QUERIES: &str = "queries";
/// The table of events.
pub(crate) const AUDIT: &str = "audit";

/// The rows that are not in their tables yet.
#[derive(Debug)]
pub struct Audit {
    queries: Pending<QueryRow>,
    events: Pending<Event>,
    keep_days: u64,
}

impl Audit {
    /// Nothing has happened yet.
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        Self {
            queries: Pending::new(query::batch),
            events: Pending::new(event::batch),
            keep_days: limits.audit_days,
        }
    }

    /// Keeps an event.
    pub fn note(&self, event: Event) {
        tracing::debug!(
            user = event.user,
            action = event.action,
            outcome = event.outcome.name(),
            "audit"
        );
        self.events.push(event);
    }

    pub(crate) fn note_query(&self, row: QueryRow) {
        self.queries.push(row);
    }

    /// The rows of a table that are not in it yet, with its key; `live` are the statements that still run.
    pub(crate) fn tail(
        &self,
        name: &TableName,
        live: impl FnOnce() -> Vec<QueryRow>,
    ) -> Result<Option<(RecordBatch, &'static str)>> {
        if name.schema != SCHEMA {
            return Ok(None);
        }
        Ok(match name.table.as_str() {
            // First what runs: what ends meanwhile is then in both, and counts as ended.
            QUERIES => {
                let rows = self.queries.batch_with(live(), |row| row.query_id.as_str());
                Some((rows?, query::KEY))
            }
            AUDIT => {
                let rows = self
                    .events
                    .batch_with(Vec::new(), |row| row.event_id.as_str());
                Some((rows?, event::KEY))
            }
            _ => None,
        })
    }
}
