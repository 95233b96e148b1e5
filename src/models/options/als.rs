//! Options of `type = 'als'`.

use arrow::datatypes::Schema;
use moodlake_udfs::Confidence;
use serde::Serialize;

use super::{
    labelled::{SplitKind, TIME_COLUMNS},
    reader::Reader,
};
use crate::error::Result;

const DEFAULT_FACTORS: usize = 64;
const MOST_FACTORS: u64 = 512;
const DEFAULT_ITERATIONS: usize = 15;
const DEFAULT_L2: f64 = 1.0;
const DEFAULT_ALPHA: f64 = 1.0;
const USER_COLUMN: &str = "user_id";
const ITEM_COLUMN: &str = "track_id";
const PLAYS_COLUMN: &str = "plays";

/// Options of `type = 'als'`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AlsOptions {
    /// Numbers for each user and item.
    pub factors: usize,
    /// Times that users and then items are solved for.
    pub iterations: usize,
    /// Weight of the penalty on squared factors.
    pub l2: f64,
    /// How fast confidence grows with plays.
    pub alpha: f64,
    /// How confidence grows with plays.
    pub confidence: Confidence,
    /// The column that names who or what played: a listener, a session.
    pub user: String,
    /// The column that names what was played.
    pub item: String,
    /// The column that counts plays; without one, each row is a play.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plays: Option<String>,
    /// The column that says when a row happened.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
    /// How rows are held out, in time or not at all.
    pub split: SplitKind,
    /// Seed of the first factors and of resampling.
    pub seed: u64,
    /// Whether too few rows give a model that answers null, not an error.
    pub allow_untrained: bool,
}

impl AlsOptions {
    pub(super) fn read(reader: &mut Reader<'_>, schema: &Schema) -> Result<Self> {
        let present = |column: &str| {
            let found = schema.column_with_name(column);
            found.map(|_| column.to_owned())
        };
        let time = reader.text("time")?;
        let time = time.or_else(|| TIME_COLUMNS.iter().find_map(|column| present(column)));
        let options = Self {
            factors: count(reader, "factors", MOST_FACTORS)?.unwrap_or(DEFAULT_FACTORS),
            iterations: count(reader, "iterations", 1000)?.unwrap_or(DEFAULT_ITERATIONS),
            l2: reader.positive("l2")?.unwrap_or(DEFAULT_L2),
            alpha: reader.positive("alpha")?.unwrap_or(DEFAULT_ALPHA),
            confidence: confidence(reader)?,
            user: reader.text("user")?.unwrap_or_else(|| USER_COLUMN.into()),
            item: reader.text("item")?.unwrap_or_else(|| ITEM_COLUMN.into()),
            plays: reader.text("plays")?.or_else(|| present(PLAYS_COLUMN)),
            split: split(reader, time.is_some())?,
            time,
            seed: reader.seed()?,
            allow_untrained: reader.flag("allow_untrained")?,
        };
        options.check_columns(reader, schema)?;
        Ok(options)
    }

    /// The columns that it reads, by the option that names them.
    pub(in crate::models) fn columns(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let named = [("user", self.user.as_str()), ("item", self.item.as_str())];
        let optional = [("plays", &self.plays), ("time", &self.time)];
        let optional = optional.into_iter();
        let optional = optional.filter_map(|(role, column)| Some((role, column.as_deref()?)));
        named.into_iter().chain(optional)
    }

    /// Refuses a column with two roles, and one without any: what it was meant for would be lost.
    fn check_columns(&self, reader: &Reader<'_>, schema: &Schema) -> Result<()> {
        let columns: Vec<_> = self.columns().collect();
        for (at, (role, column)) in columns.iter().enumerate() {
            if let Some((other, _)) = columns[..at].iter().find(|(_, taken)| taken == column) {
                return Err(reader.error(&format!(
                    "column '{column}' cannot be both {other} and {role}"
                )));
            }
        }
        let names = schema.fields().iter().map(|field| field.name().as_str());
        for name in names {
            if !columns.iter().any(|(_, column)| *column == name) {
                return Err(reader.error(&format!(
                    "an 'als' model has no use for column '{name}': leave it out of the query, or name it in option user, item, plays or time"
                )));
            }
        }
        Ok(())
    }
}

fn count(reader: &mut Reader<'_>, name: &'static str, most: u64) -> Result<Option<usize>> {
    let number = reader.whole(name, 1, most)?;
    Ok(number.and_then(|number| usize::try_from(number).ok()))
}

fn confidence(reader: &mut Reader<'_>) -> Result<Confidence> {
    match reader.text("confidence")?.as_deref() {
        None | Some("linear") => Ok(Confidence::Linear),
        Some("log") => Ok(Confidence::Log),
        Some(other) => Err(reader.error(&format!(
            "unknown confidence '{other}', expected 'linear' or 'log'"
        ))),
    }
}

fn split(reader: &mut Reader<'_>, has_time: bool) -> Result<SplitKind> {
    match (reader.text("split")?.as_deref(), has_time) {
        (None | Some("time"), true) => Ok(SplitKind::Time),
        (None | Some("none"), _) => Ok(SplitKind::None),
        (Some("time"), false) => Err(reader
            .error("split = 'time' needs a column of times, name it, such as time = 'played_at'")),
        (Some(other), _) => Err(reader.error(&format!(
            "split '{other}' is not for an 'als' model, expected 'time' or 'none'"
        ))),
    }
}
