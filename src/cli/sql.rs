//! `moodlake sql`: statements from the command line, a file or standard input; on a terminal, a shell.

use std::io::{self, IsTerminal, Read};
use std::path::{Path, PathBuf};

use clap::Args;

use crate::error::{Error, Result};
use crate::statement::split;

use super::output::RowFormat;
use super::target::Target;
use super::{Verdict, usage_error};

mod backslash;
mod completion;
mod describe;
mod destination;
mod editor;
mod entry;
mod external_editor;
mod function_help;
mod highlight;
mod keywords;
mod names;
mod place;
mod script;
mod settings;
mod shell;
mod watch;

const EXAMPLES: &str = "\
Examples:
  moodlake sql                                    a shell; \\? lists its commands
  moodlake sql \"select * from gold.insights\"
  moodlake sql \"select * from recommend('coach', context => 'monday morning')\"
  moodlake sql \"select * from silver.plays\" --output plays.parquet
  moodlake sql --file report.sql --format csv > report.csv
  echo 'describe history silver.plays' | moodlake sql

Several statements run in order; the rows of the last query are printed. What other statements did
is told on standard error. Ctrl-C cancels what runs. The shell keeps its history in
$XDG_STATE_HOME/moodlake/history, and shows long results with $PAGER.";

/// The arguments of `sql`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// The statement, or several with semicolons between them [default: standard input, on a terminal a shell]
    #[arg(value_name = "STATEMENT", conflicts_with = "file")]
    statement: Option<String>,
    /// A file of statements
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    #[command(flatten)]
    target: Target,
    /// How to print rows [default: as --output ends, else table]
    #[arg(long, value_enum, value_name = "FORMAT")]
    format: Option<RowFormat>,
    /// A file for the rows, which is replaced when all of them are written
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Tell how many rows each statement gave or changed, and how long it took
    #[arg(long)]
    timing: bool,
}

/// Runs the command.
pub(super) async fn run(arguments: Arguments) -> Result<Verdict> {
    let is_typed = arguments.statement.is_none() && arguments.file.is_none();
    if is_typed && io::stdin().is_terminal() {
        return run_shell(arguments).await;
    }
    let format = format(&arguments);
    let script = text(&arguments)?;
    let file = arguments.file.as_deref();
    let statements = split(&script).map_err(|error| place::at(error, file, None))?;
    if statements.is_empty() {
        usage_error("sql", "there is no statement to run");
    }
    let client = arguments.target.connect_existing().await?;
    let script = script::Script {
        text: &script,
        statements: &statements,
        file,
        format,
        output: arguments.output.as_deref(),
        is_timed: arguments.timing,
    };
    let ran = script.run(client.clone()).await;
    client.close().await;
    ran.map(|()| Verdict::Succeeded)
}

async fn run_shell(arguments: Arguments) -> Result<Verdict> {
    if !io::stdout().is_terminal() {
        usage_error(
            "sql",
            "give a statement, --file FILE, or statements on standard input; a shell needs a terminal",
        );
    }
    if arguments.output.is_some() {
        usage_error(
            "sql",
            "--output needs a statement; in the shell, \\o FILE does it",
        );
    }
    let client = arguments.target.connect_existing().await?;
    let ran = shell::run(client.clone(), arguments.format.unwrap_or_default()).await;
    client.close().await;
    ran.map(|()| Verdict::Succeeded)
}

/// The format asked for, by name or by the ending of the file; refuses bytes on a terminal.
fn format(arguments: &Arguments) -> RowFormat {
    let of_file = |path: &PathBuf| {
        RowFormat::of_file(path)
            .unwrap_or_else(|| usage_error("sql", &destination::unknown_ending(path, "--format")))
    };
    let format = arguments
        .format
        .or_else(|| arguments.output.as_ref().map(of_file))
        .unwrap_or_default();
    if arguments.output.is_none() && !format.is_text() && io::stdout().is_terminal() {
        usage_error(
            "sql",
            &format!(
                "--format {} is no text for a terminal: give --output FILE, or redirect standard output",
                format.name()
            ),
        );
    }
    format
}

fn text(arguments: &Arguments) -> Result<String> {
    if let Some(statement) = &arguments.statement {
        return Ok(statement.clone());
    }
    if let Some(path) = &arguments.file {
        return read(path);
    }
    let mut text = String::new();
    io::stdin()
        .read_to_string(&mut text)
        .map_err(Error::io("standard input"))?;
    Ok(text)
}

fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).map_err(Error::io(path))
}
