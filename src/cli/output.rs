//! Rows as text for people, as text for programs, and as files: one file for each format.

use std::io::{self, BufWriter, Write};
use std::path::Path;

use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use clap::ValueEnum;
use datafusion::execution::SendableRecordBatchStream;
use futures::StreamExt;
use tokio::task::block_in_place;

use crate::error::{Error, Result};

mod binary;
mod cells;
mod csv_rows;
mod expanded;
mod json_rows;
mod meter;
mod staged_file;
mod table;

pub(super) use meter::Meter;
pub(super) use staged_file::StagedFile;

use binary::{ArrowFile, ArrowStream, ParquetFile};
use csv_rows::CsvRows;
use expanded::ExpandedRows;
use json_rows::JsonRows;
use table::TableRows;

/// How a writer calls what it writes to; whoever called it knows better.
const OUT: &str = "standard output";

/// How rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(super) enum RowFormat {
    /// For people
    #[default]
    Table,
    /// For people, one line for each value
    Expanded,
    /// A header and plain values
    Csv,
    /// An array of objects
    Json,
    /// An object a line
    Ndjson,
    /// Arrow IPC: a stream on standard output and in files ending in .arrows, else a file
    Arrow,
    /// Apache Parquet
    Parquet,
}

impl RowFormat {
    /// The format that a file's ending stands for.
    pub(super) fn of_file(path: &Path) -> Option<Self> {
        let ending = path.extension()?.to_str()?.to_lowercase();
        match ending.as_str() {
            "txt" => Some(Self::Table),
            "csv" => Some(Self::Csv),
            "json" => Some(Self::Json),
            "ndjson" | "jsonl" => Some(Self::Ndjson),
            "arrow" | "arrows" | "feather" | "ipc" => Some(Self::Arrow),
            "parquet" => Some(Self::Parquet),
            _ => None,
        }
    }

    /// Whether a terminal can show it.
    pub(super) fn is_text(self) -> bool {
        !matches!(self, Self::Arrow | Self::Parquet)
    }

    /// Its name on the command line.
    pub(super) fn name(self) -> String {
        let value = self.to_possible_value();
        value.map_or_else(String::new, |value| value.get_name().to_string())
    }
}

/// How rows are laid out.
#[derive(Debug, Clone, Copy)]
pub(super) struct Layout {
    pub(super) format: RowFormat,
    /// The columns of the terminal that shows them, if one does.
    pub(super) width: Option<usize>,
    /// Whether Arrow is written as a stream, which a pipe can carry, or as a file.
    pub(super) is_stream: bool,
}

/// Writes to standard output through a buffer.
pub(super) fn write(
    body: impl FnOnce(&mut BufWriter<io::StdoutLock<'static>>) -> io::Result<()>,
) -> Result<()> {
    let mut out = BufWriter::new(io::stdout().lock());
    body(&mut out)
        .and_then(|()| out.flush())
        .map_err(Error::io("standard output"))
}

/// Writes all rows of a query as they come; what comes is counted and timed.
pub(super) async fn write_rows(
    rows: SendableRecordBatchStream,
    layout: Layout,
    out: &mut (dyn Write + Send),
    meter: &Meter,
) -> Result<()> {
    let schema = rows.schema();
    match layout.format {
        RowFormat::Table => drive(rows, TableRows::new(out, schema, layout.width), meter).await,
        RowFormat::Expanded => {
            drive(rows, ExpandedRows::new(out, &schema, layout.width), meter).await
        }
        RowFormat::Csv => drive(rows, CsvRows::new(out, &schema)?, meter).await,
        RowFormat::Json => drive(rows, JsonRows::array(out), meter).await,
        RowFormat::Ndjson => drive(rows, JsonRows::lines(out), meter).await,
        RowFormat::Arrow if layout.is_stream => {
            drive(rows, ArrowStream::new(out, &schema)?, meter).await
        }
        RowFormat::Arrow => drive(rows, ArrowFile::new(out, &schema)?, meter).await,
        RowFormat::Parquet => drive(rows, ParquetFile::new(out, schema)?, meter).await,
    }
}

/// A format, written batch by batch.
trait Rows {
    fn write(&mut self, batch: &RecordBatch) -> Result<()>;
    fn finish(self) -> Result<()>;
}

async fn drive(
    mut rows: SendableRecordBatchStream,
    mut writer: impl Rows,
    meter: &Meter,
) -> Result<()> {
    while let Some(batch) = meter.waiting_for(rows.next()).await.transpose()? {
        meter.add(batch.num_rows());
        // Whoever reads may be slow; other work goes on meanwhile.
        block_in_place(|| writer.write(&batch))?;
    }
    block_in_place(|| writer.finish())
}

fn arrow_error(error: ArrowError) -> Error {
    match error {
        ArrowError::IoError(_, source) => Error::io(OUT)(source),
        other => other.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_says_its_format_by_its_ending() {
        for (file, format) in [
            ("a.csv", Some(RowFormat::Csv)),
            ("b/c.PARQUET", Some(RowFormat::Parquet)),
            ("d.arrows", Some(RowFormat::Arrow)),
            ("e.csv.gz", None),
            ("csv", None),
        ] {
            assert_eq!(RowFormat::of_file(Path::new(file)), format, "{file}");
        }
        assert_eq!(RowFormat::Ndjson.name(), "ndjson");
    }
}
