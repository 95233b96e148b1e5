//! The boundary between the engine's Arrow and Flight's: types that every client reads, schemas as
//! bytes, streams encoded and decoded.
//!
//! Clients break on string views, dictionaries, half floats and small decimals, so none of them
//! leaves here; nothing else in the server may encode a batch.

use std::sync::Arc;

use arrow::{
    array::{Array, RecordBatch, RecordBatchOptions},
    compute::{CastOptions, cast_with_options},
    datatypes::{DataType, Field, FieldRef, Fields, Schema, SchemaRef, TimeUnit},
    error::ArrowError,
    ipc::writer::IpcWriteOptions,
};
use arrow_flight::{
    FlightData, IpcMessage, SchemaAsIpc,
    decode::{DecodedPayload, FlightDataDecoder},
    encode::FlightDataEncoderBuilder,
    error::FlightError,
};
use bytes::Bytes;
use datafusion::{
    common::DataFusionError,
    physical_plan::{SendableRecordBatchStream, stream::RecordBatchStreamAdapter},
    scalar::ScalarValue,
};
use futures::{Stream, StreamExt, TryStreamExt, future, stream::BoxStream};
use tonic::{Response, Status};

use crate::error::{Error, Result};

/// The largest message taken: one batch of a bulk load, whose size its client chooses.
pub(crate) const MAX_MESSAGE_BYTES: usize = 256 << 20;

/// The option of a bulk load that makes mode append demand a table without rows.
pub(crate) const ONLY_IF_EMPTY: &str = "moodlake.only_if_empty";

/// What every answer of a server is: Flight messages, or the one status that ends them.
pub(crate) type FlightStream = BoxStream<'static, Result<FlightData, Status>>;

/// The schema that a query's result is announced and sent with.
///
/// Every column is nullable: the planner's promises about nulls are sometimes wrong, and a client
/// gains nothing from a result that fails because of one.
pub(crate) fn result_schema(schema: &Schema) -> SchemaRef {
    let fields: Fields = schema
        .fields()
        .iter()
        .map(|field| plain_field(field).as_ref().clone().with_nullable(true))
        .collect();
    Arc::new(Schema::new(fields))
}

/// A table's schema in types that every client reads, nullability as declared.
///
/// Metadata stays behind: pandas and Parquet leave theirs, and a table must not differ by it.
pub(crate) fn table_schema(schema: &Schema) -> SchemaRef {
    let fields: Fields = schema.fields().iter().map(plain_field).collect();
    Arc::new(Schema::new(fields))
}

fn plain_field(field: &FieldRef) -> FieldRef {
    let plain = plain_type(field.data_type());
    Arc::new(Field::new(field.name(), plain, field.is_nullable()))
}

fn plain_type(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Utf8View | DataType::LargeUtf8 => DataType::Utf8,
        DataType::BinaryView | DataType::LargeBinary => DataType::Binary,
        DataType::Dictionary(_, values) => plain_type(values),
        DataType::RunEndEncoded(_, values) => plain_type(values.data_type()),
        DataType::Float16 => DataType::Float32,
        // Tables hold microseconds; nanoseconds come from functions such as now(), and Python cannot fetch them.
        DataType::Timestamp(TimeUnit::Nanosecond, zone) => {
            DataType::Timestamp(TimeUnit::Microsecond, zone.clone())
        }
        DataType::Decimal32(precision, scale) | DataType::Decimal64(precision, scale) => {
            DataType::Decimal128(*precision, *scale)
        }
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::ListView(item)
        | DataType::LargeListView(item) => DataType::List(plain_field(item)),
        DataType::FixedSizeList(item, size) => DataType::FixedSizeList(plain_field(item), *size),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(plain_field).collect()),
        DataType::Map(entries, sorted) => DataType::Map(plain_field(entries), *sorted),
        other => other.clone(),
    }
}

