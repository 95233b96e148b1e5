//! Who may do what: a lake with two listeners, an analyst and an admin, each seen through their own engine.
#![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]

use std::sync::Arc;

use arrow::util::pretty::pretty_format_batches;
use moodlake::{
    access::{self, Caller, Role, User},
    client::Client,
    engine::{Engine, FileAccess, Settings},
};
use tempfile::TempDir;

/// A lake with plays of ada and bob, and users of every role.
struct Lake {
    engine: Engine,
    folder: TempDir,
}

impl Lake {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let settings = Settings {
            dir: folder.path().to_path_buf(),
            files: FileAccess::Anywhere,
        };
        let engine = Engine::open(settings).await.unwrap();
        for (name, role) in [
            ("root", Role::Admin),
            ("ann", Role::Analyst),
            ("ada", Role::Listener),
            ("bob", Role::Listener),
            ("gate", Role::Proxy),
        ] {
            let user = User {
                role,
                password: None,
            };
            let added = engine.access().change(|access| {
                access.users.insert(name.into(), user);
                Ok(())
            });
            added.unwrap();
        }
        let lake = Self { engine, folder };
        for statement in [
            "create table silver.plays as select * from (values ('ada', 't1', 10), ('ada', 't2', 20), ('bob', 't1', 30))
             as p (user_id, track_id, ms_played)",
            "create table silver.tracks as select 't1' as track_id, 'One' as track_name",
            "create table silver.responses (user_id varchar not null, track_id varchar, response varchar)",
            "insert into silver.responses values ('bob', 't1', 'like')",
            "create view gold.totals as select user_id, sum(ms_played) as ms from silver.plays group by user_id",
            "create table gold.secrets as select 'x' as note",
        ] {
            lake.owner(statement).await.unwrap();
        }
        lake
    }

    fn client(&self, caller: Caller) -> Client {
        Client::Local(self.engine.on_behalf_of(Arc::new(caller), Arc::default()))
    }

    async fn owner(&self, sql: &str) -> Result<String, String> {
        run(&self.client(Caller::owner()), sql).await
    }

    async fn analyst(&self, sql: &str) -> Result<String, String> {
        run(&self.client(Caller::user("ann", Role::Analyst)), sql).await
    }

    async fn ada(&self, sql: &str) -> Result<String, String> {
        run(&self.client(Caller::user("ada", Role::Listener)), sql).await
    }

    async fn proxy(&self, sql: &str) -> Result<String, String> {
        run(&self.client(Caller::user("gate", Role::Proxy)), sql).await
    }
}

/// The values of a query's rows, a line a row; `changed N` or `done` of others; the message of an error.
async fn run(client: &Client, sql: &str) -> Result<String, String> {
    let (_, batches) = client.query(sql).await.map_err(|error| error.to_string())?;
    let table = pretty_format_batches(&batches).unwrap().to_string();
    let rows = table.lines().filter(|line| line.starts_with('|')).skip(1);
    let rows = rows.map(|row| {
        let cells = row.trim_matches('|').split('|').map(str::trim);
        cells.collect::<Vec<_>>().join(" ")
    });
    Ok(rows.collect::<Vec<_>>().join("\n"))
}

fn refused(outcome: Result<String, String>, words: &str) {
    let message = outcome.unwrap_err();
    assert!(message.contains(words), "{message}");
}

#[tokio::test]
async fn a_listener_sees_their_own_rows_however_they_ask() {
    let lake = Lake::new().await;
    for (sql, seen) in [
        ("select count(*) from silver.plays", "2"),
        ("select max(ms_played) from silver.plays", "20"),
        (
            "select count(*) from silver.plays where user_id = 'bob'",
            "0",
        ),
        ("select user_id, ms from gold.totals", "ada 30"),
        ("select count(*) from silver.plays version as of 0", "2"),
        ("select count(*) from silver.tracks", "1"),
        (
            "select count(*) from (select * from silver.plays union all select * from silver.plays)",
            "4",
        ),
        (
            "with p as (select * from silver.plays) select count(*) from p join silver.tracks using (track_id)",
            "1",
        ),
        ("select current_user(), current_role()", "ada listener"),
        // An expression that fails on a hidden row must not be evaluated there.
        (
            "select count(*) from silver.plays where 1 / (ms_played - 30) < 5",
            "2",
        ),
    ] {
        assert_eq!(lake.ada(sql).await.as_deref(), Ok(seen), "{sql}");
    }
}

