//! `system.queries` and `system.audit`: who did what, without values, and without a commit for each.

use std::time::{Duration, Instant};

use arrow::array::{Array, AsArray};
use chrono::{Days, Utc};
use moodlake::{
    audit::{Event, Outcome},
    client::Client,
};

use super::harness::{Flight, Running, number, query, start, strings, ticket, update};

/// Rows of texts, nulls as `-`.
async fn rows(running: &Running, sql: &str) -> Vec<Vec<String>> {
    let client = Client::Local(running.engine.clone());
    let (_, batches) = client.query(sql).await.unwrap();
    let mut rows = Vec::new();
    for batch in &batches {
        for row in 0..batch.num_rows() {
            let texts = batch.columns().iter().map(|column| {
                let column =
                    arrow::compute::cast(column, &arrow::datatypes::DataType::Utf8).unwrap();
                if column.is_null(row) {
                    "-".into()
                } else {
                    column.as_string::<i32>().value(row).to_string()
                }
            });
            rows.push(texts.collect());
        }
    }
    rows
}

async fn prepared_tables(running: &Running) {
    running.engine.make_audit_tables().await.unwrap();
}

#[tokio::test]
async fn each_statement_is_a_row_without_its_values() {
    let running = start().await;
    prepared_tables(&running).await;
    let mut flight = running.flight.clone();
    update(&mut flight, "create table gold.secrets (name varchar)").await;
    update(
        &mut flight,
        "insert into gold.secrets values ('hidden'), ('too')",
    )
    .await;
    assert_eq!(
        number(
            &mut flight,
            "select count(*) from gold.secrets where name = 'hidden'"
        )
        .await,
        1
    );
    let failed = flight
        .execute(
            "select cast('hidden' as bigint) from gold.secrets".into(),
            None,
        )
        .await;
    let failed = match failed {
        Ok(info) => flight.do_get(ticket(&info)).await.map(|_| ()).is_err(),
        Err(_) => true,
    };
    let found = rows(
        &running,
        "select kind, state, statement, rows from system.queries where state <> 'running' order by started_at",
    )
    .await;
    assert_eq!(
        found[0],
        [
            "create table",
            "done",
            "create table gold.secrets(name varchar)",
            "0"
        ]
    );
    assert_eq!(
        found[1],
        [
            "insert",
            "done",
            "insert into gold.secrets values (?), (?)",
            "2"
        ]
    );
    assert_eq!(
        found[2],
        [
            "select",
            "done",
            "select count (*) from gold.secrets where name = ?",
            "1"
        ]
    );
    let events = rows(
        &running,
        "select action, outcome, reads, writes, user_name from system.audit order by event_at",
    )
    .await;
    assert_eq!(
        events[..4],
        [
            ["connect", "done", "-", "-", "owner"],
            ["create table", "done", "-", "gold.secrets", "owner"],
            ["insert", "done", "-", "gold.secrets", "owner"],
            ["select", "done", "gold.secrets", "-", "owner"],
        ]
    );
    let everything = rows(&running, "select * from system.audit").await;
    let everything = format!(
        "{everything:?}{:?}",
        rows(&running, "select * from system.queries").await
    );
    assert!(!everything.contains("hidden"), "{everything}");
    assert!(failed || everything.contains("failed"), "{everything}");
}

#[tokio::test]
async fn an_error_is_kept_without_the_row_that_it_shows() {
    let running = start().await;
    prepared_tables(&running).await;
    let mut flight = running.flight.clone();
    update(
        &mut flight,
        "create table gold.words (a varchar, constraint short check (length(a) < 5))",
    )
    .await;
    let sql = "insert into gold.words values ('geheim wort''s')";
    flight.execute_update(sql.into(), None).await.unwrap_err();
    for table in ["queries", "audit"] {
        let sql = format!("select error from system.{table} where error is not null");
        let kept = rows(&running, &sql).await;
        assert_eq!(
            kept,
            [["gold.words: constraint ? (length(a) < ?) is broken by the row ?"]]
        );
    }
}

#[tokio::test]
async fn a_select_makes_no_commit_and_a_batch_makes_one() {
    let running = start().await;
    prepared_tables(&running).await;
    let mut flight = running.flight.clone();
    let commits = running.engine.commits();
    for _ in 0..20 {
        assert_eq!(number(&mut flight, "select 1").await, 1);
    }
    assert_eq!(running.engine.commits(), commits);
    let ones = "select count(*) from system.queries where statement = 'select ?'";
    assert_eq!(number(&mut flight, ones).await, 20);
    running.engine.write_audit(true).await.unwrap();
    assert_eq!(running.engine.commits(), commits + 2);
    // The same rows, now from the table.
    assert_eq!(number(&mut flight, ones).await, 20);
    assert_eq!(number(&mut flight, "select 1").await, 1);
    assert_eq!(number(&mut flight, ones).await, 21);
    let distinct = "select count(*) - count(distinct query_id) from system.queries";
    assert_eq!(number(&mut flight, distinct).await, 0);
    let distinct = "select count(*) - count(distinct event_id) from system.audit";
    assert_eq!(number(&mut flight, distinct).await, 0);
}

