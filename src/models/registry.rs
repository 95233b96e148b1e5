//! The registry of models: what `ml.models`, `ml.metrics` and `ml.aliases` hold, and how to find a model in them.
//!
//! All three tables only grow. A version is one row of `ml.models`, its status `ready`, or `untrained` if it has no
//! parameters; dropping it adds a second row with the status `dropped`. Rows of `ml.metrics` without a row of
//! `ml.models` are of a training that was cut short, and mean nothing. Reading and writing the tables is the lake's
//! business: here are their schemas, the rows to append, and the way back from rows to a [`Model`].

use std::{collections::BTreeMap, sync::Arc};

use arrow::{
    array::{
        ArrayRef, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray,
        TimestampMicrosecondArray,
    },
    datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit},
};
use chrono::{DateTime, Utc};
use moodlake_udfs::{Model, ModelKind};
use serde::Serialize;

use super::Trained;
use crate::error::{Error, Result};

pub(crate) use lookup::CHAMPION;
pub(super) use lookup::estimates;
pub use lookup::{Registry, Version, next_version};

mod lookup;

/// The format of the column `artifact` written here; a reader refuses any other.
pub const FORMAT_VERSION: i32 = 1;
const READY: &str = "ready";
const UNTRAINED: &str = "untrained";
const DROPPED: &str = "dropped";
/// The version of an alias that was dropped.
const NO_VERSION: i64 = 0;

/// The columns of `ml.models`.
#[must_use]
pub fn models_schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        required("model", DataType::Utf8),
        required("version", DataType::Int64),
        required("type", DataType::Utf8),
        required("status", DataType::Utf8),
        required("created_at", timestamp()),
        optional("features", DataType::Utf8),
        optional("label", DataType::Utf8),
        optional("classes", DataType::Utf8),
        optional("options", DataType::Utf8),
        optional("seed", DataType::Int64),
        optional("split", DataType::Utf8),
        optional("input_rows", DataType::Int64),
        optional("n_train", DataType::Int64),
        optional("train_seconds", DataType::Float64),
        optional("warnings", DataType::Utf8),
        optional("training_sql", DataType::Utf8),
        optional("source_versions", DataType::Utf8),
        optional("reads", DataType::Utf8),
        optional("artifact", DataType::Utf8),
        optional("artifact_blake3", DataType::Utf8),
        required("format_version", DataType::Int32),
        optional("statement", DataType::Utf8),
    ]))
}

/// The columns of `ml.metrics`.
#[must_use]
pub fn metrics_schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        required("model", DataType::Utf8),
        required("version", DataType::Int64),
        required("split", DataType::Utf8),
        required("metric", DataType::Utf8),
        required("value", DataType::Float64),
        optional("ci_low", DataType::Float64),
        optional("ci_high", DataType::Float64),
        required("n", DataType::Int64),
    ]))
}

/// The columns of `ml.aliases`; of several rows for one alias the newest holds, and version 0 means that it was dropped.
#[must_use]
pub fn aliases_schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        required("model", DataType::Utf8),
        required("alias", DataType::Utf8),
        required("version", DataType::Int64),
        required("set_at", timestamp()),
    ]))
}

/// Refuses a model that could be written but not read again: numbers beyond those of a double are null in JSON.
///
/// # Errors
/// [`Error::Input`] when it has such numbers.
pub fn check_readable(model: &Model) -> Result<()> {
    match serde_json::from_str::<Model>(&json(model)?) {
        Ok(_) => Ok(()),
        Err(_) => Err(Error::Input(format!(
            "model '{}': its features are too large, their squares exceed 1e308: divide them first",
            model.name
        ))),
    }
}

/// The row of `ml.models` for `trained` as version `version`, made at `created_at` from the given state
/// (`<Delta version>@<table id>`) of each table it read.
///
/// # Errors
/// [`Error::Internal`] when the model cannot be written as JSON.
pub fn row(
    trained: &Trained,
    version: i64,
    created_at: DateTime<Utc>,
    reads: &BTreeMap<String, String>,
) -> Result<RecordBatch> {
    let version_of = |state: &String| {
        state
            .split('@')
            .next()
            .and_then(|version| version.parse().ok())
    };
    let source_versions: BTreeMap<&String, i64> = reads
        .iter()
        .filter_map(|(table, state)| Some((table, version_of(state)?)))
        .collect();
    let status = match trained.model.kind {
        ModelKind::Untrained => UNTRAINED,
        ModelKind::KMeans(_) | ModelKind::Logistic(_) | ModelKind::Trees(_) | ModelKind::Als(_) => {
            READY
        }
    };
    let artifact = artifact(&trained.model)?;
    let checksum = checksum(&artifact);
    let columns = vec![
        text(&trained.model.name),
        number(version),
        text(trained.kind),
        text(status),
        instant(created_at),
        text(&json(&trained.model.features)?),
        maybe_text(trained.label.as_deref()),
        text(&json(&trained.classes)?),
        text(&json(&trained.options)?),
        number(i64::try_from(trained.options.seed()).unwrap_or(i64::MAX)),
        text(trained.options.split().name()),
        number(i64::try_from(trained.input_rows).unwrap_or(i64::MAX)),
        number(i64::try_from(trained.n_train).unwrap_or(i64::MAX)),
        Arc::new(Float64Array::from(vec![trained.train_seconds])),
        text(&json(&trained.warnings)?),
        text(&trained.query),
        text(&json(&source_versions)?),
        text(&json(reads)?),
        text(&artifact),
        text(&checksum),
        Arc::new(Int32Array::from(vec![FORMAT_VERSION])),
        text(&trained.statement),
    ];
    Ok(RecordBatch::try_new(models_schema(), columns)?)
}

