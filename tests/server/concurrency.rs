//! Several writers at once: statements of one engine, and two engines over one lake as two processes have them. And many
//! readers of one server.

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use arrow::{array::AsArray, datatypes::Int64Type};
use futures::{
    TryStreamExt,
    future::{join, join_all, try_join_all},
};
use moodlake::{
    client::Client,
    engine::{Engine, FileAccess, Outcome, Settings},
    error::Error,
    sources::import::{Options, UserNames, import},
};
use tempfile::TempDir;

use super::harness::start;

const ROUNDS: i64 = 8;

async fn open(lake: &TempDir) -> Engine {
    let settings = Settings {
        dir: lake.path().to_path_buf(),
        files: FileAccess::Anywhere,
    };
    Engine::open(settings).await.unwrap()
}

async fn run(engine: &Engine, sql: &str) {
    engine.run(sql, &[]).await.unwrap();
}

/// Runs the same statement again and again.
async fn repeat(engine: &Engine, sql: &str) -> Result<(), Error> {
    for _ in 0..ROUNDS {
        engine.run(sql, &[]).await?;
    }
    Ok(())
}

async fn number(engine: &Engine, sql: &str) -> i64 {
    let client = Client::Local(engine.clone());
    let (_, batches) = client.query(sql).await.unwrap();
    batches[0].column(0).as_primitive::<Int64Type>().value(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_insert_of_what_is_missing_adds_it_once() {
    let lake = tempfile::tempdir().unwrap();
    let engines = [open(&lake).await, open(&lake).await];
    let insert = "insert into gold.found select value from generate_series(1, 100) as new (value) \
                  left anti join gold.found as old on new.value = old.value";
    for _ in 0..ROUNDS {
        run(
            &engines[0],
            "create or replace table gold.found (value bigint)",
        )
        .await;
        let twice = engines.iter().chain(&engines);
        try_join_all(twice.map(|engine| engine.run(insert, &[])))
            .await
            .unwrap();
        let rows = number(&engines[1], "select count(*) from gold.found").await;
        assert_eq!(rows, 100);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_overwrite_keeps_the_rows_of_others() {
    let lake = tempfile::tempdir().unwrap();
    let engines = [open(&lake).await, open(&lake).await];
    run(&engines[0], "create table gold.log (n bigint)").await;
    let (overwritten, inserted) = join(
        repeat(
            &engines[0],
            "insert overwrite gold.log select n from gold.log",
        ),
        repeat(&engines[1], "insert into gold.log values (1)"),
    )
    .await;
    overwritten.unwrap();
    inserted.unwrap();
    let rows = number(&engines[0], "select count(*) from gold.log").await;
    assert_eq!(rows, ROUNDS);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_replaced_under_an_insert_stays_readable() {
    let lake = tempfile::tempdir().unwrap();
    let engines = [open(&lake).await, open(&lake).await];
    run(&engines[0], "create table gold.log as select 1 as n").await;
    let (replaced, _) = join(
        repeat(
            &engines[0],
            "create or replace table gold.log as select 'a' as word, 1 as n",
        ),
        // The columns change under it: that may be an error, but not a broken table.
        repeat(&engines[1], "insert into gold.log (n) values (2)"),
    )
    .await;
    replaced.unwrap();
    for engine in [open(&lake).await, engines[1].clone()] {
        assert!(number(&engine, "select count(*) from gold.log").await > 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_is_made_once() {
    let lake = tempfile::tempdir().unwrap();
    let engines = [open(&lake).await, open(&lake).await];
    for round in 0..ROUNDS {
        let sql = format!("create table if not exists gold.made{round} as select 1 as n");
        let twice = engines.iter().chain(&engines);
        let outcomes = try_join_all(twice.map(|engine| engine.run(&sql, &[]))).await;
        let makers = outcomes.unwrap();
        let makers = makers
            .iter()
            .filter(|outcome| matches!(outcome, Outcome::Changed(1)));
        assert_eq!(makers.count(), 1);
        let rows = format!("select count(*) from gold.made{round}");
        assert_eq!(number(&engines[1], &rows).await, 1);

        let sql = format!("create table gold.bare{round} (n bigint)");
        let outcomes = join_all(engines.iter().map(|engine| engine.run(&sql, &[]))).await;
        let refused = outcomes
            .iter()
            .filter(|outcome| matches!(outcome, Err(Error::Exists(_))));
        assert_eq!(refused.count(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_merge_and_a_delete_see_what_others_added() {
    let lake = tempfile::tempdir().unwrap();
    let engines = [open(&lake).await, open(&lake).await];
    let merge = "merge into gold.seen using (select 1 as id) as source on seen.id = source.id \
                 when not matched then insert (id) values (source.id)";
    for _ in 0..ROUNDS {
        run(&engines[0], "create or replace table gold.seen (id bigint)").await;
        try_join_all(engines.iter().map(|engine| engine.run(merge, &[])))
            .await
            .unwrap();
        let rows = number(&engines[0], "select count(*) from gold.seen").await;
        assert_eq!(rows, 1);
    }
}

#[tokio::test]
async fn a_table_that_another_process_made_anew_is_read_anew() {
    let lake = tempfile::tempdir().unwrap();
    let (here, there) = (open(&lake).await, open(&lake).await);
    run(&here, "create table gold.t as select 1 as n").await;
    assert_eq!(number(&here, "select n from gold.t").await, 1);
    run(&there, "drop table gold.t").await;
    run(&there, "create table gold.t as select 2 as n").await;
    assert_eq!(number(&here, "select n from gold.t").await, 2);
    run(&here, "insert into gold.t values (3)").await;
    assert_eq!(number(&there, "select sum(n) from gold.t").await, 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_lake_may_be_opened_by_several() {
    for _ in 0..ROUNDS {
        let lake = tempfile::tempdir().unwrap();
        let engines = join_all((0..4).map(|_| open(&lake))).await;
        let rows = number(&engines[3], "select count(*) from ml.models").await;
        assert_eq!(rows, 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_import_twice_at_once_adds_its_rows_once() {
    for _ in 0..ROUNDS {
        let lake = tempfile::tempdir().unwrap();
        let engines = [open(&lake).await, open(&lake).await];
        let clients = engines.clone().map(Client::Local);
        let options = Options {
            paths: vec![fixture("history"), fixture("tracks.csv")],
            users: UserNames::Named("ann".into()),
            timezone: None,
        };
        let twice = clients.iter().chain(&clients);
        try_join_all(twice.map(|client| import(client, &options)))
            .await
            .unwrap();
        for (table, id) in [
            ("plays_extended", "play_id"),
            ("catalogue_tracks", "row_id"),
        ] {
            let doubled = format!("select count(*) - count(distinct {id}) from bronze.{table}");
            assert_eq!(number(&engines[0], &doubled).await, 0, "{table}");
        }
    }
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name)
}

/// Clients with small queries, each on a connection of its own.
const CLIENTS: i64 = 64;
const QUERIES: i64 = 12;

/// What one client asks in turn, and what it must hear: its own number, each time.
async fn asks(url: &str, client: i64) -> Vec<Duration> {
    let remote = Client::connect(url).await.unwrap();
    let mut taken = Vec::new();
    for query in 0..QUERIES {
        let asked = client * 1000 + query;
        let sql = format!("select n + {asked} from gold.small where n = 1");
        let start = Instant::now();
        let (_, batches) = remote.query(&sql).await.unwrap();
        taken.push(start.elapsed());
        let answer = batches[0].column(0).as_primitive::<Int64Type>().value(0);
        assert_eq!(answer, asked + 1);
    }
    taken
}

#[tokio::test(flavor = "multi_thread")]
async fn a_heavy_query_does_not_starve_small_ones() {
    let running = start().await;
    run(&running.engine, "create table gold.small as select 1 as n").await;
    let heavy = Client::connect(&running.url).await.unwrap();
    let endless = "select sum(a.value * b.value % 7) from generate_series(1, 10000000) a \
                   cross join generate_series(1, 10000000) b";
    let works = async {
        match heavy.run(endless).await.unwrap() {
            Outcome::Rows(rows) => drop(rows.try_collect::<Vec<_>>().await),
            Outcome::Changed(_) | Outcome::Done => {}
        }
    };
    let clients = join_all((0..CLIENTS).map(|client| asks(&running.url, client)));
    let mut taken = tokio::select! {
        () = works => panic!("the heavy query ended"),
        taken = clients => taken.concat(),
    };
    taken.sort_unstable();
    let at = |share: usize| taken[(taken.len() - 1) * share / 100];
    let (median, slow) = (at(50), at(99));
    assert!(slow < median * 10, "p50 {median:?}, p99 {slow:?}");
}
