//! Rows on standard output: as a table, as CSV or as JSON.

use std::io::{self, BufWriter, Write};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, RecordBatchOptions, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::json::ArrayWriter;
use arrow::json::writer::{JsonArray, WriterBuilder};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use arrow::util::pretty::pretty_format_batches_with_options;
use clap::ValueEnum;
use datafusion::execution::SendableRecordBatchStream;
use futures::{StreamExt, TryStreamExt};

use crate::error::{Error, Result};

use super::terminal::{columns, fold};

/// The column of `system.tables` and others that holds whole scripts.
const STATEMENT: &str = "statement";
/// Narrower columns cannot be read: a table of very many is wider than the terminal.
const NARROWEST: usize = 8;

/// How rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(super) enum RowFormat {
    /// For people
    #[default]
    Table,
    /// A header and plain values
    Csv,
    /// An array of objects
    Json,
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

/// Writes all rows of a query to standard output.
pub(super) async fn write_rows(rows: SendableRecordBatchStream, format: RowFormat) -> Result<()> {
    let schema = rows.schema();
    match format {
        RowFormat::Table => {
            let batches: Vec<RecordBatch> = rows.try_collect().await?;
            let batches = match columns() {
                Some(width) => vec![fitted(&schema, &batches, width)?],
                None => batches,
            };
            let table = as_table(schema, &batches)?;
            write(|out| writeln!(out, "{table}"))
        }
        RowFormat::Csv => write_batches(rows, CsvRows::new(io::stdout(), &schema)?).await,
        RowFormat::Json => write_batches(rows, JsonRows::new(io::stdout())).await,
    }
}

/// A format that is written batch by batch.
trait Rows {
    fn write(&mut self, batch: &RecordBatch) -> Result<()>;
    fn finish(self) -> Result<()>;
}

async fn write_batches(mut rows: SendableRecordBatchStream, mut writer: impl Rows) -> Result<()> {
    while let Some(batch) = rows.next().await.transpose()? {
        writer.write(&batch)?;
    }
    writer.finish()
}

fn as_table(schema: SchemaRef, batches: &[RecordBatch]) -> Result<impl std::fmt::Display> {
    let options = FormatOptions::default().with_null("");
    let empty = [RecordBatch::new_empty(schema)];
    let batches = if batches.is_empty() { &empty } else { batches };
    Ok(pretty_format_batches_with_options(batches, &options)?)
}

/// The rows as text that fits a terminal: cells are folded, and of statements only the first line is shown.
fn fitted(schema: &SchemaRef, batches: &[RecordBatch], width: usize) -> Result<RecordBatch> {
    let options = FormatOptions::default().with_null("");
    let mut texts: Vec<Vec<String>> = vec![Vec::new(); schema.fields().len()];
    for batch in batches {
        for (column, texts) in batch.columns().iter().zip(&mut texts) {
            let values = ArrayFormatter::try_new(column.as_ref(), &options)?;
            for row in 0..batch.num_rows() {
                texts.push(values.value(row).try_to_string()?);
            }
        }
    }
    for (field, texts) in schema.fields().iter().zip(&mut texts) {
        if field.name() == STATEMENT {
            texts.iter_mut().for_each(cut_to_first_line);
        }
    }
    let widths = widths(schema, &texts);
    let widest = widest_column(&widths, width);
    let fold_all = |texts: &Vec<String>| {
        let folded = texts.iter().map(|text| fold(text, widest).join("\n"));
        Arc::new(StringArray::from_iter_values(folded)) as ArrayRef
    };
    let fields = schema.fields().iter();
    let fields: Vec<Field> = fields
        .map(|field| Field::new(field.name(), DataType::Utf8, true))
        .collect();
    let rows = RecordBatchOptions::new()
        .with_row_count(Some(batches.iter().map(RecordBatch::num_rows).sum()));
    Ok(RecordBatch::try_new_with_options(
        Arc::new(Schema::new(fields)),
        texts.iter().map(fold_all).collect(),
        &rows,
    )?)
}

fn cut_to_first_line(text: &mut String) {
    if let Some(end) = text.find('\n') {
        text.truncate(end);
        text.push_str(" …");
    }
}

