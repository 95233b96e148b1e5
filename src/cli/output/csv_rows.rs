//! CSV as RFC 4180 has it, with `\n` as line end: nulls are empty, nested values JSON.

use std::io::Write;
use std::sync::Arc;

use arrow::array::{Array, RecordBatch};
use arrow::datatypes::{Field, Schema, SchemaRef};
use arrow::json::ArrayWriter;
use arrow::util::display::{ArrayFormatter, FormatOptions};

use crate::error::{Error, Result};

use super::{OUT, Rows};

/// A header and a line a row.
pub(super) struct CsvRows<W: Write>(csv::Writer<W>);

impl<W: Write> CsvRows<W> {
    pub(super) fn new(out: W, schema: &SchemaRef) -> Result<Self> {
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
        self.0.flush().map_err(Error::io(OUT))
    }

    fn finish(mut self) -> Result<()> {
        self.0.flush().map_err(Error::io(OUT))
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

fn csv_error(error: csv::Error) -> Error {
    let message = error.to_string();
    match error.into_kind() {
        csv::ErrorKind::Io(source) => Error::io(OUT)(source),
        _ => Error::Internal(message),
    }
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::Int32Type;

    use super::*;
    use crate::cli::output::cells::tests::sample;

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
    fn nested_nulls_are_empty_in_csv() {
        let list = arrow::array::ListArray::from_iter_primitive::<Int32Type, _, _>(vec![
            Some(vec![Some(1), None]),
            None,
        ]);
        assert_eq!(json_values(&list).unwrap(), ["[1,null]", ""]);
    }
}
