//! Plays as Arrow batches in the shape of `bronze.plays_extended`.

use std::sync::{Arc, LazyLock};

use arrow::array::{
    ArrayRef, BooleanBuilder, Int64Builder, RecordBatch, StringArray, StringBuilder,
    TimestampMicrosecondArray, TimestampMicrosecondBuilder,
};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use chrono::{DateTime, NaiveDate};

use super::play::{
    AUDIOBOOK_URI, COLUMNS, EPISODE_URI, MS_PLAYED, Play, Scalar, TRACK_URI, TS, Type,
};
use crate::error::Result;
use crate::sources::report::{AUDIOBOOK, LOADED, PODCAST, UNTITLED};
use crate::sources::row_hash::{RowHash, RowId, hex};

/// The columns of `bronze.plays_extended`.
pub(crate) static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    let export = COLUMNS
        .iter()
        .map(|(name, kind)| Field::new(*name, data_type(*kind), true));
    let fields = std::iter::once(Field::new("user_id", DataType::Utf8, true))
        .chain(export)
        .chain([
            Field::new("play_id", DataType::Utf8, true),
            Field::new("_source_file", DataType::Utf8, true),
            Field::new("_ingested_at", utc(), true),
        ]);
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
});

/// A batch, with the ids of its rows and what each of them is.
pub(super) struct PlayBatch {
    pub(super) batch: RecordBatch,
    pub(super) ids: Vec<RowId>,
    pub(super) classes: Vec<&'static str>,
}

/// Collects plays of one file.
pub(super) struct PlayBatchBuilder {
    user_id: String,
    source_file: String,
    ingested_at: i64,
    columns: Vec<Column>,
    ids: Vec<RowId>,
    classes: Vec<&'static str>,
    hash: RowHash,
}

enum Column {
    Time(TimestampMicrosecondBuilder),
    Text(StringBuilder),
    Integer(Int64Builder),
    Flag(BooleanBuilder),
}

