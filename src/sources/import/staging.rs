//! The way into a bronze table: all rows into a table beside it, then only those that are new.
//!
//! The staging table is dropped in the end, come what may. An `insert` of no rows makes no commit.
//! A table that is still empty is filled directly, in one commit that stands only if it is empty to the end: there is
//! nothing to compare with.

use std::collections::BTreeMap;

use arrow::datatypes::SchemaRef;
use datafusion::common::DataFusionError;
use datafusion::physical_plan::stream::RecordBatchReceiverStreamBuilder;
use tokio::sync::oneshot;
use uuid::Uuid;

use super::rows::{counts, texts};
use super::separate_old;
use crate::client::Client;
use crate::engine::IngestMode;
use crate::error::{Error, Result};
use crate::lake::TableName;
use crate::sources::Sink;
use crate::sources::report::{Cause, Tallies, is_kept};

/// Batches that may wait to be written.
const BATCHES_AHEAD: usize = 8;

/// A bronze table and how its rows are told apart and named.
pub(super) struct Target<'a> {
    pub(super) table: &'a str,
    /// The column that identifies a row.
    pub(super) id: &'a str,
    pub(super) schema: SchemaRef,
    /// SQL for whose a row `staged` is.
    pub(super) user: &'a str,
    /// SQL for what the report calls a row `staged`.
    pub(super) class: &'a str,
    pub(super) kind: &'static str,
}

/// Loads what `read` yields; returns what became of every row.
pub(super) async fn load(
    client: &Client,
    target: &Target<'_>,
    read: impl FnOnce(Sink<'_>) -> Result<Tallies> + Clone + Send + 'static,
) -> Result<Tallies> {
    if is_empty(client, target).await? {
        let table: TableName = target.table.parse()?;
        match ingest(client, &table, IngestMode::Fill, target, read.clone()).await {
            // Another import was faster: there is something to compare with now.
            Err(_) if !is_empty(client, target).await? => {}
            filled => return filled,
        }
    }
    let staging = TableName {
        schema: "bronze".to_string(),
        table: format!("_import_{}", Uuid::new_v4().simple()),
    };
    let outcome = load_through(client, target, &staging, read).await;
    let dropped = client
        .execute(&format!("drop table if exists {staging}"))
        .await;
    let tallies = outcome?;
    dropped?;
    Ok(tallies)
}

async fn is_empty(client: &Client, target: &Target<'_>) -> Result<bool> {
    let (_, rows) = client
        .query(&format!("select count(*) from {}", target.table))
        .await?;
    Ok(counts(&rows, 0)? == [0])
}

async fn load_through(
    client: &Client,
    target: &Target<'_>,
    staging: &TableName,
    read: impl FnOnce(Sink<'_>) -> Result<Tallies> + Send + 'static,
) -> Result<Tallies> {
    let read = ingest(client, staging, IngestMode::Create, target, read).await?;
    let Target { table, id, .. } = target;
    let inserted = client
        .execute(&format!(
            "insert into {table} select staged.* from {staging} as staged \
             left anti join {table} as present on staged.{id} = present.{id}"
        ))
        .await?;
    let staged = read.rows(is_kept);
    match inserted {
        Some(rows) if rows == staged => Ok(read),
        Some(0) => Ok(separate_old(read, &BTreeMap::new())),
        _ => Ok(separate_old(
            read,
            &new_rows(client, target, staging).await?,
        )),
    }
}

/// Writes what `read` yields into a table, in one commit.
async fn ingest(
    client: &Client,
    table: &TableName,
    mode: IngestMode,
    target: &Target<'_>,
    read: impl FnOnce(Sink<'_>) -> Result<Tallies> + Send + 'static,
) -> Result<Tallies> {
    let mut stream = RecordBatchReceiverStreamBuilder::new(target.schema.clone(), BATCHES_AHEAD);
    let (sender, (done, tallies)) = (stream.tx(), oneshot::channel());
    stream.spawn_blocking(move || {
        let gone = |_| Error::Internal("writing was given up".to_string());
        let tallies = read(&mut |batch| sender.blocking_send(Ok(batch)).map_err(gone))
            .map_err(DataFusionError::from)?;
        // Nobody waits for the figures when writing failed.
        let _ = done.send(tallies);
        Ok(())
    });
    client.ingest(table, mode, stream.build()).await?;
    tallies
        .await
        .map_err(|_| Error::Internal("reading ended without its figures".to_string()))
}

/// How many rows of each cause this import brought: those that carry its instant.
async fn new_rows(
    client: &Client,
    target: &Target<'_>,
    staging: &TableName,
) -> Result<BTreeMap<Cause, u64>> {
    let Target {
        table,
        id,
        user,
        class,
        ..
    } = target;
    let sql = format!(
        "select {user} as user_id, staged._source_file as file, {class} as reason, count(*) as tally \
         from {staging} as staged inner join {table} as present \
         on staged.{id} = present.{id} and staged._ingested_at = present._ingested_at group by 1, 2, 3"
    );
    let (_, batches) = client.query(&sql).await?;
    let (users, files) = (texts(&batches, 0)?, texts(&batches, 1)?);
    let (reasons, rows) = (texts(&batches, 2)?, counts(&batches, 3)?);
    let causes = users
        .into_iter()
        .zip(files)
        .zip(reasons)
        .map(|((user_id, file), reason)| Cause {
            user_id,
            file: file.unwrap_or_default(),
            kind: target.kind,
            reason: reason.unwrap_or_default(),
        });
    Ok(causes.zip(rows).collect())
}
