//! Reading whole folders, archives and broken files.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::TimestampMicrosecondType;

use super::*;
use crate::engine::FileAccess;
use crate::sources::files::find;
use crate::sources::kind::Kind;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name)
}

/// The rows, and `file: reason = rows (position)` of everything reported.
fn read(path: &Path) -> (Vec<RecordBatch>, Vec<String>) {
    let files: Vec<_> = find(path, &FileAccess::Anywhere)
        .unwrap()
        .inputs
        .into_iter()
        .filter(|input| input.kind == Kind::History)
        .map(|input| HistoryFile {
            user_id: "ann".into(),
            input,
        })
        .collect();
    let mut batches = Vec::new();
    let report = read_history(&files, 7, &mut |batch| {
        batches.push(batch);
        Ok(())
    })
    .unwrap();
    let lines = report.iter().map(|(cause, tally)| {
        let position = tally
            .position
            .map(|at| format!(" ({at})"))
            .unwrap_or_default();
        format!(
            "{}: {} = {}{position}",
            cause.file, cause.reason, tally.rows
        )
    });
    (batches, lines.collect())
}

fn column(batches: &[RecordBatch], name: &str) -> Vec<String> {
    let text = |batch: &RecordBatch| {
        let column = batch
            .column_by_name(name)
            .unwrap()
            .as_string::<i32>()
            .clone();
        column
            .iter()
            .map(|value| value.unwrap_or("null").to_string())
            .collect::<Vec<_>>()
    };
    batches.iter().flat_map(text).collect()
}

#[test]
fn current_and_legacy_exports_give_the_same_columns() {
    let (batches, report) = read(&fixture("history"));
    assert_eq!(
        report,
        [
            "history/Streaming_History_Audio_2026_0.json: audiobook (kept, no audio features) = 1",
            "history/Streaming_History_Audio_2026_0.json: loaded = 3",
            "history/Streaming_History_Audio_2026_0.json: nothing named (kept, no audio features) = 1",
            "history/Streaming_History_Audio_2026_0.json: podcast (kept, no audio features) = 1",
            "history/legacy/endsong_0.json: duplicate in import = 1",
            "history/legacy/endsong_0.json: loaded = 2",
        ]
    );
    assert_eq!(batches[0].schema(), *SCHEMA);
    let ids = column(&batches, "play_id");
    assert_eq!(ids.len(), 8);
    assert_eq!(ids.iter().collect::<HashSet<_>>().len(), 8);
    let ts = batches[0].column_by_name("ts").unwrap();
    assert_eq!(
        ts.as_primitive::<TimestampMicrosecondType>().value(0),
        1_772_351_892_000_000
    );
    assert_eq!(column(&batches, "user_id"), vec!["ann"; 8]);
    assert_eq!(column(&batches, "audiobook_title")[7], "null");
}

#[test]
fn personal_fields_never_leave_the_parser() {
    let (batches, _) = read(&fixture("history"));
    let mut written = Vec::new();
    {
        let mut writer = arrow::ipc::writer::FileWriter::try_new(&mut written, &SCHEMA).unwrap();
        for batch in &batches {
            writer.write(batch).unwrap();
        }
        writer.finish().unwrap();
    }
    let contains = |text: &str| {
        written
            .windows(text.len())
            .any(|part| part == text.as_bytes())
    };
    for personal in [
        "192.0.2.77",
        "198.51.100.9",
        "secret-user",
        "SecretAgent",
        "Hiddenville",
        "Nowhere",
        "vendor, model",
    ] {
        let in_file =
            std::fs::read_to_string(fixture("history/Streaming_History_Audio_2026_0.json"))
                .unwrap()
                + &std::fs::read_to_string(fixture("history/legacy/endsong_0.json")).unwrap();
        assert!(in_file.contains(personal), "the fixture lacks {personal}");
        assert!(!contains(personal), "{personal}");
    }
    assert!(contains("Gen Hoshino"));
}

