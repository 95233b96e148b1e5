//! The options of `CREATE MODEL`: read by type, checked by name, with every default made explicit.

use std::{collections::BTreeMap, fmt};

use arrow::datatypes::Schema;
use serde::Serialize;

use super::split::GROUP_COLUMN;
use crate::error::{Error, Result};

const DEFAULT_SEED: u64 = 42;
const DEFAULT_RUNS: u64 = 10;
const DEFAULT_KMEANS_ITERATIONS: u64 = 300;
const DEFAULT_LOGISTIC_ITERATIONS: u64 = 300;
/// scikit-learn's default, `C = 1`.
const DEFAULT_L2: f64 = 1.0;
const MAX_CLUSTERS: u64 = 1000;

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
    /// `type = 'kmeans'`
    KMeans(KMeansOptions),
    /// `type = 'logistic'`
    Logistic(LogisticOptions),
}

/// Options of `type = 'kmeans'`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct KMeansOptions {
    /// Number of clusters, at least 2.
    pub k: usize,
    /// Independent starts, the best of which is kept.
    pub n_runs: u64,
    /// Most iterations of one start.
    pub max_iterations: u64,
    /// Seed of every random choice.
    pub seed: u64,
    /// Whether too few rows give a model that answers null, not an error.
    pub allow_untrained: bool,
}

/// Options of `type = 'logistic'`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LogisticOptions {
    /// The column to predict.
    pub label: String,
    /// The classes to learn, in this order; all of the label's values when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub classes: Option<Vec<String>>,
    /// How rows are held out; without the option, by artist if the query has such a column, else in folds.
    pub split: SplitKind,
    /// Weight of the L2 penalty on standardised coefficients: `1 / C` of scikit-learn.
    pub l2: f64,
    /// Most iterations of the solver.
    pub max_iterations: u64,
    /// Seed of splits and resampling.
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

impl Options {
    /// Reads the options of a model called `model`, whose query has the columns of `schema`.
    pub(super) fn parse(
        model: &str,
        given: &BTreeMap<String, OptionValue>,
        schema: &Schema,
    ) -> Result<Self> {
        let mut reader = Reader {
            model,
            given,
            known: Vec::new(),
        };
        let Some(kind) = reader.text("type")? else {
            return Err(reader.error("option 'type' is missing, expected 'kmeans' or 'logistic'"));
        };
        let options = match kind.as_str() {
            "kmeans" => Self::KMeans(KMeansOptions::read(&mut reader)?),
            "logistic" => Self::Logistic(LogisticOptions::read(&mut reader, schema)?),
            other => {
                return Err(reader.error(&format!(
                    "unknown type '{other}', expected 'kmeans' or 'logistic'"
                )));
            }
        };
        reader.refuse_unknown(&kind)?;
        Ok(options)
    }

    /// The value of option `type`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::KMeans(_) => "kmeans",
            Self::Logistic(_) => "logistic",
        }
    }

    /// The seed of every random choice.
    #[must_use]
    pub fn seed(&self) -> u64 {
        match self {
            Self::KMeans(options) => options.seed,
            Self::Logistic(options) => options.seed,
        }
    }

    /// Whether too few rows give a model that answers null, not an error.
    #[must_use]
    pub fn allows_untrained(&self) -> bool {
        match self {
            Self::KMeans(options) => options.allow_untrained,
            Self::Logistic(options) => options.allow_untrained,
        }
    }

    /// How rows are held out.
    #[must_use]
    pub fn split(&self) -> SplitKind {
        match self {
            Self::KMeans(_) => SplitKind::None,
            Self::Logistic(options) => options.split,
        }
    }
}

impl KMeansOptions {
    fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let Some(k) = reader.whole("k", 2, MAX_CLUSTERS)? else {
            return Err(
                reader.error("option 'k' is missing, give the number of clusters, such as k = 5")
            );
        };
        if !matches!(reader.text("split")?.as_deref(), None | Some("none")) {
            return Err(reader.error("a 'kmeans' model holds no rows out, leave 'split' away"));
        }
        Ok(Self {
            k: usize::try_from(k).unwrap_or(usize::MAX),
            n_runs: reader.whole("n_runs", 1, 1000)?.unwrap_or(DEFAULT_RUNS),
            max_iterations: reader
                .whole("max_iterations", 1, 100_000)?
                .unwrap_or(DEFAULT_KMEANS_ITERATIONS),
            seed: reader.seed()?,
            allow_untrained: reader.flag("allow_untrained")?,
        })
    }
}

