//! `moodlake build`: the SQL scripts, as far as they are stale, and their checks.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;

use crate::error::Result;
use crate::pipeline::{self, Format, Mode, Request};

use super::progress::Progress;
use super::target::Target;
use super::{Verdict, output};

const EXAMPLES: &str = "\
Examples:
  moodlake build                            run what is new or has changed
  moodlake build --plan                     show what would run, and why
  moodlake build --select gold.insights     that table, and what it needs that is stale
  moodlake build --full --keep-models       all tables anew, from the models as they are
  moodlake build my/sql --format junit > build.xml

A script <layer>/<table>.sql makes one table; <table>.check.sql beside it returns the rows that are
wrong. A check with rows fails the build unless it says '-- severity: warn'.";

/// The arguments of `build`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag of the command line"
)]
pub(super) struct Arguments {
    /// The folder of scripts [default: ./sql where it exists, else the scripts in this program]
    #[arg(value_name = "SQL_DIR")]
    scripts: Option<PathBuf>,
    #[command(flatten)]
    target: Target,
    /// Build this table or model in any case, and of the others only what it needs
    #[arg(long, value_name = "TABLE")]
    select: Vec<String>,
    /// Run everything, stale or not, and train the models again
    #[arg(long)]
    full: bool,
    /// With --full: leave the models as they are
    #[arg(long, requires = "full")]
    keep_models: bool,
    /// Show what would run, and why; run nothing
    #[arg(long, conflicts_with = "checks_only")]
    plan: bool,
    /// Run the checks of all tables, and no script
    #[arg(long, conflicts_with = "full")]
    checks_only: bool,
    /// How to report
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
    format: Format,
}

impl Arguments {
    fn request(&self) -> Request {
        let mode = match (self.checks_only, self.full) {
            (true, _) => Mode::ChecksOnly,
            (false, true) => Mode::Full {
                keep_models: self.keep_models,
            },
            (false, false) => Mode::Stale,
        };
        Request {
            scripts: self.scripts.clone().or_else(pipeline::default_scripts),
            mode,
            select: self.select.clone(),
        }
    }
}

/// Runs the command.
pub(super) async fn run(arguments: Arguments) -> Result<Verdict> {
    let request = arguments.request();
    let client = arguments.target.connect_existing().await?;
    let progress = match arguments.format {
        Format::Text => Progress::new().without_steps(),
        Format::Json | Format::Junit => Progress::new(),
    };
    let report = if arguments.plan {
        pipeline::plan(&client, &request).await?
    } else {
        pipeline::build(&client, &request, &|event| progress.build_event(event)).await?
    };
    progress.clear();
    output::write(|out| out.write_all(report.render(arguments.format).as_bytes()))?;
    Ok(if report.succeeded() {
        Verdict::Succeeded
    } else {
        Verdict::Failed
    })
}
