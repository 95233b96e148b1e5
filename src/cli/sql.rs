//! `moodlake sql`: statements from the command line, a file or standard input.

use std::io::{self, IsTerminal, Read};
use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::RecordBatch;
use clap::Args;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::memory::MemoryStream;
use futures::TryStreamExt;

use crate::engine::Outcome;
use crate::error::{Error, Result};
use crate::statement::split;

use super::output::{RowFormat, write_rows};
use super::progress::Progress;
use super::target::Target;
use super::{Verdict, usage_error};

const EXAMPLES: &str = "\
Examples:
  moodlake sql \"select * from gold.insights\"
  moodlake sql \"select * from recommend('coach', context => 'monday morning')\"
  moodlake sql --file report.sql --format csv > report.csv
  echo 'describe history silver.plays' | moodlake sql

Several statements run in order; the rows of the last query are printed. What other statements did
is told on standard error.";

/// The arguments of `sql`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// The statement, or several with semicolons between them [default: standard input]
    #[arg(value_name = "STATEMENT", conflicts_with = "file")]
    statement: Option<String>,
    /// A file of statements
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    #[command(flatten)]
    target: Target,
    /// How to print rows
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
    format: RowFormat,
}

/// Runs the command.
pub(super) async fn run(arguments: Arguments) -> Result<Verdict> {
    let statements = split(&script(&arguments)?)?;
    if statements.is_empty() {
        usage_error("sql", "there is no statement to run");
    }
    let client = arguments.target.connect().await?;
    let progress = Progress::new();
    let last = statements.len() - 1;
    let mut rows = None;
    for (index, statement) in statements.iter().enumerate() {
        match client.run(statement).await? {
            Outcome::Rows(stream) if index == last => rows = Some(stream),
            Outcome::Rows(stream) => rows = Some(collect(stream).await?),
            Outcome::Changed(1) => progress.note("1 row changed"),
            Outcome::Changed(count) => progress.note(&format!("{count} rows changed")),
            Outcome::Done => progress.note("done"),
        }
    }
    if let Some(rows) = rows {
        write_rows(rows, arguments.format).await?;
    }
    Ok(Verdict::Succeeded)
}

fn script(arguments: &Arguments) -> Result<String> {
    if let Some(statement) = &arguments.statement {
        return Ok(statement.clone());
    }
    if let Some(path) = &arguments.file {
        return std::fs::read_to_string(path).map_err(Error::io(path));
    }
    if io::stdin().is_terminal() {
        usage_error(
            "sql",
            "give a statement, --file FILE, or statements on standard input",
        );
    }
    let mut text = String::new();
    io::stdin()
        .read_to_string(&mut text)
        .map_err(Error::io("standard input"))?;
    Ok(text)
}

/// Runs a query to its end before the next statement starts.
async fn collect(stream: SendableRecordBatchStream) -> Result<SendableRecordBatchStream> {
    let schema = stream.schema();
    let batches: Vec<RecordBatch> = stream.try_collect().await?;
    Ok(Box::pin(MemoryStream::try_new(
        batches,
        Arc::clone(&schema),
        None,
    )?))
}
