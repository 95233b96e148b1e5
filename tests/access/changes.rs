//! What changes rows, and whose.

use super::harness::{Lake, refused};

#[tokio::test]
async fn what_writes_is_explained_to_those_who_may_do_it() {
    let lake = Lake::new().await;
    let folder = lake.folder.path().display().to_string();
    let folder = folder.trim_start_matches('/');
    for sql in [
        "explain insert into silver.plays select * from silver.plays",
        "explain delete from silver.plays",
        "explain create table gold.mine as select * from silver.tracks",
    ] {
        refused(lake.ada(sql).await, "GRANT");
    }
    let sql = "explain create table gold.mine as select * from silver.tracks";
    let plan = lake.owner(sql).await.unwrap();
    assert!(
        plan.contains("CreateTable: table=gold.mine") && plan.contains(folder),
        "{plan}"
    );
    let sql =
        "explain insert into silver.responses select user_id, track_id, 'like' from silver.plays";
    let plan = lake.ada(sql).await.unwrap();
    assert!(
        plan.contains("InsertInto: table=silver.responses"),
        "{plan}"
    );
    for hidden in [folder, ".parquet", "bob"] {
        assert!(!plan.contains(hidden), "{hidden} in {plan}");
    }
}

#[tokio::test]
async fn a_listener_writes_answers_of_their_own_only() {
    let lake = Lake::new().await;
    lake.ada("insert into silver.responses values ('ada', 't1', 'like')")
        .await
        .unwrap();
    refused(
        lake.ada("insert into silver.responses values ('bob', 't1', 'skip')")
            .await,
        "own rows",
    );
    refused(
        lake.ada("insert into silver.responses select 'bob', track_id, 'skip' from silver.plays")
            .await,
        "own rows",
    );
    refused(
        lake.ada("insert into silver.plays values ('ada', 't9', 1)")
            .await,
        "GRANT INSERT ON silver.plays TO ada",
    );
    for sql in [
        "delete from silver.responses",
        "drop table silver.responses",
        "create table gold.mine as select 1 as a",
        "create view gold.v as select 1 as a",
        "create schema mine",
        "insert overwrite silver.responses values ('ada', 't1', 'like')",
        "merge into silver.responses r using (select 'ada' as u) s on r.user_id = s.u when matched then delete",
        "create row policy p on silver.plays using (true)",
        "grant select on silver.plays to ada",
        "describe history silver.plays",
        "select * from system.users",
        "select * from gold.secrets",
    ] {
        let message = lake.ada(sql).await.unwrap_err();
        assert!(
            message.contains("ada") || message.contains("admin"),
            "{sql}: {message}"
        );
    }
    assert_eq!(
        lake.owner("select user_id, count(*) from silver.responses group by user_id order by 1")
            .await
            .as_deref(),
        Ok("ada 1\nbob 1")
    );
}

#[tokio::test]
async fn a_delete_takes_visible_rows_only() {
    let lake = Lake::new().await;
    lake.owner("grant delete on silver.responses to ada")
        .await
        .unwrap();
    lake.ada("insert into silver.responses values ('ada', 't1', 'like')")
        .await
        .unwrap();
    lake.ada("delete from silver.responses").await.unwrap();
    assert_eq!(
        lake.owner("select user_id from silver.responses")
            .await
            .as_deref(),
        Ok("bob")
    );
    lake.owner("create mask m on silver.responses (response) using ('hidden')")
        .await
        .unwrap();
    refused(
        lake.ada("delete from silver.responses where response = 'like'")
            .await,
        "masked",
    );
}

#[tokio::test]
async fn rows_that_may_be_added_need_not_be_readable() {
    let lake = Lake::new().await;
    lake.owner("create table gold.inbox (user_id varchar, note varchar)")
        .await
        .unwrap();
    lake.owner("grant insert on gold.inbox to gate")
        .await
        .unwrap();
    lake.proxy("insert into gold.inbox values ('bob', 'hello')")
        .await
        .unwrap();
    refused(
        lake.proxy("insert into gold.inbox select * from gold.inbox")
            .await,
        "GRANT SELECT ON gold.inbox TO gate",
    );
}

#[tokio::test]
async fn the_condition_of_a_delete_is_evaluated_on_visible_rows_only() {
    let lake = Lake::new().await;
    for partitions in ["", "partitioned by (user_id)"] {
        for sql in [
            &format!(
                "create or replace table gold.notes {partitions} as select * from (values (1, '5', 'ann'), \
                 (2, 'HIDDENSECRET', 'bob'), (3, '77', 'ann'), (4, '77', 'bob')) as n (id, body, user_id)"
            ),
            "grant delete on gold.notes to ann",
            "create or replace row policy own on gold.notes using (user_id = 'ann')",
        ] {
            lake.owner(sql).await.unwrap();
        }
        for (condition, left) in [
            ("1 / (id - 2) = 5", "1\n2\n3\n4"),
            ("cast(body as bigint) = 78", "1\n2\n3\n4"),
            ("user_id = 'bob'", "1\n2\n3\n4"),
            (
                "cast(body as bigint) = 6 or cast(body as bigint) + 1 = 78 and id in (2, 3, 4)",
                "1\n2\n4",
            ),
            ("null", "1\n2\n4"),
            ("current_user() = 'ann'", "2\n4"),
        ] {
            lake.analyst(&format!("delete from gold.notes where {condition}"))
                .await
                .unwrap();
            assert_eq!(
                lake.owner("select id from gold.notes order by id")
                    .await
                    .as_deref(),
                Ok(left),
                "{partitions} {condition}"
            );
        }
    }
}

#[tokio::test]
async fn a_row_against_a_policy_is_told_by_the_policys_name_only() {
    let lake = Lake::new().await;
    for sql in [
        "create row policy short on silver.plays using (ms_played < 25)",
        "grant insert on silver.plays to ann",
    ] {
        lake.owner(sql).await.unwrap();
    }
    assert_eq!(
        lake.analyst("insert into silver.plays values ('ann', 't1', 30)")
            .await
            .unwrap_err(),
        "silver.plays: row policy 'short' is broken by the row {user_id: ann, track_id: t1, ms_played: 30}; \
         nothing was written"
    );
}
