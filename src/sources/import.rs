//! Files into bronze: histories and catalogues, told apart by content, each row kept or dropped
//! for a stated reason.
//!
//! It speaks only through a [`Client`], so a server far away is filled in the same way. What
//! bronze has already is not added again: batches go into a staging table, and only rows whose id
//! is new move on. An import without new rows changes no table outside `system`.

mod coverage;
mod gather;
mod report;
mod rows;
mod staging;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use chrono::Utc;
use datafusion::common::runtime::SpawnedTask;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::{future::join, stream};
use uuid::Uuid;

pub use self::report::Report;

use self::gather::{Gathered, gather};
use self::rows::texts;
use self::staging::{Target, load};
use super::Sink;
use super::catalogue::{self, read_catalogue};
use super::files::Input;
use super::report::{ALREADY_LOADED, Cause, Tallies, is_kept};
use super::row_hash::RowId;
use super::spotify_export::{self, read_history};
use crate::client::Client;
use crate::engine::IngestMode;
use crate::error::{Error, Result};
use crate::lake::TableName;
use crate::statement;

/// The tables that an import writes, as the scripts of the pipeline make them.
const TABLE_SCRIPTS: [&str; 4] = [
    include_str!("../../sql/bronze/catalogue_tracks.sql"),
    include_str!("../../sql/bronze/plays_extended.sql"),
    include_str!("../../sql/bronze/users.sql"),
    include_str!("../../sql/system/import_log.sql"),
];

/// The zone of a listener for whom none was ever named.
const DEFAULT_TIMEZONE: &str = "UTC";

/// What to import.
#[derive(Debug, Clone)]
pub struct Options {
    /// Folders, archives and files; histories and catalogues in any mixture.
    pub paths: Vec<PathBuf>,
    /// Whose histories these are.
    pub users: UserNames,
    /// The listeners' zone, by its IANA name; none leaves it as it is.
    pub timezone: Option<String>,
}

/// Where the names of listeners come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UserNames {
    /// All histories are this listener's.
    Named(String),
    /// Each path is a folder of folders, one for each listener.
    FromFolder,
    /// Each path's own name: the folder's, or the file's without its extension.
    FromPath,
}

/// Imports files and says what became of every row.
///
/// # Errors
/// [`Error::NotFound`] when a path does not exist, [`Error::Input`] when it leads to nothing that can
/// be imported, the zone is unknown or the listener's name empty, and what writing fails with.
/// Broken files and records are no errors: they are in the [`Report`].
pub async fn import(client: &Client, options: &Options) -> Result<Report> {
    if let Some(zone) = &options.timezone {
        time_zone(zone)?;
    }
    if let UserNames::Named(name) = &options.users {
        user_name(name)?;
    }
    let asked = options.clone();
    let gathered = blocking(move || gather(&asked)).await?;
    create_tables(client).await?;
    let mut run = Run {
        client,
        import_id: Uuid::now_v7().to_string(),
        imported_at: Utc::now().timestamp_micros(),
        tallies: gathered.tallies.clone(),
    };
    // Different tables: both at once, each to its end, so that neither is cut off by the other's failure.
    let (catalogues, histories) = join(
        run.load_catalogues(&gathered),
        run.load_histories(&gathered),
    )
    .await;
    let mut failure = None;
    for loaded in [catalogues, histories] {
        match loaded {
            Ok(tallies) => run.tallies.merge(tallies),
            Err(error) => failure = failure.or(Some(error)),
        }
    }
    let users: BTreeSet<String> = gathered
        .histories
        .iter()
        .map(|file| file.user_id.clone())
        .collect();
    let zones = run.note_zones(&users, options.timezone.as_deref()).await?;
    run.write_log().await?;
    // What was loaded is in the log, also when the rest failed.
    if let Some(error) = failure {
        return Err(error);
    }
    let coverage = coverage::measure(client, &users).await?;
    Ok(Report::new(
        run.tallies,
        users,
        zones,
        coverage,
        gathered.notes,
    ))
}

