//! Columns of record batches, read by what they are for.

use arrow::{
    array::{AsArray, RecordBatch},
    compute::cast,
    datatypes::{DataType, Field, Float64Type, SchemaRef, TimeUnit, TimestampMicrosecondType},
};

use super::{Codes, Roles};
use crate::error::{Error, Result};

/// Reads the columns of the query of the model called `model`.
pub(in crate::models) struct Reader<'a> {
    pub(in crate::models) model: &'a str,
    pub(in crate::models) schema: &'a SchemaRef,
    pub(in crate::models) batches: &'a [RecordBatch],
}

impl<'a> Reader<'a> {
    /// The names of the feature columns, and each as numbers.
    pub(in crate::models) fn features(
        &self,
        roles: Roles<'_>,
    ) -> Result<(Vec<String>, Vec<Vec<f64>>)> {
        let fields: Vec<(usize, &Field)> = roles.features(self.schema).collect();
        if fields.is_empty() {
            return Err(self.error("the query has no feature columns"));
        }
        let columns = fields
            .iter()
            .map(|&(at, field)| self.numbers(at, field, "feature"))
            .collect::<Result<_>>()?;
        let names: Vec<String> = fields
            .iter()
            .map(|(_, field)| field.name().clone())
            .collect();
        match names
            .iter()
            .enumerate()
            .find(|(at, name)| names[..*at].contains(name))
        {
            Some((_, name)) => {
                Err(self.error(&format!("column '{name}' appears twice in the query")))
            }
            None => Ok((names, columns)),
        }
    }

    /// A label that is a number, null as NaN.
    pub(in crate::models) fn target(&self, name: &str) -> Result<Vec<f64>> {
        self.number(name, "label")
    }

    /// A column of numbers that is no feature, null as NaN.
    pub(in crate::models) fn number(&self, name: &str, role: &str) -> Result<Vec<f64>> {
        let (at, field) = self.column(name, role)?;
        self.numbers(at, field, role)
    }

    /// A column as numbers, null as NaN and -0 as 0.
    fn numbers(&self, at: usize, field: &Field, role: &str) -> Result<Vec<f64>> {
        let (name, kind) = (field.name(), field.data_type());
        if !kind.is_numeric() {
            let remedy = match role {
                "feature" => "features must be numeric: cast it or leave it out of the query",
                _ => "expected a number: cast it",
            };
            return Err(self.error(&format!("{role} '{name}' is {kind}, {remedy}")));
        }
        let mut numbers = Vec::with_capacity(self.batches.iter().map(RecordBatch::num_rows).sum());
        for batch in self.batches {
            let column = cast(batch.column(at), &DataType::Float64)?;
            let column = column.as_primitive::<Float64Type>();
            // Of the many bit patterns of NaN one, so that equal rows have equal bits.
            let number = |value: Option<f64>| match value {
                Some(value) if !value.is_nan() => value + 0.0,
                _ => f64::NAN,
            };
            numbers.extend(column.iter().map(number));
        }
        Ok(numbers)
    }

    /// A column of names.
    pub(in crate::models) fn codes(&self, name: &str, role: &str) -> Result<Codes> {
        let (at, field) = self.column(name, role)?;
        if !is_nameable(field.data_type()) {
            let kind = field.data_type();
            return Err(self.error(&format!(
                "{role} '{name}' is {kind}, expected text, whole numbers or booleans"
            )));
        }
        Codes::of(self.batches.iter().map(|batch| batch.column(at)))
    }

    /// A column of times, in microseconds since 1970; null as none.
    pub(in crate::models) fn times(&self, name: &str) -> Result<Vec<Option<i64>>> {
        let (at, field) = self.column(name, "time")?;
        let kind = field.data_type();
        if !matches!(
            kind,
            DataType::Timestamp(..) | DataType::Date32 | DataType::Date64
        ) {
            return Err(self.error(&format!(
                "time '{name}' is {kind}, expected a timestamp or a date"
            )));
        }
        let microseconds = DataType::Timestamp(TimeUnit::Microsecond, None);
        let mut times = Vec::new();
        for batch in self.batches {
            let column = cast(batch.column(at), &microseconds)?;
            times.extend(column.as_primitive::<TimestampMicrosecondType>().iter());
        }
        Ok(times)
    }

    fn column(&self, name: &str, role: &str) -> Result<(usize, &'a Field)> {
        self.schema.column_with_name(name).ok_or_else(|| {
            let columns = self.schema.fields().iter();
            let columns: Vec<&str> = columns.map(|field| field.name().as_str()).collect();
            let columns = columns.join(", ");
            self.error(&format!(
                "no {role} column '{name}' in the query, it has {columns}"
            ))
        })
    }

    pub(in crate::models) fn error(&self, message: &str) -> Error {
        Error::Input(format!("model '{}': {message}", self.model))
    }
}

fn is_nameable(kind: &DataType) -> bool {
    match kind {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Boolean => true,
        DataType::Dictionary(_, values) => is_nameable(values),
        other => other.is_integer(),
    }
}