#[tokio::test]
async fn explain_tells_nothing_of_what_is_hidden() {
    let lake = Lake::new().await;
    for sql in [
        "explain select * from silver.plays where ms_played > 5",
        "explain verbose select * from silver.plays",
        "explain analyze select * from silver.plays",
        "explain format tree select * from silver.plays",
    ] {
        let plan = lake.ada(sql).await.unwrap();
        assert!(plan.contains("RestrictedScan"), "{plan}");
        for hidden in [".parquet", "current_user", "output_rows=3", "bob"] {
            assert!(!plan.contains(hidden), "{hidden} in {plan}");
        }
    }
}

#[tokio::test]
async fn explain_names_no_folder_to_others_than_admins() {
    let lake = Lake::new().await;
    let folder = lake.folder.path().display().to_string();
    let folder = folder.trim_start_matches('/');
    for format in ["", "verbose", "analyze", "format tree"] {
        let sql = format!("explain {format} select * from silver.tracks");
        for plan in [
            lake.analyst(&sql).await.unwrap(),
            lake.ada(&sql).await.unwrap(),
        ] {
            assert!(!plan.contains(folder), "{plan}");
        }
    }
    let plan = lake
        .owner("explain select * from silver.tracks")
        .await
        .unwrap();
    assert!(plan.contains(folder), "{plan}");
}

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
async fn policies_and_masks_bind_all_but_admins() {
    let lake = Lake::new().await;
    lake.owner("create row policy short on silver.plays to analyst using (ms_played < 25)")
        .await
        .unwrap();
    lake.owner(
        "create mask who on silver.plays (user_id) to analyst using (upper(substr(user_id, 1, 1)))",
    )
    .await
    .unwrap();
    assert_eq!(
        lake.analyst("select user_id, ms_played from silver.plays order by ms_played")
            .await
            .as_deref(),
        Ok("A 10\nA 20")
    );
    // What is filtered is what is seen, and the view reads with the analyst's rights.
    assert_eq!(
        lake.analyst("select count(*) from silver.plays where user_id = 'ada'")
            .await
            .as_deref(),
        Ok("0")
    );
    assert_eq!(
        lake.analyst("select * from gold.totals").await.as_deref(),
        Ok("A 30")
    );
    assert_eq!(
        lake.owner("select count(*) from silver.plays")
            .await
            .as_deref(),
        Ok("3")
    );
    lake.owner("drop row policy short on silver.plays")
        .await
        .unwrap();
    lake.owner("drop mask who on silver.plays").await.unwrap();
    assert_eq!(
        lake.analyst("select count(*) from silver.plays")
            .await
            .as_deref(),
        Ok("3")
    );
    refused(
        lake.owner("drop mask who on silver.plays").await,
        "not found",
    );
}

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
async fn an_analyst_reads_all_and_writes_in_schemas_of_their_own() {
    let lake = Lake::new().await;
    assert_eq!(
        lake.analyst("select count(*) from silver.plays")
            .await
            .as_deref(),
        Ok("3")
    );
    refused(
        lake.analyst("create table gold.mine as select 1 as a")
            .await,
        "CREATE",
    );
    refused(
        lake.analyst("select * from spotify_history('/etc')").await,
        "only admins read files",
    );
    lake.analyst("create schema study").await.unwrap();
    lake.analyst("create table study.notes as select user_id, 1 as n from silver.plays")
        .await
        .unwrap();
    refused(lake.ada("select * from study.notes").await, "GRANT SELECT");
    lake.analyst("grant select on schema study to ada")
        .await
        .unwrap();
    assert_eq!(
        lake.ada("select count(*) from study.notes")
            .await
            .as_deref(),
        Ok("2")
    );
    assert_eq!(
        lake.ada("show grants").await.as_deref(),
        Ok("ada SELECT study")
    );
    lake.analyst("revoke select on schema study from ada")
        .await
        .unwrap();
    refused(lake.ada("select * from study.notes").await, "GRANT SELECT");
    refused(
        lake.analyst("select * from system.users").await,
        "system.users",
    );
}