/// One import under way.
struct Run<'a> {
    client: &'a Client,
    import_id: String,
    /// In µs since 1970.
    imported_at: i64,
    tallies: Tallies,
}

impl Run<'_> {
    async fn load_catalogues(&self, gathered: &Gathered) -> Result<Tallies> {
        if gathered.catalogues.is_empty() {
            return Ok(Tallies::default());
        }
        let (files, imported_at) = (gathered.catalogues.clone(), self.imported_at);
        let target = Target {
            table: "bronze.catalogue_tracks",
            id: "row_id",
            schema: Arc::clone(&catalogue::SCHEMA),
            user: "cast(null as varchar)",
            class: "'loaded'",
            kind: "catalogue",
        };
        load(self.client, &target, move |sink| {
            let (mut tallies, mut seen) = (Tallies::default(), HashSet::new());
            for file in &files {
                tallies.merge(read_or_report(file, imported_at, &mut seen, sink)?);
            }
            Ok(tallies)
        })
        .await
    }

    async fn load_histories(&self, gathered: &Gathered) -> Result<Tallies> {
        if gathered.histories.is_empty() {
            return Ok(Tallies::default());
        }
        let (files, imported_at) = (gathered.histories.clone(), self.imported_at);
        let class = spotify_export::class_sql();
        let target = Target {
            table: "bronze.plays_extended",
            id: "play_id",
            schema: Arc::clone(&spotify_export::SCHEMA),
            user: "staged.user_id",
            class: &class,
            kind: "history",
        };
        load(self.client, &target, move |sink| {
            read_history(&files, imported_at, sink)
        })
        .await
    }

    /// Writes the zone where it is another than before; returns the zone of each listener, none
    /// where none was ever named.
    async fn note_zones(
        &self,
        users: &BTreeSet<String>,
        timezone: Option<&str>,
    ) -> Result<BTreeMap<String, Option<String>>> {
        let sql = "select user_id, timezone from bronze.users order by _ingested_at";
        let (_, batches) = self.client.query(sql).await?;
        let (names, zones) = (texts(&batches, 0)?, texts(&batches, 1)?);
        let mut known: BTreeMap<String, Option<String>> =
            users.iter().map(|user| (user.clone(), None)).collect();
        for (name, zone) in names.into_iter().flatten().zip(zones) {
            known.entry(name).and_modify(|known| *known = zone);
        }
        let Some(zone) = timezone else {
            return Ok(known);
        };
        let changed: Vec<&String> = known
            .iter()
            .filter(|(_, old)| old.as_deref() != Some(zone))
            .map(|(user, _)| user)
            .collect();
        if !changed.is_empty() {
            let columns: [(&str, ArrayRef); 3] = [
                (
                    "user_id",
                    text(changed.iter().map(|user| Some(user.as_str()))),
                ),
                ("timezone", text(changed.iter().map(|_| Some(zone)))),
                ("_ingested_at", self.instants(changed.len())),
            ];
            self.append("bronze", "users", columns).await?;
        }
        for old in known.values_mut() {
            *old = Some(zone.to_string());
        }
        Ok(known)
    }

    async fn write_log(&self) -> Result<()> {
        let lines: Vec<_> = self.tallies.iter().collect();
        let causes = || lines.iter().map(|(cause, _)| cause);
        let rows = lines
            .iter()
            .map(|(_, tally)| i64::try_from(tally.rows).ok());
        let positions = lines
            .iter()
            .map(|(_, tally)| Some(tally.position?.to_string()));
        let columns: [(&str, ArrayRef); 8] = [
            ("import_id", text(causes().map(|_| Some(&self.import_id)))),
            ("imported_at", self.instants(lines.len())),
            (
                "user_id",
                text(causes().map(|cause| cause.user_id.as_ref())),
            ),
            ("file", text(causes().map(|cause| Some(&cause.file)))),
            ("kind", text(causes().map(|cause| Some(cause.kind)))),
            ("reason", text(causes().map(|cause| Some(&cause.reason)))),
            ("rows", Arc::new(rows.collect::<Int64Array>())),
            ("position", text(positions)),
        ];
        self.append("system", "import_log", columns).await
    }

    fn instants(&self, rows: usize) -> ArrayRef {
        let instants = TimestampMicrosecondArray::from_value(self.imported_at, rows);
        Arc::new(instants.with_timezone("UTC"))
    }

    async fn append<const N: usize>(
        &self,
        schema: &str,
        table: &str,
        columns: [(&str, ArrayRef); N],
    ) -> Result<()> {
        let columns = columns.map(|(name, values)| (name, values, true));
        let batch = RecordBatch::try_from_iter_with_nullable(columns)?;
        let target = TableName {
            schema: schema.to_string(),
            table: table.to_string(),
        };
        let rows = RecordBatchStreamAdapter::new(batch.schema(), stream::iter([Ok(batch)]));
        self.client
            .ingest(&target, IngestMode::Append, Box::pin(rows))
            .await?;
        Ok(())
    }
}

