//! JSON objects, in an array or one a line; nulls are written.

use std::io::Write;

use arrow::array::RecordBatch;
use arrow::json::writer::{JsonArray, JsonFormat, LineDelimited, WriterBuilder};

use crate::error::{Error, Result};

use super::{OUT, Rows, arrow_error};

/// Rows as objects.
pub(super) struct JsonRows<W: Write, F: JsonFormat> {
    writer: arrow::json::Writer<W, F>,
    /// What the writer leaves out after the last row.
    end: &'static str,
}

impl<W: Write> JsonRows<W, JsonArray> {
    pub(super) fn array(out: W) -> Self {
        Self::new(out, "\n")
    }
}

impl<W: Write> JsonRows<W, LineDelimited> {
    pub(super) fn lines(out: W) -> Self {
        Self::new(out, "")
    }
}

impl<W: Write, F: JsonFormat> JsonRows<W, F> {
    fn new(out: W, end: &'static str) -> Self {
        let writer = WriterBuilder::new().with_explicit_nulls(true).build(out);
        Self { writer, end }
    }
}

impl<W: Write, F: JsonFormat> Rows for JsonRows<W, F> {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        self.writer.write(batch).map_err(arrow_error)
    }

    fn finish(mut self) -> Result<()> {
        self.writer.finish().map_err(arrow_error)?;
        let mut out = self.writer.into_inner();
        out.write_all(self.end.as_bytes())
            .and_then(|()| out.flush())
            .map_err(Error::io(OUT))
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;
    use crate::cli::output::cells::tests::sample;

    #[test]
    fn json_writes_nulls_and_an_empty_array() {
        let batch = sample().project(&[0, 2]).unwrap();
        let mut out = Vec::new();
        let mut rows = JsonRows::array(&mut out);
        rows.write(&batch).unwrap();
        rows.finish().unwrap();
        let value: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(value[0]["at"], "2026-03-01T07:58:12Z");
        assert!(value[1]["t"].is_null());
        let mut out = Vec::new();
        JsonRows::array(&mut out).finish().unwrap();
        assert_eq!(out, b"[]\n");
    }

    #[test]
    fn lines_of_json_stand_alone() {
        let batch = sample().project(&[1]).unwrap();
        let mut out = Vec::new();
        let mut rows = JsonRows::lines(&mut out);
        rows.write(&batch).unwrap();
        rows.finish().unwrap();
        assert_eq!(out, b"{\"is_new\":true}\n{\"is_new\":false}\n");
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
        let mut rows = JsonRows::array(Closed);
        let error = rows.write(&sample()).and_then(|()| rows.finish());
        assert!(matches!(error, Err(Error::Io { .. })), "{error:?}");
    }
}
