//! What is read, listed and explained, whoever asks however.

use super::harness::{Lake, refused};

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
    for sql in [
        "select als_fold_in('halves', 'x', 1)",
        "select als_fold_in($$halves@champion$$, 'x', 1)",
        "select * from ml_weights(model => $$halves$$)",
    ] {
        refused(lake.proxy(sql).await, "no SELECT on ml.halves");
    }
    refused(
        lake.proxy("select ml_predict($$nomodel$$, 1.0)").await,
        "no SELECT on ml.nomodel",
    );
    for sql in ["describe model halves", "retrain halves check"] {
        refused(lake.proxy(sql).await, "no SELECT on ml.halves");
    }
    for sql in [
        "alter model halves set alias champion = 1",
        "alter model halves drop alias champion",
        "retrain halves",
    ] {
        refused(lake.proxy(sql).await, "no DROP on ml.halves");
    }
    lake.owner("grant select on schema ml to gate")
        .await
        .unwrap();
    assert!(lake.proxy("describe model halves").await.is_ok());
    let checked = lake.proxy("retrain halves check").await.unwrap();
    assert!(checked.ends_with("true"), "{checked}");
    for sql in uses {
        let done = lake.proxy(sql).await;
        assert!(done.is_ok(), "{sql}: {done:?}");
    }
}
