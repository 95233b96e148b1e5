//! Catalogues of tracks with audio features: a CSV file in, batches of
//! `bronze.catalogue_tracks` out.
//!
//! The shape is that of Kaggle's "Spotify Tracks Dataset"; the header is matched by name, so the
//! order of the columns does not matter, further columns are ignored and missing ones are null
//! unless nothing can be done without them. Columns named as in tidytuesday's `spotify_songs`
//! are understood too (`playlist_genre` is taken as the genre). An empty cell is null.

mod rows;

use std::collections::HashSet;
use std::sync::{Arc, LazyLock};

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use csv::ByteRecord;

use self::rows::Rows;
use super::Sink;
use super::files::Input;
use super::report::{Cause, LOADED, Position, Tallies, damage};
use super::row_hash::RowId;
use crate::error::{Error, Result};

/// Rows of a batch: DataFusion's own batch size.
const BATCH_ROWS: usize = 8192;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Type {
    Text,
    Integer,
    Number,
    Flag,
}

/// A column of the catalogue: its name, other names it goes by, and whether it has to be there.
struct Column {
    name: &'static str,
    aliases: &'static [&'static str],
    kind: Type,
    required: bool,
    /// The least and the greatest number that it can be.
    range: (f64, f64),
}

impl Column {
    const fn within(self, least: f64, greatest: f64) -> Self {
        Self {
            range: (least, greatest),
            ..self
        }
    }
}

const fn column(name: &'static str, aliases: &'static [&'static str], kind: Type) -> Column {
    Column {
        name,
        aliases,
        kind,
        required: false,
        range: (f64::NEG_INFINITY, f64::INFINITY),
    }
}

const fn required(name: &'static str, aliases: &'static [&'static str], kind: Type) -> Column {
    Column {
        name,
        aliases,
        kind,
        required: true,
        range: (f64::NEG_INFINITY, f64::INFINITY),
    }
}

/// The columns of `bronze.catalogue_tracks` that a file can bring, in their order.
const COLUMNS: [Column; 21] = [
    column("row_index", &["", "unnamed: 0"], Type::Integer),
    required("track_id", &[], Type::Text),
    column(
        "artists",
        &["track_artist", "artist", "artist_name"],
        Type::Text,
    ),
    column("album_name", &["track_album_name", "album"], Type::Text),
    required("track_name", &["name"], Type::Text),
    column("popularity", &["track_popularity"], Type::Integer).within(0.0, 100.0),
    column("duration_ms", &[], Type::Integer).within(0.0, 8.64e7),
    column("explicit", &[], Type::Flag),
    required("danceability", &[], Type::Number).within(0.0, 1.0),
    required("energy", &[], Type::Number).within(0.0, 1.0),
    required("key", &[], Type::Integer).within(-1.0, 11.0),
    required("loudness", &[], Type::Number).within(-100.0, 10.0),
    required("mode", &[], Type::Integer).within(0.0, 1.0),
    required("speechiness", &[], Type::Number).within(0.0, 1.0),
    required("acousticness", &[], Type::Number).within(0.0, 1.0),
    required("instrumentalness", &[], Type::Number).within(0.0, 1.0),
    required("liveness", &[], Type::Number).within(0.0, 1.0),
    required("valence", &[], Type::Number).within(0.0, 1.0),
    required("tempo", &[], Type::Number).within(0.0, 400.0),
    column("time_signature", &[], Type::Integer).within(0.0, 7.0),
    column("track_genre", &["playlist_genre", "genre"], Type::Text),
];

const TRACK_ID: usize = 1;

/// The columns of `bronze.catalogue_tracks`.
pub(crate) static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    let utc = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let file = COLUMNS.iter().map(|column| {
        let data_type = match column.kind {
            Type::Text => DataType::Utf8,
            Type::Integer => DataType::Int64,
            Type::Number => DataType::Float64,
            Type::Flag => DataType::Boolean,
        };
        Field::new(column.name, data_type, true)
    });
    let fields = file.chain([
        Field::new("row_id", DataType::Utf8, true),
        Field::new("_source", DataType::Utf8, true),
        Field::new("_source_file", DataType::Utf8, true),
        Field::new("_ingested_at", utc, true),
    ]);
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
});