fn widths(schema: &SchemaRef, texts: &[Vec<String>]) -> Vec<usize> {
    let length = |text: &str| text.lines().map(|line| line.chars().count()).max();
    let fields = schema.fields().iter().zip(texts);
    fields
        .map(|(field, texts)| {
            let longest = texts.iter().filter_map(|text| length(text)).max();
            longest.unwrap_or(0).max(field.name().chars().count())
        })
        .collect()
}

/// How wide a column may be for all of them, with their frames, to fit into `width`.
fn widest_column(widths: &[usize], width: usize) -> usize {
    let room = width.saturating_sub(3 * widths.len() + 1);
    let (mut narrow, mut left) = (widths.to_vec(), room);
    narrow.sort_unstable();
    for (index, width) in narrow.iter().enumerate() {
        let share = left / (narrow.len() - index);
        if *width > share {
            return share.max(NARROWEST);
        }
        left -= width;
    }
    usize::MAX
}

/// CSV as RFC 4180 has it, with `\n` as line end: nulls are empty, nested values JSON.
struct CsvRows<W: Write>(csv::Writer<W>);

impl<W: Write> CsvRows<W> {
    fn new(out: W, schema: &SchemaRef) -> Result<Self> {
        let mut writer = csv::Writer::from_writer(out);
        writer
            .write_record(schema.fields().iter().map(|field| field.name()))
            .map_err(csv_error)?;
        Ok(Self(writer))
    }
}

impl<W: Write> Rows for CsvRows<W> {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        // A null is an empty field; so is an empty text, as in every tool that reads CSV.
        let options = FormatOptions::default()
            .with_null("")
            .with_types_info(false);
        let columns = batch
            .columns()
            .iter()
            .map(|column| Cells::new(column.as_ref(), &options))
            .collect::<Result<Vec<_>>>()?;
        for row in 0..batch.num_rows() {
            for column in &columns {
                self.0.write_field(column.text(row)?).map_err(csv_error)?;
            }
            self.0.write_record(None::<&[u8]>).map_err(csv_error)?;
        }
        Ok(())
    }

    fn finish(mut self) -> Result<()> {
        self.0.flush().map_err(Error::io("standard output"))
    }
}

/// The values of a column as text.
enum Cells<'a> {
    Plain(ArrayFormatter<'a>),
    Json(Vec<String>),
}

impl<'a> Cells<'a> {
    fn new(column: &'a dyn Array, options: &FormatOptions<'a>) -> Result<Self> {
        if column.data_type().is_nested() {
            return Ok(Self::Json(json_values(column)?));
        }
        Ok(Self::Plain(ArrayFormatter::try_new(column, options)?))
    }

    fn text(&self, row: usize) -> Result<String> {
        match self {
            Self::Plain(values) => Ok(values.value(row).try_to_string()?),
            Self::Json(values) => Ok(values[row].clone()),
        }
    }
}

/// Each value as JSON, empty for nulls.
fn json_values(column: &dyn Array) -> Result<Vec<String>> {
    let field = Field::new("value", column.data_type().clone(), true);
    let schema = Arc::new(Schema::new(vec![field]));
    let batch = RecordBatch::try_new(schema, vec![column.slice(0, column.len())])?;
    let mut writer = ArrayWriter::new(Vec::new());
    writer.write(&batch)?;
    writer.finish()?;
    let rows: Vec<serde_json::Value> = serde_json::from_slice(&writer.into_inner())
        .map_err(|error| Error::Internal(error.to_string()))?;
    let text = |row: &serde_json::Value| {
        row.get("value")
            .map_or_else(String::new, ToString::to_string)
    };
    Ok(rows.iter().map(text).collect())
}

/// A JSON array of objects; nulls are written.
struct JsonRows<W: Write>(arrow::json::Writer<W, JsonArray>);

impl<W: Write> JsonRows<W> {
    fn new(out: W) -> Self {
        Self(WriterBuilder::new().with_explicit_nulls(true).build(out))
    }
}

impl<W: Write> Rows for JsonRows<W> {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        self.0.write(batch).map_err(json_error)
    }

    fn finish(mut self) -> Result<()> {
        self.0.finish().map_err(json_error)?;
        let mut out = self.0.into_inner();
        out.write_all(b"\n")
            .and_then(|()| out.flush())
            .map_err(Error::io("standard output"))
    }
}

