//! Bound parameters: from the batches of a client to rows of values, by position.
//!
//! Python's flightsql-dbapi wraps every column in a dense union and pandas sends dictionaries; what
//! leaves here are the values inside.

use arrow::array::RecordBatch;
use arrow_flight::{FlightData, sql::server::DoPutError};
use datafusion::scalar::ScalarValue;
use futures::{Stream, TryStreamExt};
use tonic::Status;

use super::wire;
use crate::error::{Error, Result};

/// One row per execution, one value per parameter; `None` when the client bound nothing.
///
/// # Errors
/// [`Error::Input`] when a row has not `expected` values, and whatever ended the client's stream.
pub(crate) async fn decode(
    messages: impl Stream<Item = Result<FlightData, Status>> + Send + 'static,
    expected: usize,
) -> Result<Option<Vec<Vec<ScalarValue>>>> {
    let Some(mut batches) = wire::decode(messages).await? else {
        return Ok(None);
    };
    let bound = batches.schema().fields().len();
    let mut rows = Vec::new();
    while let Some(batch) = batches.try_next().await? {
        for row in 0..batch.num_rows() {
            rows.push(values(&batch, row)?);
        }
    }
    // Clients bind an empty batch without columns to say "no parameters".
    if bound == 0 && expected == 0 {
        return Ok(None);
    }
    if bound != expected {
        return Err(miscounted(expected, bound));
    }
    Ok(Some(rows))
}

/// The error for a statement that did not get as many values as it has parameters.
pub(crate) fn miscounted(expected: usize, bound: usize) -> Error {
    let parameters = if expected == 1 {
        "parameter"
    } else {
        "parameters"
    };
    let bound = match bound {
        0 => "none were".to_string(),
        1 => "1 was".to_string(),
        bound => format!("{bound} were"),
    };
    Error::Input(format!(
        "the statement has {expected} {parameters}, but {bound} bound"
    ))
}

/// The error for a `DoPut` whose first message says nothing.
pub(crate) fn without_command(error: &DoPutError) -> Error {
    Error::Input(match error {
        DoPutError::MissingCommand => {
            "DoPut: no command and no data came; a bulk load needs at least one batch, empty or not"
                .into()
        }
        DoPutError::MissingFlightDescriptor => {
            "DoPut: the first message has no descriptor; it has to hold the command".to_string()
        }
    })
}

fn values(batch: &RecordBatch, row: usize) -> Result<Vec<ScalarValue>> {
    batch
        .columns()
        .iter()
        .map(|column| Ok(unwrapped(ScalarValue::try_from_array(column, row)?)))
        .collect()
}

fn unwrapped(value: ScalarValue) -> ScalarValue {
    match value {
        ScalarValue::Union(Some((_, inner)), _, _) | ScalarValue::Dictionary(_, inner) => {
            unwrapped(*inner)
        }
        ScalarValue::Union(None, _, _) => ScalarValue::Null,
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::{
        array::{ArrayRef, Int64Array, StringArray, UnionArray},
        datatypes::{DataType, Field, UnionFields},
    };
    use arrow_flight::{encode::FlightDataEncoderBuilder, error::FlightError};

    use super::*;

    fn messages(
        batch: RecordBatch,
    ) -> impl Stream<Item = Result<FlightData, Status>> + Send + 'static {
        FlightDataEncoderBuilder::new()
            .build(futures::stream::iter([Ok::<_, FlightError>(batch)]))
            .map_err(Status::from)
    }

    #[tokio::test]
    async fn a_dense_union_is_unwrapped() {
        let fields = UnionFields::from_fields(vec![
            Field::new("string", DataType::Utf8, true),
            Field::new("int", DataType::Int64, true),
        ]);
        let children: Vec<ArrayRef> = vec![
            Arc::new(StringArray::from(vec!["calm"])),
            Arc::new(Int64Array::from(vec![7])),
        ];
        let union = UnionArray::try_new(
            fields,
            vec![1_i8, 0].into(),
            Some(vec![0_i32, 0].into()),
            children,
        )
        .unwrap();
        let batch = RecordBatch::try_from_iter([("param_0", Arc::new(union) as ArrayRef)]).unwrap();
        let rows = decode(messages(batch), 1).await.unwrap();
        let expected = vec![
            vec![ScalarValue::Int64(Some(7))],
            vec![ScalarValue::from("calm")],
        ];
        assert_eq!(rows, Some(expected));
    }

    #[tokio::test]
    async fn a_wrong_number_of_parameters_is_named() {
        let column: ArrayRef = Arc::new(Int64Array::from(vec![1]));
        let batch = RecordBatch::try_from_iter([("a", column)]).unwrap();
        let error = decode(messages(batch), 2).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "the statement has 2 parameters, but 1 was bound"
        );
        assert_eq!(
            miscounted(1, 0).to_string(),
            "the statement has 1 parameter, but none were bound"
        );
    }

    #[tokio::test]
    async fn nothing_bound_is_not_an_empty_row() {
        let nothing = futures::stream::iter([Ok(FlightData::default())]);
        assert_eq!(decode(nothing, 0).await.unwrap(), None);
    }
}
