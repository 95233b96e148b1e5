//! From a name to a version, and from a version to its model.
//!
//! `mood` means the version that the alias `champion` points to, if there is one that was not dropped, else the latest
//! version that was not dropped; `mood@7` means that version; `mood@champion` what that alias points to.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use arrow::{
    array::{Array, AsArray, RecordBatch},
    compute::cast,
    datatypes::{DataType, Int64Type},
};
use chrono::{DateTime, Utc};
use moodlake_udfs::Model;

use super::{DROPPED, FORMAT_VERSION, checksum, dropped_row, models_schema};
use crate::error::{Error, Result};

const CHAMPION: &str = "champion";

/// A version that was not dropped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Live {
    /// The model's name.
    pub model: String,
    /// Its version.
    pub version: i64,
    /// `kmeans` or `logistic`.
    pub kind: String,
}

/// The model that `wanted` means, from the rows of `ml.models` and `ml.aliases`.
///
/// # Errors
/// [`Error::NotFound`] when there is none; [`Error::Unsupported`] for a format of another Moodlake; [`Error::Lake`] for a
/// damaged artifact.
pub fn load(models: &[RecordBatch], aliases: &[RecordBatch], wanted: &str) -> Result<Arc<Model>> {
    let live = resolve(models, aliases, wanted)?;
    let found = Row::read(models)?
        .into_iter()
        .find(|row| row.is_live(&live));
    let row = found
        .ok_or_else(|| Error::Internal(format!("model '{wanted}' was resolved but has no row")))?;
    let described = format!("model '{}@{}'", live.model, live.version);
    if row.format_version != i64::from(FORMAT_VERSION) {
        return Err(Error::Unsupported(format!(
            "{described} has format {}, this Moodlake reads format {FORMAT_VERSION}: train it again",
            row.format_version
        )));
    }
    if row.checksum != checksum(&row.artifact) {
        return Err(Error::Lake(format!(
            "{described} is damaged: its artifact does not match its checksum"
        )));
    }
    let model: Model = serde_json::from_str(&row.artifact)
        .map_err(|error| Error::Lake(format!("{described} cannot be read: {error}")))?;
    model.validate()?;
    Ok(Arc::new(model))
}

/// The version that `wanted` means.
///
/// # Errors
/// [`Error::NotFound`] when there is no such model, version or alias, or it was dropped.
pub fn resolve(models: &[RecordBatch], aliases: &[RecordBatch], wanted: &str) -> Result<Live> {
    let (name, selector) = match wanted.split_once('@') {
        Some((name, selector)) => (name, Some(selector)),
        None => (wanted, None),
    };
    let versions = live_versions(models, name)?;
    let Some((&latest, _)) = versions.last_key_value() else {
        return Err(Error::NotFound(format!(
            "no model '{name}': make one with CREATE MODEL {name} OPTIONS (type = 'kmeans' or 'logistic', …) AS SELECT …"
        )));
    };
    let version = match selector {
        None => alias_version(aliases, name, CHAMPION)?
            .filter(|version| versions.contains_key(version))
            .unwrap_or(latest),
        Some(selector) => match selector.parse() {
            Ok(version) => version,
            Err(_) => alias_version(aliases, name, selector)?.ok_or_else(|| {
                Error::NotFound(format!(
                    "model '{name}' has no alias '{selector}', its latest version is {latest}"
                ))
            })?,
        },
    };
    match versions.get(&version) {
        Some(kind) => Ok(Live {
            model: name.to_owned(),
            version,
            kind: kind.clone(),
        }),
        None => Err(Error::NotFound(format!(
            "model '{name}' has no version {version}, its latest is {latest}"
        ))),
    }
}

/// Every version that was not dropped, by name and version.
///
/// # Errors
/// [`Error::Lake`] when the rows are not those of the registry.
pub fn live(models: &[RecordBatch]) -> Result<Vec<Live>> {
    let names: BTreeSet<String> = Row::read(models)?
        .into_iter()
        .map(|row| row.model)
        .collect();
    let mut live = Vec::new();
    for model in names {
        for (version, kind) in live_versions(models, &model)? {
            live.push(Live {
                model: model.clone(),
                version,
                kind,
            });
        }
    }
    Ok(live)
}

