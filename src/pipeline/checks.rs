//! Checks: queries whose rows are the wrong ones, and the table that remembers what they said.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use arrow::json::ArrayWriter;
use datafusion::physical_plan::memory::MemoryStream;
use futures::StreamExt;

use crate::client::{Client, texts};
use crate::engine::IngestMode;
use crate::error::Result;
use crate::lake::TableName;

use super::scripts::{Check, Severity};
use super::state::LakeState;

/// How many offending rows are shown and kept.
const SAMPLE_ROWS: usize = 5;

/// What a check said.
#[derive(Debug, Clone)]
pub(crate) struct CheckResult {
    /// The name of the check.
    pub(crate) name: String,
    /// The file that it stands in.
    pub(crate) file: String,
    /// What its file says that wrong rows are.
    pub(crate) meaning: Option<String>,
    /// What its failing does.
    pub(crate) severity: Severity,
    /// How many rows are wrong.
    pub(crate) offending_rows: u64,
    /// The first of them.
    pub(crate) sample: Option<RecordBatch>,
    /// Why the check could not run.
    pub(crate) error: Option<String>,
    /// The table that it is about.
    table: TableName,
    statement: String,
}

impl CheckResult {
    /// Whether no row is wrong.
    pub(crate) fn passed(&self) -> bool {
        self.error.is_none() && self.offending_rows == 0
    }

    /// Whether it fails the build: wrong rows of a check that is no warning, or a broken check.
    pub(crate) fn fails_build(&self) -> bool {
        self.error.is_some() || (self.offending_rows > 0 && self.severity == Severity::Error)
    }
}

/// Runs one check on `table`.
pub(crate) async fn run(client: &Client, table: &TableName, check: &Check) -> CheckResult {
    let found = offending(client, &check.statement).await;
    let (offending_rows, sample, error) = match found {
        Ok((rows, sample)) => (rows, sample, None),
        Err(error) => (0, None, Some(error.to_string())),
    };
    CheckResult {
        name: check.name.clone(),
        file: check.file.clone(),
        meaning: check.meaning.clone(),
        severity: check.severity,
        offending_rows,
        sample,
        error,
        table: table.clone(),
        statement: check.statement.clone(),
    }
}

async fn offending(client: &Client, sql: &str) -> Result<(u64, Option<RecordBatch>)> {
    let mut stream = client.stream(sql).await?;
    let schema = stream.schema();
    let (mut rows, mut kept, mut first) = (0, 0, Vec::new());
    while let Some(batch) = stream.next().await.transpose()? {
        rows += batch.num_rows() as u64;
        let take = batch.num_rows().min(SAMPLE_ROWS - kept);
        if take > 0 {
            first.push(batch.slice(0, take));
            kept += take;
        }
    }
    let sample = (kept > 0)
        .then(|| concat_batches(&schema, &first))
        .transpose()?;
    Ok((rows, sample))
}

/// The table of past results.
fn results_table() -> TableName {
    TableName {
        schema: "system".into(),
        table: "check_results".into(),
    }
}

/// What passed and on which data, so that a check runs again when it failed, when its table or its
/// text has changed, and when the build was killed before it ran.
#[derive(Debug, Default)]
pub(crate) struct Passed(BTreeMap<String, String>);

impl Passed {
    /// Reads the newest result of each check.
    pub(crate) async fn read(client: &Client, state: &LakeState) -> Result<Self> {
        if state.get(&results_table()).is_none() {
            return Ok(Self::default());
        }
        let sql = "select check_name, max(checked_state) as checked_state \
                   from (select check_name, checked_state, passed, severity, \
                   rank() over (partition by check_name order by checked_at desc) as age \
                   from system.check_results) \
                   where age = 1 and (passed or severity = 'warn') group by check_name";
        let (_, batches) = client.query(sql).await?;
        let pairs = texts(&batches, 0)?.into_iter().zip(texts(&batches, 1)?);
        let passed = pairs.filter_map(|(name, state)| Some((name?, state?)));
        Ok(Self(passed.collect()))
    }

    /// Whether `check` has passed on the present data of `table`.
    pub(crate) fn holds(&self, check: &Check, table: &TableName, state: &LakeState) -> bool {
        self.0.get(&check.name) == Some(&checked_state(table, &check.statement, state))
    }
}