/// Reads one catalogue and hands its rows to `sink`; returns what became of every row.
///
/// `ingested_at` is in µs since 1970. A row that is in `seen` is counted and left out: the index
/// is part of a row, so only rows without one can be equal.
pub(crate) fn read_catalogue(
    input: &Input,
    ingested_at: i64,
    seen: &mut HashSet<RowId>,
    sink: Sink<'_>,
) -> Result<Tallies> {
    let cause = |reason: String| Cause {
        user_id: None,
        file: input.label.clone(),
        kind: "catalogue",
        reason,
    };
    input.read(|reader| {
        let mut csv = csv::ReaderBuilder::new().flexible(true).from_reader(reader);
        let header = csv
            .byte_headers()
            .map_err(|error| unreadable(input, &error))?;
        let places = places(&input.label, header)?;
        let width = header.len();
        let mut rows = Rows::new(input, ingested_at, places, width);
        let (mut report, mut loaded) = (Tallies::default(), 0);
        let mut record = ByteRecord::new();
        loop {
            match csv.read_byte_record(&mut record) {
                Ok(false) => break,
                Ok(true) => {}
                Err(error) => {
                    report.add(cause(format!("malformed: {}", why(&error))), 0, None);
                    break;
                }
            }
            let reason = rows.push(&record, seen);
            if reason == LOADED {
                loaded += 1;
            } else {
                report.add(cause(reason.into_owned()), 1, position(&record));
            }
            if rows.len() >= BATCH_ROWS {
                sink(rows.finish()?)?;
            }
        }
        if rows.len() > 0 {
            sink(rows.finish()?)?;
        }
        if loaded > 0 {
            report.add(cause(LOADED.to_string()), loaded, None);
        }
        Ok(report)
    })
}

/// Where each of [`COLUMNS`] is in the file.
fn places(label: &str, header: &ByteRecord) -> Result<Vec<Option<usize>>> {
    let names: Vec<String> = header
        .iter()
        .map(|name| {
            String::from_utf8_lossy(name)
                .trim_start_matches('\u{feff}')
                .trim()
                .to_lowercase()
        })
        .collect();
    let place = |name: &str| names.iter().position(|candidate| candidate == name);
    let of = |column: &Column| {
        place(column.name).or_else(|| column.aliases.iter().find_map(|alias| place(alias)))
    };
    let places: Vec<Option<usize>> = COLUMNS.iter().map(of).collect();
    let missing: Vec<&str> = COLUMNS
        .iter()
        .zip(&places)
        .filter(|(column, place)| column.required && place.is_none())
        .map(|(column, _)| column.name)
        .collect();
    if missing.is_empty() {
        return Ok(places);
    }
    Err(Error::Input(format!(
        "{label}: not a catalogue of tracks, the header lacks {}; a CSV file like Kaggle's Spotify \
         Tracks Dataset is expected",
        missing.join(", ")
    )))
}

fn unreadable(input: &Input, error: &csv::Error) -> Error {
    Error::Input(format!("{}: {}", input.label, why(error)))
}

fn why(error: &csv::Error) -> String {
    match error.kind() {
        csv::ErrorKind::Io(error) => damage(error),
        _ => error.to_string(),
    }
}

