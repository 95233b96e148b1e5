//! The rows of `system.audit`.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, RecordBatch, StringArray, TimestampMicrosecondArray},
    datatypes::{DataType, Field, Schema, SchemaRef},
};
use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::query::time;
use crate::{access::Caller, error::Result};

/// The column that tells one row from all others.
pub(super) const KEY: &str = "event_id";

/// How something ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Well.
    Done,
    /// With an error.
    Failed,
    /// It was not allowed.
    Denied,
    /// It was ended before.
    Cancelled,
}

impl Outcome {
    /// The word for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Denied => "denied",
            Self::Cancelled => "cancelled",
        }
    }
}

/// What somebody did, or tried.
#[derive(Debug, Clone)]
pub struct Event {
    /// An id of its own.
    pub event_id: String,
    /// When it ended.
    pub event_at: DateTime<Utc>,
    /// Who; for a failed login the name that was given.
    pub user: String,
    /// Who spoke for that user.
    pub proxy: Option<String>,
    /// From where.
    pub address: Option<String>,
    /// The session.
    pub session: Option<String>,
    /// What: `connect`, `login`, or the first words of a statement.
    pub action: String,
    /// The tables that were named to be read.
    pub reads: Vec<String>,
    /// The tables that were to be written, or the user who was changed.
    pub writes: Vec<String>,
    /// How it ended.
    pub outcome: Outcome,
    /// Why it failed, without values.
    pub error: Option<String>,
    /// The statement, without values.
    pub statement: Option<String>,
    /// The row in `system.queries`.
    pub query_id: Option<String>,
}

impl Event {
    /// An event of now that ended well.
    #[must_use]
    pub fn new(user: impl Into<String>, action: impl Into<String>) -> Self {
        Self {
            event_id: Uuid::now_v7().to_string(),
            event_at: Utc::now(),
            user: user.into(),
            proxy: None,
            address: None,
            session: None,
            action: action.into(),
            reads: Vec::new(),
            writes: Vec::new(),
            outcome: Outcome::Done,
            error: None,
            statement: None,
            query_id: None,
        }
    }

    /// An event of somebody who is known.
    #[must_use]
    pub fn of(caller: &Caller, action: impl Into<String>) -> Self {
        Self {
            proxy: caller.proxy.clone(),
            ..Self::new(&caller.user, action)
        }
    }

    /// From where.
    #[must_use]
    pub fn from_address(self, address: Option<impl ToString>) -> Self {
        Self {
            address: address.map(|address| address.to_string()),
            ..self
        }
    }

    /// That it ended otherwise, and why; `error` must hold no secrets.
    #[must_use]
    pub fn ended(self, outcome: Outcome, error: impl Into<String>) -> Self {
        Self {
            outcome,
            error: Some(error.into()),
            ..self
        }
    }
}

pub(super) fn schema() -> SchemaRef {
    let text = |name: &str, nullable| Field::new(name, DataType::Utf8, nullable);
    Arc::new(Schema::new(vec![
        text(KEY, false),
        time("event_at"),
        text("user_name", false),
        text("proxy_name", true),
        text("address", true),
        text("session_id", true),
        text("action", false),
        text("reads", true),
        text("writes", true),
        text("outcome", false),
        text("error", true),
        text("statement", true),
        text("query_id", true),
    ]))
}

pub(super) fn batch(rows: &[Event]) -> Result<RecordBatch> {
    let text = |value: fn(&Event) -> Option<&str>| -> ArrayRef {
        Arc::new(rows.iter().map(value).collect::<StringArray>())
    };
    let at = rows.iter().map(|row| row.event_at.timestamp_micros());
    let at = TimestampMicrosecondArray::from_iter_values(at).with_timezone("UTC");
    let listed = |names: fn(&Event) -> &Vec<String>| -> StringArray {
        let listed = rows.iter().map(|row| names(row).join(", "));
        listed
            .map(|names| Some(names).filter(|names| !names.is_empty()))
            .collect()
    };
    Ok(RecordBatch::try_new(
        schema(),
        vec![
            text(|row| Some(&row.event_id)),
            Arc::new(at),
            text(|row| Some(&row.user)),
            text(|row| row.proxy.as_deref()),
            text(|row| row.address.as_deref()),
            text(|row| row.session.as_deref()),
            text(|row| Some(&row.action)),
            Arc::new(listed(|row| &row.reads)),
            Arc::new(listed(|row| &row.writes)),
            text(|row| Some(row.outcome.name())),
            text(|row| row.error.as_deref()),
            text(|row| row.statement.as_deref()),
            text(|row| row.query_id.as_deref()),
        ],
    )?)
}
