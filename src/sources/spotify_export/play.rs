//! One record of an extended export, as the file has it: columns kept by name, the rest dropped.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::platform::family;

/// What the values of a column have to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Type {
    /// An RFC 3339 time.
    Time,
    /// Text.
    Text,
    /// A whole number.
    Integer,
    /// `true` or `false`.
    Flag,
}

/// The export's columns without the personal ones, in the order of `bronze.plays_extended`.
///
/// A key that is not named here never leaves this module: that is how `username`, `ip_addr`,
/// `user_agent_decrypted`, `city` and `region` are dropped. Of `platform` only the family is read.
pub(super) const COLUMNS: [(&str, Type); 22] = [
    ("ts", Type::Time),
    ("platform", Type::Text),
    ("ms_played", Type::Integer),
    ("conn_country", Type::Text),
    ("master_metadata_track_name", Type::Text),
    ("master_metadata_album_artist_name", Type::Text),
    ("master_metadata_album_album_name", Type::Text),
    ("spotify_track_uri", Type::Text),
    ("episode_name", Type::Text),
    ("episode_show_name", Type::Text),
    ("spotify_episode_uri", Type::Text),
    ("audiobook_title", Type::Text),
    ("audiobook_uri", Type::Text),
    ("audiobook_chapter_uri", Type::Text),
    ("audiobook_chapter_title", Type::Text),
    ("reason_start", Type::Text),
    ("reason_end", Type::Text),
    ("shuffle", Type::Flag),
    ("skipped", Type::Flag),
    ("offline", Type::Flag),
    ("offline_timestamp", Type::Integer),
    ("incognito_mode", Type::Flag),
];

/// Positions in [`COLUMNS`] that have a meaning here.
pub(super) const TS: usize = 0;
const PLATFORM: usize = 1;
pub(super) const MS_PLAYED: usize = 2;
pub(super) const TRACK_URI: usize = 7;
pub(super) const EPISODE_URI: usize = 10;
pub(super) const AUDIOBOOK_URI: usize = 12;

/// A JSON value, as far as a column can hold it.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) enum Scalar<'a> {
    /// `null`, or no such key.
    #[default]
    Null,
    Text(Cow<'a, str>),
    Integer(i64),
    Flag(bool),
    /// Anything that no column holds: a fraction, a list, an object.
    Other,
}

/// The values of one record, in the order of [`COLUMNS`].
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Play<'a> {
    pub(super) values: [Scalar<'a>; COLUMNS.len()],
}

impl Play<'_> {
    /// Whether the record has what every play has.
    pub(super) fn is_plausible(&self) -> bool {
        self.values[TS] != Scalar::Null && self.values[MS_PLAYED] != Scalar::Null
    }
}

impl<'de> Deserialize<'de> for Play<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(PlayVisitor)
    }
}

struct PlayVisitor;

impl<'de> Visitor<'de> for PlayVisitor {
    type Value = Play<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut play = Play::default();
        let mut seen = [false; COLUMNS.len()];
        let mut expected = 0;
        while let Some(Scalar::Text(key)) = map.next_key::<Scalar<'de>>()? {
            let Some(column) = column_of(&key, expected) else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            if std::mem::replace(&mut seen[column], true) {
                return Err(A::Error::custom("a key occurs twice"));
            }
            play.values[column] = match map.next_value()? {
                Scalar::Text(platform) if column == PLATFORM => {
                    Scalar::Text(family(&platform).into())
                }
                value => value,
            };
            expected = column + 1;
        }
        Ok(play)
    }
}

/// The column that `key` names; keys come in order, so the one after the last is tried first.
fn column_of(key: &str, expected: usize) -> Option<usize> {
    let named = |(name, _): &(&str, Type)| *name == key;
    if COLUMNS.get(expected).is_some_and(named) {
        return Some(expected);
    }
    COLUMNS.iter().position(named)
}

impl<'de> Deserialize<'de> for Scalar<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ScalarVisitor)
    }
}

struct ScalarVisitor;

impl<'de> Visitor<'de> for ScalarVisitor {
    type Value = Scalar<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Scalar::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Scalar::Text(Cow::Owned(text.to_string())))
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Self::Value, E> {
        Ok(Scalar::Flag(flag))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
        Ok(Scalar::Integer(number))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
        Ok(i64::try_from(number).map_or(Scalar::Other, Scalar::Integer))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(Scalar::Other)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Scalar::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Scalar::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Scalar::Other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_matched_by_name_in_any_order() {
        let play: Play<'_> = serde_json::from_str(
            r#"{"skipped": null, "ms_played": 12, "extra": {"a": [1]}, "ts": "t", "city": "Rome",
                "shuffle": true, "platform": "Ann's \"phone\", iOS 15.0", "offline": 1.5}"#,
        )
        .unwrap();
        assert_eq!(play.values[TS], Scalar::Text("t".into()));
        assert_eq!(play.values[PLATFORM], Scalar::Text("ios".into()));
        assert_eq!(play.values[MS_PLAYED], Scalar::Integer(12));
        assert_eq!(play.values[17], Scalar::Flag(true));
        assert_eq!(play.values[19], Scalar::Other);
        assert!(!format!("{play:?}").contains("Rome"));
    }

    #[test]
    fn a_repeated_key_is_refused() {
        assert!(serde_json::from_str::<Play<'_>>(r#"{"ts": "a", "ts": "b"}"#).is_err());
    }
}