/// The rows of `ml.metrics` for `trained` as version `version`.
///
/// # Errors
/// [`Error::Arrow`] when the columns do not fit together.
pub fn metric_rows(trained: &Trained, version: i64) -> Result<RecordBatch> {
    let metrics = &trained.metrics;
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from(vec![
            trained.model.name.as_str();
            metrics.len()
        ])),
        Arc::new(Int64Array::from(vec![version; metrics.len()])),
        Arc::new(
            metrics
                .iter()
                .map(|metric| Some(metric.split))
                .collect::<StringArray>(),
        ),
        Arc::new(
            metrics
                .iter()
                .map(|metric| Some(metric.metric))
                .collect::<StringArray>(),
        ),
        Arc::new(
            metrics
                .iter()
                .map(|metric| metric.value)
                .collect::<Float64Array>(),
        ),
        Arc::new(
            metrics
                .iter()
                .map(|metric| metric.ci_low)
                .collect::<Float64Array>(),
        ),
        Arc::new(
            metrics
                .iter()
                .map(|metric| metric.ci_high)
                .collect::<Float64Array>(),
        ),
        Arc::new(
            metrics
                .iter()
                .map(|metric| i64::try_from(metric.n).ok())
                .collect::<Int64Array>(),
        ),
    ];
    Ok(RecordBatch::try_new(metrics_schema(), columns)?)
}

fn dropped_row(
    version: &Version,
    dropped_at: DateTime<Utc>,
    statement: &str,
) -> Result<RecordBatch> {
    let schema = models_schema();
    let column = |field: &Arc<Field>| -> ArrayRef {
        match field.name().as_str() {
            "model" => text(&version.model),
            "version" => number(version.version),
            "type" => text(&version.kind),
            "status" => text(DROPPED),
            "created_at" => instant(dropped_at),
            "format_version" => Arc::new(Int32Array::from(vec![FORMAT_VERSION])),
            "statement" => text(statement),
            _ => arrow::array::new_null_array(field.data_type(), 1),
        }
    };
    let columns = schema.fields().iter().map(column).collect();
    Ok(RecordBatch::try_new(schema, columns)?)
}

/// What the column `artifact` holds: the model without its name and number, so that the same rows, options and seed give
/// the same text, and the same checksum, whenever and as whatever version they are trained.
fn artifact(model: &Model) -> Result<String> {
    json(&Model {
        name: String::new(),
        version: 0,
        ..model.clone()
    })
}

/// The checksum that the registry would keep of a model.
///
/// # Errors
/// [`Error::Internal`] when the model cannot be written as JSON.
pub(crate) fn checksum_of(model: &Model) -> Result<String> {
    Ok(checksum(&artifact(model)?))
}

/// The row of `ml.aliases` that makes `alias` of `model` mean `version` from now on; nothing any more for none.
///
/// # Errors
/// [`Error::Arrow`] when the columns do not fit together.
pub(crate) fn alias_row(
    model: &str,
    alias: &str,
    version: Option<i64>,
    set_at: DateTime<Utc>,
) -> Result<RecordBatch> {
    let columns = vec![
        text(model),
        text(alias),
        number(version.unwrap_or(NO_VERSION)),
        instant(set_at),
    ];
    Ok(RecordBatch::try_new(aliases_schema(), columns)?)
}

fn checksum(artifact: &str) -> String {
    blake3::hash(artifact.as_bytes()).to_hex().to_string()
}

pub(super) fn json(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|error| Error::Internal(format!("model as JSON: {error}")))
}

fn timestamp() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

fn required(name: &str, kind: DataType) -> Field {
    Field::new(name, kind, false)
}

fn optional(name: &str, kind: DataType) -> Field {
    Field::new(name, kind, true)
}

fn text(value: &str) -> ArrayRef {
    maybe_text(Some(value))
}

fn maybe_text(value: Option<&str>) -> ArrayRef {
    Arc::new(StringArray::from(vec![value]))
}

fn number(value: i64) -> ArrayRef {
    Arc::new(Int64Array::from(vec![value]))
}

fn instant(at: DateTime<Utc>) -> ArrayRef {
    Arc::new(TimestampMicrosecondArray::from(vec![at.timestamp_micros()]).with_timezone("UTC"))
}