/// The batch with exactly this schema: columns by position, cast where the type differs.
fn conform(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, ArrowError> {
    if batch.num_columns() != schema.fields().len() {
        return Err(ArrowError::SchemaError(format!(
            "a batch has {} columns where {} were announced",
            batch.num_columns(),
            schema.fields().len()
        )));
    }
    let strict = CastOptions {
        safe: false,
        ..CastOptions::default()
    };
    let columns = batch
        .columns()
        .iter()
        .zip(schema.fields())
        .map(|(column, field)| {
            let (sent, announced) = (column.data_type(), field.data_type());
            if sent == announced {
                Ok(Arc::clone(column))
            } else if alike(&plain_type(sent), announced) {
                cast_with_options(column, announced, &strict)
            } else {
                let name = field.name();
                let message = format!("column '{name}' is {sent}, but {announced} was announced");
                Err(ArrowError::SchemaError(message))
            }
        })
        .collect::<Result<Vec<_>, ArrowError>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)
}

/// Whether a cast from one to the other cannot change a value: names and nullability aside, they
/// are the same.
fn alike(one: &DataType, other: &DataType) -> bool {
    match (one, other) {
        (DataType::Null, _) => true,
        (DataType::List(one), DataType::List(other))
        | (DataType::Map(one, _), DataType::Map(other, _)) => {
            alike(one.data_type(), other.data_type())
        }
        (DataType::FixedSizeList(one, n), DataType::FixedSizeList(other, m)) => {
            n == m && alike(one.data_type(), other.data_type())
        }
        (DataType::Struct(one), DataType::Struct(other)) => {
            let mut fields = one.iter().zip(other);
            one.len() == other.len() && fields.all(|(a, b)| alike(a.data_type(), b.data_type()))
        }
        (one, other) => one == other,
    }
}

/// The stream with exactly this schema, batch by batch.
pub(crate) fn conforming(
    stream: SendableRecordBatchStream,
    schema: &SchemaRef,
) -> SendableRecordBatchStream {
    let target = Arc::clone(schema);
    let batches = stream.map(move |batch| Ok(conform(&batch?, &target)?));
    Box::pin(RecordBatchStreamAdapter::new(Arc::clone(schema), batches))
}

/// The stream as Flight messages, schema first.
pub(crate) fn encode(stream: SendableRecordBatchStream) -> FlightStream {
    let schema = stream.schema();
    let batches = stream.map_err(|error| FlightError::from(Status::from(Error::from(error))));
    FlightDataEncoderBuilder::new()
        .with_schema(schema)
        .build(batches)
        .map_err(Status::from)
        .boxed()
}

/// One batch as the whole answer, sent as it is.
pub(crate) fn answer(batch: RecordBatch) -> Response<FlightStream> {
    let schema = batch.schema();
    let batches = futures::stream::iter([Ok(batch)]);
    let stream = RecordBatchStreamAdapter::new(schema, batches);
    Response::new(encode(Box::pin(stream)))
}

/// The batches that a client sends, in plain types; `None` when it sent no schema at all.
///
/// # Errors
/// What the client did wrong, and whatever ended its stream.
pub(crate) async fn decode(
    messages: impl Stream<Item = Result<FlightData, Status>> + Send + 'static,
) -> Result<Option<SendableRecordBatchStream>> {
    let batches = received(messages).await?;
    Ok(batches.map(|batches| {
        let plain = table_schema(&batches.schema());
        conforming(batches, &plain)
    }))
}

/// A value in a type that every client reads.
///
/// # Errors
/// [`Error::DataFusion`] for one that the plain type cannot hold.
pub(crate) fn plain_value(value: ScalarValue) -> Result<ScalarValue> {
    let sent = value.data_type();
    let plain = plain_type(&sent);
    if sent == plain {
        return Ok(value);
    }
    Ok(value.cast_to(&plain)?)
}