impl LogisticOptions {
    fn read(reader: &mut Reader<'_>, schema: &Schema) -> Result<Self> {
        let Some(label) = reader.text("label")? else {
            return Err(reader.error(
                "option 'label' is missing, give the column to predict, such as label = 'mood'",
            ));
        };
        Ok(Self {
            label,
            classes: reader.classes()?,
            split: reader
                .split()?
                .unwrap_or_else(|| SplitKind::default_for(schema)),
            l2: reader.positive("l2")?.unwrap_or(DEFAULT_L2),
            max_iterations: reader
                .whole("max_iterations", 1, 100_000)?
                .unwrap_or(DEFAULT_LOGISTIC_ITERATIONS),
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

/// Hands out options by name and remembers which names a type of model knows.
struct Reader<'a> {
    model: &'a str,
    given: &'a BTreeMap<String, OptionValue>,
    known: Vec<&'static str>,
}

impl Reader<'_> {
    fn value(&mut self, name: &'static str) -> Option<&OptionValue> {
        self.known.push(name);
        self.given.get(name)
    }

    fn text(&mut self, name: &'static str) -> Result<Option<String>> {
        match self.value(name).cloned() {
            None => Ok(None),
            Some(OptionValue::Text(text)) => Ok(Some(text)),
            Some(other) => Err(self.expected(name, "a text", &other)),
        }
    }

    fn whole(&mut self, name: &'static str, low: u64, high: u64) -> Result<Option<u64>> {
        let Some(value) = self.value(name).cloned() else {
            return Ok(None);
        };
        let number = match value {
            OptionValue::Integer(number) => u64::try_from(number).ok(),
            _ => None,
        };
        match number {
            Some(number) if (low..=high).contains(&number) => Ok(Some(number)),
            _ => Err(self.expected(
                name,
                &format!("a whole number from {low} to {high}"),
                &value,
            )),
        }
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "a penalty beyond 2^53 is no different from its neighbours"
    )]
    fn positive(&mut self, name: &'static str) -> Result<Option<f64>> {
        let Some(value) = self.value(name).cloned() else {
            return Ok(None);
        };
        let number = match value {
            OptionValue::Integer(number) => number as f64,
            OptionValue::Float(number) => number,
            _ => f64::NAN,
        };
        if number.is_finite() && number > 0.0 {
            Ok(Some(number))
        } else {
            Err(self.expected(name, "a number above 0", &value))
        }
    }

    fn seed(&mut self) -> Result<u64> {
        let highest = u64::try_from(i64::MAX).unwrap_or(u64::MAX);
        Ok(self.whole("seed", 0, highest)?.unwrap_or(DEFAULT_SEED))
    }

    fn flag(&mut self, name: &'static str) -> Result<bool> {
        match self.value(name).cloned() {
            None => Ok(false),
            Some(OptionValue::Boolean(value)) => Ok(value),
            Some(other) => Err(self.expected(name, "true or false", &other)),
        }
    }

    fn classes(&mut self) -> Result<Option<Vec<String>>> {
        let Some(value) = self.value("classes").cloned() else {
            return Ok(None);
        };
        let names: Option<Vec<String>> = match &value {
            OptionValue::List(values) => values.iter().map(class_name).collect(),
            _ => None,
        };
        match names {
            Some(names) if names.len() >= 2 && !has_duplicates(&names) => Ok(Some(names)),
            _ => Err(self.expected(
                "classes",
                "a list of at least two different classes",
                &value,
            )),
        }
    }

    fn split(&mut self) -> Result<Option<SplitKind>> {
        match self.text("split")?.as_deref() {
            None => Ok(None),
            Some("artist") => Ok(Some(SplitKind::Artist)),
            Some("folds") => Ok(Some(SplitKind::Folds)),
            Some("none") => Ok(Some(SplitKind::None)),
            Some("time") => Err(Error::Unsupported(format!(
                "model '{}': split = 'time' is not offered yet, use 'artist', 'folds' or 'none'",
                self.model
            ))),
            Some(other) => {
                let message =
                    format!("unknown split '{other}', expected 'artist', 'folds' or 'none'");
                Err(self.error(&message))
            }
        }
    }

    fn refuse_unknown(&self, kind: &str) -> Result<()> {
        let Some(unknown) = self
            .given
            .keys()
            .find(|name| !self.known.contains(&name.as_str()))
        else {
            return Ok(());
        };
        let message = format!(
            "unknown option '{unknown}', a '{kind}' model knows {}",
            self.known.join(", ")
        );
        Err(self.error(&message))
    }

    fn expected(&self, name: &str, wanted: &str, got: &OptionValue) -> Error {
        self.error(&format!("option '{name}' must be {wanted}, got {got}"))
    }

    fn error(&self, message: &str) -> Error {
        Error::Input(format!("model '{}': {message}", self.model))
    }
}

/// A class as the label column spells it once it is text.
fn class_name(value: &OptionValue) -> Option<String> {
    match value {
        OptionValue::Text(text) => Some(text.clone()),
        OptionValue::Integer(number) => Some(number.to_string()),
        OptionValue::Boolean(value) => Some(value.to_string()),
        OptionValue::Float(_) | OptionValue::List(_) => None,
    }
}

fn has_duplicates(names: &[String]) -> bool {
    names
        .iter()
        .enumerate()
        .any(|(at, name)| names[..at].contains(name))
}