fn json_error(error: ArrowError) -> Error {
    match error {
        ArrowError::IoError(_, source) => Error::io("standard output")(source),
        other => other.into(),
    }
}

fn csv_error(error: csv::Error) -> Error {
    let message = error.to_string();
    match error.into_kind() {
        csv::ErrorKind::Io(source) => Error::io("standard output")(source),
        _ => Error::Internal(message),
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{
        BooleanArray, Float64Array, Int32Array, StructArray, TimestampMicrosecondArray,
    };
    use arrow::datatypes::Int32Type;

    use super::*;

    fn sample() -> RecordBatch {
        let at = TimestampMicrosecondArray::from(vec![Some(1_772_351_892_000_000), None]);
        let inner: ArrayRef = Arc::new(Int32Array::from(vec![1, 2]));
        let field = Arc::new(Field::new("x", DataType::Int32, true));
        RecordBatch::try_from_iter_with_nullable(vec![
            (
                "t",
                Arc::new(StringArray::from(vec![Some("a, \"b\""), None])) as ArrayRef,
                true,
            ),
            (
                "is_new",
                Arc::new(BooleanArray::from(vec![true, false])),
                true,
            ),
            ("at", Arc::new(at.clone().with_timezone("UTC")), true),
            ("local_at", Arc::new(at), true),
            ("f", Arc::new(Float64Array::from(vec![0.1, 2.0])), true),
            ("s", Arc::new(StructArray::from(vec![(field, inner)])), true),
        ])
        .unwrap()
    }

    #[test]
    fn csv_has_plain_values_and_quotes_what_needs_it() {
        let batch = sample();
        let mut out = Vec::new();
        let mut rows = CsvRows::new(&mut out, &batch.schema()).unwrap();
        rows.write(&batch).unwrap();
        rows.finish().unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "t,is_new,at,local_at,f,s\n\
             \"a, \"\"b\"\"\",true,2026-03-01T07:58:12Z,2026-03-01T07:58:12,0.1,\"{\"\"x\"\":1}\"\n\
             ,false,,,2.0,\"{\"\"x\"\":2}\"\n"
        );
    }

    #[test]
    fn a_table_fits_its_terminal() {
        let texts = vec!["short".to_string(), "word ".repeat(40)];
        let statements = vec!["create table a\nas select 1"; 2];
        let batch = RecordBatch::try_from_iter([
            ("text", Arc::new(StringArray::from(texts)) as ArrayRef),
            ("statement", Arc::new(StringArray::from(statements))),
        ])
        .unwrap();
        let fitted = fitted(&batch.schema(), std::slice::from_ref(&batch), 60).unwrap();
        let table = as_table(fitted.schema(), &[fitted]).unwrap().to_string();
        assert!(
            table.lines().all(|line| line.chars().count() <= 60),
            "{table}"
        );
        assert_eq!(table.matches("word").count(), 40);
        assert!(table.contains("create table a …") && !table.contains("select"));
        assert_eq!(widest_column(&[3, 10], 80), usize::MAX);
    }

    #[test]
    fn a_reader_that_has_seen_enough_is_no_failure() {
        struct Closed;
        impl Write for Closed {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let mut rows = JsonRows::new(Closed);
        let error = rows.write(&sample()).and_then(|()| rows.finish());
        assert!(matches!(error, Err(Error::Io { .. })), "{error:?}");
    }

    #[test]
    fn json_writes_nulls_and_an_empty_array() {
        let batch = sample().project(&[0, 2]).unwrap();
        let mut out = Vec::new();
        let mut rows = JsonRows::new(&mut out);
        rows.write(&batch).unwrap();
        rows.finish().unwrap();
        let value: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(value[0]["at"], "2026-03-01T07:58:12Z");
        assert!(value[1]["t"].is_null());
        let mut out = Vec::new();
        JsonRows::new(&mut out).finish().unwrap();
        assert_eq!(out, b"[]\n");
    }

    #[test]
    fn nested_nulls_are_empty_in_csv() {
        let list = arrow::array::ListArray::from_iter_primitive::<Int32Type, _, _>(vec![
            Some(vec![Some(1), None]),
            None,
        ]);
        assert_eq!(json_values(&list).unwrap(), ["[1,null]", ""]);
    }
}
