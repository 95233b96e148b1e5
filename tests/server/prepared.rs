//! Prepared statements: values bound by position, once and often, one row and many.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, AsArray, Int64Array, RecordBatch, StringArray, new_null_array},
    datatypes::{DataType, Int64Type},
};

use super::harness::{Flight, fetch, start, strings, update};

/// A row of parameters, or rows.
pub(super) fn bound(columns: Vec<ArrayRef>) -> RecordBatch {
    let columns = columns.into_iter().enumerate();
    RecordBatch::try_from_iter_with_nullable(
        columns.map(|(at, column)| (format!("parameter_{at}"), column, true)),
    )
    .unwrap()
}

pub(super) fn numbers(values: impl Into<Int64Array>) -> ArrayRef {
    Arc::new(values.into())
}

pub(super) fn texts(values: &[&str]) -> ArrayRef {
    Arc::new(StringArray::from(values.to_vec()))
}

/// What a query gives with these values.
pub(super) async fn answer(flight: &mut Flight, sql: &str, rows: RecordBatch) -> Vec<RecordBatch> {
    let mut statement = flight.prepare(sql.into(), None).await.unwrap();
    statement.set_parameters(rows).unwrap();
    let info = statement.execute().await.unwrap();
    let batches = fetch(flight, &info).await;
    statement.close().await.unwrap();
    batches
}

/// How many rows an update changes with these values.
pub(super) async fn changed(flight: &mut Flight, sql: &str, rows: RecordBatch) -> i64 {
    let mut statement = flight.prepare(sql.into(), None).await.unwrap();
    statement.set_parameters(rows).unwrap();
    statement.execute_update().await.unwrap()
}

pub(super) fn integers(batches: &[RecordBatch], column: usize) -> Vec<i64> {
    let values = batches.iter().flat_map(|batch| {
        let column = batch.column(column).as_primitive::<Int64Type>();
        column.values().to_vec()
    });
    values.collect()
}

async fn refusal(flight: &mut Flight, sql: &str) -> String {
    match flight.prepare(sql.into(), None).await {
        Ok(_) => panic!("{sql} was prepared"),
        Err(error) => error.to_string(),
    }
}

#[tokio::test]
async fn parameters_are_bound_by_position_whatever_their_spelling() {
    let running = start().await;
    let mut flight = running.flight.clone();
    for sql in ["select ? as a, ? as b", "select $1 as a, $2 as b"] {
        let mut statement = flight.prepare(sql.into(), None).await.unwrap();
        assert_eq!(statement.parameter_schema().unwrap().fields().len(), 2);
        for (number, text) in [(1, "one"), (2, "two")] {
            let row = bound(vec![numbers(vec![number]), texts(&[text])]);
            statement.set_parameters(row).unwrap();
            let info = statement.execute().await.unwrap();
            let batches = fetch(&mut flight, &info).await;
            assert_eq!(integers(&batches, 0), [number]);
            assert_eq!(strings(&batches, 1), [text]);
        }
        statement.close().await.unwrap();
    }
}

#[tokio::test]
async fn fourteen_parameters_keep_their_order() {
    let running = start().await;
    let mut flight = running.flight.clone();
    let places: Vec<String> = (1..=14).rev().map(|place| format!("${place}")).collect();
    let sql = format!("select {}", places.join(", "));
    let row = bound((1..=14).map(|place| numbers(vec![place * 10])).collect());
    let batches = answer(&mut flight, &sql, row).await;
    let given: Vec<i64> = (0..14).flat_map(|at| integers(&batches, at)).collect();
    assert_eq!(
        given,
        (1..=14).rev().map(|place| place * 10).collect::<Vec<_>>()
    );
}

#[tokio::test]
async fn columns_are_called_after_parameters_and_never_after_values() {
    let running = start().await;
    let mut flight = running.flight.clone();
    let sql = "select $2, $1, $1, $1 + 1, $2 = $1 as equal from (select $1, $2) where $1 = $2";
    let statement = flight.prepare(sql.into(), None).await.unwrap();
    let told = statement.dataset_schema().unwrap().clone();
    let names: Vec<_> = told
        .fields()
        .iter()
        .map(|field| field.name().as_str())
        .collect();
    assert_eq!(names, ["$2", "$1", "$1:1", "$1 + 1", "equal"]);
    for value in [0, 1, 2] {
        let row = bound(vec![numbers(vec![value]), numbers(vec![value])]);
        let batches = answer(&mut flight, sql, row).await;
        let sent = batches[0].schema();
        let sent: Vec<_> = sent
            .fields()
            .iter()
            .map(|field| field.name().as_str())
            .collect();
        assert_eq!(sent, names);
        assert_eq!(integers(&batches, 3), [value + 1]);
    }
}

#[tokio::test]
async fn numbers_of_parameters_have_no_gap_and_one_spelling() {
    let running = start().await;
    let mut flight = running.flight.clone();
    for (sql, message) in [
        ("select $1, $3", "but no $2"),
        ("select ?, $1", "write either ? or $1, $2"),
        ("select $0", "parameter '$0'"),
        ("select $name", "parameter '$name'"),
        (
            "create view gold.v as select ? as a",
            "parameters can stand in",
        ),
        (
            "select a from gold.nowhere where a = ?",
            "gold.nowhere' not found",
        ),
    ] {
        let refused = refusal(&mut flight, sql).await;
        assert!(refused.contains(message), "{sql}: {refused}");
    }
}

