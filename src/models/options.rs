//! The options of `CREATE MODEL`: read by type, checked by name, with every default made explicit.
//!
//! A family of models has its options in a file of its own and one line in [`FAMILIES`].

use std::{collections::BTreeMap, fmt};

use arrow::datatypes::Schema;
use serde::Serialize;

use crate::error::Result;
use reader::Reader;

pub(super) use als::AlsOptions;
pub(super) use kmeans::KMeansOptions;
pub(super) use labelled::{Labelled, SplitKind};
pub(super) use logistic::LogisticOptions;
pub(super) use trees::{ClassWeight, GbdtOptions, RandomForestOptions, Task};

mod als;
mod kmeans;
mod labelled;
mod logistic;
mod reader;
mod trees;

/// What reads the options of one family.
type Family = fn(&mut Reader<'_>, &Schema) -> Result<Options>;

/// The values of option `type`, and what reads the other options then.
const FAMILIES: [(&str, Family); 5] = [
    ("als", |reader, schema| {
        AlsOptions::read(reader, schema).map(Options::Als)
    }),
    ("gbdt", |reader, schema| {
        GbdtOptions::read(reader, schema).map(Options::Gbdt)
    }),
    ("kmeans", |reader, _| {
        KMeansOptions::read(reader).map(Options::KMeans)
    }),
    ("logistic", |reader, schema| {
        LogisticOptions::read(reader, schema).map(Options::Logistic)
    }),
    ("random_forest", |reader, schema| {
        RandomForestOptions::read(reader, schema).map(Options::RandomForest)
    }),
];

/// A literal given to an option.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum OptionValue {
    /// `'artist'`
    Text(String),
    /// `6`
    Integer(i64),
    /// `0.5`
    Float(f64),
    /// `true`
    Boolean(bool),
    /// `['calm', 'party']`
    List(Vec<OptionValue>),
}

/// The options in force, by type of model.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Options {
    /// `type = 'als'`
    Als(AlsOptions),
    /// `type = 'gbdt'`
    Gbdt(GbdtOptions),
    /// `type = 'kmeans'`
    KMeans(KMeansOptions),
    /// `type = 'logistic'`
    Logistic(LogisticOptions),
    /// `type = 'random_forest'`
    #[serde(rename = "random_forest")]
    RandomForest(RandomForestOptions),
}

impl Options {
    /// Reads the options of a model called `model`, whose query has the columns of `schema`.
    pub(super) fn parse(
        model: &str,
        given: &BTreeMap<String, OptionValue>,
        schema: &Schema,
    ) -> Result<Self> {
        let mut reader = Reader::new(model, given);
        let Some(kind) = reader.text("type")? else {
            let types = types();
            return Err(reader.error(&format!("option 'type' is missing, expected {types}")));
        };
        let Some((_, read)) = FAMILIES.iter().find(|(name, _)| *name == kind) else {
            let types = types();
            return Err(reader.error(&format!("unknown type '{kind}', expected {types}")));
        };
        let options = read(&mut reader, schema)?;
        reader.refuse_unknown(&kind)?;
        Ok(options)
    }

    /// The value of option `type`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Als(_) => "als",
            Self::Gbdt(_) => "gbdt",
            Self::KMeans(_) => "kmeans",
            Self::Logistic(_) => "logistic",
            Self::RandomForest(_) => "random_forest",
        }
    }

    /// What models with a label have in common.
    #[must_use]
    pub fn labelled(&self) -> Option<&Labelled> {
        match self {
            Self::Als(_) | Self::KMeans(_) => None,
            Self::Gbdt(options) => Some(&options.labelled),
            Self::Logistic(options) => Some(&options.labelled),
            Self::RandomForest(options) => Some(&options.labelled),
        }
    }

    /// Whether the label is a number to predict, not a class.
    #[must_use]
    pub fn is_regression(&self) -> bool {
        match self {
            Self::Gbdt(options) => options.task == Task::Regression,
            Self::RandomForest(options) => options.task == Task::Regression,
            Self::Als(_) | Self::KMeans(_) | Self::Logistic(_) => false,
        }
    }

    /// Whether rows whose features have a null are learned from.
    #[must_use]
    pub fn keeps_missing(&self) -> bool {
        match self {
            Self::Gbdt(_) | Self::RandomForest(_) => true,
            Self::Als(_) | Self::KMeans(_) | Self::Logistic(_) => false,
        }
    }

    /// The seed of every random choice.
    #[must_use]
    pub fn seed(&self) -> u64 {
        match self {
            Self::Als(options) => options.seed,
            Self::Gbdt(options) => options.labelled.seed,
            Self::KMeans(options) => options.seed,
            Self::Logistic(options) => options.labelled.seed,
            Self::RandomForest(options) => options.labelled.seed,
        }
    }

    /// Whether too few rows give a model that answers null, not an error.
    #[must_use]
    pub fn allows_untrained(&self) -> bool {
        match self {
            Self::Als(options) => options.allow_untrained,
            Self::Gbdt(options) => options.labelled.allow_untrained,
            Self::KMeans(options) => options.allow_untrained,
            Self::Logistic(options) => options.labelled.allow_untrained,
            Self::RandomForest(options) => options.labelled.allow_untrained,
        }
    }

    /// How rows are held out.
    #[must_use]
    pub fn split(&self) -> SplitKind {
        match self {
            Self::Als(options) => options.split,
            _ => self
                .labelled()
                .map_or(SplitKind::None, |labelled| labelled.split),
        }
    }
}

/// The values of option `type`, as a message lists them: `'kmeans' or 'logistic'`.
pub(super) fn types() -> String {
    let names = FAMILIES.map(|(name, _)| format!("'{name}'"));
    match names.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
        None => String::new(),
    }
}

impl fmt::Display for OptionValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "'{text}'"),
            Self::Integer(number) => write!(f, "{number}"),
            Self::Float(number) => write!(f, "{number}"),
            Self::Boolean(value) => write!(f, "{value}"),
            Self::List(values) => {
                let values: Vec<String> = values.iter().map(ToString::to_string).collect();
                write!(f, "[{}]", values.join(", "))
            }
        }
    }
}
