//! Updates of several statements, as `executescript` sends them.

use super::harness::{number, query, start, strings, update};

#[tokio::test]
async fn a_script_runs_in_order_and_counts_all_rows() {
    let running = start().await;
    let mut flight = running.flight.clone();
    let script = "-- with a semicolon; in a comment\n\
                  create table gold.notes (n bigint, text varchar);\n\
                  insert into gold.notes values (1, 'a;b'), (2, 'c');\n\
                  select * from gold.notes;\n\
                  insert into gold.notes select n + 2, text from gold.notes;\n\
                  delete from gold.notes where n = 4;;\n";
    assert_eq!(update(&mut flight, script).await, 5);
    let kept = "select text from gold.notes order by n";
    assert_eq!(
        strings(&query(&mut flight, kept).await, 0),
        ["a;b", "c", "a;b"]
    );
    let versions = "select max(version) from system.tables where table_name = 'notes'";
    assert_eq!(number(&mut flight, versions).await, 3);
}

#[tokio::test]
async fn a_script_ends_where_it_fails() {
    let running = start().await;
    let mut flight = running.flight.clone();
    update(&mut flight, "create table gold.notes (n bigint)").await;
    let script = "insert into gold.notes values (1);insert into gold.nowhere values (1);insert into gold.notes values (3)";
    let failure = flight
        .execute_update(script.into(), None)
        .await
        .unwrap_err();
    let message = failure.to_string();
    assert!(
        message.contains("statement 2 of 3: table 'gold.nowhere' not found"),
        "{message}"
    );
    assert!(
        message.contains("InvalidArgument") || message.contains("invalid argument"),
        "{message}"
    );
    assert_eq!(
        number(&mut flight, "select count(*) from gold.notes").await,
        1
    );
}

#[tokio::test]
async fn a_script_that_is_no_sql_runs_nothing() {
    let running = start().await;
    let mut flight = running.flight.clone();
    update(&mut flight, "create table gold.notes (n bigint)").await;
    let script = "insert into gold.notes values (1); insert gold.notes";
    let failure = flight
        .execute_update(script.into(), None)
        .await
        .unwrap_err();
    let message = failure.to_string();
    assert!(message.contains("statement 2 of 2: SQL: "), "{message}");
    assert_eq!(
        number(&mut flight, "select count(*) from gold.notes").await,
        0
    );
    for nothing in ["", " ; -- nothing"] {
        let failure = flight
            .execute_update(nothing.into(), None)
            .await
            .unwrap_err();
        assert!(
            failure.to_string().contains("the statement is empty"),
            "{failure}"
        );
    }
}
