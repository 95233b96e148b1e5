//! Rows of a catalogue as Arrow batches, each cell parsed as its column wants it.

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanBuilder, Float64Builder, Int64Builder, RecordBatch, StringArray,
    StringBuilder, TimestampMicrosecondArray,
};
use csv::ByteRecord;

use super::{COLUMNS, Column, SCHEMA, TRACK_ID, Type};
use crate::error::Result;
use crate::sources::files::Input;
use crate::sources::report::{DUPLICATE, LOADED};
use crate::sources::row_hash::{RowHash, RowId, hex};

/// A value of a cell, as its column holds it.
enum Value<'a> {
    Null,
    Text(&'a str),
    Integer(i64),
    Number(f64),
    Flag(bool),
}

enum Builder {
    Text(StringBuilder),
    Integer(Int64Builder),
    Number(Float64Builder),
    Flag(BooleanBuilder),
}

/// Collects rows of one file.
pub(super) struct Rows {
    places: Vec<Option<usize>>,
    /// Cells of the header; a row has to have as many.
    width: usize,
    builders: Vec<Builder>,
    ids: Vec<RowId>,
    source: String,
    source_file: String,
    ingested_at: i64,
    hash: RowHash,
}

impl Rows {
    pub(super) fn new(
        input: &Input,
        ingested_at: i64,
        places: Vec<Option<usize>>,
        width: usize,
    ) -> Self {
        let builder = |column: &Column| match column.kind {
            Type::Text => Builder::Text(StringBuilder::new()),
            Type::Integer => Builder::Integer(Int64Builder::new()),
            Type::Number => Builder::Number(Float64Builder::new()),
            Type::Flag => Builder::Flag(BooleanBuilder::new()),
        };
        Self {
            places,
            width,
            builders: COLUMNS.iter().map(builder).collect(),
            ids: Vec::new(),
            source: input.stem().to_string(),
            source_file: input.label.clone(),
            ingested_at,
            hash: RowHash::default(),
        }
    }

    /// Rows since the last batch.
    pub(super) fn len(&self) -> usize {
        self.ids.len()
    }

    /// Adds a row unless `seen` has it; the reason says what became of it.
    pub(super) fn push(
        &mut self,
        record: &ByteRecord,
        seen: &mut HashSet<RowId>,
    ) -> Cow<'static, str> {
        match self.try_push(record, seen) {
            Ok(true) => LOADED.into(),
            Ok(false) => DUPLICATE.into(),
            Err(reason) => format!("malformed: {reason}").into(),
        }
    }

    fn try_push(&mut self, record: &ByteRecord, seen: &mut HashSet<RowId>) -> Result<bool, String> {
        if record.len() != self.width {
            return Err(format!("{} cells instead of {}", record.len(), self.width));
        }
        let mut values: [Value<'_>; COLUMNS.len()] = std::array::from_fn(|_| Value::Null);
        for ((value, column), place) in values.iter_mut().zip(&COLUMNS).zip(&self.places) {
            let cell = place
                .and_then(|place| record.get(place))
                .unwrap_or_default();
            *value = parse(cell, column)?;
        }
        if matches!(values[TRACK_ID], Value::Null) {
            return Err("track_id is empty".to_string());
        }
        self.hash.start();
        for value in &values {
            add(&mut self.hash, value);
        }
        let id = self.hash.finish();
        if !seen.insert(id) {
            return Ok(false);
        }
        for (value, builder) in values.iter().zip(&mut self.builders) {
            builder.push(value);
        }
        self.ids.push(id);
        Ok(true)
    }

    /// What was collected since the last call.
    pub(super) fn finish(&mut self) -> Result<RecordBatch> {
        let ids = std::mem::take(&mut self.ids);
        let rows = ids.len();
        let repeated = |text: &str| -> ArrayRef {
            Arc::new(StringArray::from_iter_values(std::iter::repeat_n(
                text, rows,
            )))
        };
        let ingested_at = TimestampMicrosecondArray::from_value(self.ingested_at, rows);
        let mut arrays: Vec<ArrayRef> = self.builders.iter_mut().map(Builder::finish).collect();
        arrays.push(Arc::new(hex(&ids)));
        arrays.push(repeated(&self.source));
        arrays.push(repeated(&self.source_file));
        arrays.push(Arc::new(ingested_at.with_timezone("UTC")));
        Ok(RecordBatch::try_new(Arc::clone(&SCHEMA), arrays)?)
    }
}

impl Builder {
    fn push(&mut self, value: &Value<'_>) {
        match (self, value) {
            (Self::Text(builder), Value::Text(text)) => builder.append_value(text),
            (Self::Text(builder), _) => builder.append_null(),
            (Self::Integer(builder), Value::Integer(number)) => builder.append_value(*number),
            (Self::Integer(builder), _) => builder.append_null(),
            (Self::Number(builder), Value::Number(number)) => builder.append_value(*number),
            (Self::Number(builder), _) => builder.append_null(),
            (Self::Flag(builder), Value::Flag(flag)) => builder.append_value(*flag),
            (Self::Flag(builder), _) => builder.append_null(),
        }
    }

    fn finish(&mut self) -> ArrayRef {
        match self {
            Self::Text(builder) => Arc::new(builder.finish()),
            Self::Integer(builder) => Arc::new(builder.finish()),
            Self::Number(builder) => Arc::new(builder.finish()),
            Self::Flag(builder) => Arc::new(builder.finish()),
        }
    }
}

fn parse<'a>(cell: &'a [u8], column: &Column) -> Result<Value<'a>, String> {
    let wrong = |expected: &str| format!("{} is not {expected}", column.name);
    let text = std::str::from_utf8(cell).map_err(|_| wrong("UTF-8"))?;
    let plain = text.trim();
    if plain.is_empty() {
        return Ok(Value::Null);
    }
    match column.kind {
        Type::Text => Ok(Value::Text(text)),
        Type::Integer => {
            let number = whole(plain).ok_or_else(|| wrong("a whole number"))?;
            #[expect(
                clippy::cast_precision_loss,
                reason = "only compared with small bounds"
            )]
            within(number as f64, column)?;
            Ok(Value::Integer(number))
        }
        Type::Number => match plain.parse::<f64>() {
            Ok(number) if number.is_finite() => {
                within(number, column)?;
                Ok(Value::Number(number))
            }
            _ => Err(wrong("a number")),
        },
        Type::Flag => match plain {
            "True" | "true" | "TRUE" | "1" => Ok(Value::Flag(true)),
            "False" | "false" | "FALSE" | "0" => Ok(Value::Flag(false)),
            _ => Err(wrong("true or false")),
        },
    }
}

fn within(number: f64, column: &Column) -> Result<(), String> {
    let (least, greatest) = column.range;
    if (least..=greatest).contains(&number) {
        return Ok(());
    }
    Err(format!("{} is not from {least} to {greatest}", column.name))
}

/// A whole number, also when it is written as `4.0`, as data frames with gaps do.
fn whole(text: &str) -> Option<i64> {
    text.parse()
        .ok()
        .or_else(|| text.strip_suffix(".0")?.parse().ok())
}

fn add(hash: &mut RowHash, value: &Value<'_>) {
    match value {
        Value::Null => hash.null(),
        Value::Text(text) => hash.text(text),
        Value::Integer(number) => hash.integer(*number),
        Value::Number(number) => hash.number(*number),
        Value::Flag(flag) => hash.flag(*flag),
    }
}
