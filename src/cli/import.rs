//! `moodlake import`: files into bronze, with a table of what became of every row.

use std::io::Write;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::error::Result;
use crate::sources::import::{Options, UserNames, import, time_zone, user_name};
use crate::wording::counted;

use super::progress::Progress;
use super::target::Place;
use super::{Verdict, output};

const EXAMPLES: &str = "\
Examples:
  moodlake import my_spotify_data.zip --user ada --timezone Europe/Berlin
  moodlake import dataset.csv.gz                  a catalogue of tracks with audio features
  moodlake import exports/ --user-from folder     one sub-folder for each listener
  moodlake import exports/ada --server grpc://127.0.0.1:50051

The same file twice adds nothing. Personal fields (user name, addresses, device, city) are not kept.
A file that is cut off or damaged is loaded as far as it goes; the exit code is then 1.";

/// The arguments of `import`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// Spotify exports (folders, .zip or .json) and catalogues (.csv or .csv.gz)
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Whose history it is [default: the name of the folder or file]
    #[arg(long, value_name = "NAME", value_parser = user_name, conflicts_with = "user_from")]
    user: Option<String>,
    /// Where the names of listeners come from, for one folder of folders
    #[arg(long, value_name = "WHERE")]
    user_from: Option<UserFrom>,
    /// The listeners' time zone, such as Europe/Berlin [default: UTC]
    #[arg(long, value_name = "TZ", value_parser = time_zone)]
    timezone: Option<String>,
    #[command(flatten)]
    target: Place,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum UserFrom {
    /// Each sub-folder is called like its listener
    Folder,
}

/// Runs the command.
pub(super) async fn run(arguments: Arguments) -> Result<Verdict> {
    let users = match (arguments.user, arguments.user_from) {
        (Some(name), _) => UserNames::Named(name),
        (None, Some(UserFrom::Folder)) => UserNames::FromFolder,
        (None, None) => UserNames::FromPath,
    };
    let options = Options {
        paths: arguments.paths,
        users,
        timezone: arguments.timezone,
    };
    let client = arguments.target.connect().await?;
    let step = Progress::new().step("import", "reading");
    let report = import(&client, &options).await?;
    step.done(&counted(report.rows_added(), "new row"));
    let next = if report.is_of_use() {
        format!("Next: moodlake build{}", arguments.target)
    } else {
        "Nothing in the files could be loaded".to_string()
    };
    output::write(|out| writeln!(out, "{report}\n\n{next}"))?;
    Ok(if report.is_of_use() && report.is_whole() {
        Verdict::Succeeded
    } else {
        Verdict::Failed
    })
}
