//! Prepared statements and their parameters.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, AsArray, Int64Array, RecordBatch, StringArray},
    datatypes::Int64Type,
};

use super::harness::{fetch, number, start, strings, update};

#[tokio::test]
async fn parameters_are_bound_by_position_whatever_their_spelling() {
    let running = start().await;
    let mut flight = running.flight.clone();
    for sql in ["select ? as a, ? as b", "select $1 as a, $2 as b"] {
        let mut statement = flight.prepare(sql.into(), None).await.unwrap();
        assert_eq!(statement.parameter_schema().unwrap().fields().len(), 2);
        for (number, text) in [(1, "one"), (2, "two")] {
            let columns: [(_, ArrayRef); 2] = [
                ("x", Arc::new(Int64Array::from(vec![number]))),
                ("y", Arc::new(StringArray::from(vec![text]))),
            ];
            statement
                .set_parameters(RecordBatch::try_from_iter(columns).unwrap())
                .unwrap();
            let info = statement.execute().await.unwrap();
            let batches = fetch(&mut flight, &info).await;
            assert_eq!(
                batches[0].column(0).as_primitive::<Int64Type>().value(0),
                number
            );
            assert_eq!(strings(&batches, 1), [text]);
        }
        statement.close().await.unwrap();
    }
}

#[tokio::test]
async fn many_rows_bound_to_an_update_are_one_commit() {
    let running = start().await;
    let mut flight = running.flight.clone();
    update(
        &mut flight,
        "create table gold.notes (n bigint, text varchar)",
    )
    .await;
    let insert = "insert into gold.notes values (?, ?)";
    let mut statement = flight.prepare(insert.into(), None).await.unwrap();
    assert!(statement.dataset_schema().unwrap().fields().is_empty());
    let columns: [(_, ArrayRef); 2] = [
        (
            "n",
            Arc::new(Int64Array::from(vec![Some(1), None, Some(3)])),
        ),
        (
            "text",
            Arc::new(StringArray::from(vec![Some("a"), Some("b"), None])),
        ),
    ];
    statement
        .set_parameters(RecordBatch::try_from_iter(columns).unwrap())
        .unwrap();
    assert_eq!(statement.execute_update().await.unwrap(), 3);
    assert_eq!(
        number(&mut flight, "select count(*) from gold.notes").await,
        3
    );
    let versions = "select max(version) from system.tables where table_name = 'notes'";
    assert_eq!(number(&mut flight, versions).await, 1);
}
