//! Who wrote what into a table, and from what: the note in each commit, and `DESCRIBE HISTORY`.

use std::{collections::BTreeMap, sync::Arc};

use arrow::{
    array::{Int64Builder, RecordBatch, StringBuilder, TimestampMicrosecondBuilder},
    datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit},
};
use deltalake::kernel::{CommitInfo, transaction::CommitProperties};
use futures::TryStreamExt;
use serde_json::Value;

use super::{Lake, TableName, lake_error, snapshot::Snapshot};
use crate::error::{Error, Result};

const STATEMENT_KEY: &str = "moodlake.statement";
const READS_KEY: &str = "moodlake.reads";
/// How far back a table's note is looked for, past commits that only rearranged files.
const NOTE_DEPTH: usize = 10;

/// What a commit says about itself: the statement, and the state of every table that it read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CommitNote {
    /// The SQL text, trimmed; none for rows that came without a statement (ingest).
    pub statement: Option<String>,
    /// Table or model name to the state that the statement saw.
    pub reads: BTreeMap<String, String>,
}

/// The version that a commit may follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Base {
    /// Only the one that the statement was planned on.
    Pinned,
    /// The newest: the commit does not depend on what is there.
    Newest,
}

impl CommitNote {
    pub(super) fn properties(&self, base: Base) -> CommitProperties {
        let reads = self
            .reads
            .iter()
            .map(|(name, state)| (name.clone(), Value::from(state.clone())));
        let mut metadata = vec![(READS_KEY.to_string(), Value::Object(reads.collect()))];
        if let Some(statement) = &self.statement {
            metadata.push((STATEMENT_KEY.to_string(), Value::from(statement.clone())));
        }
        let properties = CommitProperties::default()
            .with_metadata(metadata)
            .with_cleanup_expired_logs(Some(false));
        match base {
            // Without retries a commit after another's fails.
            Base::Pinned => properties.with_max_retries(0),
            Base::Newest => properties,
        }
    }

    fn of(commit: &CommitInfo) -> Option<Self> {
        let Value::Object(reads) = commit.info.get(READS_KEY)? else {
            return None;
        };
        let text = |value: &Value| value.as_str().map(str::to_string);
        Some(Self {
            statement: commit.info.get(STATEMENT_KEY).and_then(text),
            reads: reads
                .iter()
                .filter_map(|(name, state)| Some((name.clone(), text(state)?)))
                .collect(),
        })
    }
}

impl Snapshot {
    /// The note of the newest commit that has one.
    pub(super) async fn note(&self) -> Result<&CommitNote> {
        let read = || async {
            let mut commits = self.table.history(Some(NOTE_DEPTH));
            while let Some(commit) = commits
                .try_next()
                .await
                .map_err(|error| lake_error(&self.name, error))?
            {
                if let Some(note) = CommitNote::of(&commit) {
                    return Ok(note);
                }
            }
            Ok(CommitNote::default())
        };
        self.note.get_or_try_init(read).await
    }
}

/// The columns of `DESCRIBE HISTORY`.
pub(crate) fn history_schema() -> SchemaRef {
    let text = |name: &str| Field::new(name, DataType::Utf8, true);
    Arc::new(Schema::new(vec![
        Field::new("version", DataType::Int64, false),
        Field::new(
            "timestamp",
            DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            true,
        ),
        text("operation"),
        text("operation_parameters"),
        text("statement"),
        text("reads"),
        text("operation_metrics"),
        text("engine_info"),
    ]))
}

impl Lake {
    /// The commits of a table, newest first.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is no such table, [`Error::Lake`] when its log cannot be read.
    pub async fn history(&self, name: &TableName) -> Result<RecordBatch> {
        let Some(snapshot) = self.latest(name).await? else {
            return Err(Error::NotFound(format!("table '{name}' not found")));
        };
        let commits: Vec<CommitInfo> = snapshot
            .table
            .history(None)
            .try_collect()
            .await
            .map_err(|error| lake_error(name, error))?;
        history_batch(snapshot.version(), &commits)
    }
}

fn history_batch(newest: u64, commits: &[CommitInfo]) -> Result<RecordBatch> {
    let mut versions = Int64Builder::new();
    let mut times = TimestampMicrosecondBuilder::new();
    let mut texts: [StringBuilder; 6] = std::array::from_fn(|_| StringBuilder::new());
    for (age, commit) in (0..).zip(commits) {
        let note = CommitNote::of(commit).unwrap_or_default();
        let version = newest.saturating_sub(age);
        versions.append_value(i64::try_from(version).unwrap_or(i64::MAX));
        times.append_option(commit.timestamp.map(|milliseconds| milliseconds * 1000));
        let json = |value: Option<String>| value.filter(|text| text != "{}" && text != "null");
        let columns = [
            commit.operation.clone(),
            json(serde_json::to_string(&commit.operation_parameters).ok()),
            note.statement,
            json(serde_json::to_string(&note.reads).ok()),
            json(commit.info.get("operationMetrics").map(Value::to_string)),
            commit.engine_info.clone(),
        ];
        for (builder, value) in texts.iter_mut().zip(columns) {
            builder.append_option(value);
        }
    }
    let mut columns: Vec<arrow::array::ArrayRef> = vec![
        Arc::new(versions.finish()),
        Arc::new(times.finish().with_timezone("UTC")),
    ];
    columns.extend(
        texts
            .iter_mut()
            .map(|builder| Arc::new(builder.finish()) as _),
    );
    Ok(RecordBatch::try_new(history_schema(), columns)?)
}