/// Identifies what was checked: the data of the table and the text of the check.
fn checked_state(table: &TableName, statement: &str, state: &LakeState) -> String {
    let data = state.content(table);
    blake3::hash(format!("{data}\n{statement}").as_bytes()).to_hex()[..32].to_string()
}

/// Appends the results to `system.check_results` in one commit.
pub(crate) async fn record(
    client: &Client,
    build_id: &str,
    results: &[CheckResult],
    state: &LakeState,
) -> Result<()> {
    let batch = to_batch(build_id, results, state)?;
    let stream = MemoryStream::try_new(vec![batch.clone()], batch.schema(), None)?;
    client
        .ingest(&results_table(), IngestMode::CreateAppend, Box::pin(stream))
        .await?;
    Ok(())
}

fn to_batch(build_id: &str, results: &[CheckResult], state: &LakeState) -> Result<RecordBatch> {
    let now = chrono::Utc::now().timestamp_micros();
    let text = |value: &dyn Fn(&CheckResult) -> Option<String>| -> ArrayRef {
        Arc::new(results.iter().map(value).collect::<StringArray>())
    };
    let rows = results
        .iter()
        .map(|result| i64::try_from(result.offending_rows).ok());
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("build_id", text(&|_| Some(build_id.to_string()))),
        (
            "checked_at",
            Arc::new(
                TimestampMicrosecondArray::from(vec![now; results.len()]).with_timezone("UTC"),
            ),
        ),
        ("check_name", text(&|result| Some(result.name.clone()))),
        (
            "severity",
            text(&|result| Some(result.severity.to_string())),
        ),
        ("offending_rows", Arc::new(rows.collect::<Int64Array>())),
        (
            "passed",
            Arc::new(
                results
                    .iter()
                    .map(|result| Some(result.passed()))
                    .collect::<BooleanArray>(),
            ),
        ),
        (
            "sample",
            text(&|result| {
                result
                    .error
                    .clone()
                    .or_else(|| result.sample.as_ref().and_then(to_json))
            }),
        ),
        (
            "checked_state",
            text(&|result| Some(checked_state(&result.table, &result.statement, state))),
        ),
    ];
    let fields = columns.iter().map(|(name, column)| {
        let utc = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
        let kind = if *name == "checked_at" {
            utc
        } else {
            column.data_type().clone()
        };
        Field::new(*name, kind, true)
    });
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    Ok(RecordBatch::try_new(
        schema,
        columns.into_iter().map(|(_, column)| column).collect(),
    )?)
}

/// The rows as a JSON array of objects; `None` for types that JSON cannot carry.
pub(crate) fn to_json(batch: &RecordBatch) -> Option<String> {
    let mut writer = ArrayWriter::new(Vec::new());
    writer.write(batch).ok()?;
    writer.finish().ok()?;
    String::from_utf8(writer.into_inner()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    impl CheckResult {
        /// A warning about `rows` rows that are what `meaning` says.
        pub(crate) fn warning(meaning: &str, rows: u64) -> Self {
            Self {
                meaning: Some(meaning.into()),
                ..result(Severity::Warn, rows, None)
            }
        }
    }

    fn result(severity: Severity, offending_rows: u64, error: Option<&str>) -> CheckResult {
        CheckResult {
            name: "gold.a".into(),
            file: "sql/gold/a.check.sql".into(),
            meaning: None,
            severity,
            offending_rows,
            sample: None,
            error: error.map(Into::into),
            table: "gold.a".parse().unwrap(),
            statement: "select 1".into(),
        }
    }

    #[test]
    fn warnings_do_not_fail_a_build_but_broken_checks_do() {
        assert!(!result(Severity::Error, 0, None).fails_build());
        assert!(result(Severity::Error, 1, None).fails_build());
        assert!(!result(Severity::Warn, 1, None).fails_build());
        assert!(!result(Severity::Warn, 1, None).passed());
        assert!(result(Severity::Warn, 0, Some("no such column")).fails_build());
    }

    #[test]
    fn results_have_the_columns_of_the_contract() {
        let batch = to_batch(
            "b",
            &[result(Severity::Error, 3, None)],
            &LakeState::default(),
        )
        .unwrap();
        let names: Vec<_> = batch
            .schema()
            .fields()
            .iter()
            .map(|f| f.name().clone())
            .collect();
        assert_eq!(
            names,
            [
                "build_id",
                "checked_at",
                "check_name",
                "severity",
                "offending_rows",
                "passed",
                "sample",
                "checked_state"
            ]
        );
    }
}