/// The batches that a client sends, as they are; `None` when it sent no schema at all.
///
/// # Errors
/// As [`decode`].
pub(crate) async fn received(
    messages: impl Stream<Item = Result<FlightData, Status>> + Send + 'static,
) -> Result<Option<SendableRecordBatchStream>> {
    // The message that carries the command may carry nothing else.
    let with_data = messages
        .try_filter(|message| future::ready(!message.data_header.is_empty()))
        .map_err(FlightError::from);
    let mut decoder = FlightDataDecoder::new(with_data);
    let schema = loop {
        match decoder.next().await {
            None => return Ok(None),
            Some(message) => match message.map_err(flight_error)?.payload {
                DecodedPayload::Schema(schema) => break schema,
                DecodedPayload::None | DecodedPayload::RecordBatch(_) => {}
            },
        }
    };
    let batches = decoder.filter_map(|message| {
        future::ready(match message.map(|message| message.payload) {
            Ok(DecodedPayload::RecordBatch(batch)) => Some(Ok(batch)),
            Ok(DecodedPayload::None | DecodedPayload::Schema(_)) => None,
            Err(error) => Some(Err(DataFusionError::from(flight_error(error)))),
        })
    });
    Ok(Some(Box::pin(RecordBatchStreamAdapter::new(
        schema, batches,
    ))))
}

/// A schema as the IPC message that Flight SQL puts into its answers.
pub(crate) fn schema_bytes(schema: &Schema) -> Result<Bytes> {
    let options = IpcWriteOptions::default();
    let IpcMessage(bytes) = SchemaAsIpc::new(schema, &options).try_into()?;
    Ok(bytes)
}

/// A Flight failure in our words; a peer's status keeps its code.
pub(crate) fn flight_error(error: FlightError) -> Error {
    match error {
        FlightError::Tonic(status) => Error::Remote {
            code: status.code(),
            message: status.message().to_string(),
        },
        FlightError::Arrow(error) => Error::Arrow(error),
        FlightError::ExternalError(error) => match error.downcast::<DataFusionError>() {
            Ok(error) => Error::from(*error),
            Err(error) => Error::Internal(error.to_string()),
        },
        FlightError::NotYetImplemented(message)
        | FlightError::ProtocolError(message)
        | FlightError::DecodeError(message) => {
            Error::Input(format!("the Flight data cannot be read: {message}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use arrow::{
        array::{ArrayRef, AsArray, DictionaryArray, Float64Array, StringViewArray},
        datatypes::Int32Type,
    };

    use super::*;

    #[test]
    fn types_that_clients_cannot_read_become_plain_at_any_depth() {
        let views = DataType::Struct(Fields::from(vec![Field::new(
            "tags",
            DataType::LargeList(Arc::new(Field::new("item", DataType::Utf8View, true))),
            false,
        )]));
        let plain = DataType::Struct(Fields::from(vec![Field::new(
            "tags",
            DataType::List(Arc::new(Field::new("item", DataType::Utf8, true))),
            false,
        )]));
        assert_eq!(plain_type(&views), plain);
        assert_eq!(
            plain_type(&DataType::Decimal32(7, 2)),
            DataType::Decimal128(7, 2)
        );
        assert_eq!(plain_type(&DataType::Float16), DataType::Float32);
    }

    #[test]
    fn a_value_is_never_changed_to_fit_an_announcement() {
        let float: ArrayRef = Arc::new(Float64Array::from(vec![2.5]));
        let batch = RecordBatch::try_from_iter([("n", float)]).unwrap();
        let announced = Schema::new(vec![Field::new("n", DataType::Int64, true)]);
        let error = conform(&batch, &Arc::new(announced)).unwrap_err();
        assert!(
            error.to_string().contains("column 'n' is Float64"),
            "{error}"
        );
    }

    #[test]
    fn batches_take_the_announced_schema() {
        let dictionary: DictionaryArray<Int32Type> = vec!["a", "b", "a"].into_iter().collect();
        let views = StringViewArray::from(vec!["x", "y", "z"]);
        let batch = RecordBatch::try_from_iter([
            ("d", Arc::new(dictionary) as _),
            ("v", Arc::new(views) as _),
        ])
        .unwrap();
        let schema = result_schema(&batch.schema());
        let plain = conform(&batch, &schema).unwrap();
        assert_eq!(plain.schema(), schema);
        assert_eq!(plain.column(0).as_string::<i32>().value(2), "a");
        assert!(schema.fields().iter().all(|field| field.is_nullable()));
    }
}