#[tokio::test]
async fn too_few_values_are_counted() {
    let running = start().await;
    let mut flight = running.flight.clone();
    let mut statement = flight.prepare("select ?".into(), None).await.unwrap();
    let none = statement.execute().await.unwrap_err().to_string();
    assert!(
        none.contains("the statement has 1 parameter, but none were bound"),
        "{none}"
    );
    let mut statement = flight.prepare("select ?, ?".into(), None).await.unwrap();
    statement
        .set_parameters(bound(vec![numbers(vec![1])]))
        .unwrap();
    let one = statement.execute().await.unwrap_err().to_string();
    assert!(
        one.contains("the statement has 2 parameters, but 1 was bound"),
        "{one}"
    );
    let direct = flight
        .execute("select ?".into(), None)
        .await
        .unwrap_err()
        .to_string();
    assert!(
        direct.contains("parameter $1 has no value: 0 were bound"),
        "{direct}"
    );
}

#[tokio::test]
async fn a_parameter_may_stand_wherever_a_value_may() {
    let running = start().await;
    let mut flight = running.flight.clone();
    update(
        &mut flight,
        "create table gold.notes (n bigint, text varchar)",
    )
    .await;
    for n in 1..=3 {
        update(
            &mut flight,
            &format!("insert into gold.notes values ({n}, 'x')"),
        )
        .await;
    }
    for (sql, values, expected) in [
        (
            "select value from generate_series(?, ?) order by value limit ? offset ?",
            vec![1, 9, 2, 3],
            vec![4, 5],
        ),
        (
            "select value from generate_series(1, ? + 1)",
            vec![2],
            vec![1, 2, 3],
        ),
        (
            "select n from gold.notes version as of ? order by n",
            vec![2],
            vec![1, 2],
        ),
        (
            "select n from gold.notes version as of $2 where n > $1",
            vec![1, 2],
            vec![2],
        ),
        // A number that is bound is no column to order or to group by.
        (
            "select n, -n as less from gold.notes order by ?, n",
            vec![2],
            vec![1, 2, 3],
        ),
        (
            "select count(*) from gold.notes group by ?",
            vec![1],
            vec![3],
        ),
        ("select [10, 20, 30][?]", vec![2], vec![20]),
        ("select [?, ?][2]", vec![2, 7], vec![7]),
        (
            "select case when ? > 1 then ? else 0 end",
            vec![2, 8],
            vec![8],
        ),
        (
            "with a as (select ? as n) select n + ? from a",
            vec![2, 3],
            vec![5],
        ),
        (
            "select n from gold.notes where n in (select ?) or n between ? and ? order by n",
            vec![1, 3, 4],
            vec![1, 3],
        ),
    ] {
        let row = bound(
            values
                .into_iter()
                .map(|value| numbers(vec![value]))
                .collect(),
        );
        let batches = answer(&mut flight, sql, row).await;
        assert_eq!(integers(&batches, 0), expected, "{sql}");
    }
    let zone = "select cast(timestamp '2026-07-01 12:00:00' at time zone ? as varchar), date_trunc(?, date '2026-07-09')";
    let row = bound(vec![texts(&["Europe/Berlin"]), texts(&["month"])]);
    let batches = answer(&mut flight, zone, row).await;
    assert_eq!(strings(&batches, 0), ["2026-07-01T12:00:00+02:00"]);
    let none = bound(vec![new_null_array(&DataType::Int64, 1)]);
    let batches = answer(&mut flight, "select n from gold.notes limit ?", none).await;
    assert_eq!(integers(&batches, 0).len(), 3);
}

#[tokio::test]
async fn a_statement_prepared_once_sees_what_is_there_now() {
    let running = start().await;
    let mut flight = running.flight.clone();
    update(&mut flight, "create table gold.notes (n bigint)").await;
    let sql = "select count(*) from gold.notes where n >= ?";
    let mut statement = flight.prepare(sql.into(), None).await.unwrap();
    for written in 0..3 {
        statement
            .set_parameters(bound(vec![numbers(vec![0])]))
            .unwrap();
        let info = statement.execute().await.unwrap();
        assert_eq!(integers(&fetch(&mut flight, &info).await, 0), [written]);
        update(&mut flight, "insert into gold.notes values (1)").await;
    }
}

#[tokio::test]
async fn a_number_bounds_the_frame_of_a_window() {
    let running = start().await;
    let mut flight = running.flight.clone();
    let sql = "select cast(sum(x) over (order by x range between ? preceding and ? following) as bigint) as total \
               from (values (1.0), (2.0), (4.0)) as t(x) order by x";
    let reach: ArrayRef = Arc::new(arrow::array::Float64Array::from(vec![1.25]));
    let batches = answer(&mut flight, sql, bound(vec![Arc::clone(&reach), reach])).await;
    assert_eq!(integers(&batches, 0), [3, 3, 4]);
}