#[tokio::test]
async fn what_may_not_be_read_is_not_listed() {
    let lake = Lake::new().await;
    lake.analyst("create schema study").await.unwrap();
    lake.analyst("create table study.notes as select 1 as n")
        .await
        .unwrap();
    let tables = "select table_schema || '.' || table_name from information_schema.tables
                  where table_schema in ('silver', 'study') order by 1";
    assert_eq!(
        lake.ada(tables).await.as_deref(),
        Ok("silver.plays\nsilver.responses\nsilver.tracks")
    );
    assert!(lake.analyst(tables).await.unwrap().contains("study.notes"));
    assert_eq!(lake.proxy(tables).await.as_deref(), Ok(""));
    let listed = "select table_name, statement from system.tables where schema_name in ('silver', 'study') order by 1";
    assert!(!lake.ada(listed).await.unwrap().contains("notes"));
    assert!(!lake.ada(listed).await.unwrap().contains("values"));
    assert_eq!(
        lake.ada("select count(*) from information_schema.columns where table_name = 'notes'")
            .await
            .as_deref(),
        Ok("0")
    );
}

#[tokio::test]
async fn a_model_is_trained_on_what_its_maker_sees_and_its_artifact_is_for_admins() {
    let lake = Lake::new().await;
    lake.owner("create table silver.points as select 'ada' as user_id, x * 1.0 as x from generate_series(1, 40) as g (x)
                union all select 'bob', x * 100.0 from generate_series(1, 40) as g (x)").await.unwrap();
    let create =
        "create model halves options (type = 'kmeans', k = 2) as select x from silver.points";
    refused(lake.ada(create).await, "CREATE on ml.halves");
    lake.owner("grant create on schema ml to ada")
        .await
        .unwrap();
    lake.ada(create).await.unwrap();
    assert_eq!(
        lake.owner("select n_train from ml.models where model = 'halves'")
            .await
            .as_deref(),
        Ok("40")
    );
    let artifact = "select count(*) from ml.models where artifact is not null";
    assert_eq!(lake.ada(artifact).await.as_deref(), Ok("0"));
    assert_eq!(lake.owner(artifact).await.as_deref(), Ok("1"));
    assert_eq!(
        lake.ada("select count(distinct kmeans_assign('halves', x)) from silver.points")
            .await
            .as_deref(),
        Ok("2")
    );
    refused(
        lake.proxy("select kmeans_assign('halves', 1.0)").await,
        "ml.halves",
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
async fn a_name_with_a_dot_is_no_way_into_another_schema() {
    let lake = Lake::new().await;
    lake.analyst("create schema study").await.unwrap();
    for sql in [
        "create schema \"gold.secrets\"",
        "create schema \"system.queries\"",
        "create schema moodlake",
        "create table study.\"gold.secrets\" (x int)",
        "create table study.\"v.view.sql\" (x int)",
        "create view study.\"gold.secrets\" as select 1 as x",
        "create temporary table \"gold.secrets\" (x int)",
        "grant drop on schema \"gold.secrets\" to ann",
        "grant all on study.\"gold.secrets\" to ann",
        "create mask m on study.\"gold.secrets\" (note) using ('x')",
    ] {
        refused(lake.analyst(sql).await, "cannot name a");
    }
    refused(
        lake.analyst("drop table gold.secrets").await,
        "GRANT DROP ON gold.secrets TO ann",
    );
    // What is kept of a schema is about the schema, and of a table about the table, when it is read anew.
    lake.analyst("create table study.\"my notes\" (x int)")
        .await
        .unwrap();
    lake.analyst("grant select on study.\"my notes\" to ada")
        .await
        .unwrap();
    lake.analyst("grant insert on schema study to ada")
        .await
        .unwrap();
    let again = access::Store::new(lake.folder.path()).current().unwrap();
    let kept: Vec<String> = again
        .grants
        .iter()
        .map(|grant| format!("{:?}", grant.on))
        .collect();
    assert_eq!(
        kept,
        [
            "Table(TableName { schema: \"study\", table: \"my notes\" })",
            "Schema(\"study\")"
        ]
    );
}

#[tokio::test]
async fn what_was_granted_goes_with_what_it_was_granted_on() {
    let lake = Lake::new().await;
    lake.analyst("create schema study").await.unwrap();
    lake.owner("create table gold.notes as select 'x' as note")
        .await
        .unwrap();
    lake.owner("create view gold.seen as select note from gold.notes")
        .await
        .unwrap();
    for object in ["gold.notes", "gold.seen", "silver.plays", "schema study"] {
        lake.owner(&format!("grant select on {object} to gate"))
            .await
            .unwrap();
    }
    lake.owner("create mask all_notes on gold.notes (note) using ('hidden')")
        .await
        .unwrap();
    // Nothing is dropped here.
    refused(lake.owner("drop view gold.notes").await, "not found");
    refused(lake.analyst("drop table gold.notes").await, "DROP");
    assert_eq!(
        lake.proxy("select note from gold.notes").await.as_deref(),
        Ok("hidden")
    );
    lake.owner("create or replace table gold.notes as select 'y' as note")
        .await
        .unwrap();
    assert_eq!(
        lake.proxy("select note from gold.notes").await.as_deref(),
        Ok("hidden")
    );
    lake.owner("drop view gold.seen").await.unwrap();
    lake.owner("drop table gold.notes").await.unwrap();
    lake.analyst("drop schema study").await.unwrap();
    assert_eq!(
        lake.owner("show grants").await.as_deref(),
        Ok("gate SELECT silver.plays")
    );
    lake.owner("create table gold.notes as select 'z' as note")
        .await
        .unwrap();
    refused(lake.proxy("select * from gold.notes").await, "GRANT SELECT");
    // A rule that hides outlives what it hid.
    assert_eq!(
        lake.analyst("select note from gold.notes").await.as_deref(),
        Ok("hidden")
    );
}

#[tokio::test]
async fn a_view_that_cannot_be_read_hides_nothing_else_and_names_no_folder() {
    let lake = Lake::new().await;
    let gold = lake.folder.path().join("gold");
    std::fs::write(gold.join("ruin.view.sql"), b"\xff").unwrap();
    std::fs::create_dir(gold.join("folder.view.sql")).unwrap();
    assert_eq!(
        lake.analyst("select table_name, fault is null from system.tables where schema_name = 'gold' order by 1")
            .await
            .as_deref(),
        Ok("ruin false\nsecrets true\ntotals true")
    );
    assert_eq!(
        lake.analyst("select table_name from information_schema.tables where table_schema = 'gold' order by 1")
            .await
            .as_deref(),
        Ok("ruin\nsecrets\ntotals")
    );
    let folder = lake.folder.path().display().to_string();
    let long = "a".repeat(300);
    for sql in [
        "select * from gold.ruin".to_string(),
        "create table gold.ruin (x int)".to_string(),
        format!("select * from gold.\"{long}\""),
        format!("create table gold.\"{long}\" (x int)"),
    ] {
        let message = lake.owner(&sql).await.unwrap_err();
        assert!(!message.contains(&folder), "{sql}: {message}");
    }
    lake.owner("drop view gold.ruin").await.unwrap();
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
async fn what_a_listener_cannot_read_is_not_listed_and_no_view_shows_its_text() {
    let lake = Lake::new().await;
    lake.owner("create view gold.words as select 'hidden' as word")
        .await
        .unwrap();
    for list in [
        "select table_name from information_schema.tables where table_schema = 'gold' order by 1",
        "select table_name from system.tables where schema_name = 'gold' order by 1",
    ] {
        assert_eq!(lake.ada(list).await.as_deref(), Ok("totals\nwords"));
        let all = "secrets\ntotals\nwords";
        assert_eq!(lake.analyst(list).await.as_deref(), Ok(all));
        lake.owner("grant select on gold.secrets to ada")
            .await
            .unwrap();
        assert_eq!(lake.ada(list).await.as_deref(), Ok(all));
        lake.owner("revoke select on gold.secrets from ada")
            .await
            .unwrap();
    }
    let views = "select table_name, definition is null from information_schema.views order by 1";
    assert_eq!(
        lake.ada(views).await.as_deref(),
        Ok("totals true\nwords true")
    );
    assert_eq!(
        lake.analyst(views).await.as_deref(),
        Ok("totals false\nwords false")
    );
}

#[tokio::test]
async fn a_restricted_view_is_read_again_in_a_recursive_query() {
    let lake = Lake::new().await;
    for sql in [
        "create view gold.heard as select t.track_name, count(*) as n from silver.plays as p
         join silver.tracks as t on p.track_id = t.track_id group by t.track_name",
        "create row policy often on gold.heard using (n > 1)",
    ] {
        lake.owner(sql).await.unwrap();
    }
    let sql = "with recursive r as (select 1 as step, 'none' as track union all
               select r.step + 1, h.track_name from r join gold.heard as h on r.track <> h.track_name || r.step
               where r.step < 4) select step, track from r order by step";
    assert_eq!(
        lake.analyst(sql).await.as_deref(),
        Ok("1 none\n2 One\n3 One\n4 One")
    );
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
async fn a_model_is_used_by_those_only_who_may_however_they_name_it() {
    let lake = Lake::new().await;
    for statement in [
        "create table silver.points as select x * 1.0 as x from generate_series(1, 40) as g (x)",
        "create model halves options (type = 'kmeans', k = 2) as select x from silver.points",
        "create view gold.halved as select kmeans_assign('halves', 1.0) >= 0 as half",
        "create table gold.kept (half bigint)",
        "grant create on schema gold to gate",
        "grant create on schema ml to gate",
        "grant insert on gold.kept to gate",
        "grant select on gold.halved to gate",
        "grant select on silver.points to gate",
    ] {
        lake.owner(statement).await.unwrap();
    }
    let uses = [
        "select kmeans_assign('halves', 1.0) >= 0",
        "select kmeans_assign($$halves$$, 1.0) >= 0",
        "select kmeans_assign('halves@1', 1.0) >= 0",
        "select kmeans_distance($$halves$$, 1.0) >= 0",
        "select * from gold.halved",
        "create temporary table mine as select kmeans_assign('halves', 1.0) as half",
        "create table gold.mine as select kmeans_assign('halves', 1.0) as half",
        "insert into gold.kept select kmeans_assign('halves', 1.0)",
        "create model thirds options (type = 'kmeans', k = 2) as
         select x + kmeans_assign('halves', x) as x from silver.points",
    ];
    for sql in uses {
        refused(lake.proxy(sql).await, "no SELECT on ml.halves");
    }
    refused(
        lake.proxy("select * from shap_explain($$halves$$, (select 1.0 as x))")
            .await,
        "no SELECT on ml.halves",
    );
    refused(
        lake.proxy("select ml_predict($$nomodel$$, 1.0)").await,
        "no SELECT on ml.nomodel",
    );
    lake.owner("grant select on schema ml to gate")
        .await
        .unwrap();
    for sql in uses {
        let done = lake.proxy(sql).await;
        assert!(done.is_ok(), "{sql}: {done:?}");
    }
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
            assert!(
                message.contains(policy) && !message.contains("fired"),
                "{sql}: {message}"
            );
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