#[tokio::test]
async fn readers_never_see_a_row_twice_or_not_at_all_while_it_is_written() {
    let running = start().await;
    prepared_tables(&running).await;
    let writing = running.engine.clone();
    let writer = datafusion::common::runtime::SpawnedTask::spawn(async move {
        for _ in 0..20 {
            writing.audit().note(Event::new("ada", "counted"));
            writing.write_audit(true).await.unwrap();
        }
    });
    let mut flight = running.flight.clone();
    let mut before = 0;
    while before < 20 {
        let sql = "select count(*) from system.audit where action = 'counted'";
        let seen = number(&mut flight, sql).await;
        assert!(seen >= before && seen <= 20, "{before} and then {seen}");
        before = seen;
    }
    writer.join().await.unwrap();
}

#[tokio::test]
async fn small_files_do_not_pile_up() {
    let running = start().await;
    prepared_tables(&running).await;
    for n in 0..70 {
        running
            .engine
            .audit()
            .note(Event::new("ada", format!("event {n}")));
        running.engine.write_audit(true).await.unwrap();
    }
    let mut flight = running.flight.clone();
    let sql = "select count(distinct action) from system.audit where action like 'event %'";
    assert_eq!(number(&mut flight, sql).await, 70);
    let compacted = rows(&running, "describe history system.audit").await;
    assert!(
        compacted.iter().any(|commit| commit[2] == "OPTIMIZE"),
        "{compacted:?}"
    );
}

#[tokio::test]
async fn old_rows_are_taken_away() {
    let running = start().await;
    prepared_tables(&running).await;
    let old = Event {
        event_at: Utc::now().checked_sub_days(Days::new(91)).unwrap(),
        ..Event::new("ada", "old")
    };
    running.engine.audit().note(old);
    running.engine.audit().note(Event::new("ada", "new"));
    running.engine.write_audit(true).await.unwrap();
    running.engine.tidy_audit(Utc::now()).await.unwrap();
    let left = rows(
        &running,
        "select action from system.audit where user_name = 'ada'",
    )
    .await;
    assert_eq!(left, [["new"]]);
}

#[tokio::test]
async fn a_running_statement_is_seen_and_can_be_ended_from_sql() {
    let running = start().await;
    prepared_tables(&running).await;
    let mut flight = running.flight.clone();
    let endless = "select count(*) from generate_series(1, 10000000) as a (x) \
                   cross join generate_series(1, 10000000) as b (y) where (x * y) % 7 = 3";
    let info = flight.execute(endless.into(), None).await.unwrap();
    let mut watching = running.flight.clone();
    let cancelling = async {
        let start = Instant::now();
        loop {
            let sql = "select query_id from system.queries where state = 'running' and statement like '%cross join%' \
                       and statement not like '%system%'";
            let found = strings(&query(&mut watching, sql).await, 0);
            if let [id] = found.as_slice() {
                update(&mut watching, &format!("cancel query '{id}'")).await;
                return id.clone();
            }
            assert!(start.elapsed() < Duration::from_secs(20), "not seen");
        }
    };
    let fetching = async {
        let rows = flight.do_get(ticket(&info)).await.unwrap();
        futures::TryStreamExt::try_collect::<Vec<_>>(rows)
            .await
            .unwrap_err()
    };
    let (id, error) = futures::future::join(cancelling, fetching).await;
    assert!(error.to_string().contains("cancelled by owner"), "{error}");
    let sql = format!("select state, error from system.queries where query_id = '{id}'");
    let row = rows(&running, &sql).await;
    assert_eq!(row, [["cancelled", "the statement was cancelled by owner"]]);
    let again = watching
        .execute_update(format!("cancel query '{id}'"), None)
        .await;
    assert!(
        again
            .unwrap_err()
            .to_string()
            .contains("system.queries lists those that do")
    );
}

#[tokio::test]
async fn nobody_writes_the_audit() {
    let running = start().await;
    prepared_tables(&running).await;
    running
        .engine
        .audit()
        .note(Event::new("eve", "login").ended(Outcome::Failed, "wrong password"));
    running.engine.write_audit(true).await.unwrap();
    let mut flight: Flight = running.flight.clone();
    for sql in [
        "delete from system.audit",
        "insert overwrite system.audit select * from system.audit where false",
        "drop table system.audit",
        "create or replace table system.queries as select 1 as n",
    ] {
        let error = flight.execute_update(sql.into(), None).await.unwrap_err();
        assert!(
            error.to_string().contains("written by the server only"),
            "{sql}: {error}"
        );
    }
    let sql = "select count(*) from system.audit where user_name = 'eve' and outcome = 'failed'";
    assert_eq!(number(&mut flight, sql).await, 1);
}