fn text<T: AsRef<str>>(values: impl Iterator<Item = Option<T>>) -> ArrayRef {
    Arc::new(values.collect::<StringArray>())
}

async fn create_tables(client: &Client) -> Result<()> {
    for schema in ["bronze", "system"] {
        client
            .execute(&format!("create schema if not exists {schema}"))
            .await?;
    }
    for script in TABLE_SCRIPTS {
        for sql in statement::split(script)? {
            client.execute(&sql).await?;
        }
    }
    Ok(())
}

/// A time zone of the IANA database, by its name.
pub(crate) fn time_zone(zone: &str) -> Result<String> {
    zone.parse::<chrono_tz::Tz>()
        .map(|zone| zone.name().to_string())
        .map_err(|_| {
            Error::Input(format!(
                "unknown time zone '{zone}', expected an IANA name such as 'Europe/Berlin'"
            ))
        })
}

/// A listener's name, which has to be one.
pub(crate) fn user_name(name: &str) -> Result<String> {
    if name.trim().is_empty() {
        return Err(Error::Input(
            "the name of the listener is empty, expected one such as 'ada'".to_string(),
        ));
    }
    Ok(name.to_string())
}

/// Reads a catalogue; one that is none, or cannot be opened, is a line of the report like a broken row.
fn read_or_report(
    file: &Input,
    imported_at: i64,
    seen: &mut HashSet<RowId>,
    sink: Sink<'_>,
) -> Result<Tallies> {
    let reason = match read_catalogue(file, imported_at, seen, sink) {
        Err(Error::Input(reason)) => reason,
        other => return other,
    };
    let named = format!("{}: ", file.label);
    let cause = Cause {
        user_id: None,
        file: file.label.clone(),
        kind: "catalogue",
        reason: format!(
            "refused: {}",
            reason.strip_prefix(&named).unwrap_or(&reason)
        ),
    };
    let mut tallies = Tallies::default();
    tallies.add(cause, 0, None);
    Ok(tallies)
}

/// Runs what reads files away from the threads that must not wait.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    match SpawnedTask::spawn_blocking(work).await {
        Ok(outcome) => outcome,
        Err(error) => Err(Error::Internal(format!("reading files: {error}"))),
    }
}

/// Of the rows that were read, those that came into the lake count as what they are, the others
/// as loaded before.
fn separate_old(mut read: Tallies, new: &BTreeMap<Cause, u64>) -> Tallies {
    let kept: Vec<(Cause, u64)> = read
        .iter()
        .filter(|(cause, _)| is_kept(&cause.reason))
        .map(|(cause, tally)| (cause.clone(), tally.rows))
        .collect();
    for (cause, rows) in kept {
        let old = rows.saturating_sub(new.get(&cause).copied().unwrap_or(0));
        let taken = read.take(&cause, old);
        if taken > 0 {
            let reason = ALREADY_LOADED.to_string();
            read.add(Cause { reason, ..cause }, taken, None);
        }
    }
    read
}

#[cfg(test)]
mod tests;
