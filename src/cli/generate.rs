//! `moodlake generate`: example data with known effects, in the shapes of the real files.

use std::path::PathBuf;

use clap::Args;

use crate::error::Result;
use crate::sources::generate::{Options, generate};
use crate::wording::counted;

use super::Verdict;
use super::progress::Progress;

const EXAMPLES: &str = "\
Examples:
  moodlake generate --out data
  moodlake generate --out data --users 100 --days 365 --tracks 20000 --seed 7
  moodlake import data/catalogue.csv.gz && moodlake import data/history --user-from folder

The same arguments always give the same bytes. planted.json tells which effects are in them.";

/// The arguments of `generate`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// The folder to write to; it is made if it is not there
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// How many listeners
    #[arg(long, value_name = "N", default_value_t = super::demo::USERS, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    users: u32,
    /// How many days of listening each
    #[arg(long, value_name = "D", default_value_t = super::demo::DAYS, value_parser = clap::value_parser!(u32).range(1..=7_300))]
    days: u32,
    /// How many tracks in the catalogue
    #[arg(long, value_name = "T", default_value_t = super::demo::TRACKS, value_parser = clap::value_parser!(u32).range(100..=10_000_000))]
    tracks: u32,
    /// The seed of all random choices
    #[arg(long, value_name = "S", default_value_t = super::demo::SEED)]
    seed: u64,
}

/// Runs the command.
pub(super) fn run(arguments: &Arguments) -> Result<Verdict> {
    let options = Options {
        out: arguments.out.clone(),
        users: arguments.users,
        days: arguments.days,
        tracks: arguments.tracks,
        seed: arguments.seed,
        catalog: None,
    };
    let step = Progress::new().step("generate", &arguments.out.display().to_string());
    let made = generate(&options)?;
    step.done(&format!(
        "{} of {} in {}",
        counted(made.plays, "play"),
        counted(made.users.len() as u64, "user"),
        arguments.out.display()
    ));
    Ok(Verdict::Succeeded)
}
