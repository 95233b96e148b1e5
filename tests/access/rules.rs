//! What row policies and masks may say, mean and tell.

use moodlake::access::{Caller, Role};

use super::harness::{Lake, refused, run};

#[tokio::test]
async fn a_rule_that_cannot_hold_is_refused() {
    let lake = Lake::new().await;
    for (sql, words) in [
        (
            "create row policy p on silver.plays using (nowhere = 1)",
            "nowhere",
        ),
        (
            "create row policy p on silver.plays using (ms_played + 1)",
            "condition",
        ),
        (
            "create row policy p on silver.plays using (user_id in (select user_id from silver.plays))",
            "policy",
        ),
        (
            "create row policy p on silver.nothing using (true)",
            "not found",
        ),
        (
            "create row policy p on silver.plays to nobody using (true)",
            "user add nobody",
        ),
        (
            "create mask m on silver.plays (nowhere) using (null)",
            "nowhere",
        ),
        ("grant select on silver.nothing to ada", "not found"),
        ("grant select on silver.plays to nobody", "nobody"),
        ("grant read on silver.plays to ada", "expected ALL, SELECT"),
        ("revoke select on silver.plays from ada", "SHOW GRANTS"),
    ] {
        refused(lake.owner(sql).await, words);
    }
    // A policy that no longer fits its table hides everything.
    lake.owner("create row policy p on silver.plays to analyst using (ms_played < 25)")
        .await
        .unwrap();
    lake.owner("create or replace table silver.plays as select 'ada' as user_id")
        .await
        .unwrap();
    refused(
        lake.analyst("select * from silver.plays").await,
        "row policy 'p'",
    );
}

#[tokio::test]
async fn a_rule_means_the_same_in_every_time_zone() {
    let lake = Lake::new().await;
    for (column, utc) in [("timestamp", ""), ("timestamp with time zone", "Z")] {
        let new_year = format!("at >= {column} '2024-01-01 00:00:00'");
        for condition in [
            new_year.as_str(),
            "at >= timestamptz '2024-01-01'",
            "at >= to_timestamp('2024-01-01 00:00:00')",
        ] {
            for zone in ["UTC", "Pacific/Kiritimati", "America/Los_Angeles"] {
                for sql in [
                    "drop table if exists gold.moments",
                    &format!("create table gold.moments (id int, at {column})"),
                    "insert into gold.moments values (1, timestamp '2023-12-31 18:00:00'), (2, timestamp '2024-01-01 06:00:00')",
                    &format!(
                        "create or replace row policy late on gold.moments using ({condition})"
                    ),
                    "create or replace mask ids on gold.moments (id) using (case when at < timestamptz '2024-01-01 12:00:00Z' then id end)",
                    "grant insert, delete on gold.moments to ann",
                ] {
                    lake.owner(sql).await.unwrap();
                }
                let client = lake.client(Caller::user("ann", Role::Analyst));
                let told = format!("{column}, {condition}, {zone}");
                run(&client, &format!("set time_zone = '{zone}'"))
                    .await
                    .unwrap();
                let ids = "select id from gold.moments";
                assert_eq!(run(&client, ids).await.as_deref(), Ok("2"), "{told}");
                let insert =
                    |at: &str| format!("insert into gold.moments values (3, {column} '{at}{utc}')");
                let early = run(&client, &insert("2023-12-31 18:00:00")).await;
                assert!(early.is_err_and(|error| error.contains("late")), "{told}");
                run(&client, &insert("2024-01-01 06:00:00")).await.unwrap();
                run(&client, "delete from gold.moments").await.unwrap();
                assert_eq!(lake.owner(ids).await.as_deref(), Ok("1"), "{told}");
            }
        }
    }
    lake.owner("create table gold.checked (at timestamp, constraint late check (at >= timestamptz '2024-01-01'))")
        .await
        .unwrap();
    for zone in ["UTC", "Pacific/Kiritimati", "America/Los_Angeles"] {
        let client = lake.client(Caller::owner());
        run(&client, &format!("set time_zone = '{zone}'"))
            .await
            .unwrap();
        let insert = |at: &str| format!("insert into gold.checked values (timestamp '{at}')");
        let early = run(&client, &insert("2023-12-31 18:00:00")).await;
        assert!(early.is_err_and(|error| error.contains("late")), "{zone}");
        run(&client, &insert("2024-01-01 06:00:00")).await.unwrap();
    }
}

