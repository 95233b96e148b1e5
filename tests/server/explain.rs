//! EXPLAIN of what writes: the plan is shown, and nothing is written.

use super::{
    harness::{number, query, start, strings, update},
    prepared::{answer, bound, numbers},
};

#[tokio::test]
async fn what_writes_is_explained_and_not_run() {
    let running = start().await;
    let mut flight = running.flight.clone();
    update(
        &mut flight,
        "create table gold.notes (n bigint not null, text varchar)",
    )
    .await;
    update(
        &mut flight,
        "insert into gold.notes values (1, 'a'), (2, 'b')",
    )
    .await;
    for (sql, action, source) in [
        (
            "insert into gold.notes values (3, 'c')",
            "InsertInto: table=gold.notes",
            "Values",
        ),
        (
            "insert into gold.notes (n) select n + 2 from gold.notes",
            "InsertInto: table=gold.notes",
            "TableScan: gold.notes",
        ),
        (
            "insert overwrite gold.notes select * from gold.notes where n > 1",
            "InsertOverwrite: table=gold.notes",
            "Filter",
        ),
        (
            "delete from gold.notes where n > 1",
            "Delete: table=gold.notes",
            "TableScan: gold.notes",
        ),
        (
            "merge into gold.notes as t using (select 1 as n) as s on t.n = s.n when matched then update set text = 'x' \
             when not matched then insert (n) values (s.n)",
            "MergeInto: table=gold.notes, on=gold.notes.n = s.n",
            "SubqueryAlias: s",
        ),
        (
            "create or replace table gold.copy as select text from gold.notes",
            "CreateTable: table=gold.copy, or_replace",
            "TableScan: gold.notes",
        ),
    ] {
        let plan = query(&mut flight, &format!("explain {sql}")).await;
        assert_eq!(
            strings(&plan, 0),
            ["logical_plan", "physical_plan"],
            "{sql}"
        );
        let plans = strings(&plan, 1);
        assert!(plans[0].starts_with(action), "{sql}: {}", plans[0]);
        assert!(plans[0].contains(source), "{sql}: {}", plans[0]);
        assert!(plans[1].contains("Exec"), "{sql}: {}", plans[1]);
    }
    let plan = "explain delete from gold.notes where n = ?";
    let plan = answer(&mut flight, plan, bound(vec![numbers(vec![42])])).await;
    assert!(strings(&plan, 1)[0].contains("42"), "{plan:?}");
    assert_eq!(
        number(&mut flight, "select sum(n) from gold.notes").await,
        3
    );
    let versions = "select max(version) from system.tables where table_name = 'notes'";
    assert_eq!(number(&mut flight, versions).await, 1);
    let copies = "select count(*) from system.tables where table_name = 'copy'";
    assert_eq!(number(&mut flight, copies).await, 0);
}

#[tokio::test]
async fn what_cannot_be_explained_says_why() {
    let running = start().await;
    let mut flight = running.flight.clone();
    update(&mut flight, "create table gold.notes (n bigint)").await;
    for (sql, message) in [
        (
            "explain analyze insert into gold.notes values (1)",
            "EXPLAIN ANALYZE of a statement that writes would write",
        ),
        (
            "explain format tree insert into gold.notes values (1)",
            "no FORMAT but INDENT",
        ),
        (
            "explain drop table gold.notes",
            "EXPLAIN is for queries, INSERT",
        ),
        (
            "explain insert into gold.nowhere values (1)",
            "gold.nowhere' not found",
        ),
        (
            "explain insert into gold.notes values (1, 2)",
            "a row must have 1 values",
        ),
    ] {
        let failure = flight
            .execute(sql.into(), None)
            .await
            .unwrap_err()
            .to_string();
        assert!(failure.contains(message), "{sql}: {failure}");
    }
    assert_eq!(
        number(&mut flight, "select count(*) from gold.notes").await,
        0
    );
}
