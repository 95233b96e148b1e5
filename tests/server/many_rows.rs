//! Statements that are executed with many rows of parameters, and changes with one.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, RecordBatch, StringArray};

use super::{
    harness::{number, query, start, strings, update},
    prepared::{answer, bound, changed, integers, numbers},
};

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
    let rows = bound(vec![
        numbers(vec![Some(1), None, Some(3)]),
        Arc::new(StringArray::from(vec![Some("a"), Some("b"), None])),
    ]);
    statement.set_parameters(rows).unwrap();
    assert_eq!(statement.execute_update().await.unwrap(), 3);
    assert_eq!(
        number(&mut flight, "select count(*) from gold.notes").await,
        3
    );
    let versions = "select max(version) from system.tables where table_name = 'notes'";
    assert_eq!(number(&mut flight, versions).await, 1);
    // Expressions of parameters, columns in another order, functions of them, two rows a row.
    for (sql, expected) in [
        (
            "insert into gold.notes (text, n) values (cast($1 as varchar), -$2 * 10)",
            "-20 -40",
        ),
        (
            "insert into gold.notes (text, n) values (upper('x'), round($2) + $1 * 0)",
            "2 4",
        ),
        (
            "insert into gold.notes values ($1, 'x'), ($2, 'y')",
            "1 2 3 4",
        ),
        ("insert into gold.notes select $1, 'x' where $2 > 2", "3"),
    ] {
        update(&mut flight, "delete from gold.notes").await;
        let rows = bound(vec![numbers(vec![1, 3]), numbers(vec![2, 4])]);
        changed(&mut flight, sql, rows).await;
        let kept = "select string_agg(cast(n as varchar), ' ' order by abs(n)) from gold.notes";
        assert_eq!(
            strings(&query(&mut flight, kept).await, 0),
            [expected],
            "{sql}"
        );
    }
}

#[tokio::test]
async fn many_rows_bound_to_a_query_are_all_answered() {
    let running = start().await;
    let mut flight = running.flight.clone();
    let rows = bound(vec![
        numbers(vec![1, 2, 3]),
        Arc::new(StringArray::from(vec![None, Some("b"), Some("c")])),
    ]);
    let batches = answer(&mut flight, "select ? * 10, ?", rows).await;
    assert_eq!(integers(&batches, 0), [10, 20, 30]);
    assert_eq!(strings(&batches, 1), ["b", "c"]);
    let none = bound(vec![numbers(Vec::<i64>::new())]);
    assert!(
        answer(&mut flight, "select ? + 1 as n", none)
            .await
            .is_empty()
    );
}

#[tokio::test]
async fn delete_merge_and_create_table_take_parameters() {
    let running = start().await;
    let mut flight = running.flight.clone();
    let made = "create table gold.prices as select value as id, value * ? as price from generate_series(1, ?)";
    let half: ArrayRef = Arc::new(Float64Array::from(vec![0.5]));
    let row = bound(vec![half, numbers(vec![4])]);
    assert_eq!(changed(&mut flight, made, row).await, 4);
    let high: ArrayRef = Arc::new(Float64Array::from(vec![1.75]));
    let row = bound(vec![high]);
    assert_eq!(
        changed(&mut flight, "delete from gold.prices where price > ?", row).await,
        1
    );
    let merge = "merge into gold.prices as t using (select $1 as id, $2 as price) as s on t.id = s.id \
                 when matched and t.price < $2 then update set price = s.price + $2 \
                 when not matched then insert (id, price) values (s.id, $2)";
    let prices: ArrayRef = Arc::new(Float64Array::from(vec![10.0, 20.0]));
    let rows = bound(vec![numbers(vec![1, 9]), prices]);
    assert_eq!(changed(&mut flight, merge, rows).await, 2);
    let kept = "select string_agg(cast(id as varchar) || ':' || cast(price as varchar), ' ' order by id) from gold.prices";
    let kept = strings(&query(&mut flight, kept).await, 0);
    assert_eq!(kept, ["1:20.0 2:1.0 3:1.5 9:20.0"]);
}

#[tokio::test]
async fn ten_thousand_rows_are_one_commit() {
    let running = start().await;
    let mut flight = running.flight.clone();
    update(
        &mut flight,
        "create table gold.many (n bigint, text varchar)",
    )
    .await;
    let names: Vec<String> = (0..10_000).map(|n| format!("note {n}")).collect();
    let rows: RecordBatch = bound(vec![
        numbers((0..10_000).collect::<Vec<i64>>()),
        Arc::new(StringArray::from(names)),
    ]);
    assert_eq!(
        changed(&mut flight, "insert into gold.many values (?, ?)", rows).await,
        10_000
    );
    let right = "select count(*) from gold.many where text = 'note ' || cast(n as varchar)";
    assert_eq!(number(&mut flight, right).await, 10_000);
    let versions = "select max(version) from system.tables where table_name = 'many'";
    assert_eq!(number(&mut flight, versions).await, 1);
}
