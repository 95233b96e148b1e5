//! Options that every model with a label has: what to predict, and how rows are held out.

use arrow::datatypes::Schema;
use serde::Serialize;

use super::reader::Reader;
use crate::{
    error::{Error, Result},
    models::split::GROUP_COLUMN,
};

/// The label of a model, and how its quality is measured.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Labelled {
    /// The column to predict.
    pub label: String,
    /// The classes to learn, in this order; all of the label's values when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub classes: Option<Vec<String>>,
    /// How rows are held out; without the option, by artist if the query has such a column, else in folds.
    pub split: SplitKind,
    /// Seed of every random choice.
    pub seed: u64,
    /// Whether too few rows give a model that answers null, not an error.
    pub allow_untrained: bool,
}

/// How rows are held out to measure a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SplitKind {
    /// Artists are dealt to train, validation and test, 70 : 15 : 15.
    Artist,
    /// Five folds, each predicted by a model of the other four.
    Folds,
    /// Nothing is held out: metrics are those of the training rows.
    None,
}

impl Labelled {
    /// Reads them; `schema` is that of the model's query.
    pub(super) fn read(reader: &mut Reader<'_>, schema: &Schema) -> Result<Self> {
        let Some(label) = reader.text("label")? else {
            return Err(reader.error(
                "option 'label' is missing, give the column to predict, such as label = 'mood'",
            ));
        };
        Ok(Self {
            label,
            classes: reader.classes()?,
            split: split(reader)?.unwrap_or_else(|| SplitKind::default_for(schema)),
            seed: reader.seed()?,
            allow_untrained: reader.flag("allow_untrained")?,
        })
    }
}

impl SplitKind {
    fn default_for(schema: &Schema) -> Self {
        match schema.column_with_name(GROUP_COLUMN) {
            Some(_) => Self::Artist,
            None => Self::Folds,
        }
    }

    /// The option's value.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Artist => "artist",
            Self::Folds => "folds",
            Self::None => "none",
        }
    }
}

fn split(reader: &mut Reader<'_>) -> Result<Option<SplitKind>> {
    match reader.text("split")?.as_deref() {
        None => Ok(None),
        Some("artist") => Ok(Some(SplitKind::Artist)),
        Some("folds") => Ok(Some(SplitKind::Folds)),
        Some("none") => Ok(Some(SplitKind::None)),
        Some("time") => Err(Error::Unsupported(format!(
            "model '{}': split = 'time' is not offered yet, use 'artist', 'folds' or 'none'",
            reader.model()
        ))),
        Some(other) => Err(reader.error(&format!(
            "unknown split '{other}', expected 'artist', 'folds' or 'none'"
        ))),
    }
}