/// The number of the next version of `name`: versions that were dropped are not used again.
///
/// # Errors
/// [`Error::Exists`] when the model exists and is not to be replaced.
pub fn next_version(models: &[RecordBatch], name: &str, replace: bool) -> Result<i64> {
    if !replace && !live_versions(models, name)?.is_empty() {
        return Err(Error::Exists(format!(
            "model '{name}' exists already, CREATE OR REPLACE MODEL adds a version"
        )));
    }
    let versions = Row::read(models)?
        .into_iter()
        .filter(|row| row.model == name)
        .map(|row| row.version);
    Ok(versions.max().unwrap_or(0) + 1)
}

/// The rows of `ml.models` that drop `wanted`: every version of `mood`, one of `mood@7` or `mood@champion`.
///
/// # Errors
/// [`Error::NotFound`] when there is nothing to drop.
pub fn drop_rows(
    models: &[RecordBatch],
    aliases: &[RecordBatch],
    wanted: &str,
    dropped_at: DateTime<Utc>,
    statement: &str,
) -> Result<RecordBatch> {
    let live = resolve(models, aliases, wanted)?;
    let dropped = if wanted.contains('@') {
        BTreeMap::from([(live.version, live.kind)])
    } else {
        live_versions(models, &live.model)?
    };
    let row = |(version, kind): (&i64, &String)| {
        dropped_row((&live.model, *version), kind, dropped_at, statement)
    };
    let rows: Vec<RecordBatch> = dropped.iter().map(row).collect::<Result<_>>()?;
    Ok(arrow::compute::concat_batches(&models_schema(), &rows)?)
}

/// The versions of `name` that were not dropped, and their types.
fn live_versions(models: &[RecordBatch], name: &str) -> Result<BTreeMap<i64, String>> {
    let mut versions = BTreeMap::new();
    let rows = Row::read(models)?;
    for row in rows
        .iter()
        .filter(|row| row.model == name && row.status != DROPPED)
    {
        versions.insert(row.version, row.kind.clone());
    }
    for row in rows
        .iter()
        .filter(|row| row.model == name && row.status == DROPPED)
    {
        versions.remove(&row.version);
    }
    Ok(versions)
}

/// What `alias` of `name` points to: its newest row counts.
fn alias_version(aliases: &[RecordBatch], name: &str, alias: &str) -> Result<Option<i64>> {
    let mut newest: Option<(i64, i64)> = None;
    for batch in aliases {
        let (models, names) = (texts(batch, "model")?, texts(batch, "alias")?);
        let (versions, set_at) = (numbers(batch, "version")?, numbers(batch, "set_at")?);
        for row in (0..batch.num_rows()).filter(|&row| models[row] == name && names[row] == alias) {
            newest = newest.max(Some((set_at[row], versions[row])));
        }
    }
    Ok(newest.map(|(_, version)| version))
}

/// One row of `ml.models`, as far as it is needed here.
struct Row {
    model: String,
    version: i64,
    kind: String,
    status: String,
    artifact: String,
    checksum: String,
    format_version: i64,
}

impl Row {
    fn read(models: &[RecordBatch]) -> Result<Vec<Self>> {
        let mut rows = Vec::new();
        for batch in models {
            let (model, kind, status) = (
                texts(batch, "model")?,
                texts(batch, "type")?,
                texts(batch, "status")?,
            );
            let (artifact, checksum) =
                (texts(batch, "artifact")?, texts(batch, "artifact_blake3")?);
            let (version, format_version) = (
                numbers(batch, "version")?,
                numbers(batch, "format_version")?,
            );
            rows.extend((0..batch.num_rows()).map(|row| Self {
                model: model[row].clone(),
                version: version[row],
                kind: kind[row].clone(),
                status: status[row].clone(),
                artifact: artifact[row].clone(),
                checksum: checksum[row].clone(),
                format_version: format_version[row],
            }));
        }
        Ok(rows)
    }

    fn is_live(&self, live: &Live) -> bool {
        self.model == live.model && self.version == live.version && self.status != DROPPED
    }
}

/// A text column, whatever Arrow type of text it has; null as empty.
fn texts(batch: &RecordBatch, name: &str) -> Result<Vec<String>> {
    let column = cast(column(batch, name)?, &DataType::Utf8)?;
    Ok(column
        .as_string::<i32>()
        .iter()
        .map(|value| value.unwrap_or_default().to_owned())
        .collect())
}