fn position(record: &ByteRecord) -> Option<Position> {
    let position = record.position()?;
    Some(Position {
        record: position.record(),
        line: position.line(),
        byte: position.byte(),
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use arrow::array::{Array, AsArray, RecordBatch};
    use arrow::datatypes::{Float64Type, Int64Type};

    use super::*;
    use crate::engine::FileAccess;
    use crate::sources::files::find;

    fn read(path: &Path) -> Result<(RecordBatch, Vec<String>)> {
        let input = find(path, &FileAccess::Anywhere)?.inputs.remove(0);
        let mut batches = Vec::new();
        let report = read_catalogue(&input, 7, &mut HashSet::new(), &mut |batch| {
            batches.push(batch);
            Ok(())
        })?;
        let lines = report.iter().map(|(cause, tally)| {
            let position = tally
                .position
                .map(|at| format!(" ({at})"))
                .unwrap_or_default();
            format!("{} = {}{position}", cause.reason, tally.rows)
        });
        Ok((
            arrow::compute::concat_batches(&SCHEMA, &batches)?,
            lines.collect(),
        ))
    }

    fn read_text(name: &str, text: &str) -> Result<(RecordBatch, Vec<String>)> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        read(&path)
    }

    #[test]
    fn the_dirt_of_a_real_catalogue() {
        let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tracks.csv");
        let (batch, report) = read(&fixture).unwrap();
        assert_eq!(
            report,
            [
                "loaded = 5",
                "malformed: 5 cells instead of 21 = 1 (record 8, line 9, byte 1116)",
                "malformed: energy is not a number = 1 (record 7, line 8, byte 998)",
                "malformed: track_id is empty = 1 (record 6, line 7, byte 906)",
            ]
        );
        let text = |name: &str| {
            batch
                .column_by_name(name)
                .unwrap()
                .as_string::<i32>()
                .clone()
        };
        assert_eq!(text("album_name").value(2), "To Begin Again, \"Again\"");
        assert!(text("track_name").is_null(3) && text("artists").is_null(3));
        assert_eq!(text("_source").value(0), "tracks");
        assert_eq!(text("row_id").value(0).len(), 32);
        assert!(
            batch
                .column_by_name("explicit")
                .unwrap()
                .as_boolean()
                .value(2)
        );
        let index = batch
            .column_by_name("row_index")
            .unwrap()
            .as_primitive::<Int64Type>()
            .clone();
        assert_eq!(index.value(3), 65_900);
        let small = batch.column_by_name("instrumentalness").unwrap();
        assert!((small.as_primitive::<Float64Type>().value(0) - 1.01e-6).abs() < 1e-12);
    }

    #[test]
    fn columns_are_found_by_name_and_optional_ones_may_lack() {
        let header = "tempo,valence,liveness,instrumentalness,acousticness,speechiness,mode,\
                      loudness,key,energy,danceability,Track_Name,playlist_genre,track_id,other";
        let row = "120,0.5,0.1,0,0.2,0.03,1,-6,4.0,0.7,0.6,Song,pop,abc,x";
        let (batch, report) = read_text("songs.csv", &format!("{header}\n{row}\n{row}\n")).unwrap();
        assert_eq!(
            report[0],
            "duplicate in import = 1 (record 2, line 3, byte 199)"
        );
        let genre = batch
            .column_by_name("track_genre")
            .unwrap()
            .as_string::<i32>()
            .clone();
        assert_eq!((genre.value(0), batch.num_rows()), ("pop", 1));
        assert!(batch.column_by_name("row_index").unwrap().is_null(0));
        let key = batch
            .column_by_name("key")
            .unwrap()
            .as_primitive::<Int64Type>()
            .clone();
        assert_eq!(key.value(0), 4);
    }

    #[test]
    fn what_no_track_can_have_is_dropped_with_its_reason() {
        let header = "track_id,track_name,danceability,energy,key,loudness,mode,speechiness,\
                      acousticness,instrumentalness,liveness,valence,tempo,popularity";
        let row = |valence: &str, popularity: &str| {
            format!("a,Song,0.6,0.7,4,-6,1,0.03,0.2,0,0.1,{valence},120,{popularity}\n")
        };
        let rows = [row("1.2", "5"), row("0.5", "101"), row("0.5", "100")].concat();
        let (batch, report) = read_text("odd.csv", &format!("{header}\n{rows}")).unwrap();
        assert_eq!(batch.num_rows(), 1);
        assert!(report[1].starts_with("malformed: popularity is not from 0 to 100 = 1"));
        assert!(report[2].starts_with("malformed: valence is not from 0 to 1 = 1"));
    }

    #[test]
    fn missing_columns_are_named() {
        let error = read_text("few.csv", "track_id,energy\n")
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with(
                "few.csv: not a catalogue of tracks, the header lacks track_name, danceability, \
                 key, loudness,"
            ),
            "{error}"
        );
    }
}