impl PlayBatchBuilder {
    /// A builder for the plays of `user_id` in `source_file`; `ingested_at` in µs since 1970.
    pub(super) fn new(user_id: &str, source_file: &str, ingested_at: i64) -> Self {
        Self {
            user_id: user_id.to_string(),
            source_file: source_file.to_string(),
            ingested_at,
            columns: COLUMNS.iter().map(|(_, kind)| Column::new(*kind)).collect(),
            ids: Vec::new(),
            classes: Vec::new(),
            hash: RowHash::default(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.ids.len()
    }

    /// Adds a play; if a value is not what its column holds, says which and adds nothing.
    pub(super) fn push(&mut self, play: &Play<'_>) -> Result<(), String> {
        let time = check(play)?;
        let time = Scalar::Integer(time);
        self.hash.start();
        self.hash.text(&self.user_id);
        for (index, (value, column)) in play.values.iter().zip(&mut self.columns).enumerate() {
            let value = if index == TS { &time } else { value };
            add(&mut self.hash, value);
            column.push(value);
        }
        self.ids.push(self.hash.finish());
        self.classes.push(class(play));
        Ok(())
    }

    /// What was collected since the last call.
    pub(super) fn finish(&mut self) -> Result<PlayBatch> {
        let ids = std::mem::take(&mut self.ids);
        let rows = ids.len();
        let repeated = |text: &str| -> ArrayRef {
            Arc::new(StringArray::from_iter_values(std::iter::repeat_n(
                text, rows,
            )))
        };
        let ingested_at = TimestampMicrosecondArray::from_value(self.ingested_at, rows);
        let mut arrays = vec![repeated(&self.user_id)];
        arrays.extend(self.columns.iter_mut().map(Column::finish));
        arrays.push(Arc::new(hex(&ids)));
        arrays.push(repeated(&self.source_file));
        arrays.push(Arc::new(ingested_at.with_timezone("UTC")));
        let batch = RecordBatch::try_new(Arc::clone(&SCHEMA), arrays)?;
        Ok(PlayBatch {
            batch,
            ids,
            classes: std::mem::take(&mut self.classes),
        })
    }
}

impl Column {
    fn new(kind: Type) -> Self {
        match kind {
            Type::Time => Self::Time(TimestampMicrosecondBuilder::new().with_timezone("UTC")),
            Type::Text => Self::Text(StringBuilder::new()),
            Type::Integer => Self::Integer(Int64Builder::new()),
            Type::Flag => Self::Flag(BooleanBuilder::new()),
        }
    }

    fn push(&mut self, value: &Scalar<'_>) {
        match (self, value) {
            (Self::Time(builder), Scalar::Integer(time)) => builder.append_value(*time),
            (Self::Time(builder), _) => builder.append_null(),
            (Self::Text(builder), Scalar::Text(text)) => builder.append_value(text),
            (Self::Text(builder), _) => builder.append_null(),
            (Self::Integer(builder), Scalar::Integer(number)) => builder.append_value(*number),
            (Self::Integer(builder), _) => builder.append_null(),
            (Self::Flag(builder), Scalar::Flag(flag)) => builder.append_value(*flag),
            (Self::Flag(builder), _) => builder.append_null(),
        }
    }

    fn finish(&mut self) -> ArrayRef {
        match self {
            Self::Time(builder) => Arc::new(builder.finish()),
            Self::Text(builder) => Arc::new(builder.finish()),
            Self::Integer(builder) => Arc::new(builder.finish()),
            Self::Flag(builder) => Arc::new(builder.finish()),
        }
    }
}

/// The longest play that is believed, in ms: a week. What is beyond would overflow later.
const LONGEST_MS: i64 = 7 * 24 * 3_600_000;
/// When a play can have ended, in µs since 1970: until the year 2200.
const TIMES: std::ops::Range<i64> = 0..7_258_118_400_000_000;

/// Returns the end of the play in µs since 1970, or which value is not what its column holds.
fn check(play: &Play<'_>) -> Result<i64, String> {
    for (value, (name, kind)) in play.values.iter().zip(COLUMNS) {
        let expected = match (kind, value) {
            (_, Scalar::Null)
            | (Type::Text | Type::Time, Scalar::Text(_))
            | (Type::Integer, Scalar::Integer(_))
            | (Type::Flag, Scalar::Flag(_)) => continue,
            (Type::Text | Type::Time, _) => "text",
            (Type::Integer, _) => "a whole number",
            (Type::Flag, _) => "true or false",
        };
        return Err(format!("{name} is not {expected}"));
    }
    match play.values[MS_PLAYED] {
        Scalar::Integer(0..=LONGEST_MS) => {}
        Scalar::Integer(0..) => return Err("ms_played is longer than a week".to_string()),
        Scalar::Null => return Err("ms_played is missing".to_string()),
        _ => return Err("ms_played is negative".to_string()),
    }
    match &play.values[TS] {
        Scalar::Text(text) => match micros(text) {
            Some(time) if TIMES.contains(&time) => Ok(time),
            Some(_) => Err("ts is no time at which a play can have ended".to_string()),
            None => Err("ts is not a time".to_string()),
        },
        _ => Err("ts is missing".to_string()),
    }
}

/// µs since 1970 of an RFC 3339 time; the export's own `2026-03-01T07:58:12Z` is read directly.
fn micros(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    let shape = b"0000-00-00T00:00:00Z";
    let is_plain = bytes.len() == shape.len()
        && bytes.iter().zip(shape).all(|(byte, shape)| match shape {
            b'0' => byte.is_ascii_digit(),
            other => byte == other,
        });
    if !is_plain {
        return Some(DateTime::parse_from_rfc3339(text).ok()?.timestamp_micros());
    }
    let number = |from: usize, to: usize| {
        bytes[from..to]
            .iter()
            .fold(0, |sum, digit| sum * 10 + u32::from(digit - b'0'))
    };
    let date = NaiveDate::from_ymd_opt(
        i32::try_from(number(0, 4)).ok()?,
        number(5, 7),
        number(8, 10),
    )?;
    let time = date.and_hms_opt(number(11, 13), number(14, 16), number(17, 19))?;
    Some(time.and_utc().timestamp_micros())
}

/// What a play is of, as the import's report names it.
fn class(play: &Play<'_>) -> &'static str {
    let has = |column: usize| play.values[column] != Scalar::Null;
    if has(TRACK_URI) {
        LOADED
    } else if has(EPISODE_URI) {
        PODCAST
    } else if has(AUDIOBOOK_URI) {
        AUDIOBOOK
    } else {
        UNTITLED
    }
}

/// [`class`] in SQL, of a row called `staged`.
pub(crate) fn class_sql() -> String {
    format!(
        "case when staged.spotify_track_uri is not null then '{LOADED}' \
         when staged.spotify_episode_uri is not null then '{PODCAST}' \
         when staged.audiobook_uri is not null then '{AUDIOBOOK}' else '{UNTITLED}' end"
    )
}

fn add(hash: &mut RowHash, value: &Scalar<'_>) {
    match value {
        Scalar::Null | Scalar::Other => hash.null(),
        Scalar::Text(text) => hash.text(text),
        Scalar::Integer(number) => hash.integer(*number),
        Scalar::Flag(flag) => hash.flag(*flag),
    }
}

fn data_type(kind: Type) -> DataType {
    match kind {
        Type::Time => utc(),
        Type::Text => DataType::Utf8,
        Type::Integer => DataType::Int64,
        Type::Flag => DataType::Boolean,
    }
}

fn utc() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::AsArray;

    fn id_of(user_id: &str, json: &str) -> String {
        let mut builder = PlayBatchBuilder::new(user_id, "file", 0);
        builder.push(&serde_json::from_str(json).unwrap()).unwrap();
        let batch = builder.finish().unwrap().batch;
        batch
            .column_by_name("play_id")
            .unwrap()
            .as_string::<i32>()
            .value(0)
            .to_string()
    }

    #[test]
    fn times() {
        assert_eq!(micros("1970-01-01T00:00:01Z"), Some(1_000_000));
        assert_eq!(micros("2026-03-01T07:58:12Z"), Some(1_772_351_892_000_000));
        assert_eq!(
            micros("2026-03-01T08:58:12.5+01:00"),
            Some(1_772_351_892_500_000)
        );
        for wrong in [
            "",
            "2026-02-30T00:00:00Z",
            "2026-03-01 07:58",
            "2026-03-01T24:00:00Z",
        ] {
            assert_eq!(micros(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn an_id_depends_on_everything_but_personal_fields() {
        let json = r#"{"ts": "2026-03-01T07:58:12Z", "ms_played": 1, "city": "Rome"}"#;
        let id = id_of("a", json);
        assert_eq!(id.len(), 32);
        assert_eq!(id, id_of("a", &json.replace("Rome", "Oslo")));
        assert_ne!(id, id_of("b", json));
        assert_ne!(id, id_of("a", &json.replace(": 1,", ": 2,")));
        let (left, right) = (
            r#""episode_name": "ab", "episode_show_name": "c""#,
            r#""episode_name": "a", "episode_show_name": "bc""#,
        );
        let with = |more: &str| json.replace("\"city\": \"Rome\"", more);
        assert_ne!(id_of("a", &with(left)), id_of("a", &with(right)));
        assert_ne!(id_of("a", &with("\"episode_name\": \"\"")), id);
        assert_eq!(
            id_of("a", &with("\"platform\": \"iOS 15.0 (iPhone13,2)\"")),
            id_of("a", &with("\"platform\": \"ios\""))
        );
    }

    #[test]
    fn a_wrong_value_is_named() {
        let reason = |json: &str| {
            let mut builder = PlayBatchBuilder::new("a", "file", 0);
            builder
                .push(&serde_json::from_str(json).unwrap())
                .unwrap_err()
        };
        assert_eq!(reason(r#"{"ms_played": 1}"#), "ts is missing");
        assert_eq!(reason(r#"{"ts": "x", "ms_played": 1}"#), "ts is not a time");
        assert_eq!(
            reason(r#"{"ts": "2026-03-01T07:58:12Z"}"#),
            "ms_played is missing"
        );
        assert_eq!(
            reason(r#"{"ts": "x", "ms_played": -1}"#),
            "ms_played is negative"
        );
        assert_eq!(
            reason(r#"{"ts": "x", "ms_played": 1.5}"#),
            "ms_played is not a whole number"
        );
        assert_eq!(
            reason(r#"{"ts": "x", "shuffle": "no"}"#),
            "shuffle is not true or false"
        );
        assert_eq!(reason(r#"{"ts": 7, "ms_played": 1}"#), "ts is not text");
        assert_eq!(
            reason(r#"{"ts": "0000-01-01T00:00:00Z", "ms_played": 1}"#),
            "ts is no time at which a play can have ended"
        );
        assert_eq!(
            reason(r#"{"ts": "2026-03-01T07:58:12Z", "ms_played": 9007199254740992}"#),
            "ms_played is longer than a week"
        );
    }
}