#[test]
fn broken_records_are_reported_and_the_rest_is_loaded() {
    let (batches, report) = read(&fixture("broken"));
    assert_eq!(
        report,
        [
            "broken/records.json: loaded = 3",
            "broken/records.json: malformed: ms_played is missing = 1 (record 5, line 6, byte 657)",
            "broken/records.json: malformed: ms_played is negative = 2 (record 3, line 4, byte 325)",
            "broken/records.json: malformed: not valid JSON = 1 (record 6, line 7, byte 755)",
            "broken/records.json: malformed: ts is not a time = 1 (record 2, line 3, byte 170)",
            "broken/truncated.json: loaded = 2",
            "broken/truncated.json: malformed: the file is cut off inside this record: download it again = 1 (record 3, line 4, byte 340)",
        ]
    );
    assert_eq!(
        column(&batches, "master_metadata_track_name"),
        ["One", "Two", "Three", "Four", "Five"]
    );
}

#[test]
fn an_archive_is_read_as_spotify_sends_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("my_spotify_data.zip");
    let mut archive = zip::ZipWriter::new(File::create(&path).unwrap());
    let options = zip::write::SimpleFileOptions::default();
    let history = std::fs::read(fixture("history/Streaming_History_Audio_2026_0.json")).unwrap();
    for (name, bytes) in [
        (
            "Spotify Extended Streaming History/ReadMeFirst.pdf",
            b"%PDF-1.4".as_slice(),
        ),
        (
            "Spotify Extended Streaming History/Streaming_History_Audio_2026_0.json",
            &history,
        ),
    ] {
        archive.start_file(name, options).unwrap();
        archive.write_all(bytes).unwrap();
    }
    archive.finish().unwrap();
    let (from_archive, report) = read(&path);
    let (from_file, _) = read(&fixture("history/Streaming_History_Audio_2026_0.json"));
    assert_eq!(
        column(&from_archive, "play_id"),
        column(&from_file, "play_id")
    );
    assert!(report[0].starts_with(
        "my_spotify_data.zip/Spotify Extended Streaming History/Streaming_History_Audio_2026_0.json"
    ));
}

#[test]
fn many_files_keep_their_order_and_each_play_comes_once() {
    let folder = tempfile::tempdir().unwrap();
    for file in 0..20 {
        let record = |number: usize| {
            format!(
                "{{\"ts\":\"2026-01-01T00:00:00Z\",\"ms_played\":{number},\"episode_name\":\"{file:02}\"}}"
            )
        };
        let records: Vec<_> = (0..500 * (file % 3))
            .map(record)
            .chain([record(0)])
            .collect();
        let text = format!("[{}]", records.join(","));
        std::fs::write(folder.path().join(format!("{file:02}.json")), text).unwrap();
    }
    let (batches, report) = read(folder.path());
    let names = column(&batches, "episode_name");
    assert!(names.is_sorted());
    assert_eq!(names.len(), 500 * (7 + 12) + 7);
    assert_eq!(
        report
            .iter()
            .filter(|line| line.contains(DUPLICATE))
            .count(),
        13
    );
}

#[test]
fn a_damaged_archive_is_reported_and_the_rest_is_loaded() {
    let folder = tempfile::tempdir().unwrap();
    let history = std::fs::read(fixture("history/Streaming_History_Audio_2026_0.json")).unwrap();
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(&history).unwrap();
    let whole = encoder.finish().unwrap();
    let mut wrong_checksum = whole.clone();
    let checksum = whole.len() - 8;
    wrong_checksum[checksum] ^= 1;
    std::fs::write(folder.path().join("a.json.gz"), wrong_checksum).unwrap();
    std::fs::write(folder.path().join("b.json.gz"), &whole[..checksum]).unwrap();
    let (batches, report) = read(folder.path());
    assert_eq!(column(&batches, "play_id").len(), 6);
    let damage: Vec<_> = report
        .iter()
        .filter(|line| line.contains("malformed"))
        .collect();
    assert!(
        damage[0].contains("a.json.gz: malformed: the file is damaged (")
            && damage[0].contains("): download it again = 0"),
        "{report:?}"
    );
    assert!(
        damage[1].contains("b.json.gz: malformed: the file is cut off: download it again = 0"),
        "{report:?}"
    );
}

#[test]
fn a_sink_that_fails_ends_the_reading() {
    let found = find(&fixture("history"), &FileAccess::Anywhere).unwrap();
    let files: Vec<_> = found
        .inputs
        .into_iter()
        .map(|input| HistoryFile {
            user_id: "ann".into(),
            input,
        })
        .collect();
    let error = read_history(&files, 0, &mut |_| Err(Error::Input("full".into()))).unwrap_err();
    assert_eq!(error.to_string(), "full");
}
