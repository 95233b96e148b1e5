//! Bulk loads, and the two clients of the crate.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, AsArray, Int64Array, RecordBatch, StringArray},
    datatypes::Int64Type,
    error::ArrowError,
};
use arrow_flight::{
    FlightDescriptor,
    encode::FlightDataEncoderBuilder,
    sql::{
        CommandStatementIngest, DoPutUpdateResult, ProstMessageExt, TableDefinitionOptions,
        TableExistsOption, TableNotExistOption,
    },
};
use datafusion::{common::DataFusionError, physical_plan::stream::RecordBatchStreamAdapter};
use futures::{TryStreamExt, stream};
use moodlake::{client::Client, lake::TableName, statement::IngestMode};
use prost::Message;

use super::harness::{number, start};

/// More than the batch has, so that it goes in one message.
const MESSAGE_LIMIT: usize = 256 << 20;

#[tokio::test]
async fn a_batch_of_twenty_megabytes_is_loaded_whole() {
    let running = start().await;
    let mut flight = running.flight.clone();
    let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(0..3_000_000));
    let batch = RecordBatch::try_from_iter([("n", numbers)]).unwrap();
    for (create, rows) in [(true, 3_000_000), (false, 6_000_000)] {
        let (missing, exists) = if create {
            (TableNotExistOption::Create, TableExistsOption::Fail)
        } else {
            (TableNotExistOption::Fail, TableExistsOption::Append)
        };
        let command = CommandStatementIngest {
            table_definition_options: Some(TableDefinitionOptions {
                if_not_exist: missing.into(),
                if_exists: exists.into(),
            }),
            table: "numbers".into(),
            schema: Some("bronze".into()),
            ..CommandStatementIngest::default()
        };
        let descriptor = FlightDescriptor::new_cmd(command.as_any().encode_to_vec());
        let messages: Vec<_> = FlightDataEncoderBuilder::new()
            .with_max_flight_data_size(MESSAGE_LIMIT)
            .with_flight_descriptor(Some(descriptor))
            .build(stream::iter([Ok(batch.clone())]))
            .try_collect()
            .await
            .unwrap();
        assert_eq!(messages.len(), 2);
        let mut results = flight.do_put(stream::iter(messages)).await.unwrap();
        let result = results.message().await.unwrap().unwrap();
        let result = DoPutUpdateResult::decode(result.app_metadata).unwrap();
        assert_eq!(result.record_count, 3_000_000);
        assert_eq!(
            number(&mut flight, "select count(*) from bronze.numbers").await,
            rows
        );
    }
}

#[tokio::test]
async fn a_load_that_breaks_off_writes_nothing() {
    let running = start().await;
    let remote = Client::connect(&running.url).await.unwrap();
    let target: TableName = "bronze.broken".parse().unwrap();
    for client in [remote, Client::Local(running.engine.clone())] {
        let batch = RecordBatch::try_from_iter([(
            "n",
            Arc::new(Int64Array::from_iter_values(0..100_000)) as ArrayRef,
        )])
        .unwrap();
        let schema = batch.schema();
        let broken = ArrowError::ParseError("line 7 is torn".into());
        let batches = stream::iter([Ok(batch), Err(DataFusionError::from(broken))]);
        let batches = Box::pin(RecordBatchStreamAdapter::new(schema, batches));
        let error = client
            .ingest(&target, IngestMode::Create, batches)
            .await
            .unwrap_err();
        assert!(error.to_string().contains("line 7 is torn"), "{error}");
        let missing = client.query("select * from bronze.broken").await;
        assert!(missing.is_err(), "the table was made");
    }
}

#[tokio::test]
async fn both_clients_give_the_same() {
    let running = start().await;
    let remote = Client::connect(&running.url).await.unwrap();
    let local = Client::Local(running.engine.clone());
    assert_eq!(
        remote
            .execute("create table gold.a (s varchar)")
            .await
            .unwrap(),
        None
    );
    assert_eq!(
        local
            .execute("create table gold.b (s varchar)")
            .await
            .unwrap(),
        None
    );
    for client in [&remote, &local] {
        let insert = "insert into gold.a values ('x'), ('y')";
        assert_eq!(client.execute(insert).await.unwrap(), Some(2));
    }
    let sql = "select s, count(*) as n from gold.a group by s order by s";
    assert_eq!(
        remote.query(sql).await.unwrap(),
        local.query(sql).await.unwrap()
    );
    let of = |client: Client| async move {
        client
            .query("select 1 from gold.nowhere")
            .await
            .unwrap_err()
            .to_string()
    };
    assert_eq!(of(remote).await, of(local).await);
}

#[tokio::test]
async fn columns_are_found_by_name_and_held_against_the_constraints() {
    let running = start().await;
    let client = Client::connect(&running.url).await.unwrap();
    let table = "create table gold.t (a varchar, b bigint check (b > 0), c double, d varchar not null) \
                 partitioned by (d)";
    client.execute(table).await.unwrap();
    client
        .execute("create view gold.v as select a from gold.t")
        .await
        .unwrap();
    let ingest = async |table: &str, mode, columns: &[(&str, &str)]| {
        let columns = columns.iter().map(|(name, value)| {
            let values: ArrayRef = Arc::new(StringArray::from_iter_values([value]));
            (*name, values)
        });
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        let rows = RecordBatchStreamAdapter::new(batch.schema(), stream::iter([Ok(batch)]));
        let table: TableName = table.parse().unwrap();
        client.ingest(&table, mode, Box::pin(rows)).await
    };
    let rows = ingest("t", IngestMode::Append, &[("b", "7"), ("d", "x")]).await;
    assert_eq!(rows.unwrap(), 1);
    for (table, mode, columns, fault) in [
        (
            "t",
            IngestMode::Append,
            [("b", "7"), ("e", "x")],
            "no such column: e",
        ),
        ("t", IngestMode::Append, [("b", "0"), ("d", "x")], "b_check"),
        (
            "t",
            IngestMode::Append,
            [("b", "7"), ("a", "x")],
            "NOT NULL of column 'd'",
        ),
        (
            "t",
            IngestMode::Append,
            [("b", "7"), ("d", "")],
            "NOT NULL of column 'd'",
        ),
        (
            "t",
            IngestMode::Fill,
            [("b", "7"), ("d", "x")],
            "has rows already",
        ),
        (
            "v",
            IngestMode::Create,
            [("b", "7"), ("d", "x")],
            "is a view",
        ),
        (
            "ml.models",
            IngestMode::Replace,
            [("b", "7"), ("d", "x")],
            "CREATE MODEL",
        ),
        (
            "system.log",
            IngestMode::Replace,
            [("b", "7"), ("d", "x")],
            "belong to the program",
        ),
    ] {
        let error = ingest(table, mode, &columns).await.unwrap_err();
        assert!(error.to_string().contains(fault), "{error}");
    }
    let sql = "select count(*) from gold.t where a is null and b = 7 and c is null and d = 'x'";
    let (_, batches) = client.query(sql).await.unwrap();
    let count = batches[0].column(0).as_primitive::<Int64Type>();
    assert_eq!(count.value(0), 1);
}
