//! Statements that run one after the other without anybody at the terminal.

use std::path::Path;
use std::sync::Arc;

use arrow::array::RecordBatch;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::memory::MemoryStream;
use futures::TryStreamExt;

use crate::cli::output::RowFormat;
use crate::cli::progress::Progress;
use crate::client::Client;
use crate::engine::Outcome;
use crate::error::{Error, Result};
use crate::wording::counted;

use super::destination::Destination;
use super::place::{Place, at};
use super::watch::{Watch, Watched, took};

/// What a shell tells of a program that Ctrl-C ended.
const INTERRUPTED: i32 = 130;

/// A script and what to do with the rows of its last query.
pub(super) struct Script<'a> {
    pub(super) text: &'a str,
    pub(super) statements: &'a [String],
    pub(super) file: Option<&'a Path>,
    pub(super) format: RowFormat,
    pub(super) output: Option<&'a Path>,
    pub(super) is_timed: bool,
}

impl Script<'_> {
    /// Runs all of it.
    pub(super) async fn run(&self, client: Client) -> Result<()> {
        let progress = Progress::new();
        let last = self.statements.len() - 1;
        let mut rows = None;
        for (index, statement) in self.statements.iter().enumerate() {
            let place = (last > 0).then(|| Place::of(self.text, &self.statements[..=index]));
            let placed = |error| at(error, self.file, place.as_ref());
            let watch = Watch::new(progress);
            let outcome = run_one(&client, statement, &watch).await.map_err(placed)?;
            match outcome {
                Outcome::Rows(stream) if index == last => {
                    self.write(stream, &watch).await.map_err(placed)?;
                    self.tell_rows(progress, &watch);
                    return Ok(());
                }
                Outcome::Rows(stream) => {
                    rows = Some(collect(stream, &watch).await.map_err(placed)?);
                    self.tell_rows(progress, &watch);
                }
                Outcome::Changed(count) => {
                    self.tell(
                        progress,
                        &format!("{} changed", counted(count, "row")),
                        &watch,
                    );
                }
                Outcome::Done => self.tell(progress, "done", &watch),
            }
        }
        match (rows, self.output) {
            (Some(rows), _) => self.write(rows, &Watch::new(progress)).await,
            (None, Some(path)) => Err(Error::Input(format!(
                "{}: no statement gave rows, so nothing was written",
                path.display()
            ))),
            (None, None) => Ok(()),
        }
    }

    async fn write(&self, rows: SendableRecordBatchStream, watch: &Watch) -> Result<()> {
        let destination = Destination {
            format: self.format,
            file: self.output.map(Path::to_path_buf),
            pager: None,
        };
        let watching = watch.clone();
        let written = watch.over(async move { destination.write(rows, &watching).await });
        finished(written.await?);
        Ok(())
    }

    fn tell_rows(&self, progress: Progress, watch: &Watch) {
        if self.is_timed {
            self.tell(progress, &counted(watch.meter.rows(), "row"), watch);
        }
    }

    fn tell(&self, progress: Progress, what: &str, watch: &Watch) {
        if self.is_timed {
            progress.note(&format!("{what}, {}", took(watch.elapsed())));
        } else {
            progress.note(what);
        }
    }
}

async fn run_one(client: &Client, statement: &str, watch: &Watch) -> Result<Outcome> {
    let (client, statement, meter) = (client.clone(), statement.to_string(), watch.meter.clone());
    let running = watch.over(async move { meter.waiting_for(client.run(&statement)).await });
    Ok(finished(running.await?))
}

/// Runs a query to its end before the next statement starts.
async fn collect(
    stream: SendableRecordBatchStream,
    watch: &Watch,
) -> Result<SendableRecordBatchStream> {
    let schema = stream.schema();
    let meter = watch.meter.clone();
    let collecting = watch.over(async move {
        let batches = meter.waiting_for(stream.try_collect()).await;
        let batches: Vec<RecordBatch> = batches?;
        meter.add(batches.iter().map(RecordBatch::num_rows).sum());
        Ok(batches)
    });
    let batches = finished(collecting.await?);
    Ok(Box::pin(MemoryStream::try_new(
        batches,
        Arc::clone(&schema),
        None,
    )?))
}

/// What was finished; after Ctrl-C there is nothing more to do.
fn finished<T>(watched: Watched<T>) -> T {
    match watched {
        Watched::Finished(done) => done,
        Watched::Cancelled => {
            Progress::new().note("cancelled");
            std::process::exit(INTERRUPTED)
        }
    }
}
