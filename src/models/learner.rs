//! What is fitted: the families of models with a label, as their evaluation sees them.

use moodlake_udfs::{
    ModelKind,
    kernels::trees::{
        Target, Trees,
        boosting::{self, Validation},
        forest::{self, Forest},
        predict::predict_in_parallel,
    },
};
use ndarray::Array2;

use super::{
    dataset::Codes,
    logistic::Fit,
    options::{ClassWeight, GbdtOptions, Labelled, LogisticOptions, RandomForestOptions},
    stop,
};
use crate::error::{Error, Result};

/// An artifact with more nodes is slow to read and to walk: told, not refused.
const MANY_NODES: usize = 2_000_000;

/// A family with its options.
#[derive(Clone, Copy, Debug)]
pub(super) enum Learner<'a> {
    Logistic(&'a LogisticOptions),
    Forest(&'a RandomForestOptions),
    Boosting(&'a GbdtOptions),
}

/// Where a fit starts, and what it may look at besides its rows.
#[derive(Clone, Copy, Debug)]
pub(super) enum Start<'a> {
    /// From nothing.
    Fresh,
    /// From a fit to other rows of the same labels: logistic regression from its weights, boosting makes as many rounds.
    From(&'a Learned),
    /// Rows that tell boosting when to stop.
    Watching(&'a Rows),
}

/// Rows to fit to or to judge by.
#[derive(Clone, Debug)]
pub(super) struct Rows {
    /// `[n_rows][n_features]`
    pub(super) values: Array2<f64>,
    pub(super) labels: Labels,
}

/// What each row is to be predicted as.
#[derive(Clone, Debug)]
pub(super) enum Labels {
    Classes(Codes),
    Numbers(Vec<f64>),
}

/// A model fitted to some rows.
#[derive(Clone, Debug)]
pub(super) enum Learned {
    Logistic(Fit),
    Forest(Forest),
    Boosted { trees: Trees, rounds: usize },
}

impl<'a> Learner<'a> {
    pub(super) fn labelled(self) -> &'a Labelled {
        match self {
            Self::Logistic(options) => &options.labelled,
            Self::Forest(options) => &options.labelled,
            Self::Boosting(options) => &options.labelled,
        }
    }

    /// Whether it wants rows to watch, to know when to stop.
    pub(super) fn stops_early(self) -> bool {
        matches!(self, Self::Boosting(options) if options.early_stopping_rounds.is_some())
    }

    /// Fits to `rows`.
    pub(super) fn fit(self, rows: &Rows, start: Start<'_>) -> Result<Learned> {
        match self {
            Self::Logistic(options) => rows.fit_logistic(options, start),
            Self::Forest(options) => {
                let columns = rows.columns();
                let columns: Vec<&[f64]> = columns.iter().map(Vec::as_slice).collect();
                let options = forest_options(options);
                let grown = forest::grow(&columns, &rows.target(), &options, &stop::watch());
                grown.map(Learned::Forest).ok_or_else(stop::ended)
            }
            Self::Boosting(options) => rows.boost(options, start),
        }
    }
}

fn forest_options(options: &RandomForestOptions) -> forest::ForestOptions {
    forest::ForestOptions {
        trees: options.trees,
        max_depth: options.max_depth,
        min_samples_leaf: options.min_samples_leaf,
        max_features: options.max_features,
        is_balanced: options.class_weight == Some(ClassWeight::Balanced),
        seed: options.labelled.seed,
    }
}

fn boosting_options(options: &GbdtOptions) -> boosting::BoostingOptions {
    boosting::BoostingOptions {
        rounds: options.trees,
        leaves: options.leaves,
        max_depth: options.max_depth,
        min_samples_leaf: options.min_samples_leaf,
        learning_rate: options.learning_rate,
        l2: options.l2,
        is_balanced: options.class_weight == Some(ClassWeight::Balanced),
        seed: options.labelled.seed,
    }
}

impl Rows {
    fn fit_logistic(&self, options: &LogisticOptions, start: Start<'_>) -> Result<Learned> {
        let Labels::Classes(Codes { names, of_row }) = &self.labels else {
            return Err(Error::Internal("logistic regression of a number".into()));
        };
        let before = match start {
            Start::From(Learned::Logistic(fit)) => Some(fit),
            _ => None,
        };
        Fit::new(self.values.view(), of_row, names, options, before).map(Learned::Logistic)
    }

    fn boost(&self, options: &GbdtOptions, start: Start<'_>) -> Result<Learned> {
        let columns = self.columns();
        let columns: Vec<&[f64]> = columns.iter().map(Vec::as_slice).collect();
        let watched = match start {
            Start::Watching(rows) => Some((rows, rows.values.as_standard_layout())),
            _ => None,
        };
        let validation = watched.as_ref().map(|(rows, values)| Validation {
            rows: values.as_slice().unwrap_or_default(),
            target: rows.target(),
            patience: options.early_stopping_rounds.unwrap_or(usize::MAX),
        });
        let mut settings = boosting_options(options);
        if let (Some(_), Start::From(Learned::Boosted { rounds, .. })) =
            (options.early_stopping_rounds, start)
        {
            settings.rounds = *rounds;
        }
        let target = self.target();
        let stop = stop::watch();
        let grown = boosting::grow(&columns, &target, &settings, validation.as_ref(), &stop);
        let trees = grown.ok_or_else(stop::ended)?;
        let rounds = trees.trees.len() / trees.n_outputs();
        Ok(Learned::Boosted { trees, rounds })
    }

    fn columns(&self) -> Vec<Vec<f64>> {
        let columns = self.values.columns().into_iter();
        columns.map(|column| column.to_vec()).collect()
    }

    fn target(&self) -> Target<'_> {
        match &self.labels {
            Labels::Classes(Codes { names, of_row }) => Target::Classes { of_row, names },
            Labels::Numbers(numbers) => Target::Numbers(numbers),
        }
    }
}

impl Labels {
    pub(super) fn select(&self, rows: &[usize]) -> Self {
        match self {
            Self::Classes(codes) => Self::Classes(codes.select(rows)),
            Self::Numbers(numbers) => Self::Numbers(rows.iter().map(|&row| numbers[row]).collect()),
        }
    }

    /// The names of the classes, none for numbers.
    pub(super) fn classes(&self) -> &[String] {
        match self {
            Self::Classes(codes) => &codes.names,
            Self::Numbers(_) => &[],
        }
    }
}

impl Learned {
    /// The same as a start that makes `rounds` rounds, if it made any.
    pub(super) fn with_rounds(self, rounds: usize) -> Self {
        match self {
            Self::Boosted { trees, .. } => Self::Boosted { trees, rounds },
            other => other,
        }
    }

    /// Rounds of boosting that it made.
    pub(super) fn rounds(&self) -> usize {
        match self {
            Self::Boosted { rounds, .. } => *rounds,
            Self::Logistic(_) | Self::Forest(_) => 0,
        }
    }

    /// What it says of rows, row by row: probabilities `[n_rows * n_classes]` or numbers `[n_rows]`. By the kernels
    /// that answer `ml_predict_proba`.
    pub(super) fn predict(&self, values: &Array2<f64>) -> Vec<f64> {
        match self {
            Self::Logistic(fit) => {
                let classes = fit.probabilities(values.view());
                let rows = 0..values.nrows();
                let by_row = rows.flat_map(|row| classes.iter().map(move |class| class[row]));
                by_row.collect()
            }
            Self::Forest(Forest { trees, .. }) | Self::Boosted { trees, .. } => {
                let rows = values.as_standard_layout();
                let rows = rows.as_slice().unwrap_or_default();
                predict_in_parallel(trees, rows, values.ncols())
            }
        }
    }

    /// What the trees that were not grown from a row say of it, as [`Self::predict`] does, with the rows' indices.
    /// `rows` are those that it was fitted to.
    pub(super) fn out_of_bag(&self, rows: &Rows) -> Option<(Vec<usize>, Vec<f64>)> {
        let Self::Forest(forest) = self else {
            return None;
        };
        let columns = rows.columns();
        let columns: Vec<&[f64]> = columns.iter().map(Vec::as_slice).collect();
        Some(forest.out_of_bag(&columns))
    }

    pub(super) fn into_kind(self) -> ModelKind {
        match self {
            Self::Logistic(fit) => ModelKind::Logistic(fit.model),
            Self::Forest(Forest { trees, .. }) | Self::Boosted { trees, .. } => {
                ModelKind::Trees(trees)
            }
        }
    }

    /// What the user should know of the fit.
    pub(super) fn doubt(&self) -> Option<String> {
        match self {
            Self::Logistic(fit) if fit.is_separated => Some("the features tell the classes apart without an error: only l2 keeps the coefficients finite, and standard errors and p values mean little".into()),
            Self::Logistic(fit) if fit.is_converged => None,
            Self::Logistic(_) => Some("the fit has not reached its optimum: raise max_iterations, or tame features with far outliers, such as by their logarithm".into()),
            Self::Forest(Forest { trees, .. }) | Self::Boosted { trees, .. } => many_nodes(trees),
        }
    }
}

fn many_nodes(trees: &Trees) -> Option<String> {
    let nodes: usize = trees.trees.iter().map(|tree| tree.features.len()).sum();
    (nodes > MANY_NODES).then(|| {
        format!("the model has {nodes} nodes, which are slow to load and to ask: lower trees or max_depth, or raise min_samples_leaf")
    })
}
