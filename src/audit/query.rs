//! The rows of `system.queries`.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray},
    datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit},
};
use chrono::{DateTime, Utc};

use crate::error::Result;

/// The column that tells one row from all others.
pub(super) const KEY: &str = "query_id";

/// How far a statement is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// It waits for others to end.
    Queued,
    /// It is planned, run, or its rows are sent.
    Running,
    /// It is planned and waits for its client to fetch the rows.
    Planned,
    /// It ended well.
    Done,
    /// It ended with an error.
    Failed,
    /// Its client or an admin ended it, or its client went away.
    Cancelled,
}

impl State {
    /// The word for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Planned => "planned",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// One statement.
#[derive(Debug, Clone)]
pub struct QueryRow {
    /// Its id, which `CANCEL QUERY` takes.
    pub query_id: String,
    /// For whom it runs.
    pub user: String,
    /// Who speaks for that user.
    pub proxy: Option<String>,
    /// The session.
    pub session: Option<String>,
    /// The client's address.
    pub address: Option<String>,
    /// Its first words.
    pub kind: String,
    /// How far it is.
    pub state: State,
    /// When it came.
    pub started_at: DateTime<Utc>,
    /// How long it waited for others.
    pub queued_ms: u64,
    /// How long it was worked on.
    pub elapsed_ms: u64,
    /// Rows sent, or changed.
    pub rows: Option<u64>,
    /// Bytes sent.
    pub bytes: u64,
    /// Why it failed, without values.
    pub error: Option<String>,
    /// Its text, without values.
    pub statement: String,
}

pub(super) fn schema() -> SchemaRef {
    let text = |name: &str, nullable| Field::new(name, DataType::Utf8, nullable);
    let number = |name: &str, nullable| Field::new(name, DataType::Int64, nullable);
    Arc::new(Schema::new(vec![
        text(KEY, false),
        text("user_name", false),
        text("proxy_name", true),
        text("session_id", true),
        text("address", true),
        text("kind", false),
        text("state", false),
        time("started_at"),
        number("queued_ms", false),
        number("elapsed_ms", false),
        number("rows", true),
        number("bytes", false),
        text("error", true),
        text("statement", false),
    ]))
}

pub(super) fn batch(rows: &[QueryRow]) -> Result<RecordBatch> {
    let text = |value: fn(&QueryRow) -> Option<&str>| -> ArrayRef {
        Arc::new(rows.iter().map(value).collect::<StringArray>())
    };
    let number = |value: fn(&QueryRow) -> Option<u64>| -> ArrayRef {
        let numbers = rows.iter().map(value);
        let numbers = numbers.map(|number| Some(i64::try_from(number?).unwrap_or(i64::MAX)));
        Arc::new(numbers.collect::<Int64Array>())
    };
    let started = rows.iter().map(|row| row.started_at.timestamp_micros());
    let started = TimestampMicrosecondArray::from_iter_values(started).with_timezone("UTC");
    Ok(RecordBatch::try_new(
        schema(),
        vec![
            text(|row| Some(&row.query_id)),
            text(|row| Some(&row.user)),
            text(|row| row.proxy.as_deref()),
            text(|row| row.session.as_deref()),
            text(|row| row.address.as_deref()),
            text(|row| Some(&row.kind)),
            text(|row| Some(row.state.name())),
            Arc::new(started),
            number(|row| Some(row.queued_ms)),
            number(|row| Some(row.elapsed_ms)),
            number(|row| row.rows),
            number(|row| Some(row.bytes)),
            text(|row| row.error.as_deref()),
            text(|row| Some(&row.statement)),
        ],
    )?)
}

/// A point in time, as both tables have it.
pub(super) fn time(name: &str) -> Field {
    let utc = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    Field::new(name, utc, false)
}
