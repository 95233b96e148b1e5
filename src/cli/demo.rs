//! `moodlake demo`: the main job from end to end: raw files, import, build, insights, how to connect.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::client::Client;
use crate::engine::FileAccess;
use crate::error::Result;
use crate::pipeline::{self, Format, Request};
use crate::server;
use crate::sources::generate::{self, generate};
use crate::sources::import::{self, UserNames, import};

use super::insights::{self, Listener};
use super::progress::Progress;
use super::serve::{LISTEN, listen};
use super::target::{Folder, open};
use super::{Verdict, output};

/// What is generated unless told otherwise: about 10,000 plays of one listener.
pub(super) const USERS: u32 = 1;
pub(super) const DAYS: u32 = 365;
pub(super) const TRACKS: u32 = 10_000;
pub(super) const SEED: u64 = 42;

/// Where generated files go, inside the lake's folder: the dot keeps it from being a schema.
const GENERATED: &str = ".generated";

const EXAMPLES: &str = "\
Examples:
  moodlake demo                                       on generated data
  moodlake demo --catalog dataset.csv.gz              generated plays of real tracks
  moodlake demo --catalog dataset.csv.gz --history my_spotify_data.zip
  moodlake demo --serve                               and then serve it

Without --history the plays are generated, and the output says so.";

/// The arguments of `demo`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    #[command(flatten)]
    folder: Folder,
    /// A catalogue of tracks with audio features, such as Kaggle's Spotify Tracks Dataset
    #[arg(long, value_name = "FILE")]
    catalog: Option<PathBuf>,
    /// A Spotify export: a folder, .zip or .json; can be repeated
    #[arg(long, value_name = "PATH")]
    history: Vec<PathBuf>,
    /// Serve the lake when it is built
    #[arg(long)]
    serve: bool,
}

/// The files to import, and whether they are made up.
struct Input {
    paths: Vec<PathBuf>,
    is_generated: bool,
}

/// Runs the command.
pub(super) async fn run(arguments: Arguments) -> Result<Verdict> {
    let dir = arguments.folder.path();
    let progress = Progress::new();
    // Before the work, so that a port that is taken does not show only after it.
    let listener = if arguments.serve {
        Some(server::bind(LISTEN).await?)
    } else {
        None
    };
    let input = gather(progress, &dir, &arguments)?;
    let engine = open(&dir, FileAccess::Under(Vec::new())).await?;
    let client = Client::Local(engine.clone());
    let users = load(progress, &client, &input).await?;
    if build(progress, &client).await? == Verdict::Failed {
        return Ok(Verdict::Failed);
    }
    tell(&client, &dir, &users, input.is_generated).await?;
    match listener {
        Some(listener) => listen(listener, engine).await,
        None => Ok(Verdict::Succeeded),
    }
}

/// The files that were given; what is missing is generated.
fn gather(progress: Progress, dir: &Path, arguments: &Arguments) -> Result<Input> {
    let mut paths: Vec<PathBuf> = arguments.catalog.iter().cloned().collect();
    if !arguments.history.is_empty() {
        paths.extend(arguments.history.iter().cloned());
        return Ok(Input {
            paths,
            is_generated: false,
        });
    }
    let out = dir.join(GENERATED);
    let step = progress.step("generate", "example data");
    let made = generate(&generate::Options {
        out: out.clone(),
        users: USERS,
        days: DAYS,
        tracks: TRACKS,
        seed: SEED,
        catalog: arguments.catalog.clone(),
    })?;
    step.done(&format!("{} plays in {}", made.plays, out.display()));
    paths.extend(made.catalog);
    paths.extend(made.histories);
    Ok(Input {
        paths,
        is_generated: true,
    })
}

/// Imports the files; returns the listeners in them.
async fn load(progress: Progress, client: &Client, input: &Input) -> Result<Vec<String>> {
    let step = progress.step("import", "reading");
    let options = import::Options {
        paths: input.paths.clone(),
        users: UserNames::FromPath,
        timezone: None,
    };
    let report = import(client, &options).await?;
    step.done(&format!("{} new rows", report.rows_added()));
    output::write(|out| writeln!(out, "{report}\n"))?;
    Ok(report.users())
}

async fn build(progress: Progress, client: &Client) -> Result<Verdict> {
    let request = Request {
        scripts: pipeline::default_scripts(),
        ..Request::default()
    };
    let step = progress.step("build", "sql");
    let report = pipeline::build(client, &request, &|event| progress.build_event(event)).await?;
    if report.succeeded() {
        step.done("silver, models and gold are up to date");
        return Ok(Verdict::Succeeded);
    }
    progress.clear();
    output::write(|out| out.write_all(report.render(Format::Text).as_bytes()))?;
    Ok(Verdict::Failed)
}

/// Prints the insights about the listener who was imported, and how to go on.
async fn tell(client: &Client, dir: &Path, users: &[String], is_generated: bool) -> Result<()> {
    let listeners = insights::listeners(client).await?;
    let imported = |listener: &&Listener| users.contains(&listener.user_id);
    let Some(listener) = listeners.iter().find(imported).or(listeners.first()) else {
        return output::write(|out| {
            writeln!(
                out,
                "There are no plays yet: give --history PATH, or leave it away."
            )
        });
    };
    let text = insights::describe(client, listener).await?;
    output::write(|out| {
        if is_generated {
            writeln!(
                out,
                "The plays below are GENERATED: they show the method, not a person.\n"
            )?;
        }
        writeln!(out, "{text}")?;
        if listeners.len() > 1 {
            let others = listeners.len() - 1;
            writeln!(out, "gold.insights has {others} more listener(s).\n")?;
        }
        writeln!(
            out,
            "A listening summary, not a medical or psychological assessment.\n"
        )?;
        out.write_all(next_steps(dir, &listener.user_id).as_bytes())
    })
}

fn next_steps(dir: &Path, user: &str) -> String {
    let dir = dir.display();
    let user = user.replace('\'', "''");
    format!(
        "\
Go on
  ask here     moodlake sql --dir {dir} \"select kind, text, evidence_sql from gold.insights\"
  serve it     moodlake serve --dir {dir}
  connect      pip install adbc-driver-flightsql adbc-driver-manager pyarrow, then in Python:

    from adbc_driver_flightsql import dbapi
    with dbapi.connect(\"grpc://{LISTEN}\") as connection, connection.cursor() as cursor:
        cursor.execute(\"select * from recommend('coach', user_id => '{user}')\")
        print(cursor.fetch_arrow_table().to_pandas())
"
    )
}
