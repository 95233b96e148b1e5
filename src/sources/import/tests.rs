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
        "Coverage: 9 of 10 music plays (90%) have audio features",
        "Without them: 1 track with 1 play, most by No Catalogue (1)",
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
        "unknown time zone 'Mars', expected an IANA name such as 'Europe/Berlin'"
    );
    assert!(import(&client, &options(&["none"], "ann")).await.is_err());
    let nobody = options(&["history"], " ");
    let error = import(&client, &nobody).await.unwrap_err().to_string();
    assert!(
        error.starts_with("the name of the listener is empty"),
        "{error}"
    );
}

/// The report on one folder of files, given as names and texts.
async fn report_on(users: UserNames, files: &[(&str, &[u8])]) -> Report {
    let (lake_folder, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let client = lake(&lake_folder).await;
    for (name, bytes) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
    let options = Options {
        paths: vec![folder.path().to_path_buf()],
        users,
        timezone: None,
    };
    import(&client, &options).await.unwrap()
}

#[tokio::test]
async fn a_history_that_cannot_be_told_is_named() {
    let history = std::fs::read(fixture("history/legacy/endsong_0.json")).unwrap();
    let report = report_on(
        UserNames::FromPath,
        &[
            ("endsong_0.json", &history),
            ("endsong_1.json", b""),
            ("Streaming_History_Audio_2020_1.json", b"\xff\xfe[\0"),
            ("Streaming_History_Video_2020.json", b"[]"),
        ],
    )
    .await;
    assert!(report.is_of_use() && !report.is_whole());
    let text = report.to_string();
    for broken in ["endsong_1.json", "Streaming_History_Audio_2020_1.json"] {
        let line =
            format!("{broken}: malformed: no streaming history in it (empty, cut off or not JSON)");
        assert!(text.contains(&line), "{text}");
    }
    assert!(!text.contains("Video"), "{text}");
}

#[tokio::test]
async fn a_csv_that_is_no_catalogue_stops_nothing_else() {
    let tracks = std::fs::read(fixture("tracks.csv")).unwrap();
    let few: &[u8] = b"track_id,energy,tempo\n";
    let files = [("few.csv", few), ("tracks.csv", tracks.as_slice())];
    let report = report_on(UserNames::FromPath, &files).await;
    assert!(report.is_of_use() && report.is_whole());
    assert!(
        report
            .to_string()
            .contains("few.csv: refused: not a catalogue of tracks"),
        "{report}"
    );
    let report = report_on(UserNames::FromPath, &files[..1]).await;
    assert!(!report.is_of_use(), "{report}");
}

#[tokio::test]
async fn a_history_beside_the_listeners_folders_is_nobodys() {
    let history = std::fs::read(fixture("history/legacy/endsong_0.json")).unwrap();
    let report = report_on(
        UserNames::FromFolder,
        &[
            ("ann/endsong_0.json", &history),
            ("endsong_0.json", &history),
        ],
    )
    .await;
    assert_eq!(report.users(), ["ann"]);
    assert!(
        report
            .to_string()
            .contains("endsong_0.json: refused: it is in no listener's folder"),
        "{report}"
    );
}
