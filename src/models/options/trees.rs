//! Options of `type = 'random_forest'` and `type = 'gbdt'`.

use arrow::datatypes::Schema;
use serde::Serialize;

use super::{labelled::Labelled, reader::Reader};
use crate::error::Result;

const MOST_TREES: u64 = 10_000;
const MOST_LEAVES: u64 = 4096;
/// The defaults of LightGBM 4, those of scikit-learn where LightGBM has no forest like ours.
const DEFAULT_TREES: u64 = 100;
const DEFAULT_LEAVES: u64 = 31;
const DEFAULT_LEARNING_RATE: f64 = 0.1;
const DEFAULT_LEAF_ROWS_OF_FOREST: u64 = 1;
const DEFAULT_LEAF_ROWS_OF_BOOSTING: u64 = 20;
const HIGHEST_DEPTH: u64 = 1000;

/// What a model predicts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Task {
    /// One of several classes.
    Classification,
    /// A number.
    Regression,
}

/// Options of `type = 'random_forest'`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RandomForestOptions {
    /// The label, and how rows are held out.
    #[serde(flatten)]
    pub labelled: Labelled,
    /// What is predicted; without the option, a number if the label has a fraction.
    pub task: Task,
    /// Number of trees.
    pub trees: usize,
    /// Most splits from the root to a leaf; as many as there can be when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_depth: Option<usize>,
    /// Least rows in a leaf.
    pub min_samples_leaf: usize,
    /// Features drawn at a split; when absent the root of their number, a third of it for a number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_features: Option<usize>,
    /// Whether all classes together weigh the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class_weight: Option<ClassWeight>,
}

/// Options of `type = 'gbdt'`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GbdtOptions {
    /// The label, and how rows are held out.
    #[serde(flatten)]
    pub labelled: Labelled,
    /// What is predicted; without the option, a number if the label has a fraction.
    pub task: Task,
    /// Rounds of boosting: trees, times the classes if there are more than two.
    pub trees: usize,
    /// Most leaves of a tree.
    pub leaves: usize,
    /// Most splits from the root to a leaf; as many as the leaves allow when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_depth: Option<usize>,
    /// Least rows in a leaf.
    pub min_samples_leaf: usize,
    /// What each tree's answer is multiplied by.
    pub learning_rate: f64,
    /// Weight of the L2 penalty on leaves' answers.
    pub l2: f64,
    /// Rounds without a gain on validation rows after which boosting ends; all rounds are made when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub early_stopping_rounds: Option<usize>,
    /// Whether all classes together weigh the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class_weight: Option<ClassWeight>,
}

/// What the rows of a class weigh.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ClassWeight {
    /// As much together as those of any other class.
    Balanced,
}

impl RandomForestOptions {
    pub(super) fn read(reader: &mut Reader<'_>, schema: &Schema) -> Result<Self> {
        let labelled = Labelled::read(reader, schema)?;
        let task = task(reader, &labelled, schema)?;
        Ok(Self {
            task,
            trees: count(reader.whole("trees", 1, MOST_TREES)?, DEFAULT_TREES),
            max_depth: depth(reader)?,
            min_samples_leaf: leaf_rows(reader, DEFAULT_LEAF_ROWS_OF_FOREST)?,
            max_features: reader
                .whole("max_features", 1, u64::from(u16::MAX))?
                .map(size),
            class_weight: class_weight(reader, task)?,
            labelled,
        })
    }
}

impl GbdtOptions {
    pub(super) fn read(reader: &mut Reader<'_>, schema: &Schema) -> Result<Self> {
        let labelled = Labelled::read(reader, schema)?;
        let task = task(reader, &labelled, schema)?;
        Ok(Self {
            task,
            trees: count(reader.whole("trees", 1, MOST_TREES)?, DEFAULT_TREES),
            leaves: count(reader.whole("leaves", 2, MOST_LEAVES)?, DEFAULT_LEAVES),
            max_depth: depth(reader)?,
            min_samples_leaf: leaf_rows(reader, DEFAULT_LEAF_ROWS_OF_BOOSTING)?,
            learning_rate: reader
                .positive("learning_rate")?
                .unwrap_or(DEFAULT_LEARNING_RATE),
            l2: reader.positive("l2")?.unwrap_or(0.0),
            early_stopping_rounds: reader
                .whole("early_stopping_rounds", 1, MOST_TREES)?
                .map(size),
            class_weight: class_weight(reader, task)?,
            labelled,
        })
    }
}

/// What the option says, else what the type of the label does: text, booleans and whole numbers are classes.
fn task(reader: &mut Reader<'_>, labelled: &Labelled, schema: &Schema) -> Result<Task> {
    let has_fraction = schema
        .column_with_name(&labelled.label)
        .map(|(_, field)| field.data_type())
        .is_some_and(|kind| kind.is_numeric() && !kind.is_integer());
    let task = match reader.text("task")?.as_deref() {
        Some("classification") => Task::Classification,
        Some("regression") => Task::Regression,
        Some(other) => {
            return Err(reader.error(&format!(
                "unknown task '{other}', expected 'classification' or 'regression'"
            )));
        }
        None if has_fraction => Task::Regression,
        None => Task::Classification,
    };
    if task == Task::Regression && labelled.classes.is_some() {
        return Err(
            reader.error("option 'classes' is for classes, not for a number: leave it away")
        );
    }
    Ok(task)
}

fn class_weight(reader: &mut Reader<'_>, task: Task) -> Result<Option<ClassWeight>> {
    match reader.text("class_weight")?.as_deref() {
        None => Ok(None),
        Some(_) if task == Task::Regression => {
            Err(reader
                .error("option 'class_weight' is for classes, not for a number: leave it away"))
        }
        Some("balanced") => Ok(Some(ClassWeight::Balanced)),
        Some(other) => Err(reader.error(&format!(
            "unknown class_weight '{other}', expected 'balanced'"
        ))),
    }
}

fn depth(reader: &mut Reader<'_>) -> Result<Option<usize>> {
    Ok(reader.whole("max_depth", 1, HIGHEST_DEPTH)?.map(size))
}

fn leaf_rows(reader: &mut Reader<'_>, default: u64) -> Result<usize> {
    let most = u64::from(u32::MAX);
    Ok(count(reader.whole("min_samples_leaf", 1, most)?, default))
}

fn count(given: Option<u64>, default: u64) -> usize {
    size(given.unwrap_or(default))
}

fn size(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
