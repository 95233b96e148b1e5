//! `moodlake sql`: statements from the command line, a file or standard input.

use std::io::{self, IsTerminal, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::RecordBatch;
use clap::Args;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::memory::MemoryStream;
use futures::TryStreamExt;

use crate::engine::Outcome;
use crate::error::{Error, Result};
use crate::statement::split;
use crate::wording::counted;

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
    let script = script(&arguments)?;
    let file = arguments.file.as_deref();
    let statements = split(&script).map_err(|error| at(error, file, None))?;
    if statements.is_empty() {
        usage_error("sql", "there is no statement to run");
    }
    let client = arguments.target.connect_existing().await?;
    let progress = Progress::new();
    let last = statements.len() - 1;
    let mut rows = None;
    for (index, statement) in statements.iter().enumerate() {
        let place = (last > 0).then(|| Place::of(&script, &statements[..=index]));
        let placed = |error| at(error, file, place.as_ref());
        match client.run(statement).await.map_err(placed)? {
            Outcome::Rows(stream) if index == last => rows = Some(stream),
            Outcome::Rows(stream) => rows = Some(collect(stream).await.map_err(placed)?),
            Outcome::Changed(count) => progress.note(&format!("{} changed", counted(count, "row"))),
            Outcome::Done => progress.note("done"),
        }
    }
    if let Some(rows) = rows {
        write_rows(rows, arguments.format).await?;
    }
    Ok(Verdict::Succeeded)
}

/// A statement's place in its script, both from 1.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    statement: usize,
    /// The line of its first word, below its comments.
    line: usize,
}

impl Place {
    /// The place of the last of `statements`, which `script` begins with.
    fn of(script: &str, statements: &[String]) -> Self {
        let mut start = 0;
        let mut end = 0;
        for statement in statements {
            start = script[end..]
                .find(statement.as_str())
                .map_or(end, |ahead| end + ahead);
            end = script.len().min(start + statement.len());
        }
        let is_comment = |line: &&str| line.trim().is_empty() || line.trim().starts_with("--");
        let comments = script[start..end].lines().take_while(is_comment).count();
        Self {
            statement: statements.len(),
            line: script[..start].matches('\n').count() + comments + 1,
        }
    }
}

/// The error with the file and the place of its statement, as far as there are any.
fn at(error: Error, file: Option<&Path>, place: Option<&Place>) -> Error {
    let file = file.map(|file| file.display().to_string());
    let place =
        place.map(|Place { statement, line }| format!("statement {statement}, line {line}"));
    let parts: Vec<String> = file.into_iter().chain(place).collect();
    match (error, parts.as_slice()) {
        (error, []) => error,
        (error, parts) => Error::Input(format!("{}: {error}", parts.join(", "))),
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_file_statement_and_line() {
        let script = "select 1;\n\n-- why\nselect 2;\nselect 1";
        let statements = split(script).unwrap();
        let line = |upto: usize| Place::of(script, &statements[..upto]).line;
        assert_eq!([line(1), line(2), line(3)], [1, 4, 5]);
        let place = Place::of(script, &statements[..2]);
        let error = at(
            Error::Input("no".into()),
            Some(Path::new("a.sql")),
            Some(&place),
        );
        assert_eq!(error.to_string(), "a.sql, statement 2, line 4: no");
    }
}
