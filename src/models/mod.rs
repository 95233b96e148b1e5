//! Trained models: from the rows of a query to a model, its honest metrics and its entry in the registry.
//!
//! Nothing here reads or writes a table: rows come in as record batches and the registry's rows go out as record
//! batches. Training the same rows with the same options gives the same bits, whatever order the rows came in.

use std::{collections::BTreeMap, time::Instant};

use arrow::{array::RecordBatch, datatypes::SchemaRef};
use moodlake_udfs::{Model, ModelKind};

use crate::error::{Error, Result};
use dataset::Roles;
use learner::Learner;

pub use metrics::Metric;
pub use options::{OptionValue, Options};
pub(crate) use stop::Waiting;

mod als;
mod bootstrap;
mod champion;
mod dataset;
mod evaluate;
#[cfg(test)]
mod fixtures;
mod judge;
mod kmeans;
mod leak;
mod learner;
mod logistic;
mod metrics;
mod options;
mod ranking;
pub mod registry;
mod regression_metrics;
mod split;
mod stop;
pub(crate) mod store;
#[cfg(test)]
mod tests;

/// These words are in every refusal whose cause is that the query gave too little to learn from: more rows would cure it.
pub const TOO_FEW_ROWS: &str = "too few rows to train";

/// A parsed `CREATE [OR REPLACE] MODEL name OPTIONS (…) AS SELECT …`.
#[derive(Clone, Debug)]
pub struct CreateModel {
    /// The model's name, without schema and version.
    pub name: String,
    /// Whether an existing model gets a new version instead of an error.
    pub replace: bool,
    /// The options as written; their names in lower case.
    pub options: BTreeMap<String, OptionValue>,
    /// The text of the query after `AS`.
    pub query: String,
    /// The text of the whole statement.
    pub statement: String,
}

/// A model that was just trained, with everything the registry keeps about it.
#[derive(Clone, Debug)]
pub struct Trained {
    /// The model; its version is 0 until the registry gives it one.
    pub model: Model,
    /// The value of option `type`.
    pub kind: &'static str,
    /// The label column, if the model has one.
    pub label: Option<String>,
    /// The label's classes in the model's order; empty without a label.
    pub classes: Vec<String>,
    /// The options in force, defaults included.
    pub options: Options,
    /// How quality was measured.
    pub metrics: Vec<Metric>,
    /// Rows that the query returned.
    pub input_rows: u64,
    /// Rows the final model was fitted on: those without nulls. All that there were, if they were too few.
    pub n_train: u64,
    /// Seconds of training and evaluation.
    pub train_seconds: f64,
    /// What the user should know: dropped rows, suspected leaks, missing convergence.
    pub warnings: Vec<String>,
    /// The query that gave the rows.
    pub query: String,
    /// The whole statement.
    pub statement: String,
}

/// A model that waits for rows.
fn untrained(name: &str, roles: Roles<'_>, schema: &SchemaRef, rows: u64, cause: &str) -> Fitted {
    let features = roles
        .features(schema)
        .map(|(_, field)| field.name().clone());
    Fitted {
        model: Model::new(name, features.collect(), ModelKind::Untrained),
        label: roles.label.map(str::to_owned),
        classes: Vec::new(),
        metrics: Vec::new(),
        n_train: rows,
        warnings: vec![format!("not trained yet, it answers null{cause}")],
    }
}

/// What a family of models hands back to [`train`].
struct Fitted {
    model: Model,
    label: Option<String>,
    classes: Vec<String>,
    metrics: Vec<Metric>,
    n_train: u64,
    warnings: Vec<String>,
}

/// Trains and evaluates a model on the rows of its query.
///
/// This is computation only and may take seconds: run it where blocking is allowed.
///
/// # Errors
/// [`Error::Input`] for options or rows that cannot be used; the message names them.
pub fn train(
    request: &CreateModel,
    schema: &SchemaRef,
    batches: &[RecordBatch],
) -> Result<Trained> {
    let started = Instant::now();
    let name = &request.name;
    let options = Options::parse(name, &request.options, schema)?;
    let input_rows = batches.iter().map(|batch| batch.num_rows() as u64).sum();
    let roles = Roles::of(&options);
    let fitted = match &options {
        Options::Als(options) => als::train(name, options, schema, batches),
        Options::KMeans(options) => kmeans::train(name, options, roles, schema, batches),
        Options::Logistic(options) => {
            evaluate::train(name, Learner::Logistic(options), roles, schema, batches)
        }
        Options::Gbdt(options) => {
            evaluate::train(name, Learner::Boosting(options), roles, schema, batches)
        }
        Options::RandomForest(options) => {
            evaluate::train(name, Learner::Forest(options), roles, schema, batches)
        }
    };
    let fitted = match (fitted, options.allows_untrained()) {
        (Err(Error::Input(message)), true) => match message.split_once(TOO_FEW_ROWS) {
            Some((_, cause)) => untrained(name, roles, schema, input_rows, cause),
            None => return Err(Error::Input(message)),
        },
        (fitted, _) => fitted?,
    };
    Ok(Trained {
        model: Model {
            label: fitted.label.clone(),
            ..fitted.model
        },
        kind: options.kind(),
        label: fitted.label,
        classes: fitted.classes,
        options,
        metrics: fitted.metrics,
        input_rows,
        n_train: fitted.n_train,
        train_seconds: started.elapsed().as_secs_f64(),
        warnings: fitted.warnings,
        query: request.query.clone(),
        statement: request.statement.clone(),
    })
}
