//! Runs every `tests/slt/**/*.slt` as one test: a fresh lake, a server on a free port, and the statements of the file through
//! the Flight SQL client. `tests/slt/README.md` says how a file is written.
//!
//! `MOODLAKE_SLT_UPDATE=1` writes what the server answered into the files instead of comparing: read the difference.

mod support;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Float32Type, Float64Type};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use async_trait::async_trait;
use futures::TryStreamExt;
use libtest_mimic::{Arguments, Failed, Trial};
use moodlake::client::Client;
use moodlake::engine::Outcome;
use moodlake::error::Error;
use sqllogictest::{AsyncDB, ColumnType, DBOutput, Runner};
use support::TestServer;

fn main() -> Result<()> {
    let arguments = Arguments::from_args();
    let root = support::repository().join("tests/slt");
    let mut files = Vec::new();
    collect(&root, &mut files)?;
    files.sort();
    let trials = files
        .into_iter()
        .map(|file| {
            let name = file
                .strip_prefix(&root)
                .unwrap_or(&file)
                .with_extension("")
                .display()
                .to_string();
            Trial::test(name, move || {
                run_file(&file).map_err(|error| Failed::from(format!("{error:#}")))
            })
        })
        .collect();
    libtest_mimic::run(&arguments, trials).exit();
}

/// Adds every `.slt` file below `directory` to `files`.
fn collect(directory: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in std::fs::read_dir(directory).with_context(|| directory.display().to_string())? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "slt") {
            files.push(path);
        }
    }
    Ok(())
}

/// Runs one file against a server of its own.
fn run_file(file: &Path) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let server = TestServer::start().await?;
        let url = server.url().to_owned();
        let mut runner = Runner::new(|| {
            let url = url.clone();
            async move { Ok::<_, Error>(Connection(Client::connect(&url).await?)) }
        });
        runner.with_column_validator(sqllogictest::strict_column_validator);
        // For `system` records, after `control substitution on`.
        runner.set_var("MOODLAKE".into(), env!("CARGO_BIN_EXE_moodlake").into());
        runner.set_var("URL".into(), url.clone());
        runner.set_var("LAKE".into(), server.dir().display().to_string());
        if std::env::var_os("MOODLAKE_SLT_UPDATE").is_some() {
            runner
                .update_test_file(
                    file,
                    " ",
                    sqllogictest::default_validator,
                    sqllogictest::default_normalizer,
                    sqllogictest::strict_column_validator,
                )
                .await
                .map_err(|error| anyhow!("{error}"))?;
        } else {
            runner
                .run_file_async(file)
                .await
                .map_err(|error| anyhow!("{}", error.display(false)))?;
        }
        runner.shutdown_async().await;
        drop(runner);
        server.stop().await
    })
}

/// One client of the server under test.
struct Connection(Client);

#[async_trait]
impl AsyncDB for Connection {
    type Error = Error;
    type ColumnType = Kind;

    async fn run(&mut self, sql: &str) -> Result<DBOutput<Kind>, Error> {
        match self.0.run(sql).await? {
            Outcome::Rows(stream) => {
                let types = stream
                    .schema()
                    .fields()
                    .iter()
                    .map(|field| Kind::of(field.data_type()))
                    .collect();
                let batches: Vec<RecordBatch> = stream.try_collect().await?;
                let mut rows = Vec::new();
                for batch in &batches {
                    append_rows(batch, &mut rows)?;
                }
                Ok(DBOutput::Rows { types, rows })
            }
            Outcome::Changed(count) => Ok(DBOutput::StatementComplete(count)),
            Outcome::Done => Ok(DBOutput::StatementComplete(0)),
        }
    }

    async fn shutdown(&mut self) {}

    async fn sleep(duration: std::time::Duration) {
        tokio::time::sleep(duration).await;
    }

    async fn run_command(
        mut command: std::process::Command,
    ) -> std::io::Result<std::process::Output> {
        tokio::task::spawn_blocking(move || command.output()).await?
    }
}

/// What kind of value a column holds, as one letter of a `query` line.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    Boolean,
    Integer,
    Real,
    Text,
}

impl Kind {
    fn of(data_type: &DataType) -> Self {
        match data_type {
            DataType::Boolean => Self::Boolean,
            DataType::Float16
            | DataType::Float32
            | DataType::Float64
            | DataType::Decimal128(..)
            | DataType::Decimal256(..) => Self::Real,
            integer if integer.is_integer() => Self::Integer,
            _ => Self::Text,
        }
    }
}

impl ColumnType for Kind {
    fn from_char(letter: char) -> Option<Self> {
        match letter {
            'B' => Some(Self::Boolean),
            'I' => Some(Self::Integer),
            'R' => Some(Self::Real),
            'T' => Some(Self::Text),
            _ => None,
        }
    }

    fn to_char(&self) -> char {
        match self {
            Self::Boolean => 'B',
            Self::Integer => 'I',
            Self::Real => 'R',
            Self::Text => 'T',
        }
    }
}

/// Appends the values of a batch as text, row by row.
fn append_rows(batch: &RecordBatch, rows: &mut Vec<Vec<String>>) -> Result<(), Error> {
    let options = FormatOptions::default().with_null("NULL");
    let formatters = batch
        .columns()
        .iter()
        .map(|column| ArrayFormatter::try_new(column.as_ref(), &options))
        .collect::<Result<Vec<_>, _>>()?;
    for row in 0..batch.num_rows() {
        let mut values = Vec::with_capacity(batch.num_columns());
        for (column, formatter) in batch.columns().iter().zip(&formatters) {
            values.push(value(column.as_ref(), row, formatter)?);
        }
        rows.push(values);
    }
    Ok(())
}

/// One value: floats without an exponent, an empty text as `(empty)`, everything else as Arrow prints it.
fn value(column: &dyn Array, row: usize, formatter: &ArrayFormatter<'_>) -> Result<String, Error> {
    let text = match column.data_type() {
        DataType::Float64 if column.is_valid(row) => {
            column.as_primitive::<Float64Type>().value(row).to_string()
        }
        DataType::Float32 if column.is_valid(row) => {
            column.as_primitive::<Float32Type>().value(row).to_string()
        }
        _ => formatter.value(row).try_to_string()?,
    };
    Ok(if text.is_empty() {
        "(empty)".to_owned()
    } else {
        text
    })
}
