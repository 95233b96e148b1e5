//! The commands: arguments in, a library call, text out. No command holds logic of its own.
//!
//! Results go to standard output, progress and notes to standard error. The exit code is 0 when all
//! went well, 1 when something failed, and 2 when the command was called wrongly.

use std::error::Error as _;
use std::io::{self, ErrorKind};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use datafusion::common::runtime::SpawnedTask;

use crate::error::{Error, Result};
use crate::telemetry;
use crate::wording::plain;

mod build;
mod demo;
mod generate;
mod healthcheck;
mod import;
mod insights;
mod output;
mod password;
mod progress;
mod serve;
mod sql;
mod target;
mod terminal;
mod user;

/// Planning deep queries recurses; the default of 2 MiB is too little for unoptimised builds.
const STACK_BYTES: usize = 16 << 20;

const FAILED: u8 = 1;
const USAGE: u8 = 2;

const EXAMPLES: &str = "\
Examples:
  moodlake demo                                   see the whole of it on generated data
  moodlake import ~/Downloads/my_spotify_data.zip --user ada --timezone Europe/Berlin
  moodlake build                                  make silver, models and gold from what is new
  moodlake sql \"select text from gold.insights\"
  moodlake serve                                  for Superset, DBeaver and any ADBC client";

/// A mood-aware listening lakehouse in one binary.
#[derive(Debug, Parser)]
#[command(name = "moodlake", version, after_help = EXAMPLES, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
#[expect(clippy::large_enum_variant, reason = "there is one in a process")]
enum Command {
    /// From raw files to five kinds of insight, in one go
    Demo(demo::Arguments),
    /// Make a catalogue and listening histories with known effects in them
    Generate(generate::Arguments),
    /// Load Spotify histories and track catalogues into the lake
    Import(import::Arguments),
    /// Run the SQL scripts that make silver, models and gold
    Build(build::Arguments),
    /// Run SQL statements
    Sql(sql::Arguments),
    /// Serve the lake over Flight SQL
    Serve(serve::Arguments),
    /// Ask whether a server takes statements; the exit code tells
    Healthcheck(healthcheck::Arguments),
    /// Say who may connect to a server of this lake, and as what
    User(user::Arguments),
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Succeeded,
    /// It has said itself what failed.
    Failed,
}

/// Runs the program with the arguments of the process.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    telemetry::init();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_stack_size(STACK_BYTES)
        .build()
        .map_err(Error::io("tokio runtime"));
    let outcome = runtime.and_then(|runtime| {
        // On a worker thread, whose stack is the large one.
        let outcome = runtime.block_on(async { SpawnedTask::spawn(run(cli.command)).join().await });
        runtime.shutdown_background();
        outcome.map_err(|error| Error::Internal(error.to_string()))?
    });
    match outcome {
        Ok(Verdict::Succeeded) => ExitCode::SUCCESS,
        Ok(Verdict::Failed) => ExitCode::from(FAILED),
        // Whoever reads our output has seen enough, as in `moodlake sql … | head`.
        Err(Error::Io { source, .. }) if source.kind() == ErrorKind::BrokenPipe => {
            ExitCode::SUCCESS
        }
        Err(error) => {
            complain(&error);
            ExitCode::from(FAILED)
        }
    }
}

async fn run(command: Command) -> Result<Verdict> {
    match command {
        Command::Demo(arguments) => demo::run(arguments).await,
        Command::Generate(arguments) => generate::run(&arguments),
        Command::Import(arguments) => import::run(arguments).await,
        Command::Build(arguments) => build::run(arguments).await,
        Command::Sql(arguments) => sql::run(arguments).await,
        Command::Serve(arguments) => serve::run(arguments).await,
        Command::Healthcheck(arguments) => healthcheck::run(arguments).await,
        Command::User(arguments) => user::run(arguments).await,
    }
}

/// Writes an error and its causes, each said once.
fn complain(error: &Error) {
    let mut said = error.to_string();
    let mut text = format!("error: {said}\n");
    let mut cause = error.source();
    while let Some(source) = cause {
        let message = source
            .downcast_ref::<io::Error>()
            .map_or_else(|| source.to_string(), plain);
        if !said.contains(&message) && !message.contains(&said) {
            text.push_str("  caused by: ");
            text.push_str(&message);
            text.push('\n');
        }
        said = message;
        cause = source.source();
    }
    progress::Progress::new().clear();
    // Nothing can be told when standard error is gone.
    let _ = io::Write::write_all(&mut io::stderr(), text.as_bytes());
}

/// Ends the program as clap does for a wrong call, with the usage of `command`.
fn usage_error(command: &str, message: &str) -> ! {
    use clap::CommandFactory;
    let mut cli = Cli::command();
    cli.build();
    let command = cli.find_subcommand_mut(command);
    match command {
        Some(command) => command
            .error(clap::error::ErrorKind::ValueValidation, message)
            .exit(),
        None => std::process::exit(USAGE.into()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        Cli::command().debug_assert();
    }
}
