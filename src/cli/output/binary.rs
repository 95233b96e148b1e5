//! Arrow IPC and Parquet. Both are written as the rows come: of Parquet one row group is in memory.

use std::io::{self, Write};

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use arrow::ipc::writer::{FileWriter, StreamWriter};
use datafusion::common::DataFusionError;
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::basic::Compression;
use datafusion::parquet::errors::ParquetError;
use datafusion::parquet::file::properties::WriterProperties;

use crate::error::{Error, Result};

use super::{OUT, Rows, arrow_error};

/// A row group is closed when it holds so much, compressed: what a writer needs of memory.
const ROW_GROUP_BYTES: usize = 64 << 20;

/// An IPC stream, which is read from its beginning to its end.
pub(super) struct ArrowStream<W: Write>(StreamWriter<W>);

impl<W: Write> ArrowStream<W> {
    pub(super) fn new(out: W, schema: &Schema) -> Result<Self> {
        let writer = StreamWriter::try_new(out, schema);
        Ok(Self(writer.map_err(arrow_error)?))
    }
}

impl<W: Write> Rows for ArrowStream<W> {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        self.0.write(batch).map_err(arrow_error)
    }

    fn finish(mut self) -> Result<()> {
        self.0.finish().map_err(arrow_error)?;
        self.0.get_mut().flush().map_err(Error::io(OUT))
    }
}

/// An IPC file, whose end tells where each batch is.
pub(super) struct ArrowFile<W: Write>(FileWriter<W>);

impl<W: Write> ArrowFile<W> {
    pub(super) fn new(out: W, schema: &Schema) -> Result<Self> {
        let writer = FileWriter::try_new(out, schema);
        Ok(Self(writer.map_err(arrow_error)?))
    }
}

impl<W: Write> Rows for ArrowFile<W> {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        self.0.write(batch).map_err(arrow_error)
    }

    fn finish(mut self) -> Result<()> {
        self.0.finish().map_err(arrow_error)?;
        self.0.get_mut().flush().map_err(Error::io(OUT))
    }
}

/// A Parquet file, compressed as every reader of Parquet can read it.
pub(super) struct ParquetFile<W: Write + Send>(ArrowWriter<W>);

impl<W: Write + Send> ParquetFile<W> {
    pub(super) fn new(out: W, schema: SchemaRef) -> Result<Self> {
        let properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .build();
        let writer = ArrowWriter::try_new(out, schema, Some(properties));
        Ok(Self(writer.map_err(parquet_error)?))
    }
}

impl<W: Write + Send> Rows for ParquetFile<W> {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        self.0.write(batch).map_err(parquet_error)?;
        if self.0.in_progress_size() > ROW_GROUP_BYTES {
            self.0.flush().map_err(parquet_error)?;
        }
        Ok(())
    }

    fn finish(self) -> Result<()> {
        self.0.close().map_err(parquet_error)?;
        Ok(())
    }
}

fn parquet_error(error: ParquetError) -> Error {
    match error {
        ParquetError::External(source) if source.is::<io::Error>() => {
            match source.downcast::<io::Error>() {
                Ok(source) => Error::io(OUT)(*source),
                Err(other) => DataFusionError::External(other).into(),
            }
        }
        other => DataFusionError::ParquetError(Box::new(other)).into(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int64Array};
    use arrow::ipc::reader::{FileReader, StreamReader};
    use bytes::Bytes;
    use datafusion::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

    use super::*;

    fn sample() -> RecordBatch {
        let values: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), None, Some(3)]));
        RecordBatch::try_from_iter_with_nullable([("x", values, true)]).unwrap()
    }

    fn written<'a, R: Rows>(
        out: &'a mut Vec<u8>,
        begin: impl FnOnce(&'a mut Vec<u8>) -> Result<R>,
    ) {
        let mut rows = begin(out).unwrap();
        rows.write(&sample()).unwrap();
        rows.write(&sample()).unwrap();
        rows.finish().unwrap();
    }

    #[test]
    fn what_is_written_is_read_again() {
        let schema = sample().schema();
        let (mut stream, mut file, mut parquet) = (Vec::new(), Vec::new(), Vec::new());
        written(&mut stream, |out| ArrowStream::new(out, &schema));
        written(&mut file, |out| ArrowFile::new(out, &schema));
        written(&mut parquet, |out| {
            ParquetFile::new(out, Arc::clone(&schema))
        });
        let batches = StreamReader::try_new(stream.as_slice(), None).unwrap();
        let batches: Vec<_> = batches.map(std::result::Result::unwrap).collect();
        assert_eq!(batches, [sample(), sample()]);
        let batches = FileReader::try_new(io::Cursor::new(file), None).unwrap();
        let batches: Vec<_> = batches.map(std::result::Result::unwrap).collect();
        assert_eq!(batches, [sample(), sample()]);
        let reader = ParquetRecordBatchReaderBuilder::try_new(Bytes::from(parquet)).unwrap();
        let rows: usize = reader
            .build()
            .unwrap()
            .map(|batch| batch.unwrap().num_rows())
            .sum();
        assert_eq!(rows, 6);
    }
}
