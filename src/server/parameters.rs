//! Bound parameters: from the batches of a client to rows of values, by position.
//!
//! Python's flightsql-dbapi wraps every column in a dense union and pandas sends dictionaries; what
//! leaves here are the values inside.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow_flight::{FlightData, sql::server::DoPutError};
use datafusion::{
    execution::memory_pool::{MemoryConsumer, MemoryPool, MemoryReservation},
    scalar::ScalarValue,
};
use futures::{Stream, TryStreamExt};
use tokio::task::yield_now;
use tonic::Status;

use super::wire;
use crate::error::{Error, Result};

/// Values of one statement, of all its rows: each takes far more memory here than in a batch.
const MOST_VALUES: usize = 1_000_000;
/// Between two pauses, so that others get to work.
const VALUES_AT_ONCE: usize = 1000;

/// One row per execution, one value per parameter, and the memory that they take.
#[derive(Debug, Default)]
pub(crate) struct Bound {
    pub(super) rows: Vec<Vec<ScalarValue>>,
    /// Given back with the rows.
    _memory: Option<MemoryReservation>,
}

impl Bound {
    /// One execution without parameters.
    pub(super) fn nothing() -> Self {
        Self {
            rows: vec![Vec::new()],
            _memory: None,
        }
    }
}

/// The rows that a client binds, which count as memory of `pool`; `None` when it bound nothing.
///
/// # Errors
/// [`Error::Input`] when a row has not `expected` values, [`Error::Exhausted`] when there are too many, DataFusion's
/// `ResourcesExhausted` when the memory does not hold them, and whatever ended the client's stream.
pub(crate) async fn decode(
    messages: impl Stream<Item = Result<FlightData, Status>> + Send + 'static,
    expected: usize,
    pool: &Arc<dyn MemoryPool>,
) -> Result<Option<Bound>> {
    let Some(mut batches) = wire::received(messages).await? else {
        return Ok(None);
    };
    let bound = batches.schema().fields().len();
    if bound != expected {
        return Err(miscounted(expected, bound));
    }
    let memory = MemoryConsumer::new("bound parameters").register(pool);
    let mut rows: Vec<Vec<ScalarValue>> = Vec::new();
    while let Some(batch) = batches.try_next().await? {
        // Clients bind an empty batch without columns to say "no parameters".
        if bound == 0 {
            continue;
        }
        let count = rows.len().saturating_add(batch.num_rows());
        let count = count.saturating_mul(bound);
        if count > MOST_VALUES {
            return Err(Error::Exhausted(format!(
                "{count} values are bound to one statement, more than the {MOST_VALUES} that one may have; \
                 load many rows by bulk ingest, or bind some at a time"
            )));
        }
        for row in 0..batch.num_rows() {
            if rows.len().is_multiple_of((VALUES_AT_ONCE / bound).max(1)) {
                yield_now().await;
            }
            rows.push(values(&batch, row, &memory)?);
        }
    }
    Ok((bound > 0).then_some(Bound {
        rows,
        _memory: Some(memory),
    }))
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

fn values(batch: &RecordBatch, row: usize, memory: &MemoryReservation) -> Result<Vec<ScalarValue>> {
    let columns = batch.columns().iter();
    columns.map(|column| value(column, row, memory)).collect()
}

/// A value in a plain type, without the batch that it came in.
fn value(column: &ArrayRef, row: usize, memory: &MemoryReservation) -> Result<ScalarValue> {
    let value = unwrapped(ScalarValue::try_from_array(column, row)?);
    let mut value = wire::plain_value(value)?;
    value.compact();
    memory.try_grow(value.size())?;
    Ok(value)
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
    use arrow::{
        array::{DictionaryArray, Int32Array, Int64Array, NullArray, StringArray, UnionArray},
        datatypes::{DataType, Field, UnionFields},
    };
    use arrow_flight::{encode::FlightDataEncoderBuilder, error::FlightError};
    use datafusion::execution::memory_pool::GreedyMemoryPool;

    use super::*;

    fn messages(
        batch: RecordBatch,
    ) -> impl Stream<Item = Result<FlightData, Status>> + Send + 'static {
        FlightDataEncoderBuilder::new()
            .build(futures::stream::iter([Ok::<_, FlightError>(batch)]))
            .map_err(Status::from)
    }

    fn pool(bytes: usize) -> Arc<dyn MemoryPool> {
        Arc::new(GreedyMemoryPool::new(bytes))
    }

    /// What is bound where there is memory for it.
    async fn bound(batch: RecordBatch, expected: usize) -> Result<Option<Bound>> {
        decode(messages(batch), expected, &pool(usize::MAX)).await
    }

    #[tokio::test]
    async fn a_few_bytes_that_stand_for_many_values_are_counted_before_they_are_read() {
        let nulls: ArrayRef = Arc::new(NullArray::new(MOST_VALUES + 1));
        let batch = RecordBatch::try_from_iter([("a", nulls)]).unwrap();
        let error = decode(messages(batch.clone()), 1, &pool(0))
            .await
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "1000001 values are bound to one statement, more than the 1000000 that one may have; \
             load many rows by bulk ingest, or bind some at a time"
        );
        let error = bound(batch, 2).await.unwrap_err().to_string();
        assert!(error.contains("has 2 parameters"), "{error}");
    }

    #[tokio::test]
    async fn values_count_as_memory_as_long_as_they_are_kept() {
        let long = "x".repeat(1 << 20);
        let keys = Int32Array::from(vec![0; 100]);
        let values: ArrayRef = Arc::new(StringArray::from(vec![long.as_str()]));
        let texts: ArrayRef = Arc::new(DictionaryArray::new(keys, values));
        let batch = RecordBatch::try_from_iter([("a", texts)]).unwrap();
        let small = pool(10 << 20);
        let error = decode(messages(batch.clone()), 1, &small).await;
        assert!(matches!(error, Err(Error::DataFusion(_))), "{error:?}");
        assert_eq!(small.reserved(), 0);
        let large = pool(200 << 20);
        let kept = decode(messages(batch), 1, &large).await.unwrap().unwrap();
        assert_eq!(kept.rows.len(), 100);
        assert!(large.reserved() >= 100 << 20, "{}", large.reserved());
        drop(kept);
        assert_eq!(large.reserved(), 0);
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
        let rows = bound(batch, 1).await.unwrap().map(|bound| bound.rows);
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
        let error = bound(batch, 2).await.unwrap_err();
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
        assert!(decode(nothing, 0, &pool(0)).await.unwrap().is_none());
    }
}
