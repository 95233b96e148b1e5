//! Options that every model with a label has: what to predict, and how rows are held out.

use arrow::datatypes::Schema;
use serde::Serialize;

use super::reader::Reader;
use crate::error::Result;

/// The column that says which rows belong together, unless option `group` names another.
const GROUP_COLUMN: &str = "artist";
/// The column that gives the folds of `split = 'folds'`, unless option `fold` names another.
const FOLD_COLUMN: &str = "fold";
/// The columns that say when a row happened, unless option `time` names another.
pub(super) const TIME_COLUMNS: [&str; 4] = ["played_at", "listened_at", "started_at", "created_at"];

/// The label of a model, and how its quality is measured.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Labelled {
    /// The column to predict.
    pub label: String,
    /// The classes to learn, in this order; all of the label's values when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub classes: Option<Vec<String>>,
    /// Columns that define the label, which must not be among the features.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub label_inputs: Vec<String>,
    /// How rows are held out; without the option, by artist if the query has such a column, else in folds.
    pub split: SplitKind,
    /// The column that says which rows belong together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// The column that gives the folds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fold: Option<String>,
    /// The column that says when a row happened.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
    /// Days before each cut in time whose rows are left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gap_days: Option<f64>,
    /// The column whose values name what a row is about: one row of each is kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Whether of rows that are equal in every column one is kept.
    pub deduplicate: bool,
    /// Seed of every random choice.
    pub seed: u64,
    /// Whether too few rows give a model that answers null, not an error.
    pub allow_untrained: bool,
}

/// How rows are held out to measure a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SplitKind {
    /// Artists, or other groups, are dealt to train, validation and test, 70 : 15 : 15.
    Artist,
    /// The first 70 % of the rows in time train, the next 15 % validate, the last 15 % test.
    Time,
    /// Five folds, each predicted by a model of the other four.
    Folds,
    /// Nothing is held out: metrics are those of the training rows.
    None,
}

impl SplitKind {
    const ALL: [Self; 4] = [Self::Artist, Self::Time, Self::Folds, Self::None];

    /// The option's value.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Artist => "artist",
            Self::Time => "time",
            Self::Folds => "folds",
            Self::None => "none",
        }
    }
}

impl Labelled {
    /// Reads them; `schema` is that of the model's query.
    pub(super) fn read(reader: &mut Reader<'_>, schema: &Schema) -> Result<Self> {
        let Some(label) = reader.text("label")? else {
            return Err(reader.error(
                "option 'label' is missing, give the column to predict, such as label = 'mood'",
            ));
        };
        let has = |column: &&str| schema.column_with_name(column).is_some();
        let present = |column: &str| Some(column).filter(has).map(str::to_owned);
        let group = reader.text("group")?;
        let split = split(reader)?.unwrap_or(if group.is_some() || has(&GROUP_COLUMN) {
            SplitKind::Artist
        } else {
            SplitKind::Folds
        });
        let mut time = reader.text("time")?;
        if split == SplitKind::Time && time.is_none() {
            let Some(column) = TIME_COLUMNS.iter().find(|column| has(column)) else {
                return Err(reader.error(
                    "split = 'time' needs a column of times, name it, such as time = 'played_at'",
                ));
            };
            time = Some((*column).to_owned());
        }
        let labelled = Self {
            label,
            classes: reader.classes()?,
            label_inputs: reader.names("label_inputs")?.unwrap_or_default(),
            split,
            group: match split {
                SplitKind::Artist => group.or_else(|| Some(GROUP_COLUMN.to_owned())),
                _ => group.or_else(|| present(GROUP_COLUMN)),
            },
            fold: reader.text("fold")?.or_else(|| present(FOLD_COLUMN)),
            time,
            gap_days: gap_days(reader, split)?,
            id: reader.text("id")?,
            deduplicate: reader
                .maybe_flag("deduplicate")?
                .unwrap_or(split == SplitKind::Artist),
            seed: reader.seed()?,
            allow_untrained: reader.flag("allow_untrained")?,
        };
        labelled.check_roles(reader)?;
        labelled.check_inputs(reader, schema)?;
        Ok(labelled)
    }

    /// The columns that are no features, by the option that names them.
    fn roles(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let others = [
            ("group", &self.group),
            ("fold", &self.fold),
            ("time", &self.time),
            ("id", &self.id),
        ];
        let others = others
            .into_iter()
            .filter_map(|(role, column)| Some((role, column.as_deref()?)));
        std::iter::once(("label", self.label.as_str())).chain(others)
    }

    fn check_roles(&self, reader: &Reader<'_>) -> Result<()> {
        let roles: Vec<_> = self.roles().collect();
        for (at, (role, column)) in roles.iter().enumerate() {
            if let Some((other, _)) = roles[..at].iter().find(|(_, taken)| taken == column) {
                return Err(reader.error(&format!(
                    "column '{column}' cannot be both {other} and {role}"
                )));
            }
        }
        Ok(())
    }

    /// Refuses a feature that the label was made from.
    fn check_inputs(&self, reader: &Reader<'_>, schema: &Schema) -> Result<()> {
        let is_feature = |column: &&String| {
            schema.column_with_name(column).is_some()
                && self.roles().all(|(_, role)| role != **column)
        };
        let inputs: Vec<String> = self
            .label_inputs
            .iter()
            .filter(is_feature)
            .map(|column| format!("'{column}'"))
            .collect();
        match inputs.as_slice() {
            [] => Ok(()),
            inputs => Err(reader.error(&format!(
                "label '{}' is made from {}, as label_inputs says: leave it out of the query, or the model learns the rule",
                self.label,
                inputs.join(", ")
            ))),
        }
    }
}

fn split(reader: &mut Reader<'_>) -> Result<Option<SplitKind>> {
    let Some(given) = reader.text("split")? else {
        return Ok(None);
    };
    let found = SplitKind::ALL.iter().find(|kind| kind.name() == given);
    match found {
        Some(kind) => Ok(Some(*kind)),
        None => Err(reader.error(&format!(
            "unknown split '{given}', expected 'artist', 'time', 'folds' or 'none'"
        ))),
    }
}

fn gap_days(reader: &mut Reader<'_>, split: SplitKind) -> Result<Option<f64>> {
    let gap = reader.positive("gap_days")?;
    match gap {
        Some(_) if split != SplitKind::Time => {
            Err(reader.error("option 'gap_days' needs split = 'time'"))
        }
        gap => Ok(gap),
    }
}