fn numbers(batch: &RecordBatch, name: &str) -> Result<Vec<i64>> {
    let column = cast(column(batch, name)?, &DataType::Int64)?;
    Ok(column
        .as_primitive::<Int64Type>()
        .iter()
        .map(Option::unwrap_or_default)
        .collect())
}

fn column<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a dyn Array> {
    let column = batch.column_by_name(name).map(AsRef::as_ref);
    column.ok_or_else(|| Error::Lake(format!("the registry of models has no column '{name}'")))
}

#[cfg(test)]
mod tests {
    use super::super::super::tests::trained;
    use super::super::{alias_row, row};
    use super::*;

    fn version(number: i64) -> RecordBatch {
        row(&trained(), number, DateTime::UNIX_EPOCH, &BTreeMap::new()).unwrap()
    }

    fn champion(version: i64, seconds: i64) -> RecordBatch {
        alias_row(
            "mood",
            "champion",
            version,
            DateTime::from_timestamp(seconds, 0).unwrap(),
        )
        .unwrap()
    }

    fn resolved(models: &[RecordBatch], aliases: &[RecordBatch], wanted: &str) -> Result<i64> {
        resolve(models, aliases, wanted).map(|live| live.version)
    }

    #[test]
    fn a_name_means_the_champion_or_else_the_latest() {
        let models = [version(1), version(2), version(3)];
        assert_eq!(resolved(&models, &[], "mood").unwrap(), 3);
        assert_eq!(resolved(&models, &[], "mood@1").unwrap(), 1);
        let aliases = [champion(2, 20), champion(1, 10)];
        assert_eq!(resolved(&models, &aliases, "mood").unwrap(), 2);
        assert_eq!(resolved(&models, &aliases, "mood@champion").unwrap(), 2);
        assert_eq!(resolved(&models, &aliases, "mood@3").unwrap(), 3);
    }

    #[test]
    fn what_was_written_is_read_back() {
        let models = [version(1), version(2)];
        let model = load(&models, &[], "mood@2").unwrap();
        assert_eq!((model.name.as_str(), model.version), ("mood", 2));
        assert_eq!(model.features, trained().model.features);
    }

    #[test]
    fn what_was_dropped_is_gone_and_its_number_is_not_used_again() {
        let mut models = vec![version(1), version(2)];
        let drop = |models: &[RecordBatch], wanted: &str| {
            drop_rows(
                models,
                &[champion(2, 1)],
                wanted,
                DateTime::UNIX_EPOCH,
                "drop",
            )
            .unwrap()
        };
        models.push(drop(&models, "mood@champion"));
        assert_eq!(resolved(&models, &[champion(2, 1)], "mood").unwrap(), 1);
        let error = resolved(&models, &[], "mood@2").unwrap_err().to_string();
        assert_eq!(error, "model 'mood' has no version 2, its latest is 1");
        assert!(matches!(
            next_version(&models, "mood", false),
            Err(Error::Exists(_))
        ));
        models.push(drop(&models, "mood"));
        assert!(matches!(
            resolved(&models, &[], "mood"),
            Err(Error::NotFound(_))
        ));
        assert!(live(&models).unwrap().is_empty());
        assert_eq!(next_version(&models, "mood", false).unwrap(), 3);
    }

    #[test]
    fn a_foreign_format_and_a_damaged_artifact_are_refused() {
        let replaced = |name: &str, column: arrow::array::ArrayRef| {
            let (schema, mut columns, _) = version(1).into_parts();
            columns[schema.index_of(name).unwrap()] = column;
            RecordBatch::try_new(schema, columns).unwrap()
        };
        let foreign = replaced(
            "format_version",
            Arc::new(arrow::array::Int32Array::from(vec![99])),
        );
        let error = load(&[foreign], &[], "mood").unwrap_err().to_string();
        assert_eq!(
            error,
            "model 'mood@1' has format 99, this Moodlake reads format 1: train it again"
        );
        let damaged = replaced("artifact", super::super::text("{}"));
        let error = load(&[damaged], &[], "mood").unwrap_err().to_string();
        assert_eq!(
            error,
            "model 'mood@1' is damaged: its artifact does not match its checksum"
        );
    }
}
