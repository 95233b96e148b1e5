//! `moodlake demo`: the main job from end to end: raw files, import, build, insights, how to connect.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::client::{Client, texts};
use crate::engine::FileAccess;
use crate::error::Result;
use crate::pipeline::{self, Request};
use crate::server;
use crate::sources::generate::{self, generate};
use crate::sources::import::{self, UserNames, import, time_zone, user_name};
use crate::wording::counted;

use super::insights::{self, Listener};
use super::progress::Progress;
use super::serve::{GRACE, LISTEN, listen};
use super::target::{Folder, open};
use super::{Verdict, output};

mod kept_apart;

/// What is generated unless told otherwise: about 10,000 plays of one listener.
pub(super) const USERS: u32 = 1;
pub(super) const DAYS: u32 = 365;
pub(super) const TRACKS: u32 = 10_000;
pub(super) const SEED: u64 = 42;

/// Where generated files go, inside the lake's folder: the dot keeps it from being a schema.
const GENERATED: &str = ".generated";
/// The zone that generated listeners live in.
const GENERATED_ZONE: &str = "UTC";
/// The tables that the last part of the demo reads.
const TOLD: [&str; 2] = ["gold.coverage", "gold.insights"];

const EXAMPLES: &str = "\
Examples:
  moodlake demo                                       on generated data
  moodlake demo --catalog dataset.csv.gz              generated plays of real tracks
  moodlake demo --catalog dataset.csv.gz --history my_spotify_data.zip --user ada --timezone Europe/Berlin
  moodlake demo --serve                               and then serve it

Without --history the plays are generated, and the output says so. Real and generated plays are kept
in lakes of their own: --dir.";

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
    /// Whose history it is [default: the name of the folder or file]
    #[arg(long, value_name = "NAME", value_parser = user_name, requires = "history")]
    user: Option<String>,
    /// The listener's time zone, such as Europe/Berlin [default: UTC]
    #[arg(long, value_name = "TZ", value_parser = time_zone, requires = "history")]
    timezone: Option<String>,
    /// Serve the lake when it is built
    #[arg(long)]
    serve: bool,
}

impl Arguments {
    fn is_generated(&self) -> bool {
        self.history.is_empty()
    }
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
    let engine = open(&dir, FileAccess::Under(Vec::new())).await?;
    let client = Client::Local(engine.clone());
    let generated = dir.join(GENERATED);
    kept_apart::check(&client, &dir, &generated, &arguments).await?;
    let options = gather(progress, &generated, &arguments)?;
    let report = load(progress, &client, &options).await?;
    if !report.is_of_use() {
        output::write(|out| writeln!(out, "Nothing in the files could be loaded."))?;
        return Ok(Verdict::Failed);
    }
    if build(progress, &client).await? == Verdict::Failed {
        return Ok(Verdict::Failed);
    }
    let told = tell(&client, &dir, &report.users(), arguments.is_generated()).await?;
    if let Some(listener) = listener {
        listen(listener, engine, server::Settings::default(), GRACE).await?;
    }
    Ok(if report.is_whole() {
        told
    } else {
        Verdict::Failed
    })
}

/// What to import: the files that were given; what is missing is generated.
fn gather(progress: Progress, generated: &Path, arguments: &Arguments) -> Result<import::Options> {
    let mut paths: Vec<PathBuf> = arguments.catalog.iter().cloned().collect();
    if !arguments.is_generated() {
        paths.extend(arguments.history.iter().cloned());
        return Ok(import::Options {
            paths,
            users: match &arguments.user {
                Some(name) => UserNames::Named(name.clone()),
                None => UserNames::FromPath,
            },
            timezone: arguments.timezone.clone(),
        });
    }
    let step = progress.step("generate", "example data");
    let made = generate(&generate::Options {
        out: generated.to_path_buf(),
        users: USERS,
        days: DAYS,
        tracks: TRACKS,
        seed: SEED,
        catalog: arguments.catalog.clone(),
    })?;
    kept_apart::mark(generated, arguments)?;
    step.done(&format!(
        "{} in {}",
        counted(made.plays, "play"),
        generated.display()
    ));
    paths.extend(made.catalog);
    paths.extend(made.histories);
    Ok(import::Options {
        paths,
        users: UserNames::FromPath,
        timezone: Some(GENERATED_ZONE.to_string()),
    })
}

async fn load(
    progress: Progress,
    client: &Client,
    options: &import::Options,
) -> Result<import::Report> {
    let step = progress.step("import", "reading");
    let report = import(client, options).await?;
    step.done(&counted(report.rows_added(), "new row"));
    output::write(|out| writeln!(out, "{report}\n"))?;
    Ok(report)
}

/// Builds with the scripts of this program, whatever lies beside it.
async fn build(progress: Progress, client: &Client) -> Result<Verdict> {
    let step = progress.step("build", "sql");
    let request = Request::default();
    let report = pipeline::build(client, &request, &|event| progress.build_event(event)).await?;
    step.done(match (report.succeeded(), report.is_complete()) {
        (false, _) => "failed",
        (true, false) => "not everything could be built",
        (true, true) => "silver, models and gold are up to date",
    });
    let shortfalls = report.shortfalls();
    if !shortfalls.is_empty() {
        output::write(|out| writeln!(out, "{shortfalls}"))?;
    }
    Ok(if report.succeeded() {
        Verdict::Succeeded
    } else {
        Verdict::Failed
    })
}

/// Prints the insights about the listener who was imported, and how to go on.
async fn tell(
    client: &Client,
    dir: &Path,
    users: &[String],
    is_generated: bool,
) -> Result<Verdict> {
    let missing = missing(client).await?;
    if !missing.is_empty() {
        output::write(|out| {
            writeln!(
                out,
                "There are no insights, for {} could not be built: see above.",
                missing.join(" and ")
            )
        })?;
        return Ok(Verdict::Failed);
    }
    let listeners = insights::listeners(client).await?;
    let imported = |listener: &&Listener| users.contains(&listener.user_id);
    let Some(listener) = listeners.iter().find(imported).or(listeners.first()) else {
        output::write(|out| {
            writeln!(
                out,
                "There are no insights, for there are no plays of music: give --history PATH, or leave it away."
            )
        })?;
        return Ok(Verdict::Failed);
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
            let others = counted(listeners.len() as u64 - 1, "more listener");
            writeln!(out, "gold.insights has {others}.\n")?;
        }
        writeln!(
            out,
            "A listening summary, not a medical or psychological assessment.\n"
        )?;
        out.write_all(next_steps(dir, &listener.user_id).as_bytes())
    })?;
    Ok(Verdict::Succeeded)
}

/// Those of [`TOLD`] that are not there.
async fn missing(client: &Client) -> Result<Vec<&'static str>> {
    let sql = "select schema_name || '.' || table_name from system.tables";
    let (_, batches) = client.query(sql).await?;
    let there = texts(&batches, 0)?;
    let is_missing = |table: &&str| !there.iter().flatten().any(|name| name == table);
    Ok(TOLD.into_iter().filter(is_missing).collect())
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
    with dbapi.connect(\"grpc://{LISTEN}\", autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute(\"select rank, track_name, artist, reason from recommend('coach', user_id => '{user}')\")
        for row in cursor.fetchall():
            print(row)
"
    )
}
