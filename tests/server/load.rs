//! Bulk loads, and the two clients of the crate.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, Int64Array, RecordBatch},
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
