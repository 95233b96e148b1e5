//! Imports into a lake in this process.

use std::path::Path;

use super::*;
use crate::engine::{Engine, FileAccess, Settings};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name)
}

async fn lake(folder: &tempfile::TempDir) -> Client {
    let settings = Settings {
        dir: folder.path().to_path_buf(),
        files: FileAccess::Anywhere,
    };
    Client::Local(Engine::open(settings).await.unwrap())
}

fn options(paths: &[&str], user: &str) -> Options {
    Options {
        paths: paths.iter().map(|path| fixture(path)).collect(),
        users: UserNames::Named(user.to_string()),
        timezone: None,
    }
}

async fn column(client: &Client, sql: &str) -> Vec<String> {
    let (_, batches) = client.query(sql).await.unwrap();
    texts(&batches, 0)
        .unwrap()
        .into_iter()
        .map(Option::unwrap_or_default)
        .collect()
}

/// Every table outside `system` with its state.
async fn states(client: &Client) -> Vec<String> {
    let sql = "select schema_name || '.' || table_name || ' ' || state from system.tables \
               where schema_name <> 'system' order by 1";
    column(client, sql).await
}

#[tokio::test]
async fn an_import_accounts_for_every_row() {
    let folder = tempfile::tempdir().unwrap();
    let client = lake(&folder).await;
    let report = import(
        &client,
        &options(&["history", "broken", "other", "tracks.csv"], "ann"),
    )
    .await
    .unwrap();
    assert_eq!(
        (report.rows_added(), report.users()),
        (18, vec!["ann".to_string()])
    );
    let text = report.to_string();
    for line in [
        "         10  history    loaded\n",
        "          5  catalogue  loaded\n",
        "          1  history    duplicate in import\n",
        "          1  history    podcast (kept, no audio features)\n",
        "          1  history    malformed: ts is not a time (first in broken/records.json, record 2,",
        "other/StreamingHistory_music_0.json: refused: account data",
        "Coverage: 9 of 10 music plays (90.0 %) have audio features",
        "Not in a catalogue: 1 tracks with 1 plays, most by No Catalogue (1)",
        "Time zone of ann: UTC, as none was named",
    ] {
        assert!(text.contains(line), "{line}\nis not in\n{text}");
    }
    let logged = column(&client, "select sum(rows) from system.import_log").await;
    assert_eq!(logged, ["28"]);
    assert_eq!(
        column(&client, "select count(*) from bronze.plays_extended").await,
        ["13"]
    );
}

#[tokio::test]
async fn the_same_files_twice_add_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let client = lake(&folder).await;
    let mut options = options(&["history", "tracks.csv"], "ann");
    options.timezone = Some("Europe/Berlin".to_string());
    import(&client, &options).await.unwrap();
    let before = states(&client).await;
    let again = import(&client, &options).await.unwrap();
    assert_eq!(again.rows_added(), 0);
    assert!(
        again
            .to_string()
            .contains("         8  history    already loaded"),
        "{again}"
    );
    assert_eq!(states(&client).await, before);
    assert!(
        before.iter().all(|table| !table.contains("_import_")),
        "{before:?}"
    );
}

#[tokio::test]
async fn of_a_longer_export_only_the_rest_is_added() {
    let folder = tempfile::tempdir().unwrap();
    let client = lake(&folder).await;
    import(&client, &options(&["history/legacy"], "ann"))
        .await
        .unwrap();
    let report = import(&client, &options(&["history"], "ann"))
        .await
        .unwrap();
    assert_eq!(report.rows_added(), 6);
    let text = report.to_string();
    assert!(
        text.contains(" 2  history    already loaded") && text.contains(" 3  history    loaded"),
        "{text}"
    );
    let sql = "select reason || ' ' || rows from system.import_log where reason like 'podcast%'";
    assert_eq!(
        column(&client, sql).await,
        ["podcast (kept, no audio features) 1"]
    );
}

#[tokio::test]
async fn users_come_from_folders_and_zones_from_the_last_import() {
    let folder = tempfile::tempdir().unwrap();
    let client = lake(&folder).await;
    let homes = tempfile::tempdir().unwrap();
    for name in ["ann", "o'neil"] {
        std::fs::create_dir(homes.path().join(name)).unwrap();
        let file = homes.path().join(name).join("endsong_0.json");
        std::fs::copy(fixture("history/legacy/endsong_0.json"), file).unwrap();
    }
    let mut options = Options {
        paths: vec![homes.path().to_path_buf()],
        users: UserNames::FromFolder,
        timezone: Some("Asia/Tokyo".to_string()),
    };
    let report = import(&client, &options).await.unwrap();
    assert_eq!(report.users(), ["ann", "o'neil"]);
    options.timezone = Some("Europe/Paris".to_string());
    import(&client, &options).await.unwrap();
    options.timezone = None;
    let report = import(&client, &options).await.unwrap();
    assert!(
        report
            .to_string()
            .contains("Time zone of o'neil: Europe/Paris"),
        "{report}"
    );
    let zones = "select timezone from bronze.users where user_id = 'ann' order by _ingested_at";
    assert_eq!(column(&client, zones).await, ["Asia/Tokyo", "Europe/Paris"]);
    assert_eq!(
        column(&client, "select count(*) from bronze.plays_extended").await,
        ["4"]
    );
}

#[tokio::test]
async fn what_cannot_be_imported_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let client = lake(&folder).await;
    let mut wrong = options(&["other/StreamingHistory_music_0.json"], "ann");
    let error = import(&client, &wrong).await.unwrap_err().to_string();
    assert!(
        error.contains("StreamingHistory_music_0.json: refused: account data")
            && error.contains("Extended streaming history"),
        "{error}"
    );
    wrong.timezone = Some("Mars".to_string());
    let error = import(&client, &wrong).await.unwrap_err().to_string();
    assert_eq!(
        error,
        "import: unknown time zone 'Mars', expected an IANA name such as 'Europe/Berlin'"
    );
    assert!(import(&client, &options(&["none"], "ann")).await.is_err());
}