#[tokio::test]
async fn nobody_meets_two_masks_of_one_column() {
    let lake = Lake::new().await;
    let create = |name: &str, to: &str, using: &str| {
        format!("create or replace mask {name} on silver.plays (track_id) {to} using ({using})")
    };
    lake.owner(&create("few", "to analyst", "substr(track_id, 1, 1)"))
        .await
        .unwrap();
    for to in ["", "to ann", "to ada"] {
        refused(
            lake.owner(&create("none", to, "null")).await,
            "mask 'few' for analyst hides column 'track_id' of silver.plays already",
        );
    }
    lake.owner(&create("none", "to listener", "null"))
        .await
        .unwrap();
    lake.owner(&create("few", "to analyst", "upper(track_id)"))
        .await
        .unwrap();
    refused(
        lake.owner(&create("few", "", "track_id")).await,
        "mask 'none' for listener",
    );
    let tracks = "select distinct track_id from silver.plays order by 1";
    assert_eq!(lake.analyst(tracks).await.as_deref(), Ok("T1\nT2"));
    // Rules that were written into the file by hand.
    lake.engine
        .access()
        .change(|access| {
            let mut second = access.masks.first().cloned().unwrap();
            second.name = "second".into();
            access.masks.push(second);
            Ok(())
        })
        .unwrap();
    assert_eq!(lake.analyst(tracks).await.as_deref(), Ok(""));
}

#[tokio::test]
async fn rules_are_for_tables_of_any_name() {
    let lake = Lake::new().await;
    for statement in [
        r#"create table silver."we""ird" as select 'ada' as user_id, 1 as n union all select 'ada', 2"#,
        r#"create row policy small on silver."we""ird" using (n < 2)"#,
        r#"create mask hidden on silver."we""ird" (n) using (0)"#,
    ] {
        lake.owner(statement).await.unwrap();
    }
    assert_eq!(
        lake.ada(r#"select n from silver."we""ird""#)
            .await
            .as_deref(),
        Ok("0")
    );
}

#[tokio::test]
async fn a_rule_that_fails_on_a_hidden_row_quotes_nothing_of_it() {
    let lake = Lake::new().await;
    let policy =
        "gold.pay: row policy 'p' cannot be evaluated on its rows; an admin has to mend it";
    let mask = "gold.pay: the mask of column 'day' cannot be evaluated on its rows; an admin has to mend it";
    for partitions in ["", "partitioned by (day)"] {
        for sql in [
            &format!(
                "create or replace table gold.pay {partitions} as select * from (values \
                 (1, '2024-03-01'), (2, 'fired 4 March')) as p (id, day)"
            ),
            "create or replace row policy p on gold.pay using (cast(day as date) >= date '2024-01-01')",
            "grant insert, delete on gold.pay to ann",
        ] {
            lake.owner(sql).await.unwrap();
        }
        for sql in [
            "select id from gold.pay",
            "select count(*) from gold.pay",
            "select id from gold.pay where id = 2",
            "explain analyze select id from gold.pay",
            "create temporary table kept as select id from gold.pay",
            "delete from gold.pay where id = 1",
            "delete from gold.pay",
            "insert into gold.pay values (3, 'fired 5 March')",
        ] {
            let message = lake.analyst(sql).await.unwrap_err();
            assert_eq!(message, policy, "{sql}");
        }
        for sql in [
            "drop row policy p on gold.pay",
            "create mask m on gold.pay (day) using (cast(cast(day as date) as varchar))",
        ] {
            lake.owner(sql).await.unwrap();
        }
        for sql in [
            "select day from gold.pay",
            "select count(*) from gold.pay where day > 'f'",
        ] {
            assert_eq!(lake.analyst(sql).await.unwrap_err(), mask, "{sql}");
        }
        assert_eq!(
            lake.analyst("select id from gold.pay order by id")
                .await
                .as_deref(),
            Ok("1\n2")
        );
        lake.owner("drop mask m on gold.pay").await.unwrap();
    }
    // A view's own text fails on rows of it that are hidden.
    for sql in [
        "create view gold.days as select id, cast(day as date) as on_day from gold.pay",
        "create row policy p on gold.days using (id = 1 or on_day is null)",
    ] {
        lake.owner(sql).await.unwrap();
    }
    assert_eq!(
        lake.analyst("select on_day from gold.days")
            .await
            .unwrap_err(),
        "gold.days: row policy 'p' or the view's own text cannot be evaluated on its rows; an admin has to mend it"
    );
}

#[tokio::test]
async fn a_mask_is_of_a_type_that_can_stand_for_its_column() {
    let lake = Lake::new().await;
    let create = |column: &str, using: &str| {
        format!("create or replace mask m on silver.plays ({column}) to ann using ({using})")
    };
    for using in ["'x'", "lower('X')", "track_id", "upper(user_id)"] {
        refused(
            lake.owner(&create("ms_played", using)).await,
            "mask m is VARCHAR, ms_played is BIGINT; cast it",
        );
    }
    for (column, using, seen) in [
        ("ms_played", "null", ""),
        ("ms_played", "0", "0"),
        ("ms_played", "'7'", "7"),
        ("ms_played", "ms_played / 7.0", "4"),
        ("ms_played", "cast(substr(track_id, 2) as bigint)", "1"),
        ("track_id", "0", "0"),
        ("track_id", "current_user()", "ann"),
    ] {
        lake.owner(&create(column, using)).await.unwrap();
        let sql = format!("select {column} from silver.plays where user_id = 'bob'");
        assert_eq!(lake.analyst(&sql).await.as_deref(), Ok(seen), "{using}");
    }
}
